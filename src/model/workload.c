/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/workload.h"
#include "model/model-table.h"

DEFINE_NAMES(WorkloadType, workload_type, "workload type", _WORKLOAD_TYPE_MAX,
        [WORKLOAD_SYNC] = "sync",
        [WORKLOAD_CHECK] = "check",
        [WORKLOAD_DISCOVER] = "discover",
        [WORKLOAD_SPEC] = "spec",
        [WORKLOAD_INSTALL] = "install");

DEFINE_NAMES(WorkloadStatus, workload_status, "workload status", _WORKLOAD_STATUS_MAX,
        [WORKLOAD_PENDING] = "pending",
        [WORKLOAD_CLAIMED] = "claimed",
        [WORKLOAD_LAUNCHED] = "launched",
        [WORKLOAD_RUNNING] = "running",
        [WORKLOAD_SUCCESS] = "success",
        [WORKLOAD_FAILURE] = "failure",
        [WORKLOAD_CANCELLED] = "cancelled");

DEFINE_NAMES(WorkloadPriority, workload_priority, "workload priority", _WORKLOAD_PRIORITY_MAX,
        [WORKLOAD_DEFAULT] = "default",
        [WORKLOAD_HIGH] = "high");

DEFINE_MODEL(Workload, workload,
        FIELD_TEXT_OF(Workload, id),
        FIELD_TEXT_OF(Workload, auto_id),
        FIELD_NAMED(Workload, type, workload_type_names),
        FIELD_NAMED(Workload, status, workload_status_names),
        FIELD_NAMED(Workload, priority, workload_priority_names),
        FIELD_TEXT_OF(Workload, mutex_key),
        FIELD_TEXT_OF(Workload, workspace_id),
        FIELD_TEXT_OF(Workload, connection_id),
        FIELD_I64_OPTIONAL_OF(Workload, job_id),
        FIELD_INT_OPTIONAL_OF(Workload, attempt),
        FIELD_TEXT_OF(Workload, labels),
        FIELD_TEXT_OF(Workload, input),
        FIELD_I64_OF(Workload, lease_epoch),
        FIELD_TEXT_OF(Workload, dataplane_id),
        FIELD_TIME_OF(Workload, deadline),
        FIELD_TIME_OF(Workload, available_at),
        FIELD_TIME_OF(Workload, heartbeat_at),
        FIELD_TIME_OF(Workload, cancel_at),
        FIELD_TEXT_OF(Workload, output),
        FIELD_TEXT_OF(Workload, stats),
        FIELD_TEXT_OF(Workload, termination_source),
        FIELD_TEXT_OF(Workload, termination_reason),
        FIELD_BOOL_OF(Workload, notified),
        FIELD_TIME_OF(Workload, created_at),
        FIELD_TIME_OF(Workload, updated_at),
        FIELD_TIME_OF(Workload, ended_at));

DEFINE_MODEL(Dataplane, dataplane,
        FIELD_TEXT_OF(Dataplane, id),
        FIELD_TEXT_OF(Dataplane, name),
        FIELD_BOOL_OF(Dataplane, enabled),
        FIELD_BLOB_OF(Dataplane, token_hash),
        FIELD_TIME_OF(Dataplane, heartbeat_at),
        FIELD_TIME_OF(Dataplane, created_at));

/* Forward only, past what a quick runner skips, and to an end from everywhere but from an end; a success is told
 * by what runs. Repeating a step is no transition: the store answers it. */
bool workload_status_may_become(WorkloadStatus from, WorkloadStatus to) {
        assert(from >= 0 && from < _WORKLOAD_STATUS_MAX && to >= 0 && to < _WORKLOAD_STATUS_MAX);
        if (workload_status_is_terminal(from))
                return false;
        if (to == WORKLOAD_FAILURE || to == WORKLOAD_CANCELLED)
                return true;
        if (to == WORKLOAD_SUCCESS)
                return from == WORKLOAD_RUNNING;
        return from == WORKLOAD_PENDING ? to == WORKLOAD_CLAIMED : to > from;
}

bool workload_status_is_terminal(WorkloadStatus s) {
        return s == WORKLOAD_SUCCESS || s == WORKLOAD_FAILURE || s == WORKLOAD_CANCELLED;
}
