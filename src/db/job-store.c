/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs have numbers from a counter in the database, never reused, as Airbyte's have. A connection has one
 * job that hasn't ended; a unique index over the live rows keeps that, and the question before the insert
 * is there for its sentence. A status moves along the table of the model, and the same transaction reads
 * and writes it.
 *
 * Lists have the cross of three things: where to look, which filters, in what order. Each of them is its
 * own query, so that each has an index that fits; a single one with optional conditions would make SQLite
 * read whole tables. lists[] is that cross, the queries are generated from templates
 * (sql/queries/job.sql). */

#include <inttypes.h>
#include <stdio.h>

#include "basic/strv.h"
#include "db/change-store.h"
#include "db/db-internal.h"
#include "db/job-store.h"

/* A job's id as its changes name it. */
#define JOB_ID_MAX 24U
static const char *format_id(int64_t id, char buf[static JOB_ID_MAX]) {
        (void) snprintf(buf, JOB_ID_MAX, "%" PRIi64, id);
        return buf;
}

int job_store_create(Db *db, Job *job, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        char buf[JOB_ID_MAX];
        int64_t id, live;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get_i64(db, SQL_JOB_GET_LIVE, BINDS(B_TEXT("connection_id", job->connection_id)), &live,
                       reterr_error);
        if (r >= 0)
                return error_set(reterr_error, -EBUSY, "Job %lld of this connection is running",
                                 (long long) live);
        if (r != -ENOENT)
                return r;
        r = db_get_i64(db, SQL_COUNTER_NEXT, BINDS(B_TEXT("name", "job")), &id, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_JOB_INSERT, &job_model, job, BINDS(B_I64("id", id), B_I64("now", now)),
                      CHANGE_JOB, format_id(id, buf), now, reterr_error);
        if (r == 0)
                return error_set(reterr_error, -ENOENT, "There is no connection '%s'", job->connection_id);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        job->id = id;
        return 0;
}

int job_store_get(Db *db, int64_t id, Job **ret, Error **reterr_error) {
        char buf[JOB_ID_MAX];

        return db_get_one(db, SQL_JOB_GET, BINDS(B_I64("id", id)), &job_model, ret, format_id(id, buf),
                          reterr_error);
}

int job_store_get_latest(Db *db, const char *connection_id, Job **ret, Error **reterr_error) {
        int r;

        r = db_get(db, SQL_JOB_GET_LATEST, BINDS(B_TEXT("connection_id", connection_id)), &job_model, ret,
                   reterr_error);
        return r == -ENOENT ? error_set(reterr_error, r, "Connection '%s' has no job yet", connection_id)
                            : r;
}

int job_store_list_latest(Db *db, const char *first, const char *last, const char *workspace_id, JobArray *ret,
                          Error **reterr_error) {
        return db_list_whole(db, SQL_JOB_LIST_LATEST,
                             BINDS(B_TEXT("first", first), B_TEXT("last", last),
                                   B_TEXT("workspace_id", workspace_id)),
                             &job_model, ret, reterr_error);
}

int job_store_get_live(Db *db, const char *connection_id, Job **ret, Error **reterr_error) {
        int r;

        r = db_get(db, SQL_JOB_GET_LIVE, BINDS(B_TEXT("connection_id", connection_id)), &job_model, ret,
                   reterr_error);
        return r == -ENOENT
                       ? error_set(reterr_error, r, "No job of connection '%s' is running", connection_id)
                       : r;
}

int job_store_list_live(Db *db, JobArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_JOB_LIST_LIVE, NULL, &job_model, ret, reterr_error);
}

