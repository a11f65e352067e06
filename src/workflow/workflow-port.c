/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A reply is either one of ours, whose meaning docs/INTERFACES.md fixes, or something that the bus says
 * in its place: the name can't be activated, the peer has gone, time is up. The latter all mean that
 * nobody has decided anything, and become -EAGAIN. Since every call here is idempotent by id, a call
 * whose answer was lost is sent again without asking whether it was carried out.
 *
 * A Call belongs to its slot, the slot to the bus (floating): both go with the reply or with the
 * connection, and the workload's state is looked up by id when the reply comes. Nothing dangles when a
 * dispatch has been forgotten meanwhile. */

#include "basic/fd-util.h"
#include "basic/log.h"
#include "shared/bus-error.h"
#include "shared/memfd.h"
#include "workflow/workflow-port.h"

#define WORKLOAD "org.gantry.Workload1", "/org/gantry/Workload1", "org.gantry.Workload1.Manager"
#define LAUNCHER "org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager"
#define CALL_TIMEOUT_USEC (60 * USEC_PER_SEC)
/* A discovered catalog, as gantry-workload takes them. */
#define RESULT_MAX (64U * 1024U * 1024U)
/* The one wake-up that this daemon has at the launcher's. */
#define TIMER_NAME "workflow"

typedef struct Call {
        WorkflowBus *bus;
        char *id;
} Call;

static void call_free(void *p) {
        Call *c = p;

        free(c->id);
        free(c);
}

/* Sends `m` about the workload `id`; the reply's handler gets a Call. */
static int send_call(WorkflowBus *b, sd_bus_message *m, const char *id, sd_bus_message_handler_t handler) {
        _cleanup_free_ Call *c = calloc(1, sizeof(*c));
        sd_bus_slot *slot = NULL;
        int r;

        if (!c)
                return -ENOMEM;
        c->bus = b;
        c->id = strdup(id);
        if (!c->id)
                return -ENOMEM;
        r = sd_bus_call_async(b->bus, &slot, m, handler, c, CALL_TIMEOUT_USEC);
        if (r < 0) {
                free(c->id);
                return r;
        }
        (void) sd_bus_slot_set_destroy_callback(slot, call_free);
        (void) sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
        (void) TAKE_PTR(c);
        return 0;
}

/* What a reply says: 0, or an error of ours, or -EAGAIN where there was nobody to answer. */
static int reply_result(sd_bus_message *m, Error **reterr_error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);

        if (!e)
                return 0;
        if (strncmp(strempty(e->name), BUS_ERROR_PREFIX, STRLEN(BUS_ERROR_PREFIX)) == 0)
                return bus_error_to(e, -EIO, reterr_error);
        return error_set(reterr_error, -EAGAIN, "%s", e->message ?: strempty(e->name));
}

static int on_created(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        Call *c = userdata;
        int created = false, r;

        r = reply_result(m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "b", &created);
        workflow_manager_created(c->bus->manager, c->id, r, created, r < 0 ? error_message(error, r) : NULL);
        return 0;
}

static int send_create(WorkflowBus *b, const char *id, JsonObject *request) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *text = json_to_string(request);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!text)
                return -ENOMEM;
        fd = memfd_new("workload", text, strlen(text));
        if (fd < 0)
                return fd;
        r = sd_bus_message_new_method_call(b->bus, &m, WORKLOAD, "Create");
        if (r >= 0)
                r = sd_bus_message_append(m, "h", fd);
        return r < 0 ? r : send_call(b, m, id, on_created);
}

static void port_create(const char *id, JsonObject *request, void *userdata) {
        WorkflowBus *b = userdata;
        int r = send_create(b, id, request);

        if (r < 0)
                workflow_manager_created(b->manager, id, -EAGAIN, false, strerror(-r));
}

static int read_workload(sd_bus_message *m, JsonObject **ret, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int fd, r;

        r = reply_result(m, reterr_error);
        if (r >= 0)
                r = sd_bus_message_read(m, "h", &fd);
        if (r >= 0)
                r = memfd_read(fd, RESULT_MAX, &text, &n, reterr_error);
        return r < 0 ? r : json_parse(text, n, ret, reterr_error);
}

static int on_got(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_json_ JsonObject *workload = NULL;
        _cleanup_error_ Error *error = NULL;
        Call *c = userdata;
        int r;

        r = read_workload(m, &workload, &error);
        if (r < 0)
                log_debug("Workload '%s' can't be got: %s", c->id, error_message(error, r));
        workflow_manager_got(c->bus->manager, c->id, r, workload);
        return 0;
}

static void port_get(const char *id, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        WorkflowBus *b = userdata;
        int r;

        r = sd_bus_message_new_method_call(b->bus, &m, WORKLOAD, "Get");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = send_call(b, m, id, on_got);
        if (r < 0)
                workflow_manager_got(b->manager, id, -EAGAIN, NULL);
}

static int on_cancelled(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        Call *c = userdata;

        workflow_manager_cancelled(c->bus->manager, c->id, reply_result(m, NULL));
        return 0;
}

static void port_cancel(const char *id, const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        WorkflowBus *b = userdata;
        int r;

        r = sd_bus_message_new_method_call(b->bus, &m, WORKLOAD, "Cancel");
        if (r >= 0)
                r = sd_bus_message_append(m, "sss", id, "workflow", reason);
        if (r >= 0)
                r = send_call(b, m, id, on_cancelled);
        if (r < 0)
                workflow_manager_cancelled(b->manager, id, -EAGAIN);
}

static void port_settled(const char *id, bool stored, void *userdata) {
        workflow_bus_settled(userdata, id, stored);
}

static void port_changed(int64_t seq, void *userdata) {
        WorkflowBus *b = userdata;

        (void) sd_bus_emit_signal(b->bus, "/org/gantry/Workflow1", "org.gantry.Workflow1.Manager", "Changed", "t",
                                  (uint64_t) seq);
}

static int on_timer_reply(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        int r = reply_result(m, &error);

        b->timer_call = sd_bus_slot_unref(b->timer_call);
        if (r < 0) {
                /* As long as nobody promises to wake us we stay, and ask again with the next look. */
                b->wake_promised = 0;
                log_debug("The launcher does not take the wake-up: %s", error_message(error, r));
        } else if (b->wake_promised != b->wake_at)
                workflow_port_send_timer(b);
        return 0;
}

void workflow_port_send_timer(WorkflowBus *b) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        bool clear = b->wake_at == USEC_INFINITY;
        int r;

        if (b->timer_call)
                return;
        r = sd_bus_message_new_method_call(b->bus, &m, LAUNCHER, clear ? "ClearTimer" : "SetTimer");
        if (r >= 0)
                r = clear ? sd_bus_message_append(m, "s", TIMER_NAME)
                          : sd_bus_message_append(m, "st", TIMER_NAME, b->wake_at);
        /* A timer that fires for nothing is harmless: clearing it is no reason to start the launcher. */
        if (r >= 0 && clear)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_call_async(b->bus, &b->timer_call, m, on_timer_reply, b, CALL_TIMEOUT_USEC);
        b->wake_promised = r >= 0 ? b->wake_at : 0;
}

static void port_wake_at(usec_t at, void *userdata) {
        WorkflowBus *b = userdata;

        b->wake_at = at;
        workflow_port_send_timer(b);
}

WorkflowPort workflow_port_of(WorkflowBus *b) {
        return (WorkflowPort) { .create = port_create, .get = port_get, .cancel = port_cancel,
                                .settled = port_settled, .changed = port_changed, .wake_at = port_wake_at,
                                .userdata = b };
}
