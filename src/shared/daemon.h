/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The frame of every daemon of the suite: event loop, signals, bus connection and name, readiness,
 * watchdog, and the exit when there has been nothing to do for a while. A daemon's own main() makes one,
 * hangs its manager into it, and runs it. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "basic/env.h"

#define DAEMON_IDLE_USEC (30 * USEC_PER_SEC)

typedef struct Daemon Daemon;

typedef struct DaemonOptions {
        const char *bus_name;         /* org.gantry.…1; NULL: no bus at all */
        bool (*busy)(void *userdata); /* true: not now; asked before an idle exit. NULL: never busy */
        void *userdata;
        usec_t idle;                  /* 0 = DAEMON_IDLE_USEC; USEC_INFINITY = never exits by itself */
} DaemonOptions;

/* Connects to the bus ($GANTRY_BUS_ADDRESS, for tests, else the system's) but does not ask for the name
 * yet: objects are added first. Blocks SIGTERM and SIGINT and ends the loop on them. */
int daemon_new(const DaemonOptions *options, Daemon **ret);
Daemon *daemon_free(Daemon *d);
DEFINE_CLEANUP(Daemon, daemon_free);

/* Borrowed. The bus is NULL when no name was asked for. */
Env *daemon_env(Daemon *d);
sd_event *daemon_event(Daemon *d);
sd_bus *daemon_bus(Daemon *d);

/* Something was done for somebody: the idle time starts anew. */
void daemon_touch(Daemon *d);
/* One line for `systemctl status`. */
void daemon_status(Daemon *d, const char *format, ...) _printf_(2, 3);

/* Takes the bus name, tells systemd READY=1, runs the loop. Returns 0 after SIGTERM or an idle exit; calls
 * that had reached us before the name was given back are answered first. -EIO when the loop was ended with
 * another code than 0, or the bus went away: systemd starts us anew. */
int daemon_run(Daemon *d);

/* Another judge of whether it may leave than that of the options. */
void daemon_set_busy(Daemon *d, bool (*busy)(void *userdata), void *userdata);
/* Gives the name back, answers what had come before that, and has daemon_run() return 0. Called from the
 * loop. */
void daemon_leave(Daemon *d);

/* The descriptor of the activation socket called `name` (FileDescriptorName=), or -ENOENT. The caller owns
 * it. */
int daemon_listen_fd(const char *name);