#define ORDERS(scope_, variant_) \
        { \
                [JOB_ORDER_CREATED_ASCENDING] = SQL_JOB_LIST_##scope_##CREATED_ASCENDING_##variant_, \
                [JOB_ORDER_CREATED_DESCENDING] = SQL_JOB_LIST_##scope_##CREATED_DESCENDING_##variant_, \
                [JOB_ORDER_UPDATED_ASCENDING] = SQL_JOB_LIST_##scope_##UPDATED_ASCENDING_##variant_, \
                [JOB_ORDER_UPDATED_DESCENDING] = SQL_JOB_LIST_##scope_##UPDATED_DESCENDING_##variant_, \
        }
enum {
        SCOPE_ALL,
        SCOPE_CONNECTION,
        SCOPE_WORKSPACE,
        SCOPE_STATUS,
        _SCOPE_MAX
};
enum {
        VARIANT_PLAIN,
        VARIANT_FILTERED,
        VARIANT_WHEN_CREATED,
        VARIANT_WHEN_UPDATED,
        _VARIANT_MAX
};

/* sql/queries/job.sql says what each is good for. */
#define VARIANTS(scope_) \
        { \
                ORDERS(scope_, PLAIN), ORDERS(scope_, FILTERED), ORDERS(scope_, WHEN_CREATED), \
                        ORDERS(scope_, WHEN_UPDATED) \
        }
static const SqlId lists[_SCOPE_MAX][_VARIANT_MAX][_JOB_ORDER_MAX] = {
        [SCOPE_ALL] = VARIANTS(),
        [SCOPE_CONNECTION] = VARIANTS(OF_CONNECTION_),
        [SCOPE_WORKSPACE] = VARIANTS(OF_WORKSPACE_),
        [SCOPE_STATUS] = { [VARIANT_FILTERED] = ORDERS(OF_STATUS_, FILTERED) },
};

static int choose_variant(const JobFilter *f) {
        bool by_creation =
                f->order == JOB_ORDER_CREATED_ASCENDING || f->order == JOB_ORDER_CREATED_DESCENDING;
        bool created = f->created_from || f->created_until, updated = f->updated_from || f->updated_until;

        if (created && by_creation)
                return VARIANT_WHEN_CREATED;
        if (created || updated)
                return VARIANT_WHEN_UPDATED;
        return f->type >= 0 || f->status >= 0 ? VARIANT_FILTERED : VARIANT_PLAIN;
}

static SqlId choose_list(const JobFilter *f, const char *workspace_id) {
        int variant = choose_variant(f), scope;

        if (f->connection_id)
                scope = SCOPE_CONNECTION;
        else if (variant == VARIANT_FILTERED && f->status >= 0)
                scope = SCOPE_STATUS;
        else
                scope = workspace_id ? SCOPE_WORKSPACE : SCOPE_ALL;
        return lists[scope][variant][f->order];
}

static int64_t until(usec_t t) {
        return t == 0 || t > INT64_MAX ? INT64_MAX : (int64_t) t;
}

static int list_part(Db *db, size_t part, const ListOptions *options, const void *filter, void *array,
                     Error **reterr_error) {
        const JobFilter *f = filter;
        const char *workspace_id = f->workspace_ids ? f->workspace_ids[part] : NULL;
        int64_t after = options && options->after_number           ? options->after_number
                        : f->order == JOB_ORDER_CREATED_DESCENDING ? INT64_MAX
                                                                   : 0;

        return db_list(db, choose_list(f, workspace_id),
                       BINDS(B_PAGE(options), B_I64("after_number", after),
                             B_TEXT("connection_id", f->connection_id), B_TEXT("workspace_id", workspace_id),
                             B_TEXT("type", job_type_to_string(f->type)),
                             B_TEXT("status", job_status_to_string(f->status)),
                             B_I64("created_from", f->created_from),
                             B_I64("created_until", until(f->created_until)),
                             B_I64("updated_from", f->updated_from),
                             B_I64("updated_until", until(f->updated_until))),
                       &job_model, array, reterr_error);
}

static int compare_created(const void *a, const void *b) {
        const Job *x = *(const Job *const *) a, *y = *(const Job *const *) b;

        return (x->id > y->id) - (x->id < y->id);
}

