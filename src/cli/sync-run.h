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
        Endpoint *source, *destination;
        SyncStore *store;
        SyncPlan *plan;
        SyncProgress *progress;
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

/* Endpoints, store, check and discover (or the catalog of the last run), plan, generations. 1: go on to
 * move; 0: it was a dry run and is done. On errors `failure_origin` and `failure_type` say whose fault. */
int sync_run_prepare(SyncRun *run, Error **reterr_error);

/* The configurations of both ends as one number, never 0: what the last good run is known by. */
uint64_t sync_run_key(const SyncRun *run);

/* Moves the records; the result is in run->replication. Negative only when it could not even begin. */
int sync_run_move(SyncRun *run, Error **reterr_error);
