/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Durable workflows: runs their code, one transaction a run, from what a store has kept, and wakes them
 * when an activity has completed, a timer is due or a signal has come. Knows nothing of what they are
 * about. See docs/WORKFLOWS.md. */

#include "basic/env.h"
#include "workflow/workflow-context.h"
#include "workflow/history-store.h"

typedef struct WorkflowEngine WorkflowEngine;

typedef struct WorkflowCode {
        const char *name;
        int (*run)(WorkflowContext *c);
        /* The workflow ends as failed (its code broke a rule, or a step failed for good): puts right what
         * it leaves behind, in the transaction that closes it. May be NULL. */
        int (*failed)(WorkflowContext *c, const char *reason, Error **reterr_error);
} WorkflowCode;

/* The world outside. Called outside of transactions but for `digest`; none may call the engine back at
 * once. */
typedef struct WorkflowHost {
        /* Starts an activity; idempotent by id: called again for all open ones at each start of the
         * engine. Must lead to workflow_engine_complete() in the end, whatever happens. */
        void (*start_activity)(const char *name, const char *id, JsonObject *input, void *userdata);
        void (*cancel_activity)(const char *id, const char *reason, void *userdata);
        /* Makes of an activity's result what can be stored at once, before the transaction; NULL: as it is.
         * May be NULL. */
        int (*condense)(const char *name, JsonObject *result, JsonObject **ret, void *userdata,
                        Error **reterr_error);
        /* Makes of an activity's result what the history keeps, in the transaction that completes it. May
         * be NULL. */
        int (*digest)(const char *name, JsonObject *input, JsonObject *result, JsonObject **ret, void *userdata,
                      Error **reterr_error);
        /* It is over: `result` of a completed one, `reason` of a failed one. */
        void (*closed)(const char *id, const char *type, JsonObject *result, const char *reason, void *userdata);
        /* Something was committed. May be NULL. */
        void (*committed)(void *userdata);
        /* Does what a step that returned -ERESTART has asked for; no transaction is open. May be NULL: no
         * step does. */
        void (*prepare)(void *userdata);
        /* The run that asked for it is over, whatever it came to. May be NULL. */
        void (*run_over)(void *userdata);
        /* What a step has done was undone. May be NULL. */
        void (*rolled_back)(void *userdata);
        void *userdata;
} WorkflowHost;

/* `types` ends with one without a name. All three are borrowed and must outlive the engine. `userdata` is
 * what workflow_userdata() gives. */
int workflow_engine_new(Env *env, const HistoryStore *store, const WorkflowHost *host,
                        const WorkflowCode *types, void *userdata, WorkflowEngine **ret);
WorkflowEngine *workflow_engine_free(WorkflowEngine *e);
DEFINE_CLEANUP(WorkflowEngine, workflow_engine_free);

/* Takes up all open workflows; call once, before anything else. */
int workflow_engine_resume(WorkflowEngine *e, Error **reterr_error);

/* Creates a workflow. `prepare` runs in the same transaction and says its id and input; what it writes
 * and the workflow are there together or not at all. 0 = durable; what `prepare` returns as error is
 * returned; -EEXIST: the id is taken. */
typedef int (*WorkflowPrepare)(void *userdata, char **ret_id, JsonObject **ret_input, Error **reterr_error);
int workflow_engine_start(WorkflowEngine *e, const char *type, WorkflowPrepare prepare, void *userdata,
                          Error **reterr_error);

/* 0 = durable; -ESRCH: no open workflow of that id. */
int workflow_engine_signal(WorkflowEngine *e, const char *id, const char *name, JsonObject *payload,
                           Error **reterr_error);

/* The activity has ended. 0 = durable, now or already before (a second completion changes nothing);
 * -ENOENT: no workflow has ever scheduled it. */
int workflow_engine_complete(WorkflowEngine *e, const char *activity_id, JsonObject *result,
                             Error **reterr_error);

bool workflow_engine_is_open(const WorkflowEngine *e, const char *id);
bool workflow_engine_has_activity(const WorkflowEngine *e, const char *activity_id); /* open ones */
size_t workflow_engine_n_open(const WorkflowEngine *e);

/* Whether a workflow is to be run now or after a failed try; waiting for others and for timers is not
 * being busy. */
bool workflow_engine_is_busy(const WorkflowEngine *e);
/* When the earliest timer is due, wall clock; USEC_INFINITY: none. */
usec_t workflow_engine_next_timer(const WorkflowEngine *e);

/* Runs what is to be run now. The engine does so itself from the Env's loop. */
void workflow_engine_process(WorkflowEngine *e);
