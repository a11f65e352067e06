/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The worker's line to the workload API: beats that keep the lease, states, statistics, logs, the last
 * word. Whoever loses the lease, or the API for too long, stops: somebody else may be running the same
 * workload by then. */

#include "client/workload-client.h"
#include "orchestrator/worker-start.h"

#define WORKER_BEAT_USEC (10 * USEC_PER_SEC)
/* Below the lease's 120 s. */
#define WORKER_SILENCE_USEC (90 * USEC_PER_SEC)
#define WORKER_HURRIED_USEC (10 * USEC_PER_SEC)

typedef struct WorkerLink WorkerLink;

typedef struct WorkerLinkEvents {
        /* Stop at once; nothing more will be stored. Comes once. */
        void (*lost)(const char *why, void *userdata);
        /* The workload was told to end: hand over what is committed. There is time for that. Comes once. */
        void (*cancelled)(void *userdata);
        /* The last word is stored (or will never be): leave. */
        void (*finished)(int r, void *userdata);
        void *userdata;
} WorkerLinkEvents;

int worker_link_new(Env *env, const WorkerStart *start, const WorkerLinkEvents *events, WorkerLink **ret);
WorkerLink *worker_link_free(WorkerLink *l);
DEFINE_CLEANUP(WorkerLink, worker_link_free);

/* A line, already masked. Sent in batches; of a flood the newest are dropped and counted. */
void worker_link_log(WorkerLink *l, const char *origin, const char *level, const char *message);
/* A JSON array of STREAM_STATS. */
void worker_link_stats(WorkerLink *l, const char *streams);
/* The same for those who watch: dropped while the one before is on its way, and where it can't be told. */
void worker_link_progress(WorkerLink *l, const char *streams);
void worker_link_control(WorkerLink *l, const char *role, JsonObject *configuration);
/* Waits until these states, and before them the STREAM_STATS that belong to them, are durable. */
int worker_link_state(WorkerLink *l, const char *states, const char *streams, usec_t patience,
                      Error **reterr_error);

/* We are being stopped: an API that is silent is waited for WORKER_HURRIED_USEC at most, the end included.
 * Where the whole machine is shut down, it has gone already. Asks at once whether the workload was told to
 * end, for then there is no such hurry. */
void worker_link_hurry(WorkerLink *l);
/* How long the last states may wait for the API. */
usec_t worker_link_last_patience(const WorkerLink *l);
/* The end: what is left of the log, then success or, with a reason, failure. `output` is taken over. */
void worker_link_finish(WorkerLink *l, const char *failure_reason, JsonObject *output);
/* The end, where the last word is somebody else's: only what is left of the log. */
void worker_link_leave(WorkerLink *l);
