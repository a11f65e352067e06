/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a step needs and takes long to make, so that the database shall not wait for it: made between two
 * tries of a run, outside of its transaction. */

#include "db/db.h"

typedef struct PreparationKind {
        /* Of `input` alone and of what in the database never changes (catalogs by their hash). */
        int (*make)(Db *db, const void *input, void **ret, Error **reterr_error);
        void (*free_input)(void *input);
        void (*free_value)(void *value);
} PreparationKind;

typedef struct Preparation Preparation;
typedef struct Preparations {
        Preparation *first;
} Preparations;

/* In a step. `key` names all of the input's content, which is taken over. 0 and the value, borrowed until
 * the run is over; -ERESTART, which the step returns: it is made when the run has been undone, and the run
 * comes again; otherwise what `make` has said. Should the input have changed by then, it is another key, and
 * is made anew. */
int preparations_get(Preparations *p, const PreparationKind *kind, const char *key, void *input,
                     const void **ret, Error **reterr_error);
/* Makes what was asked for. */
void preparations_make(Preparations *p, Db *db);
/* The run is over. */
void preparations_clear(Preparations *p);
