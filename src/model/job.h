/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Jobs, their attempts, and what an attempt did for each stream. */

#include "model/model.h"

typedef enum JobType {
        JOB_SYNC,
        JOB_REFRESH,
        JOB_CLEAR,
        JOB_RESET,
        _JOB_TYPE_MAX,
        _JOB_TYPE_INVALID = -EINVAL,
} JobType;
DECLARE_NAMES(JobType, job_type);

typedef enum JobStatus {
        JOB_PENDING,
        JOB_QUEUED, /* clients of Airbyte's API may choke on it; nothing sets it yet */
        JOB_RUNNING,
        JOB_INCOMPLETE,
        JOB_FAILED,
        JOB_SUCCEEDED,
        JOB_CANCELLED,
        _JOB_STATUS_MAX,
        _JOB_STATUS_INVALID = -EINVAL,
} JobStatus;
DECLARE_NAMES(JobStatus, job_status);

/* Airbyte's transition table. */
bool job_status_may_become(JobStatus from, JobStatus to);
bool job_status_is_terminal(JobStatus s); /* failed, succeeded, cancelled */

typedef struct Job {
        int64_t id;            /* from a counter: 1, 2, 3, … */
        char *connection_id;
        char *workspace_id;    /* the connection's */
        JobType type;
        JobStatus status;
        char *config;          /* JSON: streams, refreshMode, trigger, principal, what the run was made of */
        int attempts;          /* how many there have been */
        /* Airbyte's retry state */
        int successive_complete_failures, total_complete_failures;
        int successive_partial_failures, total_partial_failures;
        int64_t records_committed, bytes_committed; /* of all attempts */
        char *failure;         /* JSON: why it failed, the last attempt's failure; NULL = it didn't */
        usec_t created_at, started_at, ended_at, updated_at;
} Job;
DECLARE_MODEL(Job, job);

typedef enum AttemptStatus {
        ATTEMPT_RUNNING,
        ATTEMPT_FAILED,
        ATTEMPT_SUCCEEDED,
        _ATTEMPT_STATUS_MAX,
        _ATTEMPT_STATUS_INVALID = -EINVAL,
} AttemptStatus;
DECLARE_NAMES(AttemptStatus, attempt_status);

typedef struct Attempt {
        int64_t job_id;
        int number;        /* from 0 */
        AttemptStatus status;
        char *workload_id; /* NULL before there is one */
        char *output;      /* JSON, the workload's output */
        char *failure;     /* JSON: {"failures":[…],"partialSuccess"}; NULL = none */
        int64_t records_emitted, bytes_emitted, records_committed, bytes_committed;
        usec_t created_at, ended_at, updated_at;
} Attempt;
DECLARE_MODEL(Attempt, attempt);

typedef enum StreamRunStatus {
        STREAM_PENDING,
        STREAM_RUNNING,
        STREAM_RATE_LIMITED,
        STREAM_COMPLETE,
        STREAM_INCOMPLETE,
        _STREAM_RUN_STATUS_MAX,
        _STREAM_RUN_STATUS_INVALID = -EINVAL,
} StreamRunStatus;
DECLARE_NAMES(StreamRunStatus, stream_run_status); /* "PENDING", … */

typedef struct StreamStats {
        int64_t job_id;
        int attempt;
        char *stream_namespace; /* NULL = none */
        char *stream_name;
        int64_t records_emitted, bytes_emitted, records_committed, bytes_committed;
        int64_t records_filtered, bytes_filtered, records_rejected;
        int64_t estimated_records, estimated_bytes; /* 0 = unknown */
        StreamRunStatus status;
        char *incomplete_cause; /* "FAILED", "CANCELED"; NULL = none */
        bool was_backfilled, was_resumed;
        usec_t updated_at;
} StreamStats;
DECLARE_MODEL(StreamStats, stream_stats);
