/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The JSON that Workload1.Create takes (docs/INTERFACES.md), and what Get says when it has ended. */

#include "basic/env.h"
#include "model/catalog-fetch.h"
#include "shared/json-util.h"

/* How long a workload may wait to be claimed (Airbyte's figure). */
#define WORKLOAD_CLAIM_USEC (30 * 60 * USEC_PER_SEC)

typedef struct WorkloadRequest {
        const char *id, *type;
        bool high_priority; /* somebody waits for it */
        const char *mutex_key, *workspace_id, *connection_id; /* may be NULL */
        int64_t job_id; /* 0: none */
        int attempt;
        const char *actor_id, *config_hash; /* labels; may be NULL */
        JsonObject *drop_states; /* borrowed; may be NULL */
        JsonObject *input;       /* borrowed */
} WorkloadRequest;

int workload_request_make(Env *env, const WorkloadRequest *q, usec_t now, JsonObject **ret);

/* When it was made. */
usec_t workload_request_time(JsonObject *request);

/* "<subject>_<run>_<attempt>_<kind>". NULL when out of memory. */
char *workload_id_make(const char *subject, const char *run, int attempt, const char *kind);

/* A FailureReason of Airbyte's API. `message` is for people. NULL when out of memory. */
JsonObject *failure_make(const char *origin, const char *type, const char *message, usec_t now);

/* What a workflow is told of a workload: {"status":"success"|"failure"|"cancelled", "output", "stats",
 * "failure": a FailureReason, absent with success, "refused": true where it never came to be}. */
int workload_result_make(JsonObject *workload, usec_t now, JsonObject **ret);
/* One that never came to be, or came back with something that can't be used. */
int workload_result_failed(const char *origin, const char *type, const char *message, usec_t now,
                           JsonObject **ret);

/* A discover whose catalog is stored: {"status":"success","catalogId","catalogHash","discoveredAt"}. */
int workload_result_discovered(const CatalogFetch *f, JsonObject **ret);

bool workload_status_text_is_terminal(const char *status);
