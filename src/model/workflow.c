/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/workflow.h"
#include "model/model-table.h"

DEFINE_NAMES(WorkflowType, workflow_type, "workflow type", _WORKFLOW_TYPE_MAX,
        [WORKFLOW_CHECK] = "check",
        [WORKFLOW_DISCOVER] = "discover",
        [WORKFLOW_INSTALL] = "install",
        [WORKFLOW_SPEC] = "spec",
        [WORKFLOW_SYNC] = "sync",
        [WORKFLOW_CONNECTION] = "connection",
        [WORKFLOW_NOTIFY] = "notify");

DEFINE_NAMES(WorkflowStatus, workflow_status, "workflow status", _WORKFLOW_STATUS_MAX,
        [WORKFLOW_OPEN] = "open",
        [WORKFLOW_COMPLETED] = "completed",
        [WORKFLOW_FAILED] = "failed",
        [WORKFLOW_CANCELLED] = "cancelled");

DEFINE_MODEL(Workflow, workflow,
        FIELD_TEXT_OF(Workflow, id),
        FIELD_NAMED(Workflow, type, workflow_type_names),
        FIELD_NAMED(Workflow, status, workflow_status_names),
        FIELD_TEXT_OF(Workflow, connection_id),
        FIELD_I64_OPTIONAL_OF(Workflow, job_id),
        FIELD_TEXT_OF(Workflow, workload_id),
        FIELD_TEXT_OF(Workflow, input),
        FIELD_TEXT_OF(Workflow, result),
        FIELD_I64_OF(Workflow, run_seq),
        FIELD_I64_OF(Workflow, last_event),
        FIELD_TIME_OF(Workflow, wake_at),
        FIELD_TIME_OF(Workflow, created_at),
        FIELD_TIME_OF(Workflow, updated_at),
        FIELD_TIME_OF(Workflow, ended_at));

DEFINE_MODEL(WorkflowEvent, workflow_event,
        FIELD_TEXT_OF(WorkflowEvent, workflow_id),
        FIELD_I64_OF(WorkflowEvent, run_seq),
        FIELD_I64_OF(WorkflowEvent, seq),
        FIELD_TEXT_OF(WorkflowEvent, type),
        FIELD_TEXT_OF(WorkflowEvent, payload),
        FIELD_TIME_OF(WorkflowEvent, at));
