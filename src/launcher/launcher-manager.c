/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The start, in this order, each step when the one before has been answered: register with the API (a new
 * token ends the old launcher's), list the workloads that this host has claimed, list the units that run,
 * match the two, stop units that belong to nobody, clear places of installations that nobody is at, try
 * whether the host isolates, and only then poll. Until that is over the queue waits; what runs goes on
 * all the while, since workers talk to the API by themselves.
 *
 * If the API can't list our workloads, no unit is stopped and no place cleared: each has a lease of its
 * own, and would lose it by itself were it a stray. What is left is for the next start.
 *
 * A poll may bring more of one kind than there is room for, because the queue doesn't tell syncs from the
 * rest and one must not starve the other: what finds no room waits here unclaimed, and is polled again by
 * somebody if we die. Claims are made oldest first. Another poll follows when an answer was full, when a
 * Wake came in between, and each time a run has gone.
 *
 * Runs are a list of some forty at most. */

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/parse-util.h"
#include "launcher/executor-systemd.h"
#include "launcher/host-report.h"
#include "launcher/launcher-internal.h"
#include "runtime/runtime-paths.h"
#include "runtime/suite-store.h"
#include "shared/conf-file.h"

/* The API hears of us this often, and is asked for work that a lost Wake() did not tell of. */
#define TICK_USEC (30 * USEC_PER_SEC)
#define FILES_USER "gantry-files"

static bool is_sync(const Run *r) {
        return streq(r->type, "sync");
}

/* From the claim to the end of its units a run takes up room, also while it only stops. */
static unsigned room_for(const Launcher *l, bool sync) {
        unsigned max = sync ? LAUNCHER_SYNCS_MAX : LAUNCHER_OTHERS_MAX, n = 0;

        for (const Run *r = l->runs; r; r = r->next)
                if (is_sync(r) == sync && r->state != RUN_WAITING)
                        n++;
        return n < max ? max - n : 0;
}

/* Another of its key is here, and be it that it only stops: the two would write into the same tables. */
static bool is_held(const Launcher *l, const Run *waiting) {
        for (const Run *r = l->runs; r; r = r->next)
                if (r != waiting && r->state != RUN_WAITING && waiting->mutex_key &&
                    streq_ptr(r->mutex_key, waiting->mutex_key))
                        return true;
        return false;
}

/* Oldest first: the list has the newest in front. */
static Run *next_waiting(const Launcher *l) {
        Run *found = NULL;

        for (Run *r = l->runs; r; r = r->next)
                if (r->state == RUN_WAITING && room_for(l, is_sync(r)) > 0 && !is_held(l, r))
                        found = r;
        return found;
}

static void claim_waiting(Launcher *l) {
        Run *r;

        while ((r = next_waiting(l)))
                run_claim(r);
}

static int add_polled(Launcher *l, JsonObject *w) {
        const char *id = NULL, *auto_id = NULL, *type = NULL, *mutex_key = NULL;
        int64_t job_id = 0, attempt = -1;
        Run *run;

        if (json_get_string(w, "id", &id, "workload", NULL) <= 0 ||
            json_get_string(w, "autoId", &auto_id, "workload", NULL) <= 0 ||
            json_get_string(w, "type", &type, "workload", NULL) <= 0 ||
            json_get_string(w, "mutexKey", &mutex_key, "workload", NULL) < 0 ||
            json_get_i64(w, "jobId", &job_id, "workload", NULL) < 0 ||
            json_get_i64(w, "attempt", &attempt, "workload", NULL) < 0) {
                log_warning("The queue holds a workload that isn't one");
                return -EBADMSG;
        }
        if (launcher_find(l, id))
                return 0;
        run = run_new(l, id, auto_id, type, job_id, attempt);
        if (!run)
                return log_oom();
        run->mutex_key = mutex_key ? strdup(mutex_key) : NULL;
        if (!mutex_key || run->mutex_key)
                return 0;
        run_free(run);
        return log_oom();
}

static void poll_over(Launcher *l) {
        bool again = l->poll_again;

        l->polling = l->poll_again = false;
        claim_waiting(l);
        if (again)
                launcher_wake(l);
}

static void on_polled(int r, JsonObject *reply, const Error *error, void *userdata) {
        Launcher *l = userdata;
        JsonObject *list = NULL;
        size_t n = 0;

        if (r < 0)
                log_warning("The queue could not be asked: %s", error_message(error, r));
        else if (json_get_array(reply, "workloads", &list, "queue", NULL) > 0)
                n = json_object_array_length(list);
        for (size_t i = 0; i < n; i++)
                (void) add_polled(l, json_object_array_get_idx(list, i)); /* it stays in the queue */
        /* There may be more of it than one answer holds. */
        l->poll_again |= n > 0 && n >= l->polled_quantity;
        poll_over(l);
}

/* What is urgent comes first in the answer. */
static void poll_queue(Launcher *l) {
        /* The queue knows no types: what comes beyond the room waits here, unclaimed. */
        l->polled_quantity = MAX(room_for(l, true), room_for(l, false));
        if (l->polled_quantity == 0 ||
            workload_client_poll(l->api, l->dataplane_id, /* priority= */ NULL, l->polled_quantity, on_polled, l) < 0)
                poll_over(l);
}

static size_t n_waiting(const Launcher *l) {
        size_t n = 0;

        for (const Run *r = l->runs; r; r = r->next)
                n += r->state == RUN_WAITING;
        return n;
}

void launcher_wake(Launcher *l) {
        if (l->options.touch)
                l->options.touch(l->options.userdata);
        if (!l->ready || n_waiting(l) > LAUNCHER_SYNCS_MAX)
                return;
        if (l->polling) {
                l->poll_again = true;
                return;
        }
        l->polling = true;
        poll_queue(l);
}

void launcher_run_gone(Launcher *l) {
        claim_waiting(l);
        launcher_wake(l);
}

/* ---- The start of the launcher ---- */

static void on_isolation_known(void *userdata) {
        Launcher *l = userdata;

        l->ready = true;
        launcher_wake(l);
}

/* After strangers' units are gone: its own would be some. */
static void try_isolation(Launcher *l) {
        IsolationOptions o = { .env = l->env, .units = executor_systemd_units(l->executor), .shim = l->shim,
                               .fence = l->fence, .file = ISOLATION_FILE, .known = on_isolation_known, .userdata = l };

        if (isolation_new(&o, &l->isolation) < 0)
                log_warning("It can't be tried whether this host isolates: only native connectors run");
}

static void on_swept(Launcher *l);

static bool slice_lives(const char *slice, void *userdata) {
        Launcher *l = userdata;

        for (const Run *r = l->runs; r; r = r->next)
                if (streq_ptr(r->slice, slice))
                        return true;
        return false;
}

static void on_slices_swept(int r, const Error *error, void *userdata) {
        launcher_install_sweep(userdata, on_swept);
}

static void set_up_step_done(Launcher *l) {
        if (--l->n_setting_up > 0 || l->failed)
                return;
        /* Where the claimed are not known, any slice may be one's that lives. */
        if (!l->claimed_known || l->executor->ops->sweep(l->executor, slice_lives, on_slices_swept, l) < 0)
                on_slices_swept(0, NULL, l);
}

/* What is left to do before the first workload. */
static void on_swept(Launcher *l) {
        if (!l->isolation)
                try_isolation(l);
        if (l->isolation && !isolation_is_known(l->isolation))
                return;
        l->ready = true;
        launcher_wake(l);
}

static void on_stranger_stopped(int r, const Error *error, void *userdata) {
        if (r < 0)
                log_warning("Units that belong to no workload could not be stopped: %s",
                            error_message(error, r));
        set_up_step_done(userdata);
}

/* What runs and belongs to a live workload of ours is gone on with; all else is stopped (T19). */
static void on_found(const ExecutorHandle *h, int r, void *userdata) {
        Launcher *l = userdata;
        Run *run = h ? launcher_find_handle(l, h->auto_id, h->epoch) : NULL;

        if (run) {
                log_info("Workload '%s' runs on", run->id);
                run->state = RUN_RUNNING;
                return;
        }
        if (h && !l->claimed_known)
                return;
        if (h) {
                log_warning("Stopping units of '%s' (epoch %lld), which no workload claims", h->auto_id,
                            (long long) h->epoch);
                l->n_setting_up++;
                if (l->executor->ops->cancel(l->executor, h, on_stranger_stopped, l) < 0)
                        l->n_setting_up--;
                return;
        }
        if (r < 0)
                log_error_errno(r, "Failed to list what runs");
        /* Claimed by us, but never started or gone meanwhile: the API decides what becomes of it. */
        for (Run *next, *w = l->runs; w; w = next) {
                next = w->next;
                if (w->state != RUN_LAUNCHING && w->state != RUN_RUNNING)
                        continue;
                w->state = RUN_RUNNING;
                if (w->cancelled) /* meanwhile, or while no launcher was there */
                        run_end(w);
                else
                        run_check(w);
        }
        set_up_step_done(l);
}

/* They count as launching until the list of units has shown that they run. */
static int add_claimed(Launcher *l, JsonObject *w) {
        const char *dataplane = NULL, *id = NULL;
        int64_t epoch = 0, told_to_end = 0;
        Run *run;
        int r;

        (void) json_get_string(w, "dataplaneId", &dataplane, "workload", NULL);
        if (!streq_ptr(dataplane, l->dataplane_id))
                return 0;
        if (json_get_string(w, "id", &id, "workload", NULL) <= 0 ||
            json_get_i64(w, "leaseEpoch", &epoch, "workload", NULL) <= 0)
                return -EBADMSG;
        r = add_polled(l, w);
        run = r >= 0 ? launcher_find(l, id) : NULL;
        if (!run)
                return r;
        run->epoch = epoch;
        run->state = RUN_LAUNCHING;
        (void) json_get_i64(w, "cancelRequestedAt", &told_to_end, "workload", NULL);
        run->cancelled |= told_to_end > 0;
        (void) launch_slice_name(run->type, run->job_id, run->attempt, run->auto_id, &run->slice);
        return 0;
}

void launcher_take_claimed(Launcher *l, int r, JsonObject *reply, const Error *error) {
        JsonObject *list = NULL;

        if (r >= 0 && json_get_array(reply, "workloads", &list, "list", NULL) <= 0)
                r = -EBADMSG;
        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
                int k = add_claimed(l, json_object_array_get_idx(list, i));

                r = r < 0 ? r : k;
        }
        l->claimed_known = r >= 0;
        if (r < 0)
                log_warning("The API could not be asked for running workloads: %s", error_message(error, r));
}

