/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An attempt is three services in one slice. The slice is what makes an end certain: stopping it ends
 * every process of every unit in it, whatever forked, and `systemctl stop` of it is how a person cancels.
 * Names are made of autoId and epoch alone, so that a handle finds its units without any memory of them;
 * that is all that adoption needs.
 *
 * Starting is all or nothing. Files of the network are there before the first unit is asked for, and each
 * unit's fd 0 already holds what it needs (launch-io.h), so that none of them waits for the launcher. If
 * one doesn't start, the others are stopped before the failure is told: who hears of it may try again
 * under the next epoch.
 *
 * Ending goes worker, connectors, slice. The worker is first, because it ends the destination's input and
 * waits for its last commit; only then have the connectors nothing left to say. The slice catches the
 * rest. Failed units are reset after that and not before: until then systemd keeps how they ended.
 *
 * Steps are chains of callbacks that own a Step; it is freed where `done` is called, and nowhere else. */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "launcher/executor-systemd.h"
#include "launcher/launch-network.h"

/* Attempts' slices, launch_slice_name(). */
#define SLICE_PATTERN "gantry-jobs-*.slice"

typedef struct Sweep Sweep;

typedef struct SystemdExecutor {
        Executor executor;
        UnitManager *units;
        ExecutorEvents events;
        Sweep *sweep; /* the one that is under way */
} SystemdExecutor;

/* Several units' jobs that are one step: `done` comes after the last. */
typedef struct Step {
        SystemdExecutor *executor;
        ExecutorHandle handle;
        char *slice;
        ExecutorDone done;
        void *userdata;
        size_t n_waiting;
        int r;
        Error *error;
} Step;

static SystemdExecutor *systemd_executor(Executor *e) {
        return (SystemdExecutor *) e;
}

static Step *step_free(Step *s) {
        if (!s)
                return NULL;
        error_free(s->error);
        free(s->slice);
        free(s);
        return NULL;
}
DEFINE_CLEANUP(Step, step_free);

static Step *step_new(SystemdExecutor *e, const ExecutorHandle *h, ExecutorDone done, void *userdata) {
        _cleanup_(step_freep) Step *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        *s = (Step) { .executor = e, .handle = *h, .done = done, .userdata = userdata };
        s->slice = h->slice ? strdup(h->slice) : NULL;
        s->handle.slice = s->slice;
        return s->slice || !h->slice ? TAKE_PTR(s) : NULL;
}

static void step_failed(Step *s, int r, const char *message) {
        if (s->r < 0)
                return;
        s->r = r;
        (void) error_set(&s->error, r, "%s", message);
}

static char *unit_name(const ExecutorHandle *h, UnitRole role) {
        char *name;

        if (asprintf(&name, UNIT_PREFIX "%s-e%" PRId64 "-%s.service", h->auto_id, h->epoch,
                     unit_role_to_string(role)) < 0)
                return NULL;
        return name;
}

/* ---- Ending ---- */

static void on_slice_stopped(const char *name, int r, const Error *error, void *userdata) {
        _cleanup_(step_freep) Step *s = userdata;

        for (int role = 0; role < _UNIT_ROLE_MAX; role++) {
                _cleanup_free_ char *unit = unit_name(&s->handle, (UnitRole) role);

                if (!unit)
                        continue;
                unit_manager_reset_failed(s->executor->units, unit);
                launch_network_remove(unit);
        }
        if (r < 0)
                step_failed(s, r, error_message(error, r));
        s->done(s->r, s->error, s->userdata);
}

static void stop_slice(Step *s) {
        int r = s->slice ? unit_manager_stop(s->executor->units, s->slice, on_slice_stopped, s) : 0;

        if (r < 0 || !s->slice)
                on_slice_stopped("", r, NULL, s);
}

static void on_connector_stopped(const char *name, int r, const Error *error, void *userdata) {
        Step *s = userdata;

        if (r < 0)
                step_failed(s, r, error_message(error, r));
        if (--s->n_waiting == 0)
                stop_slice(s);
}

/* The worker is down: nobody needs the connectors any more. */
static void on_worker_stopped(const char *name, int r, const Error *error, void *userdata) {
        Step *s = userdata;

        s->n_waiting = 1;
        for (int role = 0; role < UNIT_WORKER; role++) {
                _cleanup_free_ char *unit = unit_name(&s->handle, (UnitRole) role);

                if (unit && unit_manager_stop(s->executor->units, unit, on_connector_stopped, s) >= 0)
                        s->n_waiting++;
        }
        on_connector_stopped(name, r, error, s);
}

static int systemd_cancel(Executor *e, const ExecutorHandle *h, ExecutorDone done, void *userdata) {
        _cleanup_(step_freep) Step *s = step_new(systemd_executor(e), h, done, userdata);
        _cleanup_free_ char *worker = unit_name(h, UNIT_WORKER);
        int r;

        if (!s || !worker)
                return -ENOMEM;
        r = unit_manager_stop(s->executor->units, worker, on_worker_stopped, s);
        if (r >= 0)
                TAKE_PTR(s);
        return r;
}

