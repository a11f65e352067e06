/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happened: to a connection (its timeline), and to any row (changes). */

#include "model/model.h"

typedef struct TimelineEvent {
        char *id;
        char *connection_id;
        char *principal;  /* who did it; NULL = the suite itself */
        char *event_type; /* Airbyte's: "SYNC_SUCCEEDED", "CONNECTION_SETTINGS_UPDATE", … */
        int64_t job_id;   /* 0 = none */
        char *summary;    /* JSON */
        usec_t created_at;
} TimelineEvent;
DECLARE_MODEL(TimelineEvent, timeline_event);

typedef enum ChangeKind {
        CHANGE_WORKSPACE,
        CHANGE_DEFINITION,
        CHANGE_ACTOR,
        CHANGE_CONNECTION,
        CHANGE_TAG,
        CHANGE_APPLICATION,
        CHANGE_PERMISSION,
        CHANGE_JOB,
        CHANGE_ATTEMPT,  /* id: "<job>/<number>"; statistics too */
        CHANGE_WORKFLOW,
        CHANGE_TIMELINE, /* id: the connection's */
        CHANGE_CATALOG,  /* a discover; id: the actor's */
        CHANGE_WORKLOAD,
        CHANGE_STATE,    /* id: the connection's */
        CHANGE_DATAPLANE,
        _CHANGE_KIND_MAX,
        _CHANGE_KIND_INVALID = -EINVAL,
} ChangeKind;
DECLARE_NAMES(ChangeKind, change_kind);

/* A row that was made, changed or deleted. */
typedef struct Change {
        int64_t seq; /* 1, 2, 3, …: no gaps, in the order of the commits */
        ChangeKind kind;
        char *id;    /* of the row */
        usec_t at;
} Change;
DECLARE_MODEL(Change, change);
