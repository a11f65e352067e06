/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The script of a job. Each attempt: begin it, check what has changed, discover what is old, follow the
 * schema, plan, move, write down how it went; then again, later, or the end.
 *
 * The function is run anew from here for each thing that happens, and must ask for the same commands each
 * time: whatever decides its way is an input, a recorded step or a signal's place in the history. Hence
 * no clock and no row is read here, and `run` is filled from recorded values in each run.
 *
 * A cancel is looked for at each place where the attempt could go on, never in between: at these places
 * it is seen by a replay exactly where the first run saw it. A workload that is under way is asked to end
 * and its result waited for: what it has reported until then counts. A cancel between two attempts has no
 * attempt to end and closes the job by itself. */

#include <inttypes.h>
#include <stdio.h>

#include "workflow/sync-outcome.h"
#include "workflow/sync-schema.h"
#include "workflow/sync-workflow.h"
#include "workflow/workload-request.h"

static void sync_run_reset(SyncRun *run) {
        json_putp(&run->start);
        json_putp(&run->schema);
        json_putp(&run->planned);
        json_putp(&run->failure);
        json_putp(&run->result);
        job_plan_done(&run->plan);
        run->start = run->schema = run->planned = run->failure = run->result = NULL;
        run->cancelled = false;
}

static const char *start_string(const SyncRun *run, const char *key) {
        return json_object_get_string(json_member(run->start, key));
}

static bool start_bool(const SyncRun *run, const char *key) {
        return json_object_get_boolean(json_member(run->start, key));
}

static char *activity_id(const SyncRun *run, const char *subject, const char *kind) {
        char number[24];

        (void) snprintf(number, sizeof(number), "%" PRIi64, run->job_id);
        return workload_id_make(subject, number, json_object_get_int(json_member(run->start, "attempt")), kind);
}

/* Looks for the signal; 1 when the attempt is to end for it. */
static int is_cancelled(SyncRun *run) {
        int r = workflow_signal(run->context, "cancel", NULL);

        run->cancelled |= r > 0;
        return r;
}

/* One workload in front of the sync. 0 = go on; 1 = the attempt ends here. */
static int prepare(SyncRun *run, const char *kind, const char *subject, usec_t limit, WorkflowStep request) {
        _cleanup_json_ JsonObject *result = NULL;
        _cleanup_free_ char *id = activity_id(run, subject, kind);
        JsonObject *output, *failure;
        int r;

        if (!id)
                return -ENOMEM;
        r = is_cancelled(run);
        if (r != 0)
                return r;
        r = workflow_await(run->context, kind, id, limit, /* cancellable= */ true, request, run, &result);
        if (r < 0)
                return r;
        r = is_cancelled(run);
        if (r != 0)
                return r;
        failure = json_member(result, "failure");
        if (failure) {
                run->failure = json_object_get(failure);
                return 1;
        }
        output = json_member(result, "output");
        if (!streq(kind, "check") || !streq_ptr(json_object_get_string(json_member(output, "status")), "failed"))
                return 0;
        /* Its time is not part of the decision, so a replay may give it another one. */
        run->failure = failure_make(streq(subject, start_string(run, "destinationId")) ? "destination" : "source",
                                    "config_error",
                                    json_object_get_string(json_member(output, "message")) ?: "The check failed",
                                    workflow_run_time(run->context));
        return run->failure ? 1 : -ENOMEM;
}

/* Recorded by the first step where it is due: the histories of older versions have no such step. */
static int follow_schema(SyncRun *run) {
        int r;

        if (!start_bool(run, "schema"))
                return 0;
        r = workflow_step(run->context, "schema", sync_step_schema, run, &run->schema);
        if (r < 0)
                return r;
        run->failure = json_object_get(json_member(run->schema, "failure"));
        return run->failure ? 1 : 0;
}

