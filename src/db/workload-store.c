/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The queue. A workload is in it from its creation until somebody claims it:
 *
 *     pending ──> claimed ──> launched ──> running ──> success, failure
 *        └───────────┴────────────┴───────────┴──────> cancelled, or failure by its deadline
 *
 * A sync that somebody has claimed isn't cancelled at once but told to end (cancel_at): its status, its
 * lease and its mutex key stay until its runner has handed over what is committed, or has let pass the
 * deadline, which nobody moves any more. The first end counts: a success that was on its way is one, and
 * all else is the cancel.
 *
 * A poll doesn't give a workload away, it hides it for a while: if the reply gets lost, or who asked dies
 * before it claims, the workload turns up again. The claim does give it away, under a new epoch; claiming
 * again before the launch is allowed, as the answer to a claim may be lost as well, and takes the rights
 * of the first. From then on the epoch is the fence: nothing of an old one is stored, however late it
 * comes.
 *
 * Each live workload has one deadline, whose meaning is its status: to be claimed, to be launched, to be
 * heard of; or to end, once it was told to. One index and one timer serve all of these. Heartbeats write
 * no row in `change`, else a hundred runners would wake everybody all the time.
 *
 * Ends are told at least once and stored once. Repeating an end is fine, another end is stale; an end
 * that nobody was told of yet has notified = 0 and is never pruned. A newer workload of the same mutex
 * key ends the older ones in the transaction that makes it, so there are never two. */

#include "db/change-store.h"
#include "db/db-internal.h"
#include "db/state-store.h"
#include "db/workload-store.h"

static int stale(const char *id, int64_t epoch, Error **reterr_error) {
        return error_set(reterr_error, -ESTALE, "Workload '%s' has ended, or lease %lld is an old one", id,
                         (long long) epoch);
}

static int put_text(Db *db, const char *id, const char *kind, const char *content, Error **reterr_error) {
        if (!content)
                return 0;
        return db_run(db, SQL_WORKLOAD_PUT_TEXT, NULL, NULL,
                      BINDS(B_TEXT("id", id), B_TEXT("kind", kind), B_TEXT("content", content)),
                      reterr_error);
}

/* 1: ended; 0: it had ended before. */
static int end(Db *db, const char *id, WorkloadStatus status, const char *output, const char *source,
               const char *reason, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_WORKLOAD_END, NULL, NULL,
                      BINDS(B_TEXT("id", id), B_TEXT("status", workload_status_to_string(status)),
                            B_TEXT("source", source), B_TEXT("reason", reason), B_I64("now", now)),
                      CHANGE_WORKLOAD, id, now, reterr_error);
        if (r <= 0)
                return r;
        r = put_text(db, id, "output", output, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        return r < 0 ? r : 1;
}

/* Fails what the array holds. */
static int end_all(Db *db, const WorkloadArray *workloads, const char *source, const char *reason,
                   usec_t now, Error **reterr_error) {
        int r = 0;

        for (size_t i = 0; i < workloads->n && r >= 0; i++)
                r = end(db, workloads->items[i]->id, WORKLOAD_FAILURE, NULL, source, reason, now,
                        reterr_error);
        return r;
}

static int insert(Db *db, const Workload *w, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_WORKLOAD_INSERT, &workload_model, w,
                      BINDS(B_I64("now", now), B_I64("available_at", now),
                            B_I64("deadline", w->deadline ?: now + WORKLOAD_CLAIM_USEC)),
                      CHANGE_WORKLOAD, w->id, now, reterr_error);
        if (r <= 0)
                return r;
        r = put_text(db, w->id, "input", w->input, reterr_error);
        return r < 0 ? r : 1;
}

