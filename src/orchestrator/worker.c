/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-worker: what runs a workload once its connectors are started. It gets everything that it needs
 * over fd 0, and tells the workload API how it goes and how it ended. It sees nothing else of the
 * machine.
 *
 * It confines itself before it reads anything. NOTIFY_SOCKET is opened before that, while its path can
 * still be seen; the API's socket is the one file that stays visible.
 *
 * SIGTERM means that somebody stops the units; the API's word that the workload was told to end means the
 * same, and may come first, or alone. The source is ended, the destination may finish its commit, what was
 * committed counts, and the end is told as cancelled; gantry-workload refuses that word while the machine
 * is going down, unless it has told us itself. Losing the lease is the other way to stop: at once, for
 * nothing that happens now may be stored. Then leaving is all that has to be done, since shims kill their
 * connectors when their sockets close. */

#include <signal.h>
#include <stdio.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "orchestrator/worker-confine.h"
#include "orchestrator/worker-notify.h"
#include "orchestrator/worker-oneshot.h"
#include "orchestrator/worker-output.h"
#include "orchestrator/worker-sync.h"
#include "shared/env-event.h"

#define START_FD 0

typedef struct Worker {
        Env *env;
        WorkerStart start;
        WorkerLink *link;
        WorkerSync *sync;
        WorkerOneshot *oneshot;
        EnvSource *terminate;
        int code; /* of exit */
        bool terminated;
} Worker;

/* Everything is killed by leaving: the shims' sockets close. */
static void on_lost(const char *why, void *userdata) {
        Worker *w = userdata;

        log_warning("Stopping at once: %s", why);
        w->code = EXIT_FAILURE;
        w->env->ops->exit(w->env, 0);
}

static void on_finished(int r, void *userdata) {
        Worker *w = userdata;

        w->code = r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        w->env->ops->exit(w->env, 0);
}

static void finish_failed(Worker *w, FailureType type, const char *message) {
        JsonObject *output = NULL;

        (void) worker_output_failure("airbyte_platform", type, message, env_now(w->env, ENV_CLOCK_REALTIME),
                                     &output);
        worker_link_log(w->link, "airbyte_platform", "ERROR", message);
        worker_link_finish(w->link, message, output);
}

static int terminate(Worker *w, const char *why) {
        if (w->terminated)
                return 0;
        w->terminated = true;
        worker_notify("STOPPING=1\nSTATUS=Stopping; what is committed stays");
        if (w->sync)
                return worker_sync_cancel(w->sync, why);
        w->oneshot = worker_oneshot_free(w->oneshot);
        finish_failed(w, FAILURE_MANUAL_CANCELLATION, why);
        return 0;
}

static int on_terminate(EnvSource *s, int signo, void *userdata) {
        Worker *w = userdata;

        worker_link_hurry(w->link);
        return terminate(w, "The units of this attempt were stopped on its host");
}

static void on_cancelled(void *userdata) {
        (void) terminate(userdata, "The workload was cancelled");
}

static int begin(Worker *w) {
        WorkerLinkEvents events = { .lost = on_lost, .cancelled = on_cancelled, .finished = on_finished,
                                    .userdata = w };
        _cleanup_error_ Error *error = NULL;
        int r;

        r = worker_link_new(w->env, &w->start, &events, &w->link);
        if (r >= 0)
                r = w->env->ops->signal_add(w->env, SIGTERM, on_terminate, w, &w->terminate);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the worker");
        r = worker_start_is_sync(&w->start) ? worker_sync_new(w->env, &w->start, w->link, &w->sync, &error)
                                            : worker_oneshot_new(w->env, &w->start, w->link, &w->oneshot,
                                                                 &error);
        if (r < 0) {
                log_error("The workload can't be run: %s", error_message(error, r));
                finish_failed(w, FAILURE_SYSTEM_ERROR, error_message(error, r));
        }
        return 0;
}

int main(int argc, char *argv[]) {
        Worker w = { .code = EXIT_FAILURE };
        _cleanup_error_ Error *error = NULL;
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        worker_notify_open();
        r = worker_confine(argv, &error);
        if (r >= 0)
                r = worker_start_receive(START_FD, &w.start, &error);
        if (r < 0) {
                log_error("%s", error_message(error, r));
                return EXIT_FAILURE;
        }
        r = env_event_new(&w.env);
        if (r < 0)
                log_error_errno(r, "Failed to make an event loop");
        if (r >= 0)
                r = begin(&w);
        if (r >= 0)
                r = w.env->ops->run(w.env);
        if (r < 0) {
                log_error_errno(r, "The worker failed");
                w.code = EXIT_FAILURE;
        }
        worker_sync_free(w.sync);
        worker_oneshot_free(w.oneshot);
        worker_link_free(w.link);
        if (w.env)
                env_source_free(w.env, w.terminate);
        env_event_free(w.env);
        worker_start_done(&w.start);
        return w.code;
}