static void on_claimed_listed(int r, JsonObject *reply, const Error *error, void *userdata) {
        Launcher *l = userdata;

        launcher_take_claimed(l, r, reply, error);
        /* Without an answer nobody is a stranger: what runs has leases of its own. */
        if ((!l->claimed_known && !l->runs) || l->executor->ops->adopt(l->executor, on_found, l) < 0)
                set_up_step_done(l);
}

static void on_initialized(int r, JsonObject *reply, const Error *error, void *userdata) {
        Launcher *l = userdata;
        const char *id = NULL, *token = NULL;

        if (r >= 0) {
                (void) json_get_string(reply, "dataplaneId", &id, "answer", NULL);
                (void) json_get_string(reply, "token", &token, "answer", NULL);
        }
        if (!id || !token || workload_client_set_token(l->api, token) < 0) {
                log_error("The workload API does not take us: %s",
                          error_message(error, r < 0 ? r : -EPROTO));
                l->failed = true;
                l->env->ops->exit(l->env, 1);
                return;
        }
        l->dataplane_id = strdup(id);
        if (!l->dataplane_id || workload_client_list_live(l->api, id, on_claimed_listed, l) < 0)
                l->env->ops->exit(l->env, 1);
}

static int on_tick(EnvSource *s, usec_t now, void *userdata) {
        Launcher *l = userdata;

        /* With nothing to run we are about to leave; a beat would keep the workload daemon for another 30 s. */
        if (l->ready && l->runs) {
                (void) workload_client_dataplane_heartbeat(l->api, l->dataplane_id, NULL, NULL);
                launcher_wake(l);
        }
        return l->env->ops->timer_set(s, now + TICK_USEC);
}