int workload_store_create(Db *db, const Workload *w, const StreamRef *drop, size_t n_drop, usec_t now,
                          WorkloadArray *ret_superseded, Error **reterr_error) {
        _cleanup_(workload_array_done) WorkloadArray superseded = {};
        _cleanup_(workload_freep) Workload *there = NULL;
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get(db, SQL_WORKLOAD_HEAD, BINDS(B_TEXT("id", w->id)), &workload_model, &there, reterr_error);
        if (r != -ENOENT)
                return r;
        if (w->mutex_key) {
                r = db_list(db, SQL_WORKLOAD_LIST_MUTEX, BINDS(B_TEXT("mutex_key", w->mutex_key)),
                            &workload_model, &superseded, reterr_error);
                if (r < 0)
                        return r;
        }
        r = end_all(db, &superseded, "workload-monitor",
                    "Superseded by a newer workload of the same mutex key", now, reterr_error);
        if (r < 0)
                return r;
        if (n_drop > 0) {
                r = state_store_drop(db, w->connection_id, drop, n_drop, now, reterr_error);
                if (r < 0)
                        return r;
        }
        r = insert(db, w, now, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        if (ret_superseded) {
                *ret_superseded = superseded;
                superseded = (WorkloadArray) {};
        }
        return 1;
}

int workload_store_get(Db *db, const char *id, Workload **ret, Error **reterr_error) {
        return db_get_one(db, SQL_WORKLOAD_GET, BINDS(B_TEXT("id", id)), &workload_model, ret, id,
                          reterr_error);
}

int workload_store_get_head(Db *db, const char *id, Workload **ret, Error **reterr_error) {
        return db_get_one(db, SQL_WORKLOAD_HEAD, BINDS(B_TEXT("id", id)), &workload_model, ret, id, reterr_error);
}

int workload_store_get_stats(Db *db, const char *id, char **ret, Error **reterr_error) {
        return db_get_text(db, SQL_WORKLOAD_STATS, BINDS(B_TEXT("id", id)), ret, reterr_error);
}

int workload_store_list(Db *db, const WorkloadFilter *filter, const ListOptions *options, WorkloadArray *ret,
                        Error **reterr_error) {
        SqlId id = filter->live_only         ? SQL_WORKLOAD_LIST_LIVE
                   : filter->unnotified_only ? SQL_WORKLOAD_LIST_UNNOTIFIED
                   : filter->dataplane_id    ? SQL_WORKLOAD_LIST_OF_DATAPLANE
                   : filter->connection_id   ? SQL_WORKLOAD_LIST_OF_CONNECTION
                                             : SQL_WORKLOAD_LIST;

        return db_list_whole(db, id,
                             BINDS(B_PAGE(options), B_TEXT("dataplane_id", filter->dataplane_id),
                                   B_TEXT("connection_id", filter->connection_id)),
                             &workload_model, ret, reterr_error);
}

int workload_store_poll(Db *db, WorkloadPriority priority, size_t limit, usec_t now, WorkloadArray *ret,
                        Error **reterr_error) {
        _cleanup_(workload_array_done) WorkloadArray found = {};
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_list(db, SQL_WORKLOAD_LIST_QUEUE,
                    BINDS(B_TEXT("priority", workload_priority_to_string(priority)), B_I64("now", now),
                          B_I64("limit", MIN(limit, LIST_LIMIT_MAX))),
                    &workload_model, &found, reterr_error);
        for (size_t i = 0; i < found.n && r >= 0; i++)
                r = db_run(db, SQL_WORKLOAD_HIDE, NULL, NULL,
                           BINDS(B_TEXT("id", found.items[i]->id),
                                 B_I64("until", now + WORKLOAD_REDELIVERY_USEC)),
                           reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret = found;
        found = (WorkloadArray) {};
        return 0;
}

/* Somebody else's, ended, or never there; or told to end, and claimed again by one who hasn't launched
 * it: then nothing runs of it, and this is its end (1). */
static int refuse_claim(Db *db, const char *id, const char *dataplane_id, usec_t now, Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        r = workload_store_get_head(db, id, &w, reterr_error);
        if (r < 0)
                return r;
        if (w->cancel_at == 0 || w->status != WORKLOAD_CLAIMED || !streq_ptr(w->dataplane_id, dataplane_id))
                return 0;
        return end(db, id, WORKLOAD_CANCELLED, NULL, NULL, NULL, now, reterr_error);
}

int workload_store_claim(Db *db, const char *id, const char *dataplane_id, usec_t now, int64_t *ret_epoch,
                         Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int64_t epoch;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get_i64(db, SQL_WORKLOAD_CLAIM,
                       BINDS(B_TEXT("id", id), B_TEXT("dataplane_id", dataplane_id), B_I64("now", now),
                             B_I64("deadline", now + WORKLOAD_LAUNCH_USEC)),
                       &epoch, reterr_error);
        if (r == -ENOENT) {
                r = refuse_claim(db, id, dataplane_id, now, reterr_error);
                return r > 0 ? db_commit(&transaction, reterr_error) : r;
        }
        if (r < 0)
                return r;
        r = change_append(db, CHANGE_WORKLOAD, id, now, NULL, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret_epoch = epoch;
        return 1;
}

int workload_store_check_lease(Db *db, const char *id, int64_t epoch, Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int64_t one;
        int r;

        r = db_get_i64(db, SQL_WORKLOAD_LEASE, BINDS(B_TEXT("id", id), B_I64("epoch", epoch)), &one,
                       reterr_error);
        if (r != -ENOENT)
                return r;
        r = db_get_one(db, SQL_WORKLOAD_HEAD, BINDS(B_TEXT("id", id)), &workload_model, &w, id,
                       reterr_error);
        return r < 0 ? r : stale(id, epoch, reterr_error);
}

int workload_store_advance(Db *db, const char *id, int64_t epoch, WorkloadStatus to, usec_t now,
                           Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        assert(to == WORKLOAD_LAUNCHED || to == WORKLOAD_RUNNING);
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
        /* The launcher's "launched" may come after the worker's "running". */
        if (w->status < to && !workload_status_may_become(w->status, to))
                return error_set(reterr_error, -EINVAL, "Workload '%s' is %s and can't become %s", id,
                                 workload_status_to_string(w->status), workload_status_to_string(to));
        r = db_change(db, SQL_WORKLOAD_ADVANCE, NULL, NULL,
                      BINDS(B_TEXT("id", id),
                            B_TEXT("status", workload_status_to_string(MAX(w->status, to))),
                            B_I64("now", now), B_I64("deadline", now + WORKLOAD_LEASE_USEC)),
                      CHANGE_WORKLOAD, id, now, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

int workload_store_heartbeat(Db *db, const char *id, int64_t epoch, usec_t now, Error **reterr_error) {
        int64_t told;
        int r;

        r = db_get_i64(db, SQL_WORKLOAD_HEARTBEAT,
                       BINDS(B_TEXT("id", id), B_I64("epoch", epoch), B_I64("now", now),
                             B_I64("deadline", now + WORKLOAD_LEASE_USEC)),
                       &told, reterr_error);
        if (r != -ENOENT)
                return r < 0 ? r : told > 0;
        r = workload_store_check_lease(db, id, epoch, reterr_error);
        return r < 0 ? r : error_set(reterr_error, -EINVAL, "Workload '%s' is not running yet", id);
}

/* What a repeated end is told: 0 when it says the same as what is stored. */
static int compare_end(Db *db, const char *id, int64_t epoch, WorkloadStatus status, Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        r = db_get_one(db, SQL_WORKLOAD_HEAD, BINDS(B_TEXT("id", id)), &workload_model, &w, id,
                       reterr_error);
        if (r < 0)
                return r;
        if (w->status == status && (epoch == 0 || w->lease_epoch == epoch))
                return 0;
        /* Its failure has become the cancel. */
        if (status == WORKLOAD_FAILURE && w->status == WORKLOAD_CANCELLED && w->cancel_at > 0 &&
            w->lease_epoch == epoch)
                return 0;
        return stale(id, epoch, reterr_error);
}

static int check_end(Db *db, const char *id, WorkloadStatus status, Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        r = workload_store_get_head(db, id, &w, reterr_error);
        /* What is installed already is found by the launcher, and nothing runs. */
        if (r >= 0 && w->type != WORKLOAD_INSTALL && !workload_status_may_become(w->status, status))
                r = error_set(reterr_error, -EEXIST, "Workload '%s' is %s: it has not run, so it can't be a %s", id,
                              workload_status_to_string(w->status), workload_status_to_string(status));
        return r;
}

int workload_store_finish(Db *db, const char *id, int64_t epoch, WorkloadStatus status, const char *output,
                          const char *source, const char *reason, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        assert(status == WORKLOAD_SUCCESS || status == WORKLOAD_FAILURE);
        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = workload_store_check_lease(db, id, epoch, NULL);
        if (r == -ESTALE || r == -ENOENT)
                return compare_end(db, id, epoch, status, reterr_error);
        if (r >= 0)
                r = check_end(db, id, status, reterr_error);
        if (r < 0)
                return r;
        r = end(db, id, status, output, source, reason, now, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        return r < 0 ? r : 1;
}

int workload_store_cancel(Db *db, const char *id, const char *source, const char *reason, usec_t now,
                          Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_(workload_freep) Workload *w = NULL;
        bool at_once;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r >= 0)
                r = workload_store_get_head(db, id, &w, reterr_error);
        if (r < 0)
                return r;
        if (workload_status_is_terminal(w->status))
                return compare_end(db, id, 0, WORKLOAD_CANCELLED, reterr_error);
        if (w->cancel_at > 0)
                return WORKLOAD_CANCEL_REPEATED;
        at_once = w->type != WORKLOAD_SYNC || w->status == WORKLOAD_PENDING;
        if (at_once)
                r = end(db, id, WORKLOAD_CANCELLED, NULL, source, reason, now, reterr_error);
        else
                r = db_change(db, SQL_WORKLOAD_ASK_CANCEL, NULL, NULL,
                              BINDS(B_TEXT("id", id), B_TEXT("source", source), B_TEXT("reason", reason),
                                    B_I64("now", now), B_I64("deadline", now + WORKLOAD_CANCEL_USEC)),
                              CHANGE_WORKLOAD, id, now, reterr_error);
        if (r >= 0)
                r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        return at_once ? WORKLOAD_CANCEL_ENDED : WORKLOAD_CANCEL_ASKED;
}

int workload_store_bound_cancel(Db *db, const char *id, usec_t now, Error **reterr_error) {
        return db_run(db, SQL_WORKLOAD_BOUND_CANCEL, NULL, NULL,
                      BINDS(B_TEXT("id", id), B_I64("deadline", now + WORKLOAD_CANCEL_USEC)), reterr_error);
}

int workload_store_list_cancelling(Db *db, WorkloadArray *ret, Error **reterr_error) {
        return db_list(db, SQL_WORKLOAD_LIST_CANCELLING, NULL, &workload_model, ret, reterr_error);
}

int workload_store_expire(Db *db, usec_t now, size_t limit, WorkloadArray *ret, Error **reterr_error) {
        _cleanup_(workload_array_done) WorkloadArray found = {};
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_list(db, SQL_WORKLOAD_LIST_EXPIRED,
                    BINDS(B_I64("now", now), B_I64("limit", MIN(limit, LIST_LIMIT_MAX))), &workload_model,
                    &found, reterr_error);
        for (size_t i = 0; i < found.n && r >= 0; i++)
                r = end(db, found.items[i]->id, WORKLOAD_FAILURE, NULL, "workload-monitor",
                        found.items[i]->status == WORKLOAD_PENDING   ? "Nobody claimed it in time"
                        : found.items[i]->status == WORKLOAD_CLAIMED ? "It was not launched in time"
                                                                     : "Its runner was not heard of in time",
                        now, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret = found;
        found = (WorkloadArray) {};
        return 0;
}

int workload_store_next_deadline(Db *db, usec_t *ret, Error **reterr_error) {
        int64_t t = 0;
        int r;

        r = db_get_i64(db, SQL_WORKLOAD_NEXT_DEADLINE, NULL, &t, reterr_error);
        if (r < 0 && r != -ENOENT)
                return r;
        *ret = (usec_t) t;
        return 0;
}

int workload_store_set_notified(Db *db, const char *id, Error **reterr_error) {
        int r;

        r = db_run_one(db, SQL_WORKLOAD_SET_NOTIFIED, NULL, NULL, BINDS(B_TEXT("id", id)), "ended workload",
                       id, reterr_error);
        return r < 0 ? r : 0;
}

int workload_store_depth(Db *db, int64_t ret[static _WORKLOAD_PRIORITY_MAX], Error **reterr_error) {
        int r = 0;

        for (int p = 0; p < _WORKLOAD_PRIORITY_MAX && r >= 0; p++)
                r = db_get_i64(db, SQL_WORKLOAD_DEPTH,
                               BINDS(B_TEXT("priority", workload_priority_to_string(p))), &ret[p],
                               reterr_error);
        return r;
}

int workload_store_prune(Db *db, usec_t before, size_t limit, Error **reterr_error) {
        return db_run(db, SQL_WORKLOAD_PRUNE, NULL, NULL,
                      BINDS(B_I64("before", before), B_I64("limit", limit)), reterr_error);
}
