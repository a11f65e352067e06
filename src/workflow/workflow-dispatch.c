/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way of an activity to gantry-workload and back. Create until it is acknowledged; then wait to be told
 * that it has ended, or find that it had ended already; get the result; hand it to the engine until that is
 * stored. Each step may be repeated.
 *
 *     to be made ──▶ exists ──▶ ended ──▶ stored by the engine ──▶ forgotten
 *        ▲              │          │
 *        └──────────────┴──────────┘ gantry-workload doesn't know it (any more)
 *
 * All of this is memory: at each start the engine hands over every activity that is open, and it begins at
 * the first arrow again. Create is idempotent by id and answers whether the workload was there before; if it
 * was, its end may have been missed, and it is got at once. So no end is ever waited for that has come
 * already.
 *
 * Of discovers that ask the same (a source with its configuration) one is sent, the one that was asked for
 * first. The others have their answer in the database when it has ended: a catalog that is younger than they
 * are. If it failed, they have failed with it; if it was cancelled, which is one job's affair, the next one
 * is sent. Nothing of that is stored, since each start finds the same requests in the same order.
 *
 * Pauses double from half a second to half a minute, for each workload by itself: one that gantry-workload
 * refuses to take must not slow down the others. What can't pass by waiting (a malformed request) completes
 * the activity as a failed workload, so that the job ends with the sentence. */

#include <stdio.h>

#include "basic/log.h"
#include "db/catalog-store.h"
#include "workflow/workflow-dispatch.h"
#include "workflow/workload-request.h"

#define RETRY_MIN_USEC (USEC_PER_SEC / 2)
#define RETRY_MAX_USEC (30 * USEC_PER_SEC)

void dispatch_free(void *p) {
        Dispatch *d = p;

        free(d->id);
        free(d->name);
        free(d->cancel);
        free(d->shares);
        json_putp(&d->request);
        json_putp(&d->told);
        free(d);
}

static Dispatch *find(WorkflowManager *m, const char *id) {
        return hashmap_get_string(m->dispatches, id);
}

static void forget(WorkflowManager *m, Dispatch *d) {
        m->options.port.settled(d->id, /* stored= */ true, m->options.port.userdata);
        dispatch_free(hashmap_remove(m->dispatches, d->id, strlen(d->id)));
}

static void retry_later(WorkflowManager *m, Dispatch *d) {
        usec_t delay = RETRY_MIN_USEC;

        for (unsigned i = 0; i < d->n_retries && delay < RETRY_MAX_USEC; i++)
                delay = MIN(delay * 2, RETRY_MAX_USEC);
        d->n_retries++;
        d->retry_at = env_now(m->options.env, ENV_CLOCK_MONOTONIC) + delay;
        workflow_manager_arm(m);
}

/* --- discovers that are shared --- */

/* A source with its configuration, which are all that a catalog depends on. Who waits at a screen asks with
 * high priority: he follows nobody, but others may follow him. */
static int read_shared(Dispatch *d) {
        JsonObject *labels = json_member(d->request, "labels");
        const char *actor = json_object_get_string(json_member(labels, "actorId"));
        const char *hash = json_object_get_string(json_member(labels, "configHash"));

        if (!streq(d->name, "discover") || !actor || !hash)
                return 0;
        d->impatient = streq_ptr(json_object_get_string(json_member(d->request, "priority")), "high");
        return asprintf(&d->shares, "%s %s", actor, hash) < 0 ? -ENOMEM : 0;
}

static bool is_sent(const Dispatch *d) {
        return d->in_flight || d->exists || d->ended;
}

/* By the time of the request, which each start of the daemon finds in the history again: so whose workload
 * may exist already is first again, too. */
static bool comes_before(const Dispatch *a, const Dispatch *b) {
        const char *x = json_object_get_string(json_member(a->request, "autoId"));
        const char *y = json_object_get_string(json_member(b->request, "autoId"));

        return strcmp(strempty(x), strempty(y)) < 0;
}

static bool may_follow(const Dispatch *d) {
        return d->shares && !d->impatient && !d->told && !is_sent(d);
}

bool dispatch_waits(WorkflowManager *m, const Dispatch *d) {
        void *value;
        size_t i = 0;

        if (!may_follow(d))
                return false;
        while (hashmap_iterate(m->dispatches, &i, NULL, NULL, &value)) {
                const Dispatch *o = value;

                if (o != d && streq_ptr(o->shares, d->shares) && (is_sent(o) || comes_before(o, d)))
                        return true;
        }
        return false;
}

