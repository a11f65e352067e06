/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One run from its claim to its end. Whatever happens, three things are done in this order: the API hears
 * how it ended (or has heard it from the worker), its units are stopped, it is forgotten. The API first,
 * since its word is the durable one: a launcher that dies behind it finds units of an ended workload and
 * stops them; the other way round, a workload would be live with nothing that runs.
 *
 * A worker that has gone is judged by asking the API, not by its exit code: it tells its result before it
 * exits, and only if the workload is still live under our epoch has nobody told. Then we fail it. An old
 * epoch means that somebody else has the workload, which is not ours to end then. (An installation's
 * units are stopped before its success is told, see launcher-install.c.)
 *
 * A run that is cancelled is the other way round, too: its worker has a last word, which it says while its
 * units are being stopped. When they have been, we say that it has ended; the API takes this for the end
 * only if the worker has said nothing. A launcher that dies in between finds in the API's list that the
 * workload was told to end, and stops what is left of it.
 *
 * Callbacks have the Run as their userdata, one at a time, so it may only be freed when that answer is not
 * under way: a cancel that comes while it is (claiming, launching) is only noted. Polls are the exception.
 * Several of one run may be under way, and a run ends at once where its units can't be stopped (the bus has
 * gone): their answers name the run, and find it or not. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/string-table.h"
#include "launcher/launcher-internal.h"
#include "launcher/podman-unit.h"

#define FAILURE_SOURCE "launcher"

static const char *const run_state_table[_RUN_STATE_MAX] = {
        [RUN_WAITING] = "waiting",     [RUN_CLAIMING] = "claiming", [RUN_LAUNCHING] = "launching",
        [RUN_RUNNING] = "running",     [RUN_JUDGING] = "ended",     [RUN_PUBLISHING] = "publishing",
        [RUN_ENDING] = "stopping",
};

DEFINE_STRING_TABLE_TO_STRING(run_state, RunState)

Run *run_new(Launcher *l, const char *id, const char *auto_id, const char *type, int64_t job_id,
             int64_t attempt) {
        Run *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        *r = (Run) {
                .launcher = l, .job_id = job_id, .attempt = attempt, .next = l->runs,
                .id = strdup(id), .auto_id = strdup(auto_id), .type = strdup(type),
        };
        l->runs = r;
        if (!r->id || !r->auto_id || !r->type) {
                run_free(r);
                return NULL;
        }
        return r;
}

void run_free(Run *r) {
        for (Run **p = &r->launcher->runs; *p; p = &(*p)->next)
                if (*p == r) {
                        *p = r->next;
                        break;
                }
        tool_free(r->tool);
        free(r->id);
        free(r->auto_id);
        free(r->type);
        free(r->mutex_key);
        free(r->slice);
        free(r->token);
        free(r->detail);
        free(r);
}

Run *launcher_find(const Launcher *l, const char *id) {
        for (Run *r = l->runs; r; r = r->next)
                if (streq(r->id, id))
                        return r;
        return NULL;
}

Run *launcher_find_handle(const Launcher *l, const char *auto_id, int64_t epoch) {
        for (Run *r = l->runs; r; r = r->next)
                if (streq(r->auto_id, auto_id) && r->epoch == epoch)
                        return r;
        return NULL;
}

void run_gone(Run *r) {
        Launcher *l = r->launcher;

        run_free(r);
        launcher_run_gone(l);
}

static WorkloadLease run_lease(const Run *r) {
        return (WorkloadLease) { r->id, r->epoch };
}

static ExecutorHandle run_handle(const Run *r) {
        ExecutorHandle h = { .epoch = r->epoch, .slice = r->slice };

        snprintf(h.auto_id, sizeof(h.auto_id), "%s", r->auto_id);
        return h;
}

/* ---- The end ---- */

