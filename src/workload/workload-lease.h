/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tokens, the claim, and what is said under a lease: the part of the manager that launchers and runners talk to.
 * Errors as in workload-manager.h. */

#include "workload/workload-manager.h"

#define WORKLOAD_REASON_MAX (16U * 1024U)

/* CONTROL messages of one workload: this many at once, then one per interval. */
#define WORKLOAD_CONTROL_BURST 10U
#define WORKLOAD_CONTROL_INTERVAL_USEC (10 * USEC_PER_SEC)
#define WORKLOAD_CONTROL_MAX (512U * 1024U)

/* A runner's token is good for as long as its lease, which is looked up at each call. Beyond these nothing runs (the
 * monitor's limits, and the time to be launched), so no token says more. */
#define WORKLOAD_TOKEN_SYNC_USEC (30 * 24 * 60 * 60 * USEC_PER_SEC)
#define WORKLOAD_TOKEN_OTHER_USEC ((4 * 60 + 30) * 60 * USEC_PER_SEC)

/* Whom a token belongs to. */
typedef struct WorkloadCaller {
        char *dataplane_id; /* a launcher */
        char *workload_id;  /* a runner: of this workload and epoch */
        int64_t lease_epoch;
} WorkloadCaller;
WorkloadCaller *workload_caller_free(WorkloadCaller *c);
DEFINE_CLEANUP(WorkloadCaller, workload_caller_free);

/* -ESTALE for the token of an older claim, of a workload whose lease has run out, and of one that has ended,
 * unless it is for `repeats_end`: telling an end again. */
int workload_manager_authenticate(WorkloadManager *m, const char *token, bool repeats_end, WorkloadCaller **ret,
                                  Error **reterr_error);

/* Launchers. Registering again under a name replaces the token. */
int workload_manager_register(WorkloadManager *m, const char *name, char **ret_id, char **ret_token,
                              Error **reterr_error);
int workload_manager_dataplane_beat(WorkloadManager *m, const char *dataplane_id, Error **reterr_error);

typedef struct WorkloadClaim {
        int64_t lease_epoch; /* 0: somebody else has it, or it has ended */
        char *token;
        Buffer input;        /* JSON, with secrets in clear: erased by _done */
} WorkloadClaim;
void workload_claim_done(WorkloadClaim *c);
int workload_manager_claim(WorkloadManager *m, const char *id, const char *dataplane_id, WorkloadClaim *ret,
                           Error **reterr_error);

/* What a launcher or runner says about the workload whose lease it holds. Repeating the last word is no
 * error. 1 from a heartbeat: it was told to end. */
int workload_manager_launched(WorkloadManager *m, const char *id, int64_t epoch, Error **reterr_error);
int workload_manager_running(WorkloadManager *m, const char *id, int64_t epoch, Error **reterr_error);
int workload_manager_heartbeat(WorkloadManager *m, const char *id, int64_t epoch, Error **reterr_error);
/* Whose success a launcher may tell: that of what it has put in its place itself. -EACCES for all others. */
int workload_manager_check_launchers(WorkloadManager *m, const char *id, Error **reterr_error);
int workload_manager_success(WorkloadManager *m, const char *id, int64_t epoch, const char *output,
                             Error **reterr_error);
int workload_manager_failure(WorkloadManager *m, const char *id, int64_t epoch, const char *source,
                             const char *reason, const char *output, Error **reterr_error);

/* `states`: the text of an array of AirbyteStateMessage; stored byte for byte, all or none. */
int workload_manager_state(WorkloadManager *m, const char *id, int64_t epoch, JsonSlice states, Error **reterr_error);
/* `streams`: the array of STREAM_STATS, which replaces the one before. */
int workload_manager_stats(WorkloadManager *m, const char *id, int64_t epoch, JsonObject *streams,
                           Error **reterr_error);
/* The same numbers while they grow, passed on at most so often and stored nowhere. */
#define WORKLOAD_PROGRESS_USEC (250 * USEC_PER_MSEC)
int workload_manager_progress(WorkloadManager *m, const char *id, int64_t epoch, JsonObject *streams,
                              Error **reterr_error);
int workload_manager_logs(WorkloadManager *m, const char *id, int64_t epoch, const char *lines, size_t n,
                          Error **reterr_error);
/* Whether a CONTROL message may be passed on, and for whom: `ret_actor_id` NULL: for nobody whose configuration
 * is stored. */
int workload_manager_control(WorkloadManager *m, const char *id, int64_t epoch, const char *role,
                             size_t n_configuration, char **ret_actor_id, Error **reterr_error);
