/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each call hands its Call to the reply's handler through Waiting, which is freed before `done` runs:
 * `done` answers, and the Call may be gone after that. sd-bus calls the handler once, with an error of its
 * own when the peer has died or time is up.
 *
 * Errors in our namespace are the peer's considered answer and keep their meaning. Any other name means
 * that nobody has answered. A daemon that somebody stops may be called at that moment: a call that nobody
 * has seen is sent once more, and so is one that may be done twice where its daemon left in the middle.
 * What is left is -EAGAIN, 503, and the client may try again. */

#include "basic/fd-util.h"
#include "server/workflow-client.h"
#include "shared/bus-error.h"
#include "shared/memfd.h"

#define WORKFLOW_NAME "org.gantry.Workflow1", "/org/gantry/Workflow1", "org.gantry.Workflow1.Manager"
#define LAUNCHER_NAME "org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager"
#define WORKLOAD_NAME "org.gantry.Workload1", "/org/gantry/Workload1", "org.gantry.Workload1.Manager"
/* The daemon bounds these calls by itself; this is for one that died without an answer. */
#define CALL_TIMEOUT_USEC (15 * 60 * USEC_PER_SEC)
#define INSTALL_TIMEOUT_USEC (40 * 60 * USEC_PER_SEC)
#define MEMFD_MAX (32U * 1024U * 1024U)

typedef enum CallFlags {
        CALL_IDEMPOTENT = 1 << 0, /* may be done twice */
} CallFlags;

typedef struct Waiting {
        Call *call;
        WorkflowDone done;
        sd_bus_message *message; /* until it was sent again */
        CallFlags flags;
        usec_t until;            /* the end of the daemon's time */
} Waiting;

static Waiting *waiting_free(Waiting *w) {
        if (w)
                sd_bus_message_unref(w->message);
        free(w);
        return NULL;
}
DEFINE_CLEANUP(Waiting, waiting_free);

static usec_t now_steady(const Call *c) {
        return env_now(c->server->env, ENV_CLOCK_MONOTONIC);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *reterr);

/* false: it was sent before, or what happened is an answer. */
static bool send_again(Waiting *w, const sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = TAKE_PTR(w->message);
        usec_t now = now_steady(w->call);

        if (!m || !e || now >= w->until)
                return false;
        if (!bus_error_is_undelivered(e) && !(bus_error_is_lost(e) && (w->flags & CALL_IDEMPOTENT)))
                return false;
        return sd_bus_call_async(w->call->server->bus, NULL, m, on_reply, w, w->until - now) >= 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Waiting *w = userdata;
        Call *c = w->call;
        WorkflowDone done = w->done;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int r = 0;

        if (send_again(w, e))
                return 0;
        waiting_free(w);
        if (e && e->name && strncmp(e->name, BUS_ERROR_PREFIX, STRLEN(BUS_ERROR_PREFIX)) != 0)
                r = call_fail(c, -EAGAIN, NULL, "The daemon that does this is not available");
        else if (e)
                r = bus_error_to(e, -EIO, &c->error);
        done(c, r, r < 0 ? NULL : m);
        return 0;
}

/* Takes the message over. */
static int send_long_call(Call *c, sd_bus_message *m, CallFlags flags, usec_t timeout, WorkflowDone done) {
        _cleanup_(waiting_freep) Waiting *w = malloc(sizeof(*w));
        int r = -ENOMEM;

        if (w) {
                *w = (Waiting) { c, done, sd_bus_message_ref(m), flags, now_steady(c) + timeout };
                r = sd_bus_call_async(c->server->bus, NULL, m, on_reply, w, timeout);
        }
        sd_bus_message_unref(m);
        if (r < 0)
                return call_fail(c, r == -ENOMEM ? r : -EAGAIN, NULL,
                                 "The daemon that does this is not available");
        (void) TAKE_PTR(w);
        return call_later(c);
}

static int send_call(Call *c, sd_bus_message *m, CallFlags flags, WorkflowDone done) {
        return send_long_call(c, m, flags, CALL_TIMEOUT_USEC, done);
}

