/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a connection's streams stand. Written by gantry-workload. One row for each stream; a GLOBAL state
 * is one row for what is shared and one for each stream's entry. A connection has states of one type:
 * STREAM, GLOBAL or LEGACY; a LEGACY one gives way to the others, any other mixture is refused. The
 * connector's bytes are kept as they came. No namespace and an empty one are the same stream. */

#include "db/db.h"
#include "model/catalog-fetch.h"

#define STATE_SIZE_MAX (20U * 1024 * 1024) /* one state */

/* All states as an array of AirbyteStateMessage, what `read --state` takes; "[]" where there are none. */
int state_store_get(Db *db, const char *connection_id, char **ret, size_t *ret_size, Error **reterr_error);
/* The rows themselves, by namespace and name. */
int state_store_list(Db *db, const char *connection_id, StateRowArray *ret, Error **reterr_error);

/* Replaces all states by those of the array (AirbyteStateMessage…); an empty array removes them. -EINVAL:
 * not such an array, or types are mixed; -E2BIG. */
int state_store_set(Db *db, const char *connection_id, const char *states, size_t n, usec_t now,
                    Error **reterr_error);
/* Stores those of the array and keeps the others. */
int state_store_merge(Db *db, const char *connection_id, const char *states, size_t n, usec_t now,
                      Error **reterr_error);
/* Removes the states of these streams, where there are any; with the last of them a GLOBAL state goes as
 * a whole. */
int state_store_drop(Db *db, const char *connection_id, const StreamRef *streams, size_t n_streams,
                     usec_t now, Error **reterr_error);
