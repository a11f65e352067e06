/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A workflow is its history; the row beside it is what must be found without reading one: open or not,
 * what it waits for, when it wakes. Both are written in one transaction.
 *
 * Appending names the event that was the last one when the workflow decided. The update of the row is
 * conditional on it, so of two that decide on the same history one gets -ESTALE and decides again: that
 * is the whole concurrency control. A restart begins a new run with an empty history, which bounds what a
 * connection's endless workflow has to replay. */

#include "db/change-store.h"
#include "db/db-internal.h"
#include "db/workflow-store.h"

int workflow_store_create(Db *db, const Workflow *w, usec_t now, Error **reterr_error) {
        return db_change(db, SQL_WORKFLOW_INSERT, &workflow_model, w, BINDS(B_I64("now", now)),
                         CHANGE_WORKFLOW, w->id, now, reterr_error);
}

int workflow_store_get(Db *db, const char *id, Workflow **ret, Error **reterr_error) {
        return db_get_one(db, SQL_WORKFLOW_GET, BINDS(B_TEXT("id", id)), &workflow_model, ret, id,
                          reterr_error);
}

int workflow_store_get_open(Db *db, WorkflowType type, const char *connection_id, Workflow **ret,
                            Error **reterr_error) {
        const char *name = workflow_type_to_string(type);
        int r;

        r = db_get(db, SQL_WORKFLOW_GET_OPEN,
                   BINDS(B_TEXT("type", name), B_TEXT("connection_id", connection_id)), &workflow_model, ret,
                   reterr_error);
        if (r == -ENOENT)
                return error_set(reterr_error, r, "Connection '%s' has no open %s workflow", connection_id,
                                 name);
        return r;
}

int workflow_store_get_by_workload(Db *db, const char *workload_id, Workflow **ret, Error **reterr_error) {
        int r;

        r = db_get(db, SQL_WORKFLOW_GET_BY_WORKLOAD, BINDS(B_TEXT("workload_id", workload_id)),
                   &workflow_model, ret, reterr_error);
        return r == -ENOENT ? error_set(reterr_error, r, "No workflow waits for workload '%s'", workload_id)
                            : r;
}

int workflow_store_list_open(Db *db, const ListOptions *options, WorkflowArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_WORKFLOW_LIST_OPEN, BINDS(B_PAGE(options)), &workflow_model, ret,
                             reterr_error);
}

int workflow_store_list(Db *db, const WorkflowFilter *filter, const ListOptions *options, WorkflowArray *ret,
                        Error **reterr_error) {
        const char *type = (int) filter->type < 0 ? NULL : workflow_type_to_string(filter->type);
        const char *status = (int) filter->status < 0 ? NULL : workflow_status_to_string(filter->status);

        return db_list_whole(db, filter->status == WORKFLOW_OPEN ? SQL_WORKFLOW_PAGE_OPEN : SQL_WORKFLOW_PAGE_ENDED,
                             BINDS(B_PAGE(options), B_TEXT("type", type), B_TEXT("status", status),
                                   B_TEXT("connection_id", filter->connection_id)),
                             &workflow_model, ret, reterr_error);
}

int workflow_store_next_wake(Db *db, usec_t *ret, Error **reterr_error) {
        int64_t t = 0;
        int r;

        r = db_get_i64(db, SQL_WORKFLOW_NEXT_WAKE, NULL, &t, reterr_error);
        if (r < 0 && r != -ENOENT)
                return r;
        *ret = (usec_t) t;
        return 0;
}

static int insert_event(Db *db, const Workflow *w, int64_t run_seq, int64_t seq, const WorkflowEvent *e,
                        usec_t now, Error **reterr_error) {
        return db_run(db, SQL_WORKFLOW_EVENT_INSERT, NULL, NULL,
                      BINDS(B_TEXT("workflow_id", w->id), B_I64("run_seq", run_seq), B_I64("seq", seq),
                            B_TEXT("type", e->type), B_I64("at", now), B_TEXT("payload", e->payload)),
                      reterr_error);
}

int workflow_store_append(Db *db, const Workflow *w, int64_t last, const WorkflowEvent *events, size_t n,
                          usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int64_t run_seq;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_WORKFLOW_MOVE, &workflow_model, w,
                      BINDS(B_I64("n", n), B_I64("last", last), B_I64("now", now)), CHANGE_WORKFLOW, w->id,
                      now, reterr_error);
        if (r == 0)
                return error_set(reterr_error, -ESTALE, "Workflow '%s' is not open, or not at event %lld",
                                 w->id, (long long) last);
        if (r < 0)
                return r;
        r = db_get_i64(db, SQL_WORKFLOW_RUN, BINDS(B_TEXT("id", w->id)), &run_seq, reterr_error);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = insert_event(db, w, run_seq, last + 1 + (int64_t) i, &events[i], now, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

int workflow_store_history(Db *db, const char *id, WorkflowEventArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_WORKFLOW_HISTORY, BINDS(B_TEXT("id", id)), &workflow_event_model, ret,
                             reterr_error);
}

int workflow_store_finish(Db *db, const char *id, WorkflowStatus status, const char *result, usec_t now,
                          Error **reterr_error) {
        _cleanup_(workflow_freep) Workflow *stored = NULL;
        int r;

        r = db_change(db, SQL_WORKFLOW_FINISH, NULL, NULL,
                      BINDS(B_TEXT("id", id), B_TEXT("status", workflow_status_to_string(status)),
                            B_TEXT("result", result), B_I64("now", now)),
                      CHANGE_WORKFLOW, id, now, reterr_error);
        return r == 0 ? workflow_store_get(db, id, &stored, reterr_error) : r;
}

int workflow_store_restart(Db *db, const char *id, const char *input, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_WORKFLOW_RESTART, NULL, NULL,
                      BINDS(B_TEXT("id", id), B_TEXT("input", input), B_I64("now", now)), CHANGE_WORKFLOW,
                      id, now, reterr_error);
        if (r == 0)
                return error_set(reterr_error, -ESTALE, "Workflow '%s' is not open", id);
        if (r < 0)
                return r;
        r = db_run(db, SQL_WORKFLOW_FORGET, NULL, NULL, BINDS(B_TEXT("id", id)), reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

int workflow_store_prune(Db *db, usec_t before, size_t limit, Error **reterr_error) {
        return db_run(db, SQL_WORKFLOW_PRUNE, NULL, NULL,
                      BINDS(B_I64("before", before), B_I64("limit", limit)), reterr_error);
}
