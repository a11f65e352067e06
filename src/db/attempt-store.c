/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An attempt's number is the job's count of attempts before it, so numbers have no holes and need no
 * counter. That one job never has two running ones is the database's to say (a unique index over the
 * running rows), not ours: whoever loses the race gets -EBUSY.
 *
 * Ending an attempt and adding what it has committed to its job is one transaction, and the end happens
 * once: a workflow that runs its step again after a crash changes nothing and counts nothing twice.
 *
 * Statistics are replaced as a whole for each stream, and `stream_latest` beside them says which attempt
 * is a stream's newest. It only moves forward: a report that comes late doesn't take the place of a newer
 * one. */

#include <inttypes.h>
#include <stdio.h>

#include "db/attempt-store.h"
#include "db/change-store.h"
#include "db/db-internal.h"
#include "db/job-store.h"

#define ATTEMPT_ID_MAX 40U
static const char *format_id(int64_t job_id, int number, char buf[static ATTEMPT_ID_MAX]) {
        (void) snprintf(buf, ATTEMPT_ID_MAX, "%" PRIi64 "/%d", job_id, number);
        return buf;
}
#define B_ATTEMPT(job_id_, number_) B_I64("job_id", job_id_), B_I64("number", number_)

int attempt_store_create(Db *db, int64_t job_id, usec_t now, int *ret_number, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_(job_freep) Job *job = NULL;
        char buf[ATTEMPT_ID_MAX];
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = job_store_get(db, job_id, &job, reterr_error);
        if (r < 0)
                return r;
        if (job_status_is_terminal(job->status))
                return error_set(reterr_error, -ESRCH, "Job %" PRIi64 " has ended", job_id);
        r = db_change(db, SQL_ATTEMPT_INSERT, NULL, NULL,
                      BINDS(B_ATTEMPT(job_id, job->attempts), B_I64("now", now)), CHANGE_ATTEMPT,
                      format_id(job_id, job->attempts, buf), now, reterr_error);
        if (r == -EEXIST)
                return error_set(reterr_error, -EBUSY, "An attempt of job %" PRIi64 " is running", job_id);
        if (r < 0)
                return r;
        r = db_run(db, SQL_JOB_COUNT_ATTEMPT, NULL, NULL, BINDS(B_I64("id", job_id), B_I64("now", now)),
                   reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret_number = job->attempts;
        return 0;
}

int attempt_store_get(Db *db, int64_t job_id, int number, Attempt **ret, Error **reterr_error) {
        char buf[ATTEMPT_ID_MAX];

        return db_get_one(db, SQL_ATTEMPT_GET, BINDS(B_ATTEMPT(job_id, number)), &attempt_model, ret,
                          format_id(job_id, number, buf), reterr_error);
}

int attempt_store_list(Db *db, int64_t job_id, AttemptArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_ATTEMPT_LIST, BINDS(B_I64("job_id", job_id)), &attempt_model, ret,
                             reterr_error);
}

int attempt_store_set_workload(Db *db, int64_t job_id, int number, const char *workload_id, usec_t now,
                               Error **reterr_error) {
        char buf[ATTEMPT_ID_MAX];

        return db_change_one(
                db, SQL_ATTEMPT_SET_WORKLOAD, NULL, NULL,
                BINDS(B_ATTEMPT(job_id, number), B_TEXT("workload_id", workload_id), B_I64("now", now)),
                CHANGE_ATTEMPT, "attempt", format_id(job_id, number, buf), now, reterr_error);
}

int attempt_store_finish(Db *db, const Attempt *a, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_(attempt_freep) Attempt *stored = NULL;
        char buf[ATTEMPT_ID_MAX];
        int r;

        assert(a->status != ATTEMPT_RUNNING);
        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_ATTEMPT_FINISH, &attempt_model, a, BINDS(B_I64("now", now)), CHANGE_ATTEMPT,
                      format_id(a->job_id, a->number, buf), now, reterr_error);
        if (r < 0)
                return r;
        if (r == 0)
                return attempt_store_get(db, a->job_id, a->number, &stored, reterr_error);
        r = db_run(db, SQL_JOB_ADD_COMMITTED, &attempt_model, a, BINDS(B_I64("now", now)), reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        return r < 0 ? r : 1;
}

int attempt_store_fail_running(Db *db, int64_t job_id, const char *failure, usec_t now,
                               Error **reterr_error) {
        char buf[ATTEMPT_ID_MAX];

        /* At most one is running, and it is the last one; the number doesn't matter to who reads the change. */
        return db_change(db, SQL_ATTEMPT_FAIL_RUNNING, NULL, NULL,
                         BINDS(B_I64("job_id", job_id), B_TEXT("failure", failure), B_I64("now", now)),
                         CHANGE_ATTEMPT, format_id(job_id, 0, buf), now, reterr_error);
}

static int put_stats(Db *db, const StreamStats *s, usec_t now, Error **reterr_error) {
        const Bind *binds = BINDS(B_TEXT("namespace", strempty(s->stream_namespace)), B_I64("now", now));
        int r;

        r = db_run(db, SQL_STREAM_STATS_PUT, &stream_stats_model, s, binds, reterr_error);
        if (r < 0)
                return r;
        return db_run(db, SQL_STREAM_LATEST_PUT, &stream_stats_model, s, binds, reterr_error);
}

int stream_stats_store_set(Db *db, const StreamStats *stats, size_t n, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        char buf[ATTEMPT_ID_MAX];
        int r;

        if (n == 0)
                return 0;
        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                r = put_stats(db, &stats[i], now, reterr_error);
                if (r < 0)
                        return r;
        }
        r = change_append(db, CHANGE_ATTEMPT, format_id(stats->job_id, stats->attempt, buf), now, NULL,
                          reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

static int list_stats(Db *db, SqlId id, const Bind *binds, StreamStatsArray *ret, Error **reterr_error) {
        int r;

        r = db_list_whole(db, id, binds, &stream_stats_model, ret, reterr_error);
        for (size_t i = 0; r >= 0 && i < ret->n; i++)
                no_namespace(&ret->items[i]->stream_namespace);
        return r;
}

int stream_stats_store_list(Db *db, int64_t job_id, int attempt, StreamStatsArray *ret,
                            Error **reterr_error) {
        return list_stats(db, SQL_STREAM_STATS_LIST,
                          BINDS(B_I64("job_id", job_id), B_I64("attempt", attempt)), ret, reterr_error);
}

int stream_stats_store_list_latest(Db *db, const char *connection_id, StreamStatsArray *ret,
                                   Error **reterr_error) {
        return list_stats(db, SQL_STREAM_STATS_LIST_LATEST, BINDS(B_TEXT("connection_id", connection_id)),
                          ret, reterr_error);
}
