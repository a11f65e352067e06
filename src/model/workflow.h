/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A durable procedure: its row says where it stands, its events how it came there. */

#include "model/model.h"

typedef enum WorkflowType {
        WORKFLOW_CHECK,
        WORKFLOW_DISCOVER,
        WORKFLOW_SPEC,
        WORKFLOW_INSTALL,
        WORKFLOW_SYNC,
        WORKFLOW_CONNECTION, /* the life of a connection: schedules, runs */
        WORKFLOW_NOTIFY,
        _WORKFLOW_TYPE_MAX,
        _WORKFLOW_TYPE_INVALID = -EINVAL,
} WorkflowType;
DECLARE_NAMES(WorkflowType, workflow_type);

typedef enum WorkflowStatus {
        WORKFLOW_OPEN,
        WORKFLOW_COMPLETED,
        WORKFLOW_FAILED,
        WORKFLOW_CANCELLED,
        _WORKFLOW_STATUS_MAX,
        _WORKFLOW_STATUS_INVALID = -EINVAL,
} WorkflowStatus;
DECLARE_NAMES(WorkflowStatus, workflow_status);

typedef struct Workflow {
        char *id;            /* a meaningful one is fine: "connection-<id>" */
        WorkflowType type;
        WorkflowStatus status;
        char *connection_id; /* NULL = none */
        int64_t job_id;      /* 0 = none */
        char *workload_id;   /* the one it waits for; NULL = none */
        char *input;         /* JSON */
        char *result;        /* JSON; NULL until it has ended */
        int64_t run_seq;     /* 1; raised when it starts anew with an empty history */
        int64_t last_event;  /* seq of its last event, 0 = none */
        usec_t wake_at;      /* its next timer, 0 = none */
        usec_t created_at, updated_at, ended_at;
} Workflow;
DECLARE_MODEL(Workflow, workflow);

typedef struct WorkflowEvent {
        char *workflow_id;
        int64_t run_seq;
        int64_t seq;    /* 1, 2, 3, … within the run */
        char *type;
        char *payload;  /* JSON */
        usec_t at;
} WorkflowEvent;
DECLARE_MODEL(WorkflowEvent, workflow_event);
