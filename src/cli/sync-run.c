/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/sync-run.h"

void sync_run_done(SyncRun *run) {
        replication_free(run->replication);
        connector_process_free(run->source_process);
        connector_process_free(run->destination_process);
        progress_free(run->progress);
        sync_plan_free(run->plan);
        sync_store_free(run->store);
        endpoint_free(run->source);
        endpoint_free(run->destination);
        connector_scopes_free(run->scopes);
        strv_free(run->secrets);
        if (run->env) {
                env_source_free(run->env, run->interrupt);
                env_source_free(run->env, run->terminate);
                env_source_free(run->env, run->hangup);
        }
}
