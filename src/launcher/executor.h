/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where attempts run: one small table, so that a batch system or another host can take systemd's place. A
 * handle is an attempt's autoId and the lease's number: with it, each call may be repeated. Nothing
 * waits; answers come from the loop. */

#include "launcher/launch-io.h"

typedef struct Executor Executor;

typedef struct ExecutorHandle {
        char auto_id[37];
        int64_t epoch;
        const char *slice; /* where known */
} ExecutorHandle;

typedef enum ExecutorState {
        EXECUTOR_RUNNING,
        EXECUTOR_ENDED, /* its worker has */
        EXECUTOR_LOST,  /* there is no such thing */
} ExecutorState;

typedef struct ExecutorStatus {
        ExecutorState state;
        const char *detail; /* how the worker ended, for people; NULL while it runs */
        bool clean;         /* … with exit code 0 */
} ExecutorStatus;

/* `r`: 0, or what went wrong with `error`'s sentence. */
typedef void (*ExecutorDone)(int r, const Error *error, void *userdata);
/* By handle: what was asked about may be gone when the answer comes. */
typedef void (*ExecutorPolled)(const ExecutorHandle *h, const ExecutorStatus *s, void *userdata);
/* Whether a slice is one of an attempt that lives. */
typedef bool (*ExecutorLives)(const char *slice, void *userdata);
/* Once for each attempt, then once with NULL; `r` is negative when they can't be told. */
typedef void (*ExecutorFound)(const ExecutorHandle *h, int r, void *userdata);

typedef struct ExecutorEvents {
        /* An attempt's worker has ended or is being stopped by somebody: ask poll(). */
        void (*changed)(const ExecutorHandle *h, void *userdata);
        void *userdata;
} ExecutorEvents;

typedef struct ExecutorOps {
        const char *name;
        /* Whether it can be used now; says what is missing. */
        int (*probe)(Executor *e, Error **reterr_error);
        /* Starts all units; `done` when they run, or with the reason why not: then nothing of it is left
         * running. */
        int (*submit)(Executor *e, const LaunchPlan *p, const WorkerTicket *t, ExecutorDone done,
                      void *userdata,
                      Error **reterr_error);
        int (*poll)(Executor *e, const ExecutorHandle *h, ExecutorPolled polled, void *userdata);
        /* The worker first, which commits what it may; then all the rest, and what is remembered of it. */
        int (*cancel)(Executor *e, const ExecutorHandle *h, ExecutorDone done, void *userdata);
        /* What runs that an earlier launcher has started. */
        int (*adopt)(Executor *e, ExecutorFound found, void *userdata);
        /* Takes away what attempts that don't live have left, slices that adopt() can't tell of for want of
         * units included. `done` comes with 0 whatever could not be taken away; -EBUSY: one is under way. */
        int (*sweep)(Executor *e, ExecutorLives lives, ExecutorDone done, void *userdata);
        Executor *(*free)(Executor *e);
} ExecutorOps;

/* Implementations embed this first. */
struct Executor {
        const ExecutorOps *ops;
};

static inline Executor *executor_free(Executor *e) {
        return e ? e->ops->free(e) : NULL;
}
DEFINE_CLEANUP(Executor, executor_free);
