/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What has changed, in the order of the commits. The stores append by themselves; D-Bus signals and
 * server-sent events carry the seq. Appended to by all writers. */

#include "db/db.h"
#include "model/event.h"

/* Appends one; `ret_seq` may be NULL. Its seq is good once the transaction is committed. */
int change_append(Db *db, ChangeKind kind, const char *id, usec_t now, int64_t *ret_seq,
                  Error **reterr_error);
/* Up to `limit` behind `since`. -ESTALE: some of those have been pruned, so that the caller has to read
 * all anew. */
int change_list(Db *db, int64_t since, size_t limit, ChangeArray *ret, Error **reterr_error);
/* The last seq there is; 0: none yet. */
int change_last(Db *db, int64_t *ret, Error **reterr_error);
/* Deletes up to `limit` older than `before`, but never the last one; returns how many. */
int change_prune(Db *db, usec_t before, size_t limit, Error **reterr_error);
