/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The code of the small workflows, and what all of them share. A check, a discover or a spec is one
 * workload with a bound on its time; it is a workflow nevertheless, so that a restart of the daemon
 * neither loses nor repeats it, and its result is stored in the transaction that completes it. */

#include "basic/log.h"
#include "db/connection-store.h"
#include "db/job-store.h"
#include "workflow/install-workflow.h"
#include "workflow/schedule.h"
#include "workflow/sync-workflow.h"
#include "workflow/workflow-world.h"

/* A check, a discover or a spec by itself: one workload, whose request was made with the workflow. */
static int give_request(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        *ret = json_object_get(json_member(workflow_input(c), "request"));
        return *ret ? 0 : -EBADMSG;
}

static int run_oneshot(WorkflowContext *c, const char *name, usec_t limit) {
        _cleanup_json_ JsonObject *result = NULL;
        const char *id = json_object_get_string(json_member(workflow_input(c), "activityId"));
        int r;

        if (!id)
                return -EBADMSG;
        r = workflow_await(c, name, id, limit, /* cancellable= */ true, give_request, NULL, &result);
        if (r < 0)
                return r;
        workflow_set_result(c, TAKE_PTR(result));
        return 0;
}

static int check_workflow(WorkflowContext *c) {
        return run_oneshot(c, "check", CHECK_LIMIT_USEC);
}

static int discover_workflow(WorkflowContext *c) {
        return run_oneshot(c, "discover", DISCOVER_LIMIT_USEC);
}

static int spec_workflow(WorkflowContext *c) {
        return run_oneshot(c, "spec", SPEC_LIMIT_USEC);
}

const WorkflowCode workflow_codes[] = {
        { "check", check_workflow, NULL },
        { "discover", discover_workflow, NULL },
        { "spec", spec_workflow, NULL },
        { "install", install_workflow, NULL },
        { "sync", sync_workflow, sync_workflow_failed },
        {},
};

static int why_cancel(WorkflowContext *c, int timer, bool cancellable, const char **ret) {
        int r;

        *ret = timer >= 0 ? "It took too long" : NULL;
        if (*ret || !cancellable)
                return 0;
        r = workflow_signal(c, "cancel", NULL);
        if (r > 0)
                *ret = "Cancelled";
        return MIN(r, 0);
}

/* The activity is looked at before and behind everything else that may happen: which of several came
 * first is decided by the history alone. A limit is a timer that starts with the workload's request, thus
 * queueing counts. */
int workflow_await(WorkflowContext *c, const char *name, const char *id, usec_t limit, bool cancellable,
                   WorkflowStep make_input, void *userdata, JsonObject **ret_result) {
        const char *why = NULL;
        int timer = -EINPROGRESS, r;
        usec_t now;

        r = workflow_activity(c, name, id, make_input, userdata, ret_result);
        if (r != -EINPROGRESS)
                return r;
        if (limit > 0) {
                r = workflow_now(c, &now);
                if (r < 0)
                        return r;
                timer = workflow_sleep_until(c, id, now + limit);
                if (timer < 0 && timer != -EINPROGRESS)
                        return timer;
                r = workflow_activity(c, name, id, NULL, NULL, ret_result);
                if (r != -EINPROGRESS)
                        return r;
        }
        r = why_cancel(c, timer, cancellable, &why);
        if (r < 0 || !why)
                return r < 0 ? r : -EINPROGRESS;
        r = workflow_activity_cancel(c, id, why);
        return r < 0 ? r : workflow_activity(c, name, id, NULL, NULL, ret_result);
}

static int newest_job(Db *db, const char *connection_id, usec_t *ret, Error **reterr_error) {
        _cleanup_(job_freep) Job *job = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        *ret = 0;
        r = job_store_get_latest(db, connection_id, &job, &error);
        if (r >= 0)
                *ret = job->created_at;
        if (r >= 0 || r == -ENOENT)
                return 0;
        return error_set(reterr_error, r, "%s", error_message(error, r));
}

int connection_schedule(Db *db, const char *connection_id, usec_t now, Error **reterr_error) {
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_error_ Error *error = NULL;
        usec_t last, next = 0;
        int r;

        r = connection_store_get(db, connection_id, &c, &error);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = newest_job(db, connection_id, &last, &error);
        if (r < 0)
                return error_set(reterr_error, r, "%s", error_message(error, r));
        r = schedule_next_run(c, last, now, &next, &error);
        if (r < 0)
                log_warning("Connection '%s' (%s) does not run by itself: %s", c->name, c->id,
                            error_message(error, r));
        if (next == c->next_run)
                return 0;
        return connection_store_set_next_run(db, connection_id, next, reterr_error);
}
