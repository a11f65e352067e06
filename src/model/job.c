/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/job.h"
#include "model/model-table.h"

DEFINE_NAMES(JobType, job_type, "job type", _JOB_TYPE_MAX,
        [JOB_SYNC] = "sync",
        [JOB_REFRESH] = "refresh",
        [JOB_CLEAR] = "clear",
        [JOB_RESET] = "reset");

DEFINE_NAMES(JobStatus, job_status, "job status", _JOB_STATUS_MAX,
        [JOB_PENDING] = "pending",
        [JOB_QUEUED] = "queued",
        [JOB_RUNNING] = "running",
        [JOB_INCOMPLETE] = "incomplete",
        [JOB_FAILED] = "failed",
        [JOB_SUCCEEDED] = "succeeded",
        [JOB_CANCELLED] = "cancelled");

DEFINE_NAMES(AttemptStatus, attempt_status, "attempt status", _ATTEMPT_STATUS_MAX,
        [ATTEMPT_RUNNING] = "running",
        [ATTEMPT_FAILED] = "failed",
        [ATTEMPT_SUCCEEDED] = "succeeded");

DEFINE_NAMES(StreamRunStatus, stream_run_status, "stream run status", _STREAM_RUN_STATUS_MAX,
        [STREAM_PENDING] = "PENDING",
        [STREAM_RUNNING] = "RUNNING",
        [STREAM_RATE_LIMITED] = "RATE_LIMITED",
        [STREAM_COMPLETE] = "COMPLETE",
        [STREAM_INCOMPLETE] = "INCOMPLETE");

DEFINE_MODEL(Job, job,
        FIELD_I64_OF(Job, id),
        FIELD_TEXT_OF(Job, connection_id),
        FIELD_TEXT_OF(Job, workspace_id),
        FIELD_NAMED(Job, type, job_type_names),
        FIELD_NAMED(Job, status, job_status_names),
        FIELD_TEXT_OF(Job, config),
        FIELD_INT_OF(Job, attempts),
        FIELD_INT_OF(Job, successive_complete_failures),
        FIELD_INT_OF(Job, total_complete_failures),
        FIELD_INT_OF(Job, successive_partial_failures),
        FIELD_INT_OF(Job, total_partial_failures),
        FIELD_I64_OF(Job, records_committed),
        FIELD_I64_OF(Job, bytes_committed),
        FIELD_TEXT_OF(Job, failure),
        FIELD_TIME_OF(Job, created_at),
        FIELD_TIME_OF(Job, started_at),
        FIELD_TIME_OF(Job, ended_at),
        FIELD_TIME_OF(Job, updated_at));

DEFINE_MODEL(Attempt, attempt,
        FIELD_I64_OF(Attempt, job_id),
        FIELD_INT_OF(Attempt, number),
        FIELD_NAMED(Attempt, status, attempt_status_names),
        FIELD_TEXT_OF(Attempt, workload_id),
        FIELD_TEXT_OF(Attempt, output),
        FIELD_TEXT_OF(Attempt, failure),
        FIELD_I64_OF(Attempt, records_emitted),
        FIELD_I64_OF(Attempt, bytes_emitted),
        FIELD_I64_OF(Attempt, records_committed),
        FIELD_I64_OF(Attempt, bytes_committed),
        FIELD_TIME_OF(Attempt, created_at),
        FIELD_TIME_OF(Attempt, ended_at),
        FIELD_TIME_OF(Attempt, updated_at));

DEFINE_MODEL(StreamStats, stream_stats,
        FIELD_I64_OF(StreamStats, job_id),
        FIELD_INT_OF(StreamStats, attempt),
        FIELD_TEXT_OF(StreamStats, stream_namespace),
        FIELD_TEXT_OF(StreamStats, stream_name),
        FIELD_I64_OF(StreamStats, records_emitted),
        FIELD_I64_OF(StreamStats, bytes_emitted),
        FIELD_I64_OF(StreamStats, records_committed),
        FIELD_I64_OF(StreamStats, bytes_committed),
        FIELD_I64_OF(StreamStats, records_filtered),
        FIELD_I64_OF(StreamStats, bytes_filtered),
        FIELD_I64_OF(StreamStats, records_rejected),
        FIELD_I64_OF(StreamStats, estimated_records),
        FIELD_I64_OF(StreamStats, estimated_bytes),
        FIELD_NAMED(StreamStats, status, stream_run_status_names),
        FIELD_TEXT_OF(StreamStats, incomplete_cause),
        FIELD_BOOL_OF(StreamStats, was_backfilled),
        FIELD_BOOL_OF(StreamStats, was_resumed),
        FIELD_TIME_OF(StreamStats, updated_at));

/* airbyte.md's transitions; one bit for each status that a job of the row's status may get. */
#define TO(s) (1U << (JOB_##s))
static const unsigned job_transitions[_JOB_STATUS_MAX] = {
        [JOB_PENDING] = TO(QUEUED) | TO(RUNNING) | TO(FAILED) | TO(CANCELLED) | TO(INCOMPLETE),
        [JOB_QUEUED] = TO(PENDING) | TO(RUNNING) | TO(CANCELLED) | TO(FAILED),
        [JOB_RUNNING] = TO(INCOMPLETE) | TO(SUCCEEDED) | TO(FAILED) | TO(CANCELLED),
        [JOB_INCOMPLETE] = TO(PENDING) | TO(RUNNING) | TO(FAILED) | TO(CANCELLED) | TO(INCOMPLETE) |
                           TO(SUCCEEDED),
        [JOB_FAILED] = TO(FAILED),
        [JOB_SUCCEEDED] = 0,
        [JOB_CANCELLED] = 0,
};
#undef TO

bool job_status_may_become(JobStatus from, JobStatus to) {
        assert(from >= 0 && from < _JOB_STATUS_MAX && to >= 0 && to < _JOB_STATUS_MAX);
        return job_transitions[from] >> to & 1;
}

bool job_status_is_terminal(JobStatus s) {
        return s == JOB_FAILED || s == JOB_SUCCEEDED || s == JOB_CANCELLED;
}
