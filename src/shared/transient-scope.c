/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One call and its job. The call only queues the job that moves the process; before the job is done, what
 * the process starts would still be born in the old group, outside of the limits. So its end is waited
 * for.
 *
 * The wait runs on the bus by itself, without a loop: a program that starts children hasn't begun with
 * them yet. It takes a few seconds at most, and a failure is the caller's to judge: limits are better
 * than none, and none better than no sync. */

#include <stdio.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "basic/path-util.h"
#include "basic/time-util.h"
#include "shared/transient-scope.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
/* A manager that takes longer is in trouble of its own: the sync goes on without limits. */
#define WAIT_USEC (5 * USEC_PER_SEC)

struct ScopeManager {
        sd_bus *bus;
        sd_bus_slot *slot;
        bool direct;  /* no bus between us: messages have no sender */
        char *job;    /* whose end is awaited */
        char *result; /* how it ended */
};

static int on_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *reterr_error) {
        const char *job, *unit, *result;
        ScopeManager *m = userdata;
        uint32_t id;

        if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) >= 0 && m->job && streq(job, m->job) &&
            !m->result)
                m->result = strdup(result);
        return 0;
}

static int open_address(const char *path, bool bus_client, sd_bus **ret) {
        _cleanup_free_ char *address = NULL;
        sd_bus *bus = NULL;
        int r;

        if (asprintf(&address, "unix:path=%s", path) < 0) {
                address = NULL;
                return -ENOMEM;
        }
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, bus_client);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0) {
                sd_bus_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

/* A shell that su(1) or runuser(1) made has no session and hence no XDG_RUNTIME_DIR, while the user's manager may
 * well run; and without the package dbus-user-session (a minimal Debian) that manager has no bus, only the socket that
 * `systemctl --user` calls it by. */
static int open_user(ScopeManager *m) {
        _cleanup_free_ char *fallback = NULL, *bus = NULL, *direct = NULL;
        const char *runtime = getenv("XDG_RUNTIME_DIR");

        if (getenv("DBUS_SESSION_BUS_ADDRESS"))
                return sd_bus_open_user(&m->bus);
        if (!runtime) {
                if (asprintf(&fallback, "/run/user/%u", (unsigned) geteuid()) < 0) {
                        fallback = NULL;
                        return -ENOMEM;
                }
                runtime = fallback;
        }
        bus = path_join(runtime, "bus");
        direct = path_join(runtime, "systemd/private");
        if (!bus || !direct)
                return -ENOMEM;
        if (path_exists(bus))
                return open_address(bus, /* bus_client= */ true, &m->bus);
        m->direct = true;
        return path_exists(direct) ? open_address(direct, /* bus_client= */ false, &m->bus) : -ENOMEDIUM;
}

int scope_manager_open(ScopeManager **ret, Error **reterr_error) {
        _cleanup_(scope_manager_freep) ScopeManager *m = NULL;
        bool root = geteuid() == 0;
        int r;

        if (sd_booted() <= 0)
                return error_set(reterr_error, -EHOSTDOWN, "PID 1 is not systemd");
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        r = root ? sd_bus_open_system(&m->bus) : open_user(m);
        if (r < 0)
                return error_set_errno(reterr_error, r, "the %s manager can't be reached", root ? "system" : "user's");
        (void) sd_bus_set_method_call_timeout(m->bus, WAIT_USEC);
        r = sd_bus_match_signal(m->bus, &m->slot, m->direct ? NULL : SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                "JobRemoved", on_job_removed, m);
        if (r < 0)
                return error_set_errno(reterr_error, r, "the manager's signals can't be heard");
        *ret = TAKE_PTR(m);
        return 0;
}

ScopeManager *scope_manager_free(ScopeManager *m) {
        if (!m)
                return NULL;
        sd_bus_slot_unref(m->slot);
        sd_bus_flush_close_unref(m->bus);
        free(m->job);
        free(m->result);
        free(m);
        return NULL;
}

/* No swap: a connector that thrashes slows down everybody, one that is killed is told of. */
static int append_properties(sd_bus_message *message, const ScopeSpec *s) {
        int r;

        r = sd_bus_message_open_container(message, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(message, "(sv)(sv)(sv)(sv)(sv)(sv)",
                                          "Description", "s", s->description,
                                          "PIDs", "au", 1, (uint32_t) s->pid,
                                          "CollectMode", "s", "inactive-or-failed",
                                          "MemoryMax", "t", s->memory_max,
                                          "MemorySwapMax", "t", UINT64_C(0),
                                          "TasksMax", "t", s->tasks_max);
        if (r >= 0 && s->slice)
                r = sd_bus_message_append(message, "(sv)", "Slice", "s", s->slice);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_append(message, "a(sa(sv))", 0);
}

static usec_t monotonic_now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (usec_t) t.tv_sec * USEC_PER_SEC + (usec_t) t.tv_nsec / 1000;
}

static int wait_for_job(ScopeManager *m, Error **reterr_error) {
        usec_t end = monotonic_now() + WAIT_USEC;
        int r = 0;

        while (r >= 0 && !m->result) {
                usec_t now = monotonic_now();

                if (now >= end)
                        return error_set(reterr_error, -ETIMEDOUT, "the manager did not answer in time");
                r = sd_bus_process(m->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(m->bus, end - now);
        }
        if (r < 0)
                return error_set_errno(reterr_error, r, "the manager was lost");
        return streq(m->result, "done") ? 0 : error_set(reterr_error, -EIO, "its job ended as '%s'", m->result);
}

int scope_manager_start(ScopeManager *m, const ScopeSpec *spec, Error **reterr_error) {
        sd_bus_message *message = NULL, *reply = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        const char *job;
        int r;

        free(TAKE_PTR(m->job));
        free(TAKE_PTR(m->result));
        r = sd_bus_message_new_method_call(m->bus, &message, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                           "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(message, "ss", spec->name, "fail");
        if (r >= 0)
                r = append_properties(message, spec);
        if (r >= 0)
                r = sd_bus_call(m->bus, message, 0, &e, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &job);
        if (r < 0)
                (void) error_set(reterr_error, r, "%s", e.message ?: strerror(-r));
        else if (!(m->job = strdup(job)))
                r = -ENOMEM;
        sd_bus_error_free(&e);
        sd_bus_message_unref(message);
        sd_bus_message_unref(reply);
        return r < 0 ? r : wait_for_job(m, reterr_error);
}
