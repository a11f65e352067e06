/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One run of `gantry sync`, from the opened endpoints to the end of the last record. */

#include "cli/endpoint.h"
#include "cli/sync-plan.h"
#include "cli/sync-progress.h"
#include "cli/sync-store.h"

typedef struct SyncRun {
        const SyncOptions *options;
        Env *env;
        ConnectorScopes *scopes;
        Endpoint *source, *destination;
        SyncStore *store;
        SyncPlan *plan;
        Progress *progress;
        Replication *replication;
        ConnectorProcess *source_process, *destination_process;
        EnvSource *interrupt, *terminate, *hangup;
        char **secrets;
        int64_t sync_id;
        usec_t started;
        int signo;       /* that ended it, 0 = none */
        bool said_missing;
        FailureOrigin failure_origin; /* of the error that the preparing steps return */
        FailureType failure_type;
} SyncRun;

void sync_run_done(SyncRun *run);
