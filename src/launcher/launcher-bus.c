/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cancel answers at once, RemoveConnector when the tool has ended, SetTimer when the timer stands: its
 * caller leaves on the strength of that answer, so that a yes before the timer is there could lose a
 * schedule.
 *
 * A timer is replaced by stopping the old one and making a new one, as transient units can't be changed.
 * Between the two there is no timer; the caller still waits for its answer then, and a launcher that dies
 * in this moment answers nothing, which makes the caller ask again. */

#include <stdio.h>

#include "basic/log.h"
#include "launcher/executor-systemd.h"
#include "launcher/host-report.h"
#include "launcher/launcher-bus.h"
#include "shared/bus-error.h"
#include "shared/exit-codes.h"

#define OBJECT "/org/gantry/Launcher1"
#define INTERFACE "org.gantry.Launcher1.Manager"
#define TIMER_NAME_MAX 128U
#define TIMER_TARGET "gantry-workflow.service"

static int method_wake(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        launcher_wake(userdata);
        return sd_bus_reply_method_return(m, "");
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0)
                return r;
        r = launcher_cancel(userdata, id);
        if (r < 0) {
                _cleanup_error_ Error *e = NULL;

                (void) error_set(&e, r, "The workload '%s' does not run here", id);
                return bus_error_from(reterr, r, e);
        }
        return sd_bus_reply_method_return(m, "");
}

/* Whoever asked may be gone: then the bus drops the answer. */
static void on_removed(int code, const char *said, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = userdata;
        int r;

        if (code == 0)
                r = sd_bus_reply_method_return(m, "");
        else
                r = sd_bus_reply_method_errorf(m, code == EXIT_NOT_FOUND ? BUS_ERROR_NOT_FOUND : BUS_ERROR_FAILED,
                                               "%s", *said ? said : "The connector could not be removed");
        if (r < 0)
                log_warning_errno(r, "The removal of a connector could not be answered");
}

static int method_remove_connector(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        _cleanup_error_ Error *e = NULL;
        const char *reference;
        int r = sd_bus_message_read(m, "s", &reference);

        if (r >= 0)
                r = launcher_remove_connector(userdata, reference, on_removed, m, &e);
        if (r < 0)
                return bus_error_from(reterr, r, e);
        sd_bus_message_ref(m); /* on_removed() has it */
        return 1;
}

static void on_described(JsonObject *report, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = userdata;
        _cleanup_free_ char *text = report ? json_to_string(report) : NULL;
        int r;

        if (text)
                r = sd_bus_reply_method_return(m, "s", text);
        else
                r = sd_bus_reply_method_errorf(m, BUS_ERROR_UNAVAILABLE, "The host could not be described");
        if (r < 0)
                log_warning_errno(r, "A description of the host could not be answered");
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        int r = host_report_begin(userdata, on_described, m);

        if (r < 0)
                return r;
        sd_bus_message_ref(m); /* on_described() has it */
        return 1;
}

static int append_run(const char *id, int64_t epoch, const char *unit, const char *state, void *userdata) {
        return sd_bus_message_append(userdata, "(stss)", id, (uint64_t) epoch, unit, state);
}

static int method_list(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(stss)");
        if (r >= 0)
                r = launcher_visit(userdata, append_run, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

/* What a schedule may be called: no text that means something to systemd. */
static int timer_unit(const char *name, char **ret, sd_bus_error *reterr) {
        _cleanup_error_ Error *e = NULL;
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

        if (n == 0 || name[n] || n > TIMER_NAME_MAX) {
                (void) error_set(&e, -EINVAL, "A timer's name has 1 to %u letters, digits, '_' and '-'",
                                 TIMER_NAME_MAX);
                return bus_error_from(reterr, -EINVAL, e);
        }
        if (asprintf(ret, "gantry-timer-%s.timer", name) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

typedef struct TimerCall {
        sd_bus_message *message;
        UnitManager *units;
        usec_t at; /* 0: only cleared */
        char *unit;
} TimerCall;

static void timer_call_free(TimerCall *c) {
        sd_bus_message_unref(c->message);
        free(c->unit);
        free(c);
}

static void on_timer_set(const char *name, int r, const Error *error, void *userdata) {
        TimerCall *c = userdata;
        sd_bus_error e = SD_BUS_ERROR_NULL;

        if (r < 0) {
                (void) bus_error_from(&e, r, error);
                (void) sd_bus_reply_method_error(c->message, &e);
                sd_bus_error_free(&e);
        } else
                (void) sd_bus_reply_method_return(c->message, "");
        timer_call_free(c);
}

/* The old one is down: a transient unit can't be changed, only made anew. */
static void on_timer_cleared(const char *name, int r, const Error *error, void *userdata) {
        TimerCall *c = userdata;

        if (r >= 0 && c->at > 0)
                r = unit_manager_set_timer(c->units, c->unit, c->at, TIMER_TARGET, on_timer_set, c);
        else {
                on_timer_set(name, r, error, c);
                return;
        }
        if (r < 0)
                on_timer_set(name, r, NULL, c);
}

static int change_timer(sd_bus_message *m, Launcher *l, const char *name, usec_t at, sd_bus_error *reterr) {
        TimerCall *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->message = sd_bus_message_ref(m);
        c->units = executor_systemd_units(launcher_executor(l));
        c->at = at;
        r = timer_unit(name, &c->unit, reterr);
        if (r >= 0)
                r = unit_manager_stop(c->units, c->unit, on_timer_cleared, c);
        if (r < 0) {
                timer_call_free(c);
                return r;
        }
        return 1;
}

static int method_set_timer(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const char *name;
        uint64_t at;
        int r = sd_bus_message_read(m, "st", &name, &at);

        return r < 0 ? r : change_timer(m, userdata, name, MAX(at, (uint64_t) 1), reterr);
}

static int method_clear_timer(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        return r < 0 ? r : change_timer(m, userdata, name, 0, reterr);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Wake", "", "", method_wake, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DescribeHost", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", host), method_describe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("s", workload_id), SD_BUS_NO_RESULT, method_cancel,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveConnector", SD_BUS_ARGS("s", reference), SD_BUS_NO_RESULT,
                                method_remove_connector, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(stss)", runs), method_list,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetTimer", SD_BUS_ARGS("s", name, "t", at_usec), SD_BUS_NO_RESULT,
                                method_set_timer,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ClearTimer", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT, method_clear_timer,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int launcher_bus_export(sd_bus *bus, Launcher *l) {
        return sd_bus_add_object_vtable(bus, NULL, OBJECT, INTERFACE, manager_vtable, l);
}
