/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* systemd answers a call that starts or stops a unit with the path of a job; how the job ended comes
 * later as the signal JobRemoved. The match is made before the first call, and systemd sends the reply
 * with the path before the job can end: so the signal always names a job that is known here, and no end
 * is missed. A UnitJob is in the list from its call to its end.
 *
 * Subscribe is needed: without it systemd sends no signals of units. The match for PropertiesChanged
 * takes those of all units, since a path_namespace can't end in the middle of a name; the prefix is
 * compared here.
 *
 * Stopping a unit that isn't there is done at once (NoSuchUnit), which makes stops repeatable. A
 * transient unit can't be started over one of its name that is still loaded; names hold the lease's
 * epoch, so that no two starts want the same. */

#include <stdio.h>
#include <systemd/sd-bus.h>

#include "basic/log.h"
#include "basic/time-util.h"
#include "launcher/unit-manager.h"
#include "launcher/unit-property.h"
#include "shared/bus-error.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define UNIT_PATH MANAGER_PATH "/unit"
#define MANAGER SYSTEMD ".Manager"
#define NO_SUCH_UNIT SYSTEMD ".NoSuchUnit"

typedef struct UnitJob {
        UnitManager *manager;
        char *name, *path; /* of the unit, of the job once it is known */
        UnitDone done;
        UnitResultHandler result_handler;
        UnitListed listed;
        void *userdata;
        sd_bus_slot *slot; /* of the call */
        struct UnitJob *next;
} UnitJob;

struct UnitManager {
        sd_bus *bus;
        char *prefix; /* of object paths */
        UnitManagerEvents events;
        sd_bus_slot *removed, *changed;
        UnitJob *jobs;
};

static UnitJob *job_free(UnitJob *j) {
        if (!j)
                return NULL;
        sd_bus_slot_unref(j->slot);
        free(j->name);
        free(j->path);
        free(j);
        return NULL;
}
DEFINE_CLEANUP(UnitJob, job_free);

static UnitJob *job_new(UnitManager *m, const char *name, void *userdata) {
        UnitJob *j = calloc(1, sizeof(*j));

        if (!j)
                return NULL;
        j->manager = m;
        j->userdata = userdata;
        j->name = strdup(name);
        return j->name ? j : job_free(j);
}

static void job_link(UnitJob *j) {
        j->next = j->manager->jobs;
        j->manager->jobs = j;
}

static void job_unlink(UnitJob *j) {
        for (UnitJob **p = &j->manager->jobs; *p; p = &(*p)->next)
                if (*p == j) {
                        *p = j->next;
                        return;
                }
}

static void job_finish(UnitJob *j, int r, const Error *error) {
        job_unlink(j);
        if (j->done)
                j->done(j->name, r, error, j->userdata);
        job_free(j);
}

static UnitJob *job_of_path(const UnitManager *m, const char *path) {
        for (UnitJob *j = m->jobs; j; j = j->next)
                if (streq_ptr(j->path, path))
                        return j;
        return NULL;
}

/* The job is known by its path: another job of the same unit is somebody else's. */
static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        UnitManager *manager = userdata;
        _cleanup_error_ Error *error = NULL;
        const char *path, *unit, *result;
        uint32_t id;
        UnitJob *j;
        int r = 0;

        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
                return 0;
        if (!streq(result, "done"))
                r = error_set(&error, -ENOEXEC, "The job of '%s' ended as '%s'", unit, result);
        /* Several of ours may be one of systemd's, which merges what asks for the same; and each end may change
         * the list. */
        while ((j = job_of_path(manager, path)))
                job_finish(j, r, error);
        return 0;
}

/* Reads what of a{sv} is a string and has that name. */
static int read_states(sd_bus_message *m, UnitInfo *u) {
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key, **to = NULL;

                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        break;
                if (streq(key, "ActiveState"))
                        to = &u->active_state;
                else if (streq(key, "SubState"))
                        to = &u->sub_state;
                r = to ? sd_bus_message_read(m, "v", "s", to) : sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        UnitManager *manager = userdata;
        const char *interface, *path = sd_bus_message_get_path(m);
        _cleanup_free_ char *name = NULL;
        UnitInfo u = {};

        if (!path || strncmp(path, manager->prefix, strlen(manager->prefix)) != 0 ||
            sd_bus_message_read(m, "s", &interface) < 0 || !streq(interface, SYSTEMD ".Unit") ||
            sd_bus_path_decode(path, UNIT_PATH, &name) <= 0 || read_states(m, &u) < 0 || !u.active_state ||
                    !u.sub_state)
                return 0;
        u.name = name;
        manager->events.changed(&u, manager->events.userdata);
        return 0;
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);

        if (e)
                log_error("Failed to subscribe to systemd's signals: %s", e->message);
        return 0;
}

