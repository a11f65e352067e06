/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the code of a workflow may call. A workflow is an ordinary C function that runs from its top each
 * time something has happened; these calls answer from the history as long as it has an answer, and
 * record a new event where it has none. So the function must take the same way for the same answers: no
 * clock, no database, no global but through here.
 *
 * Every call returns a negative errno when the function has to return it at once: -EINPROGRESS where the
 * answer is not there yet (the function will run again), anything else where the run has failed and is
 * rolled back. */

#include "basic/env.h"
#include "shared/json-util.h"

typedef struct WorkflowContext WorkflowContext;

/* Makes a value in the transaction of the run: the only place where a workflow reads or writes the database.
 * Runs once; later runs get the recorded value (NULL is one too). -ERESTART undoes the run, has the host
 * prepare what was asked of it outside of the transaction, and runs it again. Any other negative errno rolls
 * the whole run back: the transient ones (workflow_error_is_transient()) are tried again later, all others
 * fail the workflow. What a user can cause is a value, not an error. */
typedef int (*WorkflowStep)(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);

/* `name` must be unique among calls whose order may change between versions of the code; it is compared
 * in a replay. */
int workflow_step(WorkflowContext *c, const char *name, WorkflowStep step, void *userdata, JsonObject **ret);

/* Work outside. `id` names it everywhere and must be unique among all workflows for ever, so that
 * starting it twice does it once. `make_input` runs once, in the transaction. 0 and the result, or
 * -EINPROGRESS; calling it again for the same id only waits. */
int workflow_activity(WorkflowContext *c, const char *name, const char *id, WorkflowStep make_input,
                      void *userdata, JsonObject **ret_result);
/* Asks for its end; the activity still completes, as cancelled or otherwise. */
int workflow_activity_cancel(WorkflowContext *c, const char *id, const char *reason);

/* 0 once the wall clock has reached `at`, else -EINPROGRESS. `name` is unique in the workflow. */
int workflow_sleep_until(WorkflowContext *c, const char *name, usec_t at);

/* 1 when a signal of that name had arrived when this point was first passed, and its payload; else 0.
 * Signals stay: asking twice gives the first one twice. */
int workflow_signal(WorkflowContext *c, const char *name, JsonObject **ret_payload);

/* The wall clock and a random number, recorded. */
int workflow_now(WorkflowContext *c, usec_t *ret);
int workflow_random(WorkflowContext *c, uint64_t *ret);

/* What the workflow leaves behind (taken over). */
void workflow_set_result(WorkflowContext *c, JsonObject *result);

const char *workflow_id(const WorkflowContext *c);
JsonObject *workflow_input(const WorkflowContext *c);          /* borrowed; NULL for JSON null */
void *workflow_userdata(const WorkflowContext *c);             /* the engine's; for steps only */
usec_t workflow_run_time(const WorkflowContext *c);            /* wall clock of this run; for steps only */

/* Whether the same step may succeed if only it is tried again: the database is locked, the disk is full,
 * … */
bool workflow_error_is_transient(int r);