static void on_end_told(int r, JsonObject *reply, const Error *error, void *userdata) {
        Run *run = userdata;

        if (r < 0 && r != -ESTALE && r != -EEXIST && r != -ENOENT)
                log_warning("The API could not be told that '%s' was stopped: %s", run->id,
                            error_message(error, r));
        run_gone(run);
}

static void on_ended(int r, const Error *error, void *userdata) {
        static const char stopped[] = "It was stopped, and its worker did not report a result";
        Run *run = userdata;
        WorkloadLease lease = run_lease(run);

        if (r < 0)
                log_warning("The units of '%s' could not be stopped: %s", run->id, error_message(error, r));
        if (run_is_install(run))
                run_install_discard(run);
        else if (!run->cancelled ||
                 workload_client_failure(run->launcher->api, &lease, FAILURE_SOURCE, stopped, NULL,
                                         on_end_told, run) < 0)
                run_gone(run);
}

void run_end(Run *r) {
        ExecutorHandle h = run_handle(r);

        r->state = RUN_ENDING;
        if (r->launcher->executor->ops->cancel(r->launcher->executor, &h, on_ended, r) < 0)
                run_gone(r);
}

/* Whatever the API said, the units go: a runner without a lease has nothing to do. */
static void on_told(int r, JsonObject *reply, const Error *error, void *userdata) {
        Run *run = userdata;

        /* It has ended otherwise meanwhile, or its lease is another's: neither is ours to mend. */
        if (r < 0 && r != -ESTALE && r != -EEXIST && r != -ENOENT)
                log_warning("The API could not be told how '%s' ended: %s", run->id, error_message(error, r));
        /* Without a slice nothing of it was ever started. */
        if (run->slice)
                run_end(run);
        else if (run_is_install(run))
                run_install_discard(run);
        else
                run_gone(run);
}

void run_fail(Run *r, const char *reason) {
        WorkloadLease lease = run_lease(r);

        log_warning("Workload '%s' failed: %s", r->id, reason);
        r->state = RUN_JUDGING;
        if (workload_client_failure(r->launcher->api, &lease, FAILURE_SOURCE, reason, NULL, on_told, r) < 0)
                run_end(r);
}

void run_succeed(Run *r, JsonObject *output) {
        WorkloadLease lease = run_lease(r);

        r->state = RUN_JUDGING;
        if (workload_client_success(r->launcher->api, &lease, output, on_told, r) < 0)
                run_end(r);
}

static bool status_is_live(const char *status) {
        static const char *const live[] = { "pending", "claimed", "launched", "running" };

        for (size_t i = 0; i < ELEMENTSOF(live); i++)
                if (streq_ptr(status, live[i]))
                        return true;
        return false;
}

static void on_judged(int r, JsonObject *reply, const Error *error, void *userdata) {
        _cleanup_free_ char *reason = NULL;
        Run *run = userdata;
        const char *status = NULL;
        int64_t epoch = 0;

        if (r >= 0) {
                (void) json_get_string(reply, "status", &status, "workload", NULL);
                (void) json_get_i64(reply, "leaseEpoch", &epoch, "workload", NULL);
        }
        /* Its worker has told; or it is no longer ours to tell. */
        if ((r < 0 && r != -EAGAIN) || (r >= 0 && (!status_is_live(status) || epoch != run->epoch))) {
                run_end(run);
                return;
        }
        if (run_is_install(run) && run->clean && !run->cancelled) {
                run_install_publish(run);
                return;
        }
        if (asprintf(&reason, "The worker %s without reporting a result", run->detail ?: "is gone") < 0)
                reason = NULL;
        run_fail(run, reason ?: "The worker is gone");
}

static void run_judge(Run *r) {
        if (r->state >= RUN_JUDGING)
                return;
        r->state = RUN_JUDGING;
        if (workload_client_get(r->launcher->api, r->id, on_judged, r) < 0)
                run_end(r);
}

