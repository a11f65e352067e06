/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one attempt of a job moves: from what the source offers, what the connection selects and what the
 * job asks for, to the two catalogs, the streams' options, the generations and the states that are to go.
 * Pure. */

#include "shared/json-util.h"

typedef enum JobPlanKind {
        JOB_PLAN_SYNC,
        JOB_PLAN_REFRESH_MERGE,
        JOB_PLAN_REFRESH_TRUNCATE,
        JOB_PLAN_CLEAR,
} JobPlanKind;

typedef struct JobPlanRequest {
        JsonObject *discovered;     /* AirbyteCatalog that the connection goes by */
        JsonObject *offered;        /* what the source has now: what is gone can't be moved; NULL: the same */
        JsonObject *configurations; /* the public API's: {"streams": […]}; NULL: all streams, best modes */
        const char *destination_spec;         /* its text; NULL: append and overwrite */
        bool destination_supports_refreshes;
        const char *namespace_definition;     /* "source", "destination", "custom_format" */
        const char *namespace_format, *prefix; /* may be NULL */
        JobPlanKind kind;
        JsonObject *streams;     /* of a refresh or clear: [{"name","namespace"}]; NULL or empty: all */
        JsonObject *again;       /* the same: streams whose states go whatever the job is; NULL: none */
        JsonObject *generations; /* worker/sync-generation.h's text; NULL: none yet */
        int64_t sync_id;
        bool first_attempt;
} JobPlanRequest;

typedef struct JobPlan {
        JsonObject *source_catalog, *destination_catalog; /* ConfiguredAirbyteCatalog */
        JsonObject *streams;     /* what docs/INTERFACES.md says of a sync's `streams` */
        JsonObject *generations; /* all of the connection's, as they are to be stored before the attempt */
        JsonObject *drop_states; /* [{"name","namespace"}] */
} JobPlan;

void job_plan_done(JobPlan *p);
#define _cleanup_job_plan_ _cleanup_(job_plan_done)

/* All errors but -ENOMEM are for the person who configured the connection: the sentence names the
 * stream. */
int job_plan_make(const JobPlanRequest *q, JobPlan *ret, Error **reterr_error);

/* The streams of the catalog that have completed, out of an attempt's STREAM_STATS, are no longer being
 * refreshed. Returns the new generations. */
int job_plan_complete(JsonObject *generations, JsonObject *stream_stats, JsonObject **ret);
