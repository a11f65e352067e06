/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The core of gantry-workflow: jobs, checks, discovers and specs on the engine, schedules, and the
 * conversation with gantry-workload. It knows the database and the Env; the bus is its caller, and what it
 * wants of others goes through the port.
 *
 * Errors are those of docs/INTERFACES.md (shared/bus-error.h). What returned 0 is durable. */

#include "workflow/workflow-world.h"

typedef struct WorkflowManager WorkflowManager;

/* What the manager wants of the world. None may block; answers come later through the functions below. From
 * inside the call comes -EAGAIN at most, for what could not be sent. */
typedef struct WorkflowPort {
        void (*create)(const char *id, JsonObject *request, void *userdata);
        void (*get)(const char *id, void *userdata);
        void (*cancel)(const char *id, const char *reason, void *userdata);
        /* What workflow_manager_finished() promised: the end is stored, or could not be got. May be called
         * without such a promise. */
        void (*settled)(const char *id, bool stored, void *userdata);
        void (*changed)(int64_t seq, void *userdata);  /* rows of `change` up to seq exist */
        void (*wake_at)(usec_t at, void *userdata);    /* the next wake-up, wall clock; USEC_INFINITY: none */
        void *userdata;
} WorkflowPort;

typedef struct WorkflowManagerOptions {
        Env *env; /* borrowed, as the others are */
        Db *db;
        const SealingKeys *keys;
        WorkflowPort port;
} WorkflowManagerOptions;

int workflow_manager_new(const WorkflowManagerOptions *options, WorkflowManager **ret);
WorkflowManager *workflow_manager_free(WorkflowManager *m);
DEFINE_CLEANUP(WorkflowManager, workflow_manager_free);

/* Closes jobs that no workflow drives, takes up open workflows, looks at the schedules. Call once, first. */
int workflow_manager_start(WorkflowManager *m, Error **reterr_error);
/* Whether there is something to do now; waiting for workloads and timers is not. */
bool workflow_manager_is_busy(WorkflowManager *m);

/* `options` is docs/INTERFACES.md's; "" = none. -ENOENT: no such connection; -EBUSY: a job of it runs;
 * -EEXIST: it is not active. */
int workflow_manager_start_job(WorkflowManager *m, const char *connection_id, const char *job_type,
                               const char *options, int64_t *ret_job_id, Error **reterr_error);
/* The same, but for what replaces a running job: a clear, reset or refresh cancels it and starts at its end. 0: started
 * already, `done` will not come; 1: it will. `done` is never called from inside. */
typedef void (*WorkflowJobStarted)(int64_t job_id, int r, const Error *error, void *userdata);
int workflow_manager_replace_job(WorkflowManager *m, const char *connection_id, const char *job_type,
                                 const char *options, WorkflowJobStarted done, void *userdata, int64_t *ret_job_id,
                                 Error **reterr_error);
/* -ENOENT; -ESRCH: it has ended. */
int workflow_manager_cancel_job(WorkflowManager *m, int64_t job_id, Error **reterr_error);
/* The same by the workflow's id, also of checks, discovers and specs that somebody waits for. */
int workflow_manager_cancel_workflow(WorkflowManager *m, const char *id, const char *reason, Error **reterr_error);
/* To look at what is stored. */
Db *workflow_manager_db(WorkflowManager *m);
/* After the clock was set: all next runs are computed anew, soon and some at a time. */
int workflow_manager_review_schedules(WorkflowManager *m);
int workflow_manager_connection_changed(WorkflowManager *m, const char *connection_id, Error **reterr_error);

/* Comes once: `result` is a workload's result (workflow/workload-request.h), or NULL with a reason. */
typedef void (*WorkflowDone)(JsonObject *result, const char *reason, void *userdata);
/* `n_config` 0: the stored configuration. `done` is never called from inside. */
int workflow_manager_check(WorkflowManager *m, const char *actor_id, const char *config, size_t n_config,
                           WorkflowDone done, void *userdata, Error **reterr_error);
/* 1: `ret_cached` is the answer and `done` will not come. Callers who ask for the same share one run. */
int workflow_manager_discover(WorkflowManager *m, const char *source_id, bool ignore_cache, WorkflowDone done,
                              void *userdata, JsonObject **ret_cached, Error **reterr_error);
int workflow_manager_spec(WorkflowManager *m, const char *definition_id, WorkflowDone done, void *userdata,
                          Error **reterr_error);
/* Installs "pypi:NAME[==V]" or "npm:NAME[@V]"; the result is install_workflow()'s. Callers who ask for the same
 * share one run. -EINVAL: another kind of reference. */
int workflow_manager_install(WorkflowManager *m, const char *reference, WorkflowDone done, void *userdata,
                             Error **reterr_error);
/* Nobody waits for these answers any more. */
void workflow_manager_forget(WorkflowManager *m, void *userdata);

/* Answers of the port. `r` negative: it failed so; -EAGAIN and the like are tried again. */
void workflow_manager_created(WorkflowManager *m, const char *id, int r, bool created, const char *message);
void workflow_manager_got(WorkflowManager *m, const char *id, int r, JsonObject *workload);
void workflow_manager_cancelled(WorkflowManager *m, const char *id, int r);

/* gantry-workload says that it has ended: 1, its result will be asked for, and port.settled() called; 0,
 * that is known; -ENOENT, it is nobody's. */
int workflow_manager_finished(WorkflowManager *m, const char *id, Error **reterr_error);
