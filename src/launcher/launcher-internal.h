/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between launcher-manager.c (queue, start, list of runs) and launcher-run.c (one run's life). */

#include "launcher/isolation.h"
#include "launcher/launch-install.h"
#include "launcher/launcher-tool.h"
#include "launcher/launcher-manager.h"

/* May connect to the workload API's socket; made by sysusers.d. */
#define WORKER_GROUP "gantry-workload"

typedef enum RunState {
        RUN_WAITING, /* polled, no room yet */
        RUN_CLAIMING,
        RUN_LAUNCHING,
        RUN_RUNNING,
        RUN_JUDGING, /* the worker is gone: has it said how it ended? */
        RUN_PUBLISHING, /* an installation becomes a connector */
        RUN_ENDING,  /* units are stopped and forgotten */
        _RUN_STATE_MAX,
        _RUN_STATE_INVALID = -EINVAL,
} RunState;

typedef struct Run {
        Launcher *launcher;
        char *id, *auto_id, *type;
        int64_t job_id, attempt; /* 0, -1: none */
        int64_t epoch;
        char *mutex_key; /* NULL: none */
        char *slice;
        char *token;  /* only until it is launched */
        char *detail; /* how the worker ended */
        RunState state;
        bool cancelled, worker_gone;
        bool clean; /* the worker ended with exit code 0 */
        Tool *tool; /* gantry-installer at work for it */
        struct Run *next;
} Run;

struct Launcher {
        LauncherOptions options;
        Env *env;
        Executor *executor;
        WorkloadClient *api;
        char *dataplane_id;
        Run *runs;
        EnvSource *tick;
        char *shim, *worker, *fence, *installer, *container_init, *container_hooks;
        InstallSettings install;
        const char *staging; /* where installations are made */
        Tool *sweeping;
        void (*swept)(Launcher *l);
        Tool *removing;
        ToolDone removed;
        void *removed_userdata;
        uint64_t files_uid, files_gid;
        uint64_t worker_gid; /* 0: there is no such group here */
        unsigned n_setting_up; /* steps before the first poll that are not done */
        Isolation *isolation;
        struct HostReport *reports; /* that are being made */
        bool allow_unisolated; /* gantry.conf says that foreign connectors run on a host that doesn't hold them */
        bool claimed_known; /* all that this host has claimed before is among the runs */
        bool ready, polling, poll_again, failed;
        unsigned polled_quantity; /* asked for in the poll that is on its way */
};

const char *run_state_to_string(RunState s);

/* launcher-run.c */
Run *run_new(Launcher *l, const char *id, const char *auto_id, const char *type, int64_t job_id,
             int64_t attempt);
void run_free(Run *r); /* unlinks it, too */
Run *launcher_find(const Launcher *l, const char *id);
Run *launcher_find_handle(const Launcher *l, const char *auto_id, int64_t epoch);
/* Takes the workload and starts it. */
void run_claim(Run *r);
/* The executor says that something has changed. */
void run_check(Run *r);
/* What its claim's input comes to. */
int run_plan(Run *r, JsonObject *input, LaunchPlan **ret, Error **reterr_error);
/* Stops its units and forgets it. */
void run_end(Run *r);
void run_cancel(Run *r);

/* launcher-install.c */
static inline bool run_is_install(const Run *r) {
        return streq(r->type, "install");
}
/* 1: it is there already, `ret_output` says where; 0: the places of the installation are made. */
int run_install_begin(Run *r, JsonObject *input, JsonObject **ret_output, Error **reterr_error);
/* The plan of its units. */
int run_install_plan(Run *r, JsonObject *input, const LaunchRequest *base, LaunchPlan **ret, Error **reterr_error);
/* The installer has ended well: stops its units, puts what it made into its place, tells the API. */
void run_install_publish(Run *r);
/* Removes what is left of it; then it is gone. */
void run_install_discard(Run *r);
/* Removes what earlier installations left, then calls back (at once where there is nothing, or where it
 * isn't known which are still at it). */
void launcher_install_sweep(Launcher *l, void (*done)(Launcher *l));
/* launcher-run.c, for the above: the ends of a run */
void run_fail(Run *r, const char *reason);
void run_succeed(Run *r, JsonObject *output);
void run_gone(Run *r);

/* launcher-manager.c: finds what of this host the plans need to know; logs what is missing. */
int launcher_look_around(Launcher *l);
/* The API's answer to what this host has claimed: makes runs of it. Sets `claimed_known`. */
void launcher_take_claimed(Launcher *l, int r, JsonObject *reply, const Error *error);
/* A run is gone, there is room. */
void launcher_run_gone(Launcher *l);
