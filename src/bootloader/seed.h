/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The definitions that come with Gantry: DATA/definitions.d/NAME.json, with the specifications of native
 * connectors in DATA/specs. */

#include "db/db.h"

typedef struct Seeded {
        unsigned definitions; /* that were read */
        unsigned changed;     /* that were not in the database, or said something else */
} Seeded;

/* All or none: a broken file is -EINVAL with its name. A directory that is missing has no definitions. */
int seed_definitions(Db *db, const char *data, usec_t now, Seeded *ret, Error **reterr_error);