static int new_call(Call *c, const char *name, const char *path, const char *interface, const char *method,
                    sd_bus_message **ret) {
        if (!c->server->bus)
                return call_fail(c, -EAGAIN, NULL, "There is no bus");
        return sd_bus_message_new_method_call(c->server->bus, ret, name, path, interface, method);
}

/* A sealed memfd with the text; an empty one for NULL. */
static int append_memfd(sd_bus_message *m, const char *text) {
        _cleanup_close_ int fd = memfd_new("gantry-config", text, text ? strlen(text) : 0);

        /* The message keeps a copy of the descriptor. */
        return fd < 0 ? fd : sd_bus_message_append(m, "h", fd);
}

int workflow_start_job(Call *c, const char *connection_id, const char *job_type, const char *options,
                       WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, WORKFLOW_NAME, "StartJob", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "sss", connection_id, job_type, options);
        return r < 0 ? r : send_call(c, m, 0, done);
}

int workflow_cancel_job(Call *c, int64_t job_id, WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, WORKFLOW_NAME, "CancelJob", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "x", job_id);
        return r < 0 ? r : send_call(c, m, CALL_IDEMPOTENT, done);
}

int workflow_run_check(Call *c, const char *actor_id, const char *config, WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, WORKFLOW_NAME, "RunCheck", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", actor_id);
        if (r >= 0)
                r = append_memfd(m, config);
        return r < 0 ? r : send_call(c, m, CALL_IDEMPOTENT, done);
}

int workflow_run_discover(Call *c, const char *source_id, bool ignore_cache, WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, WORKFLOW_NAME, "RunDiscover", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "sb", source_id, ignore_cache);
        return r < 0 ? r : send_call(c, m, CALL_IDEMPOTENT, done);
}

int workflow_run_spec(Call *c, const char *definition_id, WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, WORKFLOW_NAME, "RunSpec", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", definition_id);
        return r < 0 ? r : send_call(c, m, CALL_IDEMPOTENT, done);
}

int workflow_run_install(Call *c, const char *reference, WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, WORKFLOW_NAME, "RunInstall", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", reference);
        return r < 0 ? r : send_long_call(c, m, CALL_IDEMPOTENT, INSTALL_TIMEOUT_USEC, done);
}

int launcher_remove_connector(Call *c, const char *reference, WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, LAUNCHER_NAME, "RemoveConnector", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", reference);
        return r < 0 ? r : send_call(c, m, 0, done);
}

int launcher_describe_host(Call *c, WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, LAUNCHER_NAME, "DescribeHost", &m);

        return r < 0 ? r : send_call(c, m, CALL_IDEMPOTENT, done);
}

int workload_state_set(Call *c, const char *connection_id, const char *states, WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, WORKLOAD_NAME, "StateSet", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", connection_id);
        if (r >= 0)
                r = append_memfd(m, states);
        return r < 0 ? r : send_call(c, m, CALL_IDEMPOTENT, done);
}

int workload_read_logs(Call *c, int64_t job_id, uint32_t attempt, uint64_t cursor, uint32_t max,
                       WorkflowDone done) {
        sd_bus_message *m = NULL;
        int r = new_call(c, WORKLOAD_NAME, "ReadLogs", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "xutu", job_id, attempt, cursor, max);
        return r < 0 ? r : send_call(c, m, CALL_IDEMPOTENT, done);
}

void workflow_connection_changed(Server *s, const char *connection_id) {
        if (s->bus)
                (void) sd_bus_call_method_async(s->bus, NULL, WORKFLOW_NAME, "ConnectionChanged", NULL, NULL,
                                                "s",
                                                connection_id);
}

int workflow_read_memfd(sd_bus_message *reply, char **ret, size_t *ret_n) {
        int fd, r = sd_bus_message_read(reply, "h", &fd);

        return r < 0 ? r : memfd_read(fd, MEMFD_MAX, ret, ret_n, NULL);
}