static void on_polled(const ExecutorHandle *h, const ExecutorStatus *s, void *userdata) {
        Run *r = launcher_find_handle(userdata, h->auto_id, h->epoch);

        if (!r || s->state == EXECUTOR_RUNNING || r->state != RUN_RUNNING)
                return;
        free(r->detail);
        r->detail = s->detail ? strdup(s->detail) : NULL;
        r->clean = s->clean;
        run_judge(r);
}

/* Called for each change of the worker's unit, which says no more than that it may have ended. */
void run_check(Run *r) {
        ExecutorHandle h = run_handle(r);

        /* Units that end while others are being started are looked at when all have been. */
        r->worker_gone |= r->state == RUN_LAUNCHING;
        if (r->state == RUN_RUNNING && r->launcher->executor->ops->poll(r->launcher->executor, &h, on_polled,
                                                                        r->launcher) < 0)
                run_judge(r);
}

void run_cancel(Run *r) {
        r->cancelled = true;
        if (r->state == RUN_RUNNING)
                run_end(r);
        else if (r->state == RUN_WAITING)
                run_gone(r);
}

/* ---- The start ---- */

static void on_launched(int r, JsonObject *reply, const Error *error, void *userdata) {
        if (r < 0 && r != -ESTALE && r != -EEXIST)
                log_warning("The API could not be told of a launch: %s", error_message(error, r));
}

static void on_submitted(int r, const Error *error, void *userdata) {
        Run *run = userdata;
        WorkloadLease lease = run_lease(run);

        if (r < 0) {
                run_fail(run, error_message(error, r));
                return;
        }
        log_info("Workload '%s' runs in %s", run->id, run->slice);
        run->state = RUN_RUNNING;
        if (run->cancelled) {
                run_end(run);
                return;
        }
        if (workload_client_launched(run->launcher->api, &lease, on_launched, run->launcher) < 0)
                log_warning("The API could not be told that '%s' runs", run->id);
        if (run->worker_gone)
                run_check(run);
}

/* Finds what an actor's reference names on this host. */
static int find_connector(const Launcher *l, JsonObject *actor, ConnectorRole role, InstalledConnector **ret,
                          Error **reterr_error) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        const char *text = NULL;
        int r;

        if (!json_object_is_type(actor, json_type_object))
                return 0;
        r = json_get_string(actor, "reference", &text, "actor", reterr_error);
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "The workload does not say which connector");
        if (r > 0)
                r = connector_ref_parse(text, role, &ref, reterr_error);
        if (r < 0)
                return r;
        if (ref->kind == CONNECTOR_IMAGE)
                r = podman_unit_probe(l->container_hooks, reterr_error);
        return r < 0 ? r : connector_store_find(ref, ret, reterr_error);
}

int run_plan(Run *run, JsonObject *input, LaunchPlan **ret, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *first = NULL, *second = NULL;
        bool sync = streq(run->type, "sync");
        LaunchRequest q = {
                .id = run->id, .auto_id = run->auto_id, .type = run->type, .job_id = run->job_id,
                        .attempt = run->attempt,
                .epoch = run->epoch, .input = input, .shim = run->launcher->shim,
                        .worker = run->launcher->worker, .fence = run->launcher->fence,
                .container_init = run->launcher->container_init, .container_hooks = run->launcher->container_hooks,
                .api = run->launcher->options.api, .worker_group = run->launcher->worker_gid,
                .files_uid = run->launcher->files_uid, .files_gid = run->launcher->files_gid,
        };
        int r;

        if (run_is_install(run))
                return run_install_plan(run, input, &q, ret, reterr_error);
        r = find_connector(run->launcher, json_member(input, sync ? "source" : "actor"), CONNECTOR_SOURCE, &first,
                           reterr_error);
        if (r >= 0 && sync)
                r = find_connector(run->launcher, json_member(input, "destination"), CONNECTOR_DESTINATION, &second,
                                   reterr_error);
        if (r < 0)
                return r;
        if (sync ? !second : !first)
                return error_set(reterr_error, -EINVAL, "The workload lacks its %s", sync ? "destination"
                                 : "actor");
        q.connectors[0] = first;
        q.connectors[1] = second;
        return launch_plan_new(&q, ret, reterr_error);
}

