/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The core of gantry-workload: what may happen to a workload, and when. It knows the database, the secrets and
 * the Env; HTTP and the bus are its callers, and what it wants to tell others goes through hooks.
 *
 * Errors mean the same everywhere: -EINVAL malformed, -EDOM well-formed but not acceptable, -EKEYREJECTED no
 * valid token, -EACCES somebody else's, -ENOENT unknown, -EEXIST in conflict with what is stored, -EBUSY not
 * now, -EDQUOT too often, -EFBIG too large, and -ESTALE: this runner's time is over (a terminal workload, an
 * old lease epoch), the caller stops at once. Whatever changed something has been committed when it returns. */

#include "basic/env.h"
#include "basic/json-scan.h"
#include "db/workload-store.h"
#include "secrets/jwt.h"
#include "shared/json-util.h"

#define WORKLOAD_POLL_MAX 100U

/* How often leases are looked at, and for how long after a start or a jump of the wall clock they are not:
 * their runners had no chance to renew them. Longer than the 10 s between two heartbeats. */
#define WORKLOAD_SWEEP_USEC (10 * USEC_PER_SEC)
#define WORKLOAD_START_GRACE_USEC (30 * USEC_PER_SEC)

typedef struct WorkloadManager WorkloadManager;

typedef struct WorkloadManagerHooks {
        void (*queued)(void *userdata);                  /* something can be polled */
        void (*stopped)(const char *id, void *userdata); /* its runner is to end now; may come again */
        /* Somebody must be told: workload_manager_list_ended(). `claimed`: there may be units to take away. */
        void (*ended)(bool claimed, void *userdata);
        void (*changed)(int64_t seq, void *userdata);    /* rows of `change` up to seq exist */
        /* How far a running sync is, {"jobId", "attempt", "streams"}; not stored. */
        void (*progress)(const char *json, void *userdata);
        void *userdata;
} WorkloadManagerHooks;

typedef struct WorkloadManagerOptions {
        Env *env;         /* borrowed, as the others are */
        Db *db;
        SealingKeys *keys;
        const char *log_root;
        WorkloadManagerHooks hooks;
} WorkloadManagerOptions;

int workload_manager_new(const WorkloadManagerOptions *options, WorkloadManager **ret);
WorkloadManager *workload_manager_free(WorkloadManager *m);
DEFINE_CLEANUP(WorkloadManager, workload_manager_free);

/* Those who create and look. */
int workload_manager_create(WorkloadManager *m, const char *json, size_t n, bool *ret_created, Error **reterr_error);
int workload_manager_get(WorkloadManager *m, const char *id, Workload **ret, Error **reterr_error);
/* A page of them by id, without input, output and statistics. `after` NULL: the first. */
int workload_manager_list(WorkloadManager *m, bool live_only, const char *after, WorkloadArray *ret,
                          Error **reterr_error);
/* A sync that somebody has claimed is told to end, and is cancelled when its runner has handed over what is
 * committed; all else at once. -ESTALE where it had ended otherwise; cancelling again is no error. */
int workload_manager_cancel(WorkloadManager *m, const char *id, const char *source, const char *reason,
                            Error **reterr_error);
/* Has the runners of what was told to end stopped again: nobody may have heard of it. Looks after deadlines, too. */
void workload_manager_remind(WorkloadManager *m);
/* Whether it was told to end. */
bool workload_manager_is_cancelling(WorkloadManager *m, const char *id);
int workload_manager_state_set(WorkloadManager *m, const char *connection_id, const char *json, size_t n,
                               Error **reterr_error);

/* The queue. `priority` negative: both, the high ones first. */
int workload_manager_poll(WorkloadManager *m, int priority, unsigned quantity, WorkloadArray *ret,
                          Error **reterr_error);

/* How many wait, by priority. */
int workload_manager_depth(WorkloadManager *m, int64_t ret[static _WORKLOAD_PRIORITY_MAX], Error **reterr_error);

/* Fails what is past its deadline, all that were as one. Returns how many there were; 0 also during a grace.
 * While a workload is open the manager does it by itself. */
int workload_manager_sweep(WorkloadManager *m, Error **reterr_error);
/* Whether a workload has not ended, or its end is not known to the workflow. */
bool workload_manager_is_busy(WorkloadManager *m);

/* Workloads that have ended without the workflow knowing, up to a hundred. */
int workload_manager_list_ended(WorkloadManager *m, WorkloadArray *ret, Error **reterr_error);
/* The workflow knows. */
int workload_manager_acknowledge(WorkloadManager *m, const char *id, Error **reterr_error);

/* Where the logs of a workload without a job lie (log-store.h). */
int workload_manager_log_place(WorkloadManager *m, const char *id, char **ret, Error **reterr_error);