/* ---- Starting ---- */

static void on_taken_back(int r, const Error *error, void *userdata) {
        _cleanup_(step_freep) Step *s = userdata;

        s->done(s->r, s->error, s->userdata);
}

static void on_started(const char *name, int r, const Error *error, void *userdata) {
        Step *s = userdata;

        if (r < 0) {
                _cleanup_free_ char *text = NULL;

                if (asprintf(&text, "The unit '%s' could not be started: %s", name,
                             error_message(error, r)) < 0)
                        text = NULL;
                step_failed(s, r, strempty(text));
        }
        if (--s->n_waiting > 0)
                return;
        if (s->r >= 0) {
                s->done(0, NULL, s->userdata);
                step_free(s);
        } else if (systemd_cancel(&s->executor->executor, &s->handle, on_taken_back, s) < 0)
                on_taken_back(0, NULL, s);
}

static int start_units(Step *s, const LaunchPlan *p, const int fds[]) {
        for (size_t i = 0; i < p->n_units; i++) {
                int r = unit_manager_start(s->executor->units, p->units[i].name, p->units[i].properties,
                                           fds[i], on_started,
                                           s);

                if (r < 0) {
                        /* Those that were asked for are taken back when their answers are there. */
                        step_failed(s, r, "The units could not be asked for");
                        return s->n_waiting > 0 ? 0 : r;
                }
                s->n_waiting++;
        }
        return 0;
}

static int systemd_submit(Executor *e, const LaunchPlan *p, const WorkerTicket *t, ExecutorDone done,
                          void *userdata,
                          Error **reterr_error) {
        ExecutorHandle h = { .slice = p->slice };
        _cleanup_(step_freep) Step *s = NULL;
        int fds[LAUNCH_UNITS_MAX], r;
        UnitRole role;

        r = unit_name_parse(p->units[0].name, h.auto_id, &h.epoch, &role);
        if (r < 0)
                return r;
        s = step_new(systemd_executor(e), &h, done, userdata);
        if (!s)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < p->n_units; i++)
                r = launch_network_write(&p->units[i], reterr_error);
        if (r >= 0)
                r = launch_io_open(p, t, fds, reterr_error);
        if (r < 0)
                return r;
        r = start_units(s, p, fds);
        for (size_t i = 0; i < p->n_units; i++)
                (void) safe_close(fds[i]);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to ask systemd for units");
        TAKE_PTR(s);
        return 0;
}

/* ---- Looking ---- */

typedef struct Poll {
        ExecutorHandle handle; /* without its slice */
        ExecutorPolled polled;
        void *userdata;
} Poll;

/* A main process that is gone but was never there (code 0) is LOST: a unit that systemd has forgotten
 * answers GetAll with defaults, not with an error. */
static void on_result(const char *name, const UnitResult *u, int r, void *userdata) {
        _cleanup_free_ Poll *p = userdata;
        ExecutorStatus status = { .state = EXECUTOR_LOST };
        _cleanup_free_ char *text = NULL;
        int n = 0;

        if (r >= 0 && u->pid == 0 && u->code != 0) {
                const char *signal_name = u->code == CLD_EXITED ? NULL : sigabbrev_np(u->status);

                status.state = EXECUTOR_ENDED;
                status.clean = u->code == CLD_EXITED && u->status == 0;
                n = signal_name ? asprintf(&text, "ended by SIG%s (%s)", signal_name, u->result)
                                : asprintf(&text, "ended with code %d (%s)", u->status, u->result);
        } else if (r >= 0 && u->pid > 0)
                status.state = EXECUTOR_RUNNING;
        if (n < 0)
                text = NULL;
        status.detail = text;
        p->polled(&p->handle, &status, p->userdata);
}

static int systemd_poll(Executor *e, const ExecutorHandle *h, ExecutorPolled polled, void *userdata) {
        _cleanup_free_ char *worker = unit_name(h, UNIT_WORKER);
        _cleanup_free_ Poll *p = calloc(1, sizeof(*p));
        int r;

        if (!worker || !p)
                return -ENOMEM;
        *p = (Poll) { *h, polled, userdata };
        p->handle.slice = NULL;
        r = unit_manager_get_result(systemd_executor(e)->units, worker, on_result, p);
        if (r >= 0)
                TAKE_PTR(p);
        return r;
}

typedef struct Adoption {
        ExecutorFound found;
        void *userdata;
} Adoption;

/* The units of an attempt come one by one and in any order; a list of some dozens is compared with
 * itself. */