static void on_changed(const ExecutorHandle *h, void *userdata) {
        Run *r = launcher_find_handle(userdata, h->auto_id, h->epoch);

        if (r)
                run_check(r);
}

int launcher_look_around(Launcher *l) {
        _cleanup_(conf_file_freep) ConfFile *conf = NULL;
        struct passwd *files = getpwnam(FILES_USER);
        struct group *group = getgrnam(WORKER_GROUP);
        _cleanup_error_ Error *error = NULL;
        const char *allow;
        int r;

        r = conf_file_load(CONF_FILE_PATH, &conf, &error);
        if (r < 0)
                return log_error_errno(r, "%s", error_message(error, r));
        allow = conf_file_get(conf, "Launcher", "AllowUnisolated");
        if (allow && parse_boolean(allow, &l->allow_unisolated) < 0)
                log_warning(CONF_FILE_PATH ": AllowUnisolated= is neither yes nor no");

        if (files) {
                l->files_uid = files->pw_uid;
                l->files_gid = files->pw_gid;
        }
        l->worker_gid = group ? group->gr_gid : 0;
        launch_install_settings_load(conf, &l->install);
        r = runtime_libexec_path("gantry-shim", &l->shim);
        if (r >= 0)
                r = runtime_libexec_path("gantry-worker", &l->worker);
        if (r >= 0)
                r = runtime_libexec_path("gantry-fence", &l->fence);
        if (r >= 0)
                r = runtime_libexec_path("gantry-container-init", &l->container_init);
        if (r >= 0)
                (void) runtime_libexec_path("gantry-installer", &l->installer);
        if (r >= 0)
                (void) runtime_libexec_path("gantry-container-hooks", &l->container_hooks);
        return r < 0 ? log_error_errno(r, "The program '%s' is missing",
                                       l->container_init ?: l->fence ?: l->worker ?: strempty(l->shim)) : 0;
}

