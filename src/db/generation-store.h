/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Generations of streams. Written by gantry-workflow. A stream that has no row is in generation 0. */

#include "db/db.h"
#include "model/catalog-fetch.h"

int generation_store_list(Db *db, const char *connection_id, GenerationArray *ret, Error **reterr_error);
/* Stores what is decided of a stream: its generation, the job and whether a refresh goes on. A number must
 * never be given twice: -EINVAL for one below the stored one. */
int generation_store_set(Db *db, const Generation *g, usec_t now, Error **reterr_error);