static int compare_updated(const void *a, const void *b) {
        const Job *x = *(const Job *const *) a, *y = *(const Job *const *) b;

        return x->updated_at != y->updated_at ? (x->updated_at > y->updated_at ? 1 : -1)
                                              : compare_created(a, b);
}

static int compare_created_descending(const void *a, const void *b) {
        return compare_created(b, a);
}

static int compare_updated_descending(const void *a, const void *b) {
        return compare_updated(b, a);
}

int job_store_list(Db *db, const JobFilter *filter, const ListOptions *options, JobArray *ret,
                   Error **reterr_error) {
        static int (*const compare[_JOB_ORDER_MAX])(const void *, const void *) = {
                [JOB_ORDER_CREATED_ASCENDING] = compare_created,
                [JOB_ORDER_CREATED_DESCENDING] = compare_created_descending,
                [JOB_ORDER_UPDATED_ASCENDING] = compare_updated,
                [JOB_ORDER_UPDATED_DESCENDING] = compare_updated_descending,
        };
        ListUnion u = { 1, list_part, NULL, &job_model };

        assert(filter->order >= 0 && filter->order < _JOB_ORDER_MAX);
        u.compare = compare[filter->order];
        if (!filter->connection_id)
                u.n_parts = MAX(strv_length(filter->workspace_ids), (size_t) 1);
        return db_list_union(db, &u, options, filter, ret, reterr_error);
}

int job_store_set_status(Db *db, int64_t id, JobStatus status, const char *failure, usec_t now,
                         Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_(job_freep) Job *job = NULL;
        char buf[JOB_ID_MAX];
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = job_store_get(db, id, &job, reterr_error);
        if (r < 0)
                return r;
        if (!job_status_may_become(job->status, status))
                return error_set(reterr_error, job_status_is_terminal(job->status) ? -ESRCH : -EINVAL,
                                 "Job %" PRIi64 " is %s and can't become %s", id,
                                 job_status_to_string(job->status), job_status_to_string(status));
        r = db_change(db, SQL_JOB_SET_STATUS, NULL, NULL,
                      BINDS(B_I64("id", id), B_TEXT("status", job_status_to_string(status)),
                            B_TEXT("failure", failure),
                            B_TIME("started_at", status == JOB_RUNNING ? now : 0),
                            B_TIME("ended_at", job_status_is_terminal(status) ? now : 0), B_I64("now", now)),
                      CHANGE_JOB, format_id(id, buf), now, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

int job_store_update(Db *db, const Job *job, usec_t now, Error **reterr_error) {
        char buf[JOB_ID_MAX];

        return db_change_one(db, SQL_JOB_UPDATE, &job_model, job, BINDS(B_I64("now", now)), CHANGE_JOB,
                             "job", format_id(job->id, buf), now, reterr_error);
}

int job_store_streak(Db *db, const char *connection_id, JobStreak *ret, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_(job_freep) Job *success = NULL;
        int64_t failed, first = 0, last = 0;
        int r;

        r = db_begin_read(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get(db, SQL_JOB_LAST_SUCCESS, BINDS(B_TEXT("connection_id", connection_id)), &job_model,
                   &success, reterr_error);
        if (r < 0 && r != -ENOENT)
                return r;
        last = success ? success->id : 0;
        r = db_get_i64(db, SQL_JOB_STREAK_COUNT,
                       BINDS(B_TEXT("connection_id", connection_id), B_I64("id", last)), &failed,
                       reterr_error);
        if (r < 0)
                return r;
        r = db_get_i64(db, SQL_JOB_STREAK_FIRST,
                       BINDS(B_TEXT("connection_id", connection_id), B_I64("id", last)), &first,
                       reterr_error);
        if (r < 0 && r != -ENOENT)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret = (JobStreak) { .failed = failed,
                             .last_success_at = success ? success->ended_at : 0,
                             .first_failure_at = (usec_t) first };
        return 0;
}
