/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/db-internal.h"
#include "db/generation-store.h"

int generation_store_list(Db *db, const char *connection_id, GenerationArray *ret, Error **reterr_error) {
        int r;

        r = db_list_whole(db, SQL_GENERATION_LIST, BINDS(B_TEXT("connection_id", connection_id)),
                          &generation_model, ret, reterr_error);
        for (size_t i = 0; r >= 0 && i < ret->n; i++)
                no_namespace(&ret->items[i]->stream_namespace);
        return r;
}

int generation_store_set(Db *db, const Generation *g, usec_t now, Error **reterr_error) {
        int r;

        r = db_run(db, SQL_GENERATION_SET, NULL, NULL,
                   BINDS(B_TEXT("connection_id", g->connection_id),
                         B_TEXT("stream_namespace", strempty(g->stream_namespace)),
                         B_TEXT("stream_name", g->stream_name), B_I64("generation_id", g->generation_id),
                         B_TIME("job_id", g->job_id), B_I64("refreshing", g->refreshing), B_I64("now", now)),
                   reterr_error);
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "Stream '%s': its generation can't go back to %lld",
                                 g->stream_name, (long long) g->generation_id);
        return r < 0 ? r : 0;
}
