/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/db-internal.h"
#include "db/state-store.h"
#include "db/workload-store.h"
#include "model/event.h"

/* What runners bring while they run. The lease is checked in the transaction that stores it: an old
 * runner can't slip in between. Neither renews the lease: that a runner lives is for its heartbeats to
 * say. */

int workload_store_merge_state(Db *db, const char *id, int64_t epoch, const char *states, size_t n,
                               usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = workload_store_check_lease(db, id, epoch, reterr_error);
        if (r < 0)
                return r;
        r = db_get_one(db, SQL_WORKLOAD_HEAD, BINDS(B_TEXT("id", id)), &workload_model, &w, id,
                       reterr_error);
        if (r < 0)
                return r;
        if (!w->connection_id)
                return error_set(reterr_error, -EINVAL,
                                 "Workload '%s' belongs to no connection and has no state", id);
        r = state_store_merge(db, w->connection_id, states, n, now, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

int workload_store_set_stats(Db *db, const char *id, int64_t epoch, const char *stats, usec_t now,
                             Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = workload_store_check_lease(db, id, epoch, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_WORKLOAD_PUT_TEXT, NULL, NULL,
                      BINDS(B_TEXT("id", id), B_TEXT("kind", "stats"), B_TEXT("content", stats)),
                      CHANGE_WORKLOAD, id, now, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}