/* The first has failed: the same question has the same answer for those that have waited for it. Not so if
 * it was cancelled: then the next one asks. */
static void share_failure(WorkflowManager *m, const Dispatch *d, JsonObject *workload) {
        void *value;
        size_t i = 0;

        if (!d->shares || !streq_ptr(json_object_get_string(json_member(workload, "status")), "failure"))
                return;
        while (hashmap_iterate(m->dispatches, &i, NULL, NULL, &value)) {
                Dispatch *o = value;

                if (o != d && streq_ptr(o->shares, d->shares) && may_follow(o))
                        o->told = json_object_get(workload);
        }
}

/* It has never been sent, so there is nothing to cancel. */
static void tell_cancelled(Dispatch *d) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *failure = json_object_new_object();

        if (o && failure && json_add_string(o, "status", "cancelled") >= 0 &&
            json_add_string(failure, "reason", d->cancel) >= 0 &&
            json_add(o, "failure", TAKE_PTR(failure)) >= 0)
                d->told = TAKE_PTR(o);
}

/* What was discovered since it was asked for answers it, whoever had that done. */
static void tell_discovered(WorkflowManager *m, Dispatch *d) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *f = NULL;
        _cleanup_json_ JsonObject *o = json_object_new_object(), *found = NULL;
        JsonObject *labels = json_member(d->request, "labels");
        const char *actor = json_object_get_string(json_member(labels, "actorId"));
        const char *hash = json_object_get_string(json_member(labels, "configHash"));

        if (!o || catalog_fetch_store_latest(m->options.db, actor, hash, NULL, &f, NULL) < 0)
                return;
        if (f->created_at < workload_request_time(d->request))
                return;
        if (workload_result_discovered(f, &found) >= 0 && json_add_string(o, "status", "success") >= 0 &&
            json_add(o, "discovered", TAKE_PTR(found)) >= 0)
                d->told = TAKE_PTR(o);
}

static void find_answer(WorkflowManager *m, Dispatch *d, bool waits) {
        if (waits && d->cancel)
                tell_cancelled(d);
        else if (!waits && may_follow(d))
                tell_discovered(m, d);
}

/* --- sending --- */

void dispatch_start(const char *name, const char *id, JsonObject *request, void *userdata) {
        WorkflowManager *m = userdata;
        Dispatch *d;

        if (find(m, id))
                return;
        d = calloc(1, sizeof(*d));
        if (d) {
                d->id = strdup(id);
                d->name = strdup(name);
                d->request = json_object_get(request);
        }
        if (!d || !d->id || !d->name || read_shared(d) < 0 || hashmap_put_string(m->dispatches, id, d) < 0) {
                if (d)
                        dispatch_free(d);
                /* The next start of the daemon asks for it again. */
                log_oom();
                return;
        }
        d->retry_at = env_now(m->options.env, ENV_CLOCK_MONOTONIC);
        workflow_manager_arm(m);
}

void dispatch_cancel(const char *id, const char *reason, void *userdata) {
        WorkflowManager *m = userdata;
        Dispatch *d = find(m, id);

        if (!d || d->cancel)
                return;
        d->cancel = strdup(strempty(reason));
        d->retry_at = env_now(m->options.env, ENV_CLOCK_MONOTONIC);
        workflow_manager_arm(m);
}

static bool has_work(const Dispatch *d) {
        return !d->exists || d->ended || (d->cancel && !d->cancel_sent);
}

static void send(WorkflowManager *m, Dispatch *d) {
        const WorkflowPort *port = &m->options.port;

        d->retry_at = 0;
        if (!d->exists) {
                d->in_flight = true;
                port->create(d->id, d->request, port->userdata);
        } else if (d->ended) {
                d->in_flight = true;
                port->get(d->id, port->userdata);
        } else if (d->cancel && !d->cancel_sent) {
                d->cancel_sent = true;
                port->cancel(d->id, d->cancel, port->userdata);
        }
}

