/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Jobs. Written by gantry-workflow. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/job.h"

typedef enum JobOrder {
        JOB_ORDER_CREATED_ASCENDING, /* which is the order of ids */
        JOB_ORDER_CREATED_DESCENDING,
        JOB_ORDER_UPDATED_ASCENDING,
        JOB_ORDER_UPDATED_DESCENDING,
        _JOB_ORDER_MAX,
        _JOB_ORDER_INVALID = -EINVAL,
} JobOrder;

/* Zeroed but for the enums it takes everything. */
typedef struct JobFilter {
        const char *connection_id;  /* NULL: all */
        char *const *workspace_ids; /* NULL or empty: all; doesn't count where a connection is given */
        JobType type;               /* _JOB_TYPE_INVALID: all */
        JobStatus status;           /* _JOB_STATUS_INVALID: all */
        usec_t created_from, created_until; /* both inclusive; 0: open */
        usec_t updated_from, updated_until;
        JobOrder order;
} JobFilter;
#define JOB_FILTER_ALL ((JobFilter) { .type = _JOB_TYPE_INVALID, .status = _JOB_STATUS_INVALID })

/* Stores a new pending job with the next number, which is written to job->id. -EBUSY: the connection has
 * a job that hasn't ended; -ENOENT: there is no such connection. */
int job_store_create(Db *db, Job *job, usec_t now, Error **reterr_error);
int job_store_get(Db *db, int64_t id, Job **ret, Error **reterr_error);
/* In the filter's order. `after_number` of the options works with the orders by creation. */
int job_store_list(Db *db, const JobFilter *filter, const ListOptions *options, JobArray *ret,
                   Error **reterr_error);
/* Jobs that haven't ended, the oldest first. */
int job_store_list_live(Db *db, JobArray *ret, Error **reterr_error);
/* The connection's newest job, or the one that hasn't ended. -ENOENT. */
int job_store_get_latest(Db *db, const char *connection_id, Job **ret, Error **reterr_error);
int job_store_get_live(Db *db, const char *connection_id, Job **ret, Error **reterr_error);
/* The newest job of each connection from `first` to `last`, in the order of the connections' ids; of one workspace
 * or (NULL) of all. What it says of the job: id, connection_id, type, status, created_at, started_at, ended_at. */
int job_store_list_latest(Db *db, const char *first, const char *last, const char *workspace_id, JobArray *ret,
                          Error **reterr_error);

/* Moves it on. Only along Airbyte's table: -ESRCH when it has ended, -EINVAL for another step that isn't
 * in it. Sets started_at with the first `running` and ended_at with an end. `failure` (JSON or NULL)
 * replaces the stored one. */
int job_store_set_status(Db *db, int64_t id, JobStatus status, const char *failure, usec_t now,
                         Error **reterr_error);
/* config and the four retry counters. */
int job_store_update(Db *db, const Job *job, usec_t now, Error **reterr_error);

typedef struct JobStreak {
        int64_t failed;          /* jobs that failed since the last that succeeded */
        usec_t last_success_at;  /* 0: never */
        usec_t first_failure_at; /* of these; 0: none */
} JobStreak;
/* For the rule that turns a failing connection off. Cancelled jobs don't count. */
int job_store_streak(Db *db, const char *connection_id, JobStreak *ret, Error **reterr_error);
