/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What retention (src/cron) may delete, asked in pages and deleted a little at a time, so that the write
 * lock is never held long. Whether something may go is asked again in the statement or the transaction
 * that deletes it: between the list and the deletion somebody may have begun to need it. */

#include "basic/strv.h"
#include "db/db-internal.h"
#include "db/prune-store.h"

int prune_list_jobs(Db *db, usec_t before, const PruneCursor *after, size_t limit, JobArray *ret,
                    Error **reterr_error) {
        return db_list_whole(db, SQL_PRUNE_LIST_JOBS,
                             BINDS(B_I64("before", before), B_I64("at", after->at), B_I64("id", after->number),
                                   B_I64("limit", limit)),
                             &job_model, ret, reterr_error);
}

int prune_list_surplus_jobs(Db *db, const char *connection_id, size_t keep, const PruneCursor *after,
                            size_t limit, JobArray *ret, Error **reterr_error) {
        /* The oldest that stays is the `keep`-th. */
        return db_list_whole(db, SQL_PRUNE_LIST_SURPLUS_JOBS,
                             BINDS(B_TEXT("connection_id", connection_id), B_I64("keep", MAX(keep, 1U) - 1),
                                   B_I64("id", after->number), B_I64("limit", limit)),
                             &job_model, ret, reterr_error);
}

int prune_next_connection(Db *db, const char *after, char **ret, Error **reterr_error) {
        return db_get_text(db, SQL_PRUNE_NEXT_CONNECTION, BINDS(B_TEXT("after", after)), ret, reterr_error);
}

int prune_job(Db *db, int64_t id, size_t max_rows, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int64_t expendable;
        int r, n;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get_i64(db, SQL_PRUNE_JOB_EXPENDABLE, BINDS(B_I64("id", id)), &expendable, reterr_error);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        /* The rows that can be many go first and by themselves; attempts are few. */
        n = db_run(db, SQL_PRUNE_STREAM_STATS, NULL, NULL, BINDS(B_I64("id", id), B_I64("limit", max_rows)),
                   reterr_error);
        if (n < 0)
                return n;
        if ((size_t) n < max_rows) {
                r = db_run(db, SQL_PRUNE_JOB, NULL, NULL, BINDS(B_I64("id", id)), reterr_error);
                if (r < 0)
                        return r;
        }
        r = db_commit(&transaction, reterr_error);
        return r < 0 ? r : (size_t) n < max_rows ? 1 : 2;
}

static int list_by_age(Db *db, SqlId query, usec_t before, const PruneCursor *after, size_t limit,
                       CatalogFetchArray *ret, Error **reterr_error) {
        return db_list_whole(db, query,
                             BINDS(B_I64("before", before), B_I64("at", after->at),
                                   B_TEXT("id", strempty(after->id)), B_I64("limit", limit)),
                             &catalog_fetch_model, ret, reterr_error);
}

int prune_list_fetches(Db *db, usec_t before, const PruneCursor *after, size_t limit, CatalogFetchArray *ret,
                       Error **reterr_error) {
        return list_by_age(db, SQL_PRUNE_LIST_FETCHES, before, after, limit, ret, reterr_error);
}

int prune_list_catalogs(Db *db, usec_t before, const PruneCursor *after, size_t limit, CatalogFetchArray *ret,
                        Error **reterr_error) {
        return list_by_age(db, SQL_PRUNE_LIST_CATALOGS, before, after, limit, ret, reterr_error);
}

int prune_fetch(Db *db, const char *id, Error **reterr_error) {
        return db_run(db, SQL_PRUNE_FETCH, NULL, NULL, BINDS(B_TEXT("id", id)), reterr_error);
}

int prune_catalog(Db *db, const char *hash, Error **reterr_error) {
        return db_run(db, SQL_PRUNE_CATALOG, NULL, NULL, BINDS(B_TEXT("id", hash)), reterr_error);
}

int prune_get_job(Db *db, int64_t id, Job **ret, Error **reterr_error) {
        return db_get(db, SQL_PRUNE_JOB_END, BINDS(B_I64("id", id)), &job_model, ret, reterr_error);
}

int prune_get_workload(Db *db, const char *auto_id, Workload **ret, Error **reterr_error) {
        return db_get(db, SQL_PRUNE_WORKLOAD_END, BINDS(B_TEXT("auto_id", auto_id)), &workload_model, ret,
                      reterr_error);
}