/* 0 = the sync can start, 1 = the attempt ends here. */
static int prepare_all(SyncRun *run) {
        int r = 0;

        if (start_bool(run, "checkSource"))
                r = prepare(run, "check", start_string(run, "sourceId"), CHECK_LIMIT_USEC,
                            sync_request_source_check);
        if (r == 0 && start_bool(run, "checkDestination"))
                r = prepare(run, "check", start_string(run, "destinationId"), CHECK_LIMIT_USEC,
                            sync_request_destination_check);
        if (r == 0 && start_bool(run, "discover"))
                r = prepare(run, "discover", start_string(run, "sourceId"), DISCOVER_LIMIT_USEC,
                            sync_request_discover);
        if (r == 0)
                r = is_cancelled(run);
        if (r == 0)
                r = follow_schema(run);
        if (r != 0)
                return r;
        r = workflow_step(run->context, "plan", sync_step_plan, run, &run->planned);
        if (r < 0)
                return r;
        run->failure = json_object_get(json_member(run->planned, "failure"));
        return run->failure ? 1 : 0;
}

static int move(SyncRun *run) {
        _cleanup_free_ char *id = activity_id(run, run->connection_id, "sync");
        int r;

        if (!id)
                return -ENOMEM;
        r = workflow_await(run->context, "sync", id, /* limit= */ 0, /* cancellable= */ true, sync_request_sync,
                           run, &run->result);
        return r < 0 ? r : MIN(is_cancelled(run), 0);
}

/* One attempt; `ret_next` says what comes then. */
static int run_attempt(SyncRun *run, JsonObject **ret_next) {
        int r;

        r = workflow_step(run->context, "start-attempt", sync_step_start, run, &run->start);
        if (r < 0)
                return r;
        run->failure = json_object_get(json_member(run->start, "failure"));
        if (!run->failure) {
                r = prepare_all(run);
                if (r == 0)
                        r = move(run);
                if (r < 0)
                        return r;
        }
        return workflow_step(run->context, "finish-attempt", sync_step_finish, run, ret_next);
}

/* 1: waited; 0: cancelled meanwhile. */
static int wait_for_retry(SyncRun *run, usec_t at) {
        char name[32];
        int r;

        (void) snprintf(name, sizeof(name), "retry-%d", run->attempt);
        r = is_cancelled(run);
        if (r == 0 && at > 0) {
                r = workflow_sleep_until(run->context, name, at);
                if (r == -EINPROGRESS && is_cancelled(run) <= 0)
                        return r;
                if (r < 0 && r != -EINPROGRESS)
                        return r;
                r = run->cancelled;
        }
        if (r < 0)
                return r;
        if (!run->cancelled)
                return 1;
        r = workflow_step(run->context, "cancel-waiting", sync_step_cancel_waiting, run, NULL);
        return MIN(r, 0);
}

static int run_job(SyncRun *run) {
        for (run->attempt = 0;; run->attempt++) {
                _cleanup_json_ JsonObject *next = NULL;
                int r;

                sync_run_reset(run);
                r = run_attempt(run, &next);
                if (r < 0)
                        return r;
                if (!streq_ptr(json_object_get_string(json_member(next, "next")), "retry")) {
                        workflow_set_result(run->context, json_object_get(next));
                        return 0;
                }
                r = wait_for_retry(run, (usec_t) json_object_get_int64(json_member(next, "at")));
                if (r <= 0)
                        return r;
        }
}

static int read_input(WorkflowContext *c, SyncRun *run) {
        *run = (SyncRun) {
                .context = c, .world = workflow_userdata(c),
                .job_id = json_object_get_int64(json_member(workflow_input(c), "jobId")),
                .connection_id = json_object_get_string(json_member(workflow_input(c), "connectionId")),
        };
        return run->job_id > 0 && run->connection_id ? 0 : -EBADMSG;
}

int sync_workflow(WorkflowContext *c) {
        _cleanup_(sync_run_reset) SyncRun run = {};
        int r;

        r = read_input(c, &run);
        return r < 0 ? r : run_job(&run);
}

int sync_workflow_failed(WorkflowContext *c, const char *reason, Error **reterr_error) {
        WorkflowWorld *w = workflow_userdata(c);

        return job_end_as_failed(w, json_object_get_int64(json_member(workflow_input(c), "jobId")), reason,
                                 workflow_run_time(c), reterr_error);
}
