/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/backfill-store.h"
#include "db/db-internal.h"

#define B_STREAM(connection_id_, s_)                                             \
        B_TEXT("connection_id", connection_id_), B_TEXT("stream_name", (s_)->stream_name), \
                B_TEXT("stream_namespace", strempty((s_)->stream_namespace))

static int run(Db *db, SqlId id, const Bind *binds, Error **reterr_error) {
        return MIN(db_run(db, id, NULL, NULL, binds, reterr_error), 0);
}

int backfill_store_list(Db *db, const char *connection_id, BackfillArray *ret, Error **reterr_error) {
        int r;

        r = db_list_whole(db, SQL_BACKFILL_LIST, BINDS(B_TEXT("connection_id", connection_id)),
                          &backfill_model, ret, reterr_error);
        for (size_t i = 0; r >= 0 && i < ret->n; i++)
                no_namespace(&ret->items[i]->stream_namespace);
        return r;
}

int backfill_store_owe(Db *db, const char *connection_id, const StreamRef *stream, bool forced, usec_t now,
                       Error **reterr_error) {
        return run(db, SQL_BACKFILL_OWE,
                   BINDS(B_STREAM(connection_id, stream), B_I64("forced", forced), B_I64("now", now)), reterr_error);
}

int backfill_store_begin(Db *db, const char *connection_id, const StreamRef *stream, usec_t since,
                         Error **reterr_error) {
        return run(db, SQL_BACKFILL_BEGIN, BINDS(B_STREAM(connection_id, stream), B_I64("since", since)),
                   reterr_error);
}

int backfill_store_forget(Db *db, const char *connection_id, const StreamRef *stream, usec_t since,
                          Error **reterr_error) {
        return run(db, SQL_BACKFILL_FORGET, BINDS(B_STREAM(connection_id, stream), B_I64("since", since)),
                   reterr_error);
}

int backfill_store_forget_all(Db *db, const char *connection_id, Error **reterr_error) {
        return run(db, SQL_BACKFILL_FORGET_ALL, BINDS(B_TEXT("connection_id", connection_id)), reterr_error);
}
