/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One run of connectors, as the launcher sees it. docs/INTERFACES.md has its JSON form and its life. */

#include "model/model.h"

typedef enum WorkloadType {
        WORKLOAD_SYNC,
        WORKLOAD_CHECK,
        WORKLOAD_DISCOVER,
        WORKLOAD_SPEC,
        WORKLOAD_INSTALL, /* no connector yet: what makes one */
        _WORKLOAD_TYPE_MAX,
        _WORKLOAD_TYPE_INVALID = -EINVAL,
} WorkloadType;
DECLARE_NAMES(WorkloadType, workload_type);

typedef enum WorkloadStatus {
        WORKLOAD_PENDING,
        WORKLOAD_CLAIMED,
        WORKLOAD_LAUNCHED,
        WORKLOAD_RUNNING,
        WORKLOAD_SUCCESS,
        WORKLOAD_FAILURE,
        WORKLOAD_CANCELLED,
        _WORKLOAD_STATUS_MAX,
        _WORKLOAD_STATUS_INVALID = -EINVAL,
} WorkloadStatus;
DECLARE_NAMES(WorkloadStatus, workload_status);

bool workload_status_may_become(WorkloadStatus from, WorkloadStatus to);
bool workload_status_is_terminal(WorkloadStatus s);

typedef enum WorkloadPriority {
        WORKLOAD_DEFAULT,
        WORKLOAD_HIGH, /* somebody waits for it */
        _WORKLOAD_PRIORITY_MAX,
        _WORKLOAD_PRIORITY_INVALID = -EINVAL,
} WorkloadPriority;
DECLARE_NAMES(WorkloadPriority, workload_priority);

typedef struct Workload {
        char *id;
        char *auto_id;
        WorkloadType type;
        WorkloadStatus status;
        WorkloadPriority priority;
        char *mutex_key;     /* at most one live workload each; NULL = none */
        char *workspace_id;
        char *connection_id; /* NULL = none */
        int64_t job_id;      /* 0 = none */
        int attempt;         /* negative = none */
        char *labels;        /* JSON object */
        char *input;         /* JSON object, no secrets; NULL in lists */
        int64_t lease_epoch; /* 0 until it is claimed, raised by each claim */
        char *dataplane_id;  /* who claimed it */
        usec_t deadline;     /* to be claimed, launched or heard of by then; once cancel_at is set: to end */
        usec_t available_at; /* hidden from polls until then */
        usec_t heartbeat_at;
        usec_t cancel_at;    /* when it was told to end; 0 = it was not */
        char *output;        /* JSON object, when it has ended; NULL in lists */
        char *stats;         /* JSON array of STREAM_STATS, the last reported; NULL in lists */
        char *termination_source, *termination_reason; /* of a cancel as soon as it was asked for */
        bool notified;       /* the workflow knows that it has ended */
        usec_t created_at, updated_at, ended_at;
} Workload;
DECLARE_MODEL(Workload, workload);

/* Where workloads run. */
typedef struct Dataplane {
        char *id;
        char *name;
        bool enabled;
        Blob token_hash; /* of its last token */
        usec_t heartbeat_at, created_at;
} Dataplane;
DECLARE_MODEL(Dataplane, dataplane);
