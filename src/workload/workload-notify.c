/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing here is remembered on disk, because nothing has to be: what must be told is a column of the
 * workload (`notified`), set when the workflow has answered. A round lists up to a hundred such rows and
 * tells them one after the other; `again` says that something ended meanwhile, and the next round lists
 * anew. A failed call doesn't end its round, so that one workload of which the workflow cannot hear holds
 * up no other; the pause before the next round doubles up to a minute and is reset by a round without
 * failures.
 *
 * Calls activate their receivers, which is the point of them: the launcher that hears Wake may not have
 * been running. An activation that fails comes back as an error reply and is tried again like any other.
 *
 * Wakes are folded. One that comes while a call is under way is sent after its reply, since the launcher
 * may have polled before the new row was there; more than one are the same as one. */

#include "basic/fd-util.h"
#include "basic/log.h"
#include "shared/bus-error.h"
#include "shared/memfd.h"
#include "workload/workload-notify.h"

struct WorkloadNotify {
        Env *env;
        sd_bus *bus;
        WorkloadManager *manager;

        /* Ends: one call at a time, round after round until none is left. */
        WorkloadArray round;
        size_t at;
        bool round_failed, again;
        sd_bus_slot *end_call;
        EnvSource *end_timer;
        usec_t end_pause;

        sd_bus_slot *wake_call;
        bool wake_again;
        EnvSource *wake_timer;
        usec_t wake_pause;
};

static int send_next(WorkloadNotify *n);
static int begin_round(WorkloadNotify *n);
static void send_wake(WorkloadNotify *n);

static int on_end_timer(EnvSource *s, usec_t now, void *userdata) {
        workload_notify_ended(userdata);
        return 0;
}

void workload_notify_resume(WorkloadNotify *n) {
        int64_t depth[_WORKLOAD_PRIORITY_MAX] = {};

        if (workload_manager_depth(n->manager, depth, NULL) < 0 || depth[WORKLOAD_DEFAULT] + depth[WORKLOAD_HIGH] > 0)
                workload_notify_wake(n);
}

/* Somebody may have come by himself meanwhile. */
static int on_wake_timer(EnvSource *s, usec_t now, void *userdata) {
        workload_notify_resume(userdata);
        return 0;
}

int workload_notify_new(Env *env, sd_bus *bus, WorkloadManager *m, WorkloadNotify **ret) {
        _cleanup_(workload_notify_freep) WorkloadNotify *n = calloc(1, sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;
        n->env = env;
        n->bus = bus;
        n->manager = m;
        n->end_pause = n->wake_pause = NOTIFY_PAUSE_MIN_USEC;
        r = env->ops->timer_add(env, USEC_INFINITY, on_end_timer, n, &n->end_timer);
        if (r >= 0)
                r = env->ops->timer_add(env, USEC_INFINITY, on_wake_timer, n, &n->wake_timer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(n);
        return 0;
}

WorkloadNotify *workload_notify_free(WorkloadNotify *n) {
        if (!n)
                return NULL;
        sd_bus_slot_unref(n->end_call);
        sd_bus_slot_unref(n->wake_call);
        env_source_free(n->env, n->end_timer);
        env_source_free(n->env, n->wake_timer);
        workload_array_done(&n->round);
        free(n);
        return NULL;
}

static void retry_later(WorkloadNotify *n, EnvSource *timer, usec_t *pause) {
        (void) n->env->ops->timer_set(timer, env_now(n->env, ENV_CLOCK_MONOTONIC) + *pause);
        *pause = MIN(*pause * 2, NOTIFY_PAUSE_MAX_USEC);
}

/* A call to the manager of one of ours; `ret` is to be filled and sent. */
static int new_call(WorkloadNotify *n, const char *service, const char *path, const char *member,
                    sd_bus_message **ret) {
        char interface[64];

        (void) snprintf(interface, sizeof(interface), "%s.Manager", service);
        return sd_bus_message_new_method_call(n->bus, ret, service, path, interface, member);
}
#define MANAGER_CALL(n, name, member, ret) new_call(n, "org.gantry." name, "/org/gantry/" name, member, ret)

/* -- Ends -- */

/* The workflow has it, or never had it: a workload that nobody waits for. */
static bool is_answer(sd_bus_message *reply) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);

        return !e || streq(e->name, BUS_ERROR_NOT_FOUND);
}

static int on_end_reply(sd_bus_message *reply, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkloadNotify *n = userdata;
        const char *id = n->round.items[n->at]->id;
        int r;

        n->end_call = sd_bus_slot_unref(n->end_call);
        if (!is_answer(reply)) {
                const sd_bus_error *e = sd_bus_message_get_error(reply);

                log_warning("Failed to tell the workflow that '%s' has ended: %s", id, e->message ?: e->name);
                n->round_failed = true;
        } else {
                r = workload_manager_acknowledge(n->manager, id, &error);
                if (r < 0) {
                        log_warning("Failed to store that the workflow knows of '%s': %s", id,
                                    error_message(error, r));
                        n->round_failed = true;
                }
        }
        n->at++;
        return send_next(n);
}