static void on_listed(const UnitInfo units[], size_t n, int r, void *userdata) {
        _cleanup_free_ Adoption *a = userdata;

        for (size_t i = 0; i < n; i++) {
                ExecutorHandle h = {}, other = {};
                UnitRole role;
                bool seen = false;

                if (unit_name_parse(units[i].name, h.auto_id, &h.epoch, &role) < 0)
                        continue;
                for (size_t k = 0; k < i && !seen; k++)
                        seen = unit_name_parse(units[k].name, other.auto_id, &other.epoch, &role) >= 0 &&
                                streq(other.auto_id, h.auto_id) && other.epoch == h.epoch;
                if (!seen)
                        a->found(&h, 0, a->userdata);
        }
        a->found(NULL, r, a->userdata);
}

static int systemd_adopt(Executor *e, ExecutorFound found, void *userdata) {
        _cleanup_free_ Adoption *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        *a = (Adoption) { found, userdata };
        r = unit_manager_list(systemd_executor(e)->units, UNIT_PREFIX "*.service", on_listed, a);
        if (r >= 0)
                TAKE_PTR(a);
        return r;
}

/* ---- Sweeping ---- */

/* The executor's, so that one that goes in the middle of it leaves nothing. It has no other end than the last
 * answer: what can't be stopped is told and passed over, for the launcher must go on. */
struct Sweep {
        SystemdExecutor *executor;
        ExecutorLives lives;
        ExecutorDone done;
        void *userdata;
        size_t n_waiting;
};

static void on_left_stopped(const char *name, int r, const Error *error, void *userdata) {
        Sweep *s = userdata;

        if (r < 0)
                log_warning("What is left of '%s' could not be taken away: %s", name, error_message(error, r));
        if (--s->n_waiting > 0)
                return;
        s->executor->sweep = NULL;
        s->done(0, NULL, s->userdata);
        free(s);
}

/* Other slices below gantry-jobs.slice are somebody else's. */
static bool is_left(const Sweep *s, const char *slice) {
        return launch_slice_name_is_valid(slice) && !s->lives(slice, s->userdata);
}

static void on_slices_listed(const UnitInfo units[], size_t n, int r, void *userdata) {
        Sweep *s = userdata;

        /* One for this function itself, which ends it where nothing is left. */
        s->n_waiting = 1;
        for (size_t i = 0; i < n; i++) {
                int k;

                if (!is_left(s, units[i].name))
                        continue;
                s->n_waiting++;
                k = unit_manager_stop(s->executor->units, units[i].name, on_left_stopped, s);
                if (k < 0)
                        on_left_stopped(units[i].name, k, NULL, s);
        }
        on_left_stopped(SLICE_PATTERN, r, NULL, s);
}

static int systemd_sweep(Executor *e, ExecutorLives lives, ExecutorDone done, void *userdata) {
        _cleanup_free_ Sweep *s = NULL;
        int r;

        if (systemd_executor(e)->sweep)
                return -EBUSY;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        *s = (Sweep) { systemd_executor(e), lives, done, userdata };
        r = unit_manager_list(s->executor->units, SLICE_PATTERN, on_slices_listed, s);
        if (r >= 0)
                systemd_executor(e)->sweep = TAKE_PTR(s);
        return r;
}

static int systemd_probe(Executor *e, Error **reterr_error) {
        if (access("/run/systemd/system", F_OK) < 0)
                return error_set(reterr_error, -EOPNOTSUPP, "This machine does not run systemd");
        return 0;
}

/* "active (exited)" is what RemainAfterExit= makes of one that has ended well. */
static void on_unit_changed(const UnitInfo *u, void *userdata) {
        SystemdExecutor *e = userdata;
        ExecutorHandle h = {};
        UnitRole role;

        if (unit_name_parse(u->name, h.auto_id, &h.epoch, &role) < 0 || role != UNIT_WORKER)
                return;
        if (streq(u->active_state, "failed") || streq(u->active_state, "inactive") ||
            (streq(u->active_state, "active") && streq(u->sub_state, "exited")))
                e->events.changed(&h, e->events.userdata);
}

static Executor *systemd_free(Executor *executor) {
        SystemdExecutor *e = systemd_executor(executor);

        unit_manager_free(e->units);
        free(e->sweep);
        free(e);
        return NULL;
}

static const ExecutorOps systemd_ops = {
        .name = "systemd",
        .probe = systemd_probe,
        .submit = systemd_submit,
        .poll = systemd_poll,
        .cancel = systemd_cancel,
        .adopt = systemd_adopt,
        .sweep = systemd_sweep,
        .free = systemd_free,
};

int executor_systemd_new(sd_bus *bus, const ExecutorEvents *events, Executor **ret) {
        SystemdExecutor *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        e->executor.ops = &systemd_ops;
        e->events = *events;
        r = unit_manager_new(bus, UNIT_PREFIX, &(UnitManagerEvents) { .changed = on_unit_changed,
                                                                      .userdata = e }, &e->units);
        if (r < 0) {
                free(e);
                return r;
        }
        *ret = &e->executor;
        return 0;
}

UnitManager *executor_systemd_units(Executor *e) {
        return systemd_executor(e)->units;
}
