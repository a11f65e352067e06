/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The workload API's calls (docs/INTERFACES.md), typed. One client speaks with one token: the launcher's,
 * or that of the workload which a worker runs. All calls
 * but the poll may be repeated, and are; not heartbeats and statistics, of which the next one is due soon. */

#include "client/api-client.h"

#define WORKLOAD_SOCKET "/run/gantry/workload/api.sock"

typedef struct WorkloadClient WorkloadClient;

/* A workload and the lease under which somebody runs it. */
typedef struct WorkloadLease {
        const char *id;
        int64_t epoch;
} WorkloadLease;

/* `r`: 0, or what api_reply_errno() makes of the status; -EAGAIN without an answer. `reply` may be NULL
 * and is borrowed. */
typedef void (*WorkloadHandler)(int r, JsonObject *reply, const Error *error, void *userdata);

int workload_client_new(Env *env, const char *socket_path, WorkloadClient **ret);
WorkloadClient *workload_client_free(WorkloadClient *c);
DEFINE_CLEANUP(WorkloadClient, workload_client_free);
int workload_client_set_token(WorkloadClient *c, const char *token);
size_t workload_client_n_pending(const WorkloadClient *c);

/* ---- The launcher's ---- */
int workload_client_initialize(WorkloadClient *c, const char *name, WorkloadHandler h, void *userdata);
int workload_client_dataplane_heartbeat(WorkloadClient *c, const char *dataplane_id, WorkloadHandler h,
                                        void *userdata);
int workload_client_poll(WorkloadClient *c, const char *dataplane_id, const char *priority,
                         unsigned quantity,
                         WorkloadHandler h, void *userdata);
int workload_client_claim(WorkloadClient *c, const char *dataplane_id, const char *workload_id,
                          WorkloadHandler h,
                          void *userdata);
int workload_client_launched(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata);
int workload_client_cancel(WorkloadClient *c, const char *workload_id, const char *source,
                           const char *reason,
                           WorkloadHandler h, void *userdata);
/* Claimed, launched and running ones of this dataplane: {"workloads": […]}. */
int workload_client_list_live(WorkloadClient *c, const char *dataplane_id, WorkloadHandler h,
                              void *userdata);
int workload_client_get(WorkloadClient *c, const char *workload_id, WorkloadHandler h, void *userdata);

/* ---- The worker's ---- */
int workload_client_running(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata);
int workload_client_heartbeat(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata);
/* `output` may be NULL for a failure; borrowed. */
int workload_client_success(WorkloadClient *c, const WorkloadLease *l, JsonObject *output, WorkloadHandler h,
                            void *userdata);
int workload_client_failure(WorkloadClient *c, const WorkloadLease *l, const char *source,
                            const char *reason,
                            JsonObject *output, WorkloadHandler h, void *userdata);
int workload_client_control(WorkloadClient *c, const WorkloadLease *l, const char *role,
                            JsonObject *configuration,
                            WorkloadHandler h, void *userdata);
/* `streams`: a JSON array of STREAM_STATS. Not repeated: the next ones say more. */
int workload_client_stats(WorkloadClient *c, const WorkloadLease *l, const char *streams, WorkloadHandler h,
                          void *userdata);
/* The same, for those who watch; stored nowhere. */
int workload_client_progress(WorkloadClient *c, const WorkloadLease *l, const char *streams, WorkloadHandler h,
                             void *userdata);
/* `lines`: JSON lines. */
int workload_client_logs(WorkloadClient *c, const WorkloadLease *l, const char *lines, size_t n,
                         WorkloadHandler h,
                         void *userdata);
/* Waits until the states (a JSON array of AirbyteStateMessage) are durable; each call at most about
 * `patience`. What they stand for (`streams`, STREAM_STATS) is stored before them, so that an attempt that
 * ends at any moment tells no fewer records than its state has. */
int workload_client_state_wait(WorkloadClient *c, const WorkloadLease *l, const char *states,
                               const char *streams, usec_t patience, Error **reterr_error);
