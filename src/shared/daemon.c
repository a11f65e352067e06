/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The idle exit must not lose a call. Once the name is given back, the bus keeps further messages for the
 * next instance; what was sent to us before has arrived by then and is answered before we leave.
 *
 * Start: signals are blocked before the loop has sources for them, the bus is connected but the name is
 * only taken by daemon_run(), when the daemon's objects are there: no call can come before. READY=1
 * follows the name. If the bus goes, the daemon ends with an error, as nobody could start another one
 * while systemd believes this one active. */

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "shared/daemon.h"
#include "shared/env-event.h"

/* Blocks from this size on are mapped, each by itself, and given back when they are freed. It is glibc's own
 * first value, which glibc would raise to the size of the largest block ever freed (32 MiB at most): after one
 * message of 16 MiB, all that is smaller, too, lies in a heap that keeps up to twice as much (T66). */
#define MAPPED_FROM (128 * 1024)

struct Daemon {
        DaemonOptions options;
        Env *env;
        sd_event *event; /* borrowed from env */
        sd_bus *bus;
        sd_event_source *idle_timer;
        bool has_name;
};

static usec_t idle_time(const Daemon *d) {
        return d->options.idle ?: DAEMON_IDLE_USEC;
}

static int open_bus(Daemon *d) {
        const char *address = getenv("GANTRY_BUS_ADDRESS");
        int r;

        if (!address)
                r = sd_bus_open_system(&d->bus);
        else {
                r = sd_bus_new(&d->bus);
                if (r >= 0)
                        r = sd_bus_set_address(d->bus, address);
                if (r >= 0)
                        r = sd_bus_set_bus_client(d->bus, true);
                if (r >= 0)
                        r = sd_bus_start(d->bus);
        }
        /* Without it nobody could call us, and systemd would not start another one: we are active. */
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(d->bus, true);
        if (r >= 0)
                r = sd_bus_attach_event(d->bus, d->event, SD_EVENT_PRIORITY_NORMAL);
        return r;
}

/* Gives the name back and answers what came before that. false: there was none to give. */
static bool release_name(Daemon *d) {
        if (!d->has_name)
                return false;
        (void) sd_notify(/* unset_environment= */ false, "STOPPING=1");
        if (sd_bus_release_name(d->bus, d->options.bus_name) < 0)
                return false;
        d->has_name = false;
        while (sd_bus_process(d->bus, NULL) > 0)
                ;
        return true;
}

/* false: there is work after all. */
static bool leave(Daemon *d) {
        if (!release_name(d))
                return true;
        if (!d->options.busy || !d->options.busy(d->options.userdata))
                return true;
        if (sd_bus_request_name(d->bus, d->options.bus_name, 0) < 0)
                return true;
        d->has_name = true;
        (void) sd_notify(/* unset_environment= */ false, "READY=1");
        return false;
}

static int on_idle(sd_event_source *s, uint64_t now, void *userdata) {
        Daemon *d = userdata;

        if ((!d->options.busy || !d->options.busy(d->options.userdata)) && leave(d))
                return sd_event_exit(d->event, 0);
        daemon_touch(d);
        return 0;
}

static int add_idle_timer(Daemon *d) {
        int r;

        if (idle_time(d) == USEC_INFINITY)
                return 0;
        r = sd_event_add_time_relative(d->event, &d->idle_timer, CLOCK_MONOTONIC, idle_time(d),
                                       /* accuracy= */ USEC_PER_SEC, on_idle, d);
        return r;
}

static int add_signals(Daemon *d) {
        static const int signals[] = { SIGTERM, SIGINT };
        sigset_t set;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&set, signals[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                /* Without a handler, sd-event ends the loop with the userdata as its code: 0. */
                int r = sd_event_add_signal(d->event, NULL, signals[i], NULL, NULL);

                if (r < 0)
                        return r;
        }
        return 0;
}

int daemon_new(const DaemonOptions *options, Daemon **ret) {
        _cleanup_(daemon_freep) Daemon *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return log_oom();
        (void) mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
        d->options = *options;
        r = env_event_new(&d->env);
        if (r < 0)
                return log_error_errno(r, "Failed to make an event loop");
        d->event = env_event_loop(d->env);
        r = add_signals(d);
        if (r >= 0)
                r = add_idle_timer(d);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the event loop");
        if (options->bus_name) {
                r = open_bus(d);
                if (r < 0)
                        return log_error_errno(r, "Failed to connect to the bus");
        }
        *ret = TAKE_PTR(d);
        return 0;
}

Daemon *daemon_free(Daemon *d) {
        if (!d)
                return NULL;
        sd_event_source_disable_unref(d->idle_timer);
        sd_bus_flush_close_unref(d->bus);
        env_event_free(d->env);
        free(d);
        return NULL;
}

Env *daemon_env(Daemon *d) {
        return d->env;
}

sd_event *daemon_event(Daemon *d) {
        return d->event;
}

sd_bus *daemon_bus(Daemon *d) {
        return d->bus;
}

void daemon_touch(Daemon *d) {
        if (!d->idle_timer)
                return;
        (void) sd_event_source_set_time_relative(d->idle_timer, idle_time(d));
        (void) sd_event_source_set_enabled(d->idle_timer, SD_EVENT_ONESHOT);
}

void daemon_status(Daemon *d, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n >= 0)
                (void) sd_notifyf(/* unset_environment= */ false, "STATUS=%s", text);
}

void daemon_set_busy(Daemon *d, bool (*busy)(void *userdata), void *userdata) {
        d->options.busy = busy;
        d->options.userdata = userdata;
}

void daemon_leave(Daemon *d) {
        (void) release_name(d);
        (void) sd_event_exit(d->event, 0);
}

int daemon_run(Daemon *d) {
        int r;

        if (d->bus) {
                r = sd_bus_request_name(d->bus, d->options.bus_name, 0);
                if (r < 0)
                        return log_error_errno(r, "Failed to take the bus name '%s'", d->options.bus_name);
                d->has_name = true;
        }
        /* Does nothing unless systemd watches us. */
        r = sd_event_set_watchdog(d->event, true);
        if (r < 0)
                log_debug_errno(r, "Failed to set up the watchdog, ignoring");
        (void) sd_notify(/* unset_environment= */ false, "READY=1");
        r = sd_event_loop(d->event);
        (void) sd_notify(/* unset_environment= */ false, "STOPPING=1");
        if (r > 0 && d->bus && sd_bus_is_open(d->bus) <= 0)
                log_error("The bus is gone; a new start finds the new one");
        return r > 0 ? -EIO : r;
}

int daemon_listen_fd(const char *name) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(/* unset_environment= */ false, &names), found = -ENOENT;

        for (int i = 0; i < n; i++) {
                if (found < 0 && streq(names[i], name))
                        found = SD_LISTEN_FDS_START + i;
                free(names[i]);
        }
        free(names);
        return found;
}
