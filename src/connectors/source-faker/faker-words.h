/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The words that records are made of. Names of people, streets, towns and makes are put together from
 * syllables and belong to nobody; the rest are plain facts (languages, states, country codes). */

#include "connectors/source-faker/faker-text.h"

#define FAKER_NAMES 1024U
#define FAKER_OCCUPATIONS_MAX 1024U

typedef struct FakerWords {
        FakerWord first_names[FAKER_NAMES]; /* "Talina" */
        FakerWord mailboxes[FAKER_NAMES];   /* "talina" */
        FakerWord streets[FAKER_NAMES];     /* "Borwick" */
        FakerWord cities[FAKER_NAMES];      /* "New Hallstead" */
        FakerWord occupations[FAKER_OCCUPATIONS_MAX];
        uint32_t n_occupations;
} FakerWords;

/* The same in every run. */
void faker_words_init(FakerWords *w);

/* A word made of syllables, for the few that are made while records are. `n_syllables` at most 4. */
void faker_make_word(FakerRandom *r, unsigned n_syllables, FakerWord *ret);

typedef struct FakerTable {
        const FakerWord *words;
        uint32_t n;
} FakerTable;

extern const FakerTable faker_titles, faker_genders, faker_languages, faker_degrees, faker_nationalities,
        faker_blood_types, faker_states, faker_countries, faker_mail_domains;

static inline char *faker_put_any(char *p, FakerTable t, FakerRandom *r) {
        return faker_put_word(p, t.words + faker_below(r, t.n));
}
