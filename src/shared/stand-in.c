/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All calls are answered before sd-bus looks for an object; only Ping stays what it is. Taking the name is
 * the point: a bus that waits for one holds all calls back for its 25 s (docs/decisions/0018).
 *
 * It never stays less than one look, two seconds: a unit that is started more often reaches its limit and
 * is down until somebody resets it. A reason that doesn't go may be one that only a new run of
 * gantry-bootloader ends, which comes with a new start: after some seconds without clients it leaves for
 * that. */

#include "basic/log.h"
#include "shared/bus-error.h"
#include "shared/journal.h"
#include "shared/stand-in.h"

#define LOOK_USEC (2 * USEC_PER_SEC)
#define PATIENCE_USEC (10 * USEC_PER_SEC)

typedef struct StandIn {
        const StandInOptions *options;
        usec_t since;
        bool leaves;
} StandIn;

static usec_t now_steady(const StandIn *s) {
        return env_now(daemon_env(s->options->daemon), ENV_CLOCK_MONOTONIC);
}

static bool answers(void *userdata) {
        const StandInOptions *o = ((StandIn *) userdata)->options;

        return o->stays || (o->answers && o->answers(o->userdata));
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        const StandInOptions *o = ((StandIn *) userdata)->options;

        if (!sd_bus_message_is_method_call(m, NULL, NULL) ||
            sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Peer", NULL))
                return 0;
        (void) bus_error_from(&e, stand_in_error(o->fault->code), o->fault);
        (void) sd_bus_reply_method_error(m, &e);
        return 1;
}

static int on_look(sd_event_source *timer, uint64_t now, void *userdata) {
        StandIn *s = userdata;
        const StandInOptions *o = s->options;
        bool over = (o->mended && o->mended(o->place, o->fault->code)) ||
                    (o->fault->code != -ENOSPC && now_steady(s) - s->since >= PATIENCE_USEC);

        if (over && !(o->answers && o->answers(o->userdata))) {
                s->leaves = true;
                daemon_leave(o->daemon);
                return 0;
        }
        (void) sd_event_source_set_time_relative(timer, LOOK_USEC);
        return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int stand_in_fault(Error **fault, int error) {
        if (!*fault)
                (void) error_set(fault, error, "%s", strerror(-error));
        if (!*fault)
                return log_oom();
        (*fault)->code = error;
        return 0;
}

int stand_in_run(const StandInOptions *o) {
        StandIn s = { .options = o };
        int r;

        s.since = now_steady(&s);
        journal_start_failure(o->fault->code, o->fault->message);
        daemon_set_busy(o->daemon, answers, &s);
        /* The loop, which ends with this function's call, owns the timer; the bus, the filter. */
        r = sd_event_add_time_relative(daemon_event(o->daemon), NULL, CLOCK_MONOTONIC, LOOK_USEC, 0, on_look, &s);
        if (r >= 0)
                r = sd_bus_add_filter(daemon_bus(o->daemon), NULL, on_message, &s);
        if (r < 0)
                return log_error_errno(r, "Failed to stand in");
        r = daemon_run(o->daemon);
        return r < 0 ? r : s.leaves && o->stays ? -EAGAIN : 0;
}