/* Hands a result to the engine. What can't be stored now is asked for again. */
static void complete(WorkflowManager *m, Dispatch *d, JsonObject *workload) {
        _cleanup_error_ Error *error = NULL;
        int r;

        r = workflow_engine_complete(m->engine, d->id, workload, &error);
        if (r >= 0 || r == -ENOENT) {
                share_failure(m, d, workload);
                forget(m, d);
                /* Others may have waited for it. */
                workflow_manager_arm(m);
                return;
        }
        log_warning("The end of workload '%s' can't be stored: %s", d->id, error_message(error, r));
        d->ended = !d->told;
        retry_later(m, d);
}

usec_t dispatch_process(WorkflowManager *m) {
        usec_t now = env_now(m->options.env, ENV_CLOCK_MONOTONIC), next = USEC_INFINITY;
        void *value;
        size_t i = 0;

        while (hashmap_iterate(m->dispatches, &i, NULL, NULL, &value)) {
                Dispatch *d = value;
                bool waits = dispatch_waits(m, d);

                if (d->in_flight || !has_work(d))
                        continue;
                if (d->retry_at > now && !waits) {
                        next = MIN(next, d->retry_at);
                        continue;
                }
                find_answer(m, d, waits);
                if (d->told) {
                        /* It is gone then, or to be tried again: the walk begins anew. */
                        complete(m, d, d->told);
                        i = 0;
                } else if (!waits)
                        send(m, d);
        }
        return next;
}

/* A workload that can't be made is one that has failed; the reason reaches the attempt. */
static void complete_as_refused(WorkflowManager *m, Dispatch *d, const char *message) {
        _cleanup_json_ JsonObject *workload = json_object_new_object(), *failure = json_object_new_object();

        if (!workload || !failure || json_add_string(workload, "status", "failure") < 0 ||
            json_add_string(failure, "source", "airbyte_platform") < 0 ||
            json_add_string(failure, "reason", message) < 0 ||
            json_add(workload, "refused", json_object_new_boolean(true)) < 0 ||
            json_add(workload, "failure", TAKE_PTR(failure)) < 0) {
                retry_later(m, d);
                return;
        }
        complete(m, d, workload);
}

void workflow_manager_created(WorkflowManager *m, const char *id, int r, bool created, const char *message) {
        Dispatch *d = find(m, id);

        if (!d)
                return;
        d->in_flight = false;
        if (r == -EINVAL || r == -EEXIST || r == -ENOENT || r == -EACCES) {
                log_error("Workload '%s' was refused: %s", id, strempty(message));
                complete_as_refused(m, d, strempty(message));
        } else if (r < 0) {
                log_warning("Workload '%s' can't be created now, trying again: %s", id, strempty(message));
                retry_later(m, d);
        } else {
                d->exists = true;
                d->n_retries = 0;
                /* One that was there may have ended while nobody listened. */
                d->ended |= !created;
        }
        workflow_manager_arm(m);
}

void workflow_manager_got(WorkflowManager *m, const char *id, int r, JsonObject *workload) {
        const char *status = json_object_get_string(json_member(workload, "status"));
        Dispatch *d = find(m, id);

        if (!d)
                return;
        d->in_flight = false;
        if (r == -ENOENT) {
                /* Pruned, or the database was restored: ask for it anew. */
                d->exists = d->ended = d->cancel_sent = false;
                retry_later(m, d);
        } else if (r < 0)
                retry_later(m, d);
        else if (workload_status_text_is_terminal(status))
                complete(m, d, workload);
        else {
                d->ended = false;
                d->n_retries = 0;
                m->options.port.settled(id, /* stored= */ false, m->options.port.userdata);
        }
        workflow_manager_arm(m);
}

void workflow_manager_cancelled(WorkflowManager *m, const char *id, int r) {
        Dispatch *d = find(m, id);

        if (!d)
                return;
        if (r == -ENOENT) {
                d->exists = d->cancel_sent = false;
                retry_later(m, d);
        } else if (r == -EAGAIN || r == -EIO || r == -EBUSY) {
                d->cancel_sent = false;
                retry_later(m, d);
        } else
                /* Done, or it had ended by itself: either way there is a result. */
                d->ended = true;
        workflow_manager_arm(m);
}

/* It may be called before our Create was answered: that it has ended also says that it exists. */
int workflow_manager_finished(WorkflowManager *m, const char *id, Error **reterr_error) {
        Dispatch *d = find(m, id);

        if (!d)
                return workflow_engine_complete(m->engine, id, NULL, reterr_error);
        d->exists = d->ended = true;
        d->retry_at = 0;
        workflow_manager_arm(m);
        return 1;
}
