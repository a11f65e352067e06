/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The loop lives for this one call: check and discover of both ends run in it side by side, and a signal
 * ends it for all of them. Results stay with the caller after the loop is gone, hence the detaching. A
 * connector's logs are masked with the secrets of every endpoint, as a line doesn't say whose it is. */

#include <signal.h>

#include "basic/log.h"
#include "cli/oneshots.h"
#include "shared/env-event.h"

typedef struct Waiter {
        Env *env;
        const OneshotJob *jobs;
        size_t n_jobs;
        size_t n_left;
        int signo;
        bool verbose;
} Waiter;

void oneshot_jobs_done(OneshotJob *jobs, size_t n) {
        for (size_t i = 0; i < n; i++) {
                jobs[i].oneshot = connector_oneshot_free(jobs[i].oneshot);
                free(TAKE_PTR(jobs[i].config));
        }
}

/* The last one ends the loop. */
static void on_done(ConnectorOneshot *o, const OneshotResult *result, void *userdata) {
        Waiter *w = userdata;

        if (--w->n_left == 0)
                w->env->ops->exit(w->env, 0);
}

static void on_log(const char *level, const char *message, void *userdata) {
        Waiter *w = userdata;
        _cleanup_free_ char *masked = strdup(message);

        if (!w->verbose && !streq(level, "ERROR") && !streq(level, "FATAL"))
                return;
        /* Whose line it is isn't told: hide the secrets of all. */
        for (size_t i = 0; masked && i < w->n_jobs; i++) {
                char *next = endpoint_mask(w->jobs[i].endpoint, masked);

                free(masked);
                masked = next;
        }
        log_info("%s: %s", level, strempty(masked));
}

static int on_signal(EnvSource *s, int signo, void *userdata) {
        Waiter *w = userdata;

        w->signo = signo;
        w->env->ops->exit(w->env, 0);
        return 0;
}

/* All at once; each may take seconds to start. */
static int start_all(Waiter *w, OneshotJob *jobs, size_t n, Error **reterr_error) {
        int r;

        for (size_t i = 0; i < n; i++) {
                ConnectorStart start;

                if (!streq(jobs[i].verb, "spec")) {
                        jobs[i].config = endpoint_config_text(jobs[i].endpoint);
                        if (!jobs[i].config)
                                return -ENOMEM;
                }
                start = endpoint_start(jobs[i].endpoint, jobs[i].verb, jobs[i].config, NULL, NULL);
                r = connector_oneshot_start(w->env, &start, on_log, on_done, w, &jobs[i].oneshot,
                                            reterr_error);
                if (r < 0)
                        return r;
                w->n_left++;
        }
        return 0;
}

/* The oneshots belong to the loop: detach what must outlive it. */
int oneshots_run(OneshotJob *jobs, size_t n, bool verbose, int *ret_signal, Error **reterr_error) {
        EnvSource *interrupt = NULL, *terminate = NULL;
        Waiter w = { .jobs = jobs, .n_jobs = n, .verbose = verbose };
        int r;

        r = env_event_new(&w.env);
        if (r < 0)
                return r;
        r = w.env->ops->signal_add(w.env, SIGINT, on_signal, &w, &interrupt);
        if (r >= 0)
                r = w.env->ops->signal_add(w.env, SIGTERM, on_signal, &w, &terminate);
        if (r >= 0)
                r = start_all(&w, jobs, n, reterr_error);
        if (r >= 0)
                r = w.env->ops->run(w.env);
        if (r >= 0 && w.signo > 0) {
                if (ret_signal)
                        *ret_signal = w.signo;
                r = error_set(reterr_error, -ECANCELED, "Interrupted");
        }
        env_source_free(w.env, interrupt);
        env_source_free(w.env, terminate);
        for (size_t i = 0; i < n; i++)
                if (jobs[i].oneshot)
                        connector_oneshot_detach(jobs[i].oneshot);
        env_event_free(w.env);
        return r;
}