static bool is_native(JsonObject *input, const char *key) {
        const char *reference = NULL;
        JsonObject *actor = json_member(input, key);

        if (!actor)
                return true;
        (void) json_get_string(actor, "reference", &reference, "actor", NULL);
        return reference && strncmp(reference, "native:", STRLEN("native:")) == 0;
}

/* Foreign connectors run only where what holds them does hold. */
static int check_isolation(const Run *run, JsonObject *input, Error **reterr_error) {
        const Launcher *l = run->launcher;
        const char *missing = l->isolation ? isolation_missing(l->isolation) : "it could not be tried";

        if (!missing || l->allow_unisolated ||
            (!run_is_install(run) && is_native(input, "source") && is_native(input, "destination") &&
             is_native(input, "actor")))
                return 0;
        return error_set(reterr_error, -EPERM,
                         "This host does not isolate connectors (%s), so it runs native ones only;"
                         " [Launcher] AllowUnisolated=yes in gantry.conf changes that", missing);
}

/* Errors here are the workload's, told to people as the reason of its failure. */
static int launch(Run *run, JsonObject *claim, Error **reterr_error) {
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        WorkerTicket t = { .workload_id = run->id, .type = run->type, .epoch = run->epoch,
                           .api = run->launcher->options.api };
        _cleanup_json_ JsonObject *output = NULL;
        JsonObject *input = NULL;
        int r;

        r = json_get_string(claim, "workloadToken", &t.token, "claim", reterr_error);
        if (r >= 0)
                r = json_get_object(claim, "input", &input, "claim", reterr_error);
        if (r >= 0 && (!t.token || !input))
                r = error_set(reterr_error, -EPROTO, "The claim has no token or no input");
        if (r >= 0)
                r = check_isolation(run, input, reterr_error);
        if (r >= 0 && run_is_install(run)) {
                r = run_install_begin(run, input, &output, reterr_error);
                if (r > 0) {
                        run_succeed(run, output);
                        return 0;
                }
        }
        if (r >= 0)
                r = run_plan(run, input, &plan, reterr_error);
        if (r < 0)
                return r;
        run->slice = strdup(plan->slice);
        if (!run->slice)
                return -ENOMEM;
        run->state = RUN_LAUNCHING;
        return run->launcher->executor->ops->submit(run->launcher->executor, plan, &t, on_submitted, run,
                                                    reterr_error);
}

static void on_claimed(int r, JsonObject *reply, const Error *error, void *userdata) {
        _cleanup_error_ Error *why = NULL;
        bool claimed = false;
        Run *run = userdata;

        if (r >= 0)
                (void) json_get_bool(reply, "claimed", &claimed, "claim", NULL);
        if (!claimed) {
                if (r < 0 && r != -ESTALE && r != -EEXIST)
                        log_warning("'%s' could not be claimed: %s", run->id, error_message(error, r));
                run_gone(run);
                return;
        }
        r = json_get_i64(reply, "leaseEpoch", &run->epoch, "claim", &why);
        if (r > 0 && run->cancelled)
                r = error_set(&why, -ECANCELED, "It was cancelled before it was launched");
        else if (r > 0)
                r = launch(run, reply, &why);
        else if (r == 0)
                r = error_set(&why, -EPROTO, "The claim has no epoch");
        if (r < 0)
                run_fail(run, error_message(why, r));
}

void run_claim(Run *r) {
        r->state = RUN_CLAIMING;
        if (workload_client_claim(r->launcher->api, r->launcher->dataplane_id, r->id, on_claimed, r) < 0)
                run_gone(r);
}