static int send_end(WorkloadNotify *n, const char *id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = MANAGER_CALL(n, "Workflow1", "WorkloadFinished", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = sd_bus_call_async(n->bus, &n->end_call, m, on_end_reply, n, NOTIFY_CALL_USEC);
        return r;
}

static int send_next(WorkloadNotify *n) {
        int r;

        if (n->at < n->round.n) {
                r = send_end(n, n->round.items[n->at]->id);
                if (r >= 0)
                        return 0;
                log_warning_errno(r, "Failed to call the workflow");
                n->round_failed = true;
        }
        workload_array_done(&n->round);
        if (n->round_failed && !n->again) {
                retry_later(n, n->end_timer, &n->end_pause);
                return 0;
        }
        n->end_pause = n->round_failed ? n->end_pause : NOTIFY_PAUSE_MIN_USEC;
        return begin_round(n);
}

static int begin_round(WorkloadNotify *n) {
        _cleanup_error_ Error *error = NULL;
        int r;

        n->at = 0;
        n->again = n->round_failed = false;
        r = workload_manager_list_ended(n->manager, &n->round, &error);
        if (r < 0) {
                log_warning("Failed to list what has ended: %s", error_message(error, r));
                retry_later(n, n->end_timer, &n->end_pause);
                return 0;
        }
        return n->round.n > 0 ? send_next(n) : 0;
}

void workload_notify_ended(WorkloadNotify *n) {
        if (n->end_call) {
                n->again = true;
                return;
        }
        (void) n->env->ops->timer_set(n->end_timer, USEC_INFINITY);
        (void) begin_round(n);
}

/* -- The launcher -- */

static int on_wake_reply(sd_bus_message *reply, void *userdata, sd_bus_error *reterr_bus) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        WorkloadNotify *n = userdata;

        n->wake_call = sd_bus_slot_unref(n->wake_call);
        if (e) {
                log_warning("Failed to wake the launcher: %s", e->message ?: e->name);
                retry_later(n, n->wake_timer, &n->wake_pause);
                return 0;
        }
        n->wake_pause = NOTIFY_PAUSE_MIN_USEC;
        if (n->wake_again)
                send_wake(n);
        return 0;
}

static void send_wake(WorkloadNotify *n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        n->wake_again = false;
        r = MANAGER_CALL(n, "Launcher1", "Wake", &m);
        if (r >= 0)
                r = sd_bus_call_async(n->bus, &n->wake_call, m, on_wake_reply, n, NOTIFY_CALL_USEC);
        if (r < 0) {
                log_warning_errno(r, "Failed to call the launcher");
                retry_later(n, n->wake_timer, &n->wake_pause);
        }
}

void workload_notify_wake(WorkloadNotify *n) {
        /* The launcher may have polled before this one was there. */
        if (n->wake_call) {
                n->wake_again = true;
                return;
        }
        (void) n->env->ops->timer_set(n->wake_timer, USEC_INFINITY);
        send_wake(n);
}

static int on_cancel_reply(sd_bus_message *reply, void *userdata, sd_bus_error *reterr_bus) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);

        /* The runner hears it at its next heartbeat. */
        if (e && !streq(e->name, BUS_ERROR_NOT_FOUND))
                log_warning("Failed to have a runner stopped: %s", e->message ?: e->name);
        return 0;
}

void workload_notify_stopped(WorkloadNotify *n, const char *id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = MANAGER_CALL(n, "Launcher1", "Cancel", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = sd_bus_call_async(n->bus, NULL, m, on_cancel_reply, n, NOTIFY_CALL_USEC);
        if (r < 0)
                log_warning_errno(r, "Failed to call the launcher");
}

void workload_notify_changed(WorkloadNotify *n, int64_t seq) {
        int r;

        r = sd_bus_emit_signal(n->bus, "/org/gantry/Workload1", "org.gantry.Workload1.Manager", "Changed", "t",
                               (uint64_t) seq);
        if (r < 0)
                log_debug_errno(r, "Failed to emit a signal, ignoring");
}

/* -- The server -- */

/* Nobody is started to hear it, and nobody answers. */
void workload_notify_progress(WorkloadNotify *n, const char *json) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_close_ int fd = memfd_new("progress", json, strlen(json));
        int r = fd;

        if (r >= 0)
                r = MANAGER_CALL(n, "Server1", "PutProgress", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "h", fd);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, false);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_send(n->bus, m, NULL);
        if (r < 0)
                log_debug_errno(r, "Failed to tell how far a sync is, ignoring");
}

static void release_request(void *p) {
        http_request_unref(p);
}

static int on_rotate_reply(sd_bus_message *reply, void *userdata, sd_bus_error *reterr_bus) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        _cleanup_error_ Error *error = NULL;
        HttpRequest *q = userdata;
        int r;

        if (!e)
                return http_reply_empty(q, 204);
        r = bus_error_to(e, -EIO, &error);
        log_warning("A configuration that a connector sent was not stored: %s", error_message(error, r));
        return http_reply_error(q, r == -EINVAL ? -EDOM : r, error);
}

/* The answer to the connector waits for the server's, so that a connector that was told 204 finds its new
 * tokens in the next run. A floating slot belongs to the bus; it ends with the reply, at the latest with
 * the time-out. */
int workload_notify_rotate(WorkloadNotify *n, HttpRequest *q, const char *actor_id, const char *configuration) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_close_ int fd = memfd_new("configuration", configuration, strlen(configuration));
        sd_bus_slot *slot = NULL;
        int r;

        if (fd < 0)
                return fd;
        r = MANAGER_CALL(n, "Server1", "PutRotatedConfiguration", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sh", actor_id, fd);
        if (r >= 0)
                r = sd_bus_call_async(n->bus, &slot, m, on_rotate_reply, q, NOTIFY_CALL_USEC);
        if (r < 0)
                return r;
        /* The slot lives until the reply and takes the reference with it. */
        (void) http_request_ref(q);
        (void) sd_bus_slot_set_destroy_callback(slot, release_request);
        (void) sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
        return 0;
}
