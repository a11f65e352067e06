/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The definitions that come with Gantry: DATA/definitions.d/NAME.json, with the specifications of native
 * connectors in DATA/specs. Whoever is made of one keeps the version that it was made with (T79). */

#include "basic/buffer.h"
#include "db/db.h"

typedef struct Seeded {
        unsigned definitions; /* that were read */
        unsigned changed;     /* that were not in the database, or said something else */
        Buffer changes;       /* those, for people: "Faker (Airbyte) 7.2.1 -> 7.2.2, Tiny 1.0 (new)" */
} Seeded;

void seeded_done(Seeded *s);
#define _cleanup_seeded_ _cleanup_(seeded_done)

/* All or none: a broken file is -EINVAL with its name. A directory that is missing has no definitions. */
int definition_seed_directory(Db *db, const char *data, usec_t now, Seeded *ret, Error **reterr_error);
