/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which streams of a connection are to be read from their beginning, since they have got fields. Written by
 * gantry-workflow: owed with the catalog that brought the fields, in one transaction, and gone when a sync
 * has read the stream. */

#include "db/db.h"
#include "model/catalog-fetch.h"

int backfill_store_list(Db *db, const char *connection_id, BackfillArray *ret, Error **reterr_error);
/* From now on it is owed, also where one has begun: its rows were without what is new. */
int backfill_store_owe(Db *db, const char *connection_id, const StreamRef *stream, usec_t now,
                       Error **reterr_error);
/* Its state has gone: what is read from now on belongs to it. No error where nothing is owed, in both. */
int backfill_store_begin(Db *db, const char *connection_id, const StreamRef *stream, Error **reterr_error);
int backfill_store_forget(Db *db, const char *connection_id, const StreamRef *stream, Error **reterr_error);