int unit_manager_new(sd_bus *bus, const char *prefix, const UnitManagerEvents *events, UnitManager **ret) {
        _cleanup_(unit_manager_freep) UnitManager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->bus = sd_bus_ref(bus);
        m->events = *events;
        r = sd_bus_path_encode(UNIT_PATH, prefix, &m->prefix);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, &m->removed, SYSTEMD, MANAGER_PATH, MANAGER, "JobRemoved",
                                              on_job_removed,
                                              NULL, m);
        if (r >= 0)
                r = sd_bus_add_match_async(bus, &m->changed,
                                           "type='signal',sender='" SYSTEMD "',path_namespace='" UNIT_PATH "',"
                                           "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                                           "arg0='" SYSTEMD ".Unit'", on_changed, NULL, m);
        if (r >= 0)
                r = sd_bus_call_method_async(bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe",
                                             on_subscribed, m, "");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

UnitManager *unit_manager_free(UnitManager *m) {
        if (!m)
                return NULL;
        while (m->jobs) {
                UnitJob *j = m->jobs;

                m->jobs = j->next;
                job_free(j);
        }
        sd_bus_slot_unref(m->removed);
        sd_bus_slot_unref(m->changed);
        sd_bus_unref(m->bus);
        free(m->prefix);
        free(m);
        return NULL;
}

bool unit_manager_is_busy(const UnitManager *m) {
        return m->jobs;
}

/* The answer to a call that makes a job: its path, which JobRemoved will name. */
static int on_job_made(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        _cleanup_error_ Error *error = NULL;
        UnitJob *j = userdata;
        const char *path;
        int r;

        j->slot = sd_bus_slot_unref(j->slot);
        if (e && streq(e->name, NO_SUCH_UNIT)) {
                job_finish(j, 0, NULL);
                return 0;
        }
        if (e) {
                r = bus_error_to(e, -sd_bus_error_get_errno(e), &error);
                job_finish(j, r, error);
                return 0;
        }
        r = sd_bus_message_read(m, "o", &path);
        if (r >= 0) {
                j->path = strdup(path);
                r = j->path ? 0 : -ENOMEM;
        }
        if (r < 0)
                job_finish(j, r, NULL);
        return 0;
}

static int call_job(UnitJob *j, sd_bus_message *m) {
        int r = sd_bus_call_async(j->manager->bus, &j->slot, m, on_job_made, j, /* usec= */ 0);

        if (r < 0) {
                job_free(j);
                return r;
        }
        job_link(j);
        return 0;
}

static int begin_transient(UnitManager *m, const char *name, const char *mode, sd_bus_message **ret) {
        int r = sd_bus_message_new_method_call(m->bus, ret, SYSTEMD, MANAGER_PATH, MANAGER,
                                               "StartTransientUnit");

        if (r >= 0)
                r = sd_bus_message_append(*ret, "ss", name, mode);
        return r < 0 ? r : sd_bus_message_open_container(*ret, 'a', "(sv)");
}

static int end_transient(sd_bus_message *m) {
        int r = sd_bus_message_close_container(m);

        return r < 0 ? r : sd_bus_message_append(m, "a(sa(sv))", 0);
}

int unit_manager_start(UnitManager *m, const char *name, JsonObject *properties, int stdin_fd, UnitDone done,
                       void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(job_freep) UnitJob *j = job_new(m, name, userdata);
        int r;

        if (!j)
                return -ENOMEM;
        j->done = done;
        r = begin_transient(m, name, "fail", &call);
        if (r >= 0)
                r = unit_properties_append(call, properties);
        if (r >= 0)
                r = sd_bus_message_append(call, "(sv)", "StandardInputFileDescriptor", "h", stdin_fd);
        if (r >= 0)
                r = end_transient(call);
        return r < 0 ? r : call_job(TAKE_PTR(j), call);
}

int unit_manager_stop(UnitManager *m, const char *name, UnitDone done, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(job_freep) UnitJob *j = job_new(m, name, userdata);
        int r;

        if (!j)
                return -ENOMEM;
        j->done = done;
        r = sd_bus_message_new_method_call(m->bus, &call, SYSTEMD, MANAGER_PATH, MANAGER, "StopUnit");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", name, "replace");
        return r < 0 ? r : call_job(TAKE_PTR(j), call);
}

void unit_manager_reset_failed(UnitManager *m, const char *name) {
        /* One that isn't there has been forgotten already. */
        (void) sd_bus_call_method_async(m->bus, NULL, SYSTEMD, MANAGER_PATH, MANAGER, "ResetFailedUnit",
                                        NULL, NULL, "s",
                                        name);
}

/* ListUnitsByPatterns: a(ssssssouso). */
static int read_units(sd_bus_message *m, UnitInfo **ret, size_t *ret_n) {
        _cleanup_free_ UnitInfo *units = NULL;
        size_t n = 0;
        int r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");

        for (;;) {
                UnitInfo u = {}, *grown;
                const char *ignored;
                uint32_t job;

                if (r >= 0)
                        r = sd_bus_message_read(m, "(ssssssouso)", &u.name, &ignored, &ignored,
                                                &u.active_state,
                                                &u.sub_state, &ignored, &ignored, &job, &ignored, &ignored);
                if (r <= 0)
                        break;
                grown = reallocarray(units, n + 1, sizeof(*units));
                if (!grown)
                        return -ENOMEM;
                units = grown;
                units[n++] = u;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(units);
        *ret_n = n;
        return 0;
}

static int on_listed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        _cleanup_(job_freep) UnitJob *j = userdata;
        _cleanup_free_ UnitInfo *units = NULL;
        size_t n = 0;
        int r = e ? -sd_bus_error_get_errno(e) : read_units(m, &units, &n);

        job_unlink(j);
        j->listed(units, n, r, j->userdata);
        return 0;
}

int unit_manager_list(UnitManager *m, const char *pattern, UnitListed listed, void *userdata) {
        _cleanup_(job_freep) UnitJob *j = job_new(m, pattern, userdata);
        int r;

        if (!j)
                return -ENOMEM;
        j->listed = listed;
        r = sd_bus_call_method_async(m->bus, &j->slot, SYSTEMD, MANAGER_PATH, MANAGER, "ListUnitsByPatterns",
                                     on_listed, j,
                                     "asas", 0, 1, pattern);
        if (r < 0)
                return r;
        job_link(TAKE_PTR(j));
        return 0;
}

static int read_result(sd_bus_message *m, UnitResult *ret) {
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        break;
                if (streq(key, "Result"))
                        r = sd_bus_message_read(m, "v", "s", &ret->result);
                else if (streq(key, "ExecMainCode"))
                        r = sd_bus_message_read(m, "v", "i", &ret->code);
                else if (streq(key, "ExecMainStatus"))
                        r = sd_bus_message_read(m, "v", "i", &ret->status);
                else if (streq(key, "MainPID"))
                        r = sd_bus_message_read(m, "v", "u", &ret->pid);
                else
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        _cleanup_(job_freep) UnitJob *j = userdata;
        UnitResult result = { .result = "" };
        int r = e ? -sd_bus_error_get_errno(e) : read_result(m, &result);

        job_unlink(j);
        j->result_handler(j->name, &result, r, j->userdata);
        return 0;
}

int unit_manager_get_result(UnitManager *m, const char *name, UnitResultHandler handler, void *userdata) {
        _cleanup_(job_freep) UnitJob *j = job_new(m, name, userdata);
        _cleanup_free_ char *path = NULL;
        int r;

        if (!j)
                return -ENOMEM;
        j->result_handler = handler;
        r = sd_bus_path_encode(UNIT_PATH, name, &path);
        if (r >= 0)
                r = sd_bus_call_method_async(m->bus, &j->slot, SYSTEMD, path,
                                             "org.freedesktop.DBus.Properties", "GetAll",
                                             on_properties, j, "s", SYSTEMD ".Service");
        if (r < 0)
                return r;
        job_link(TAKE_PTR(j));
        return 0;
}

/* A transient timer starts the service of its own name. That one does nothing but want the target, so
 * whether that runs already makes no difference. */
static int append_timer_service(sd_bus_message *m, const char *timer, const char *target) {
        _cleanup_free_ char *service = NULL;
        int r;

        if (asprintf(&service, "%.*s.service", (int) (strlen(timer) - STRLEN(".timer")), timer) < 0) {
                service = NULL;
                return -ENOMEM;
        }
        r = sd_bus_message_open_container(m, 'a', "(sa(sv))");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa(sv))", service, 4, "Type", "s", "oneshot",
                                          "CollectMode", "s", "inactive-or-failed", "Wants", "as", 1, target,
                                          "ExecStart", "a(sasb)", 1, "/bin/true", 1, "/bin/true", false);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int unit_manager_set_timer(UnitManager *m, const char *name, usec_t at, const char *unit, UnitDone done,
                           void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(job_freep) UnitJob *j = job_new(m, name, userdata);
        _cleanup_free_ char *calendar = NULL;
        int r;

        if (!j)
                return -ENOMEM;
        j->done = done;
        /* Seconds since the epoch, a point in time that no clock change moves. */
        if (asprintf(&calendar, "@%llu",
                     (unsigned long long) (at / USEC_PER_SEC + (at % USEC_PER_SEC > 0))) < 0) {
                calendar = NULL;
                return -ENOMEM;
        }
        r = begin_transient(m, name, "replace", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "(sv)(sv)(sv)(sv)", "Description", "s", "Gantry schedule",
                                          "AccuracyUSec", "t", (uint64_t) USEC_PER_SEC,
                                          "RemainAfterElapse", "b", false,
                                          "TimersCalendar", "a(ss)", 1, "OnCalendar", calendar);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = append_timer_service(call, name, unit);
        return r < 0 ? r : call_job(TAKE_PTR(j), call);
}
