/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How an attempt of a job begins: its row, what is due before it, its plan and its workloads' requests. */

#include "workflow/job-plan.h"
#include "workflow/workflow-world.h"

/* One run of the workflow's code, at one attempt. */
typedef struct SyncRun {
        WorkflowContext *context;
        WorkflowWorld *world;
        int64_t job_id;
        const char *connection_id;
        int attempt;         /* as the code counts */
        JsonObject *start;   /* what the attempt's first step recorded */
        JsonObject *schema;  /* what the schema's step recorded; NULL: there was nothing to compare */
        JsonObject *planned; /* what the plan's step recorded */
        JsonObject *failure; /* why it can't go on to the workload; NULL: it can */
        JsonObject *result;  /* of the sync workload */
        JobPlan plan;        /* in the run that made it */
        bool cancelled;
} SyncRun;

/* Steps; `userdata` is the SyncRun. */
int sync_step_start(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);
int sync_step_plan(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);

/* Requests of the attempt's workloads. */
int sync_request_source_check(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);
int sync_request_destination_check(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);
int sync_request_discover(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);
int sync_request_sync(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);

/* Generations as worker/sync-generation.h's text. Only entries that differ from `before` are stored. */
int sync_generations_load(Db *db, const char *connection_id, JsonObject **ret, Error **reterr_error);
int sync_generations_store(Db *db, const char *connection_id, JsonObject *before, JsonObject *after,
                           int64_t job_id, usec_t now, Error **reterr_error);
