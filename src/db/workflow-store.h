/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workflows and their histories. Written by gantry-workflow. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/workflow.h"

/* 1: made, open, in run 1; 0: one of that id is there already, nothing changes. */
int workflow_store_create(Db *db, const Workflow *w, usec_t now, Error **reterr_error);
int workflow_store_get(Db *db, const char *id, Workflow **ret, Error **reterr_error);
/* The open one of that type; -ENOENT. */
int workflow_store_get_open(Db *db, WorkflowType type, const char *connection_id, Workflow **ret,
                            Error **reterr_error);
/* The open one that waits for this workload; -ENOENT. */
int workflow_store_get_by_workload(Db *db, const char *workload_id, Workflow **ret, Error **reterr_error);
int workflow_store_list_open(Db *db, const ListOptions *options, WorkflowArray *ret, Error **reterr_error);
typedef struct WorkflowFilter {
        WorkflowStatus status;     /* _WORKFLOW_STATUS_INVALID: all that have ended */
        WorkflowType type;         /* _WORKFLOW_TYPE_INVALID: all */
        const char *connection_id; /* NULL: of all, and of none */
} WorkflowFilter;
/* The newest first: the open ones by their making, others by their end. Without input and result. */
int workflow_store_list(Db *db, const WorkflowFilter *filter, const ListOptions *options, WorkflowArray *ret,
                        Error **reterr_error);

/* When the next timer of an open one fires; 0: there is none. */
int workflow_store_next_wake(Db *db, usec_t *ret, Error **reterr_error);

/* Appends events (type and payload are taken, the rest is filled in) behind event `last` of the run and
 * stores where the workflow waits (w->workload_id, w->job_id, w->wake_at). -ESTALE: the history has grown
 * since, or it isn't open. */
int workflow_store_append(Db *db, const Workflow *w, int64_t last, const WorkflowEvent *events, size_t n,
                          usec_t now, Error **reterr_error);
/* The events of the current run. */
int workflow_store_history(Db *db, const char *id, WorkflowEventArray *ret, Error **reterr_error);
/* Ends it. 1: done; 0: it had ended. */
int workflow_store_finish(Db *db, const char *id, WorkflowStatus status, const char *result, usec_t now,
                          Error **reterr_error);
/* Begins the next run with another input and an empty history, whose events of before are deleted.
 * -ESTALE: not open. */
int workflow_store_restart(Db *db, const char *id, const char *input, usec_t now, Error **reterr_error);
/* Deletes up to `limit` that ended before `before`; returns how many. */
int workflow_store_prune(Db *db, usec_t before, size_t limit, Error **reterr_error);
