/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which streams of a connection are to be read from their beginning, since they have got fields, or since they
 * have left the connection (forced). Owed in the transaction that changes the connection, by gantry-workflow
 * or gantry-server; settled by gantry-workflow when a sync has read the stream, or has dropped the state of one
 * that is not moved any more. */

#include "db/db.h"
#include "model/catalog-fetch.h"

int backfill_store_list(Db *db, const char *connection_id, BackfillArray *ret, Error **reterr_error);
/* From now on it is owed, also where one has begun: what was read so far doesn't count. What is forced stays
 * so. */
int backfill_store_owe(Db *db, const char *connection_id, const StreamRef *stream, bool forced, usec_t now,
                       Error **reterr_error);
/* `since`: the row's created_at when it was looked at; one that has been owed anew since then stays as it is.
 * No error where nothing is owed, in both. begin: its state has gone, what is read from now on belongs to
 * it. */
int backfill_store_begin(Db *db, const char *connection_id, const StreamRef *stream, usec_t since,
                         Error **reterr_error);
int backfill_store_forget(Db *db, const char *connection_id, const StreamRef *stream, usec_t since,
                          Error **reterr_error);
/* Somebody has set the states by hand: these are meant. */
int backfill_store_forget_all(Db *db, const char *connection_id, Error **reterr_error);