int launcher_new(const LauncherOptions *o, Launcher **ret) {
        _cleanup_(launcher_freep) Launcher *l = calloc(1, sizeof(*l));
        _cleanup_error_ Error *error = NULL;
        int r;

        if (!l)
                return log_oom();
        l->options = *o;
        l->env = o->env;
        l->staging = SUITE_STAGING;
        r = launcher_look_around(l);
        if (r < 0)
                return r;
        r = executor_systemd_new(o->bus, &(ExecutorEvents) { .changed = on_changed, .userdata = l },
                                 &l->executor);
        if (r >= 0)
                r = workload_client_new(o->env, o->api, &l->api);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the launcher");
        r = l->executor->ops->probe(l->executor, &error);
        if (r < 0) {
                log_error("%s", error_message(error, r));
                return r;
        }
        r = l->env->ops->timer_add(l->env, env_now(l->env, ENV_CLOCK_MONOTONIC) + TICK_USEC, on_tick, l,
                                   &l->tick);
        if (r >= 0)
                r = workload_client_initialize(l->api, o->name, on_initialized, l);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the launcher");
        l->n_setting_up = 1;
        *ret = TAKE_PTR(l);
        return 0;
}

Launcher *launcher_free(Launcher *l) {
        if (!l)
                return NULL;
        host_report_end_all(l);
        workload_client_free(l->api);
        isolation_free(l->isolation);
        executor_free(l->executor);
        while (l->runs)
                run_free(l->runs);
        if (l->env)
                env_source_free(l->env, l->tick);
        free(l->dataplane_id);
        free(l->shim);
        free(l->worker);
        free(l->installer);
        tool_free(l->sweeping);
        if (l->removing) {
                l->removing = tool_free(l->removing);
                l->removed(128 + SIGTERM, "gantry-launcher was stopped", l->removed_userdata);
        }
        launch_install_settings_done(&l->install);
        free(l->fence);
        free(l->container_init);
        free(l->container_hooks);
        free(l);
        return NULL;
}

int launcher_cancel(Launcher *l, const char *workload_id) {
        Run *r = launcher_find(l, workload_id);

        if (!r)
                return -ESRCH;
        run_cancel(r);
        return 0;
}

bool launcher_busy(const Launcher *l) {
        return l->runs || !l->ready || l->polling || l->removing || l->reports ||
                workload_client_n_pending(l->api) > 0 || unit_manager_is_busy(executor_systemd_units(l->executor));
}

Executor *launcher_executor(Launcher *l) {
        return l->executor;
}

int launcher_visit(const Launcher *l, LauncherVisit visit, void *userdata) {
        for (const Run *r = l->runs; r; r = r->next) {
                int k = visit(r->id, r->epoch, strempty(r->slice), run_state_to_string(r->state), userdata);

                if (k < 0)
                        return k;
        }
        return 0;
}
