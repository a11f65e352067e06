/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the files of the manager. */

#include "basic/hashmap.h"
#include "workload/workload-manager.h"

/* What is remembered of a workload that talks to us, so that its input isn't read at every call. */
typedef struct KnownWorkload {
        char *log_place;
        char *source_id, *destination_id; /* the actors whose configurations are stored; NULL = none */
        unsigned control_tokens;
        usec_t progress_at;               /* when it was passed on last, ENV_CLOCK_MONOTONIC */
        usec_t control_at;                /* when they were counted, ENV_CLOCK_MONOTONIC */
} KnownWorkload;

struct WorkloadManager {
        WorkloadManagerOptions options;
        JwtKey *jwt;
        Hashmap *known;        /* id → KnownWorkload */
        EnvSource *sweep_timer;
        usec_t grace_until;    /* ENV_CLOCK_MONOTONIC */
        usec_t last_realtime, last_monotonic; /* both clocks when they were last compared */
        int64_t signalled_seq;
};

/* At most so many; then all are forgotten and read again. */
#define KNOWN_WORKLOADS_MAX 1024U

static inline usec_t manager_now(WorkloadManager *m) {
        return env_now(m->options.env, ENV_CLOCK_REALTIME);
}

/* Borrowed, until the next call. */
int manager_known(WorkloadManager *m, const char *id, KnownWorkload **ret, Error **reterr_error);

/* Ends an operation: what it changed is announced, and leases are watched. Returns `r`. */
int manager_done(WorkloadManager *m, int r);
/* The same after something has ended; `claimed`: somebody had it, and may have left units. */
int manager_ended(WorkloadManager *m, bool claimed, int r);
void manager_stopped(WorkloadManager *m, const Workload *w);
