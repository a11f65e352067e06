/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One record of each stream. Each writes the data object at `p`, where FAKER_RECORD_MAX bytes are free,
 * and returns its end. `now` is what updated_at says, as text of FAKER_TIME_LENGTH bytes. */

#include "connectors/source-faker/faker-words.h"

#define FAKER_TIME_LENGTH 25U
#define FAKER_PRODUCTS 100U

typedef struct Faker {
        uint64_t seed;
        FakerWords words;
        char now[FAKER_TIME_LENGTH + 1];
} Faker;

/* `index` counts from 0; ids from 1. */
char *faker_put_product(const Faker *f, char *p, uint64_t index);
char *faker_put_user(const Faker *f, char *p, uint64_t index);

/* How many purchases the user at `index` has, and writing the `nth` of them. Ten users in a row have ten
 * purchases, so that ids follow from the user's: of each ten the seventh has none, the ninth has two. */
unsigned faker_count_purchases(uint64_t index);
char *faker_put_purchase(const Faker *f, char *p, uint64_t index, unsigned nth);
