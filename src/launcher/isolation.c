/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Three tries side by side, in units that are planned as a connector's are: by the same code, with the
 * same properties, run by the same shim. They are told apart by a number in the place of an autoId; the
 * launcher's pid in it keeps a launcher that was killed in the middle from meeting its predecessor's
 * units.
 *
 * What could not be tried counts as not holding. There is one patience for all of them, and no second
 * try: a host on which a unit doesn't answer in 30 s is none to run strangers' code on. The result is
 * kept by boot id, since a kernel or systemd changes with a boot at the earliest, in /run, which goes
 * with it.
 *
 * The memory try is the only one that shall not answer: its success is to be killed. */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/log.h"
#include "launcher/isolation.h"
#include "launcher/launch-network.h"
#include "launcher/launch-io.h"
#include "runtime/connector-oneshot.h"
#include "shared/journal.h"

#define FILE_MAX (64U * 1024U)
#define TRY_MEMORY_MAX "67108864"
#define TRY_TASKS_MAX "16"
/* A unit that doesn't answer by then has not shown anything. */
#define PATIENCE_USEC (30 * USEC_PER_SEC)

typedef struct Try {
        Isolation *isolation;
        const char *what;
        char *unit, *slice;
        ConnectorOneshot *oneshot;
        bool over;
} Try;

struct Isolation {
        IsolationOptions options;
        Try tries[3];
        EnvSource *patience;
        char *missing;
        char boot_id[64];
        bool begun; /* isolation_new() is over, or nearly so */
        bool known;
};

static int read_boot_id(Isolation *i) {
        _cleanup_free_ char *text = NULL;
        int r = read_file("/proc/sys/kernel/random/boot_id", sizeof(i->boot_id) - 1, &text, NULL, NULL);

        if (r < 0)
                return r;
        snprintf(i->boot_id, sizeof(i->boot_id), "%.36s", text);
        return 0;
}

/* What an earlier launcher of this boot found. 1: that is known now. */
static int recall(Isolation *i) {
        _cleanup_json_ JsonObject *o = NULL;
        const char *boot_id = NULL, *missing = NULL;

        if (json_parse_file(i->options.file, FILE_MAX, &o, NULL) < 0 ||
            json_get_string(o, "bootId", &boot_id, "isolation", NULL) <= 0 || !streq(boot_id, i->boot_id) ||
            json_get_string(o, "missing", &missing, "isolation", NULL) < 0)
                return 0;
        i->missing = missing ? strdup(missing) : NULL;
        i->known = true;
        return !missing || i->missing ? 1 : -ENOMEM;
}

static void remember(Isolation *i) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_free_ char *text = NULL;

        if (!o || json_add_string(o, "bootId", i->boot_id) < 0 ||
            (i->missing && json_add_string(o, "missing", i->missing) < 0))
                return;
        text = json_to_string(o);
        /* Not kept: the next launcher tries again. */
        if (text)
                (void) write_file_atomic(i->options.file, text, strlen(text), 0644, NULL);
}

static void add_missing(Isolation *i, const char *what) {
        char *longer;

        if (asprintf(&longer, "%s%s", strempty(i->missing), what) < 0)
                return;
        free(i->missing);
        i->missing = longer;
}

static void on_stopped(const char *name, int r, const Error *error, void *userdata) {}

static void conclude(Isolation *i) {
        if (i->known)
                return;
        for (size_t k = 0; k < ELEMENTSOF(i->tries); k++)
                if (!i->tries[k].over)
                        return;
        i->known = true;
        i->patience = env_source_free(i->options.env, i->patience);
        if (i->missing) {
                size_t n = strlen(i->missing);

                /* Each ends with ", ". */
                i->missing[n >= 2 ? n - 2 : 0] = 0;
                journal_message(LOG_LEVEL_WARNING, MESSAGE_HOST_NOT_ISOLATED,
                                JOURNAL_FIELDS({ "GANTRY_MISSING", i->missing }),
                                "This host does not isolate; not enforced: %s", i->missing);
        }
        remember(i);
        if (i->begun)
                i->options.known(i->options.userdata);
}

/* The first word counts: an answer, a failed start and the patience may all come. */
static void try_over(Try *t, const char *missing) {
        if (t->over)
                return;
        t->over = true;
        if (missing && *missing)
                add_missing(t->isolation, missing);
        if (t->unit && t->slice) {
                (void) unit_manager_stop(t->isolation->options.units, t->unit, on_stopped, NULL);
                (void) unit_manager_stop(t->isolation->options.units, t->slice, on_stopped, NULL);
                unit_manager_reset_failed(t->isolation->options.units, t->unit);
                launch_network_remove(t->unit);
        }
        conclude(t->isolation);
}

static const char *what_is_unknown(const Try *t) {
        return streq(t->what, "memory") ? "memory limits (not tried), "
                : streq(t->what, "network") ? "denied addresses (not tried), "
                : "the rest (not tried), ";
}

static void on_answer(ConnectorOneshot *o, const OneshotResult *result, void *userdata) {
        Try *t = userdata;
        bool killed = result->has_usage && result->usage.exit.signal > 0;

        if (result->has_status)
                try_over(t, result->status.message);
        else if (streq(t->what, "memory") && killed)
                try_over(t, NULL);
        else {
                log_warning("The try of this host's %s gave nothing: %s", t->what,
                            result->error ? result->error->message : "no answer");
                try_over(t, what_is_unknown(t));
        }
}

static void on_started(const char *name, int r, const Error *error, void *userdata) {
        Try *t = userdata;

        if (r < 0) {
                log_warning("%s", error_message(error, r));
                /* Without its fence nothing starts that has a network. */
                try_over(t, streq(t->what, "network") ? "denied addresses (the fence fails), "
                         : "units (they don't start), ");
        }
}

static int on_patience(EnvSource *s, usec_t now, void *userdata) {
        Isolation *i = userdata;

        for (size_t k = 0; k < ELEMENTSOF(i->tries); k++)
                try_over(&i->tries[k], "units (no answer), ");
        return 0;
}

static int make_plan(Isolation *i, Try *t, size_t number, LaunchPlan **ret) {
        static const char input[] =
                "{\"actor\":{\"reference\":\"exec:gantry-launcher\",\"role\":\"source\",\"executor\":\"lite\","
                "\"network\":\"%s\",\"allowedHosts\":[],\"configuration\":{},"
                "\"limits\":{\"memoryMax\":" TRY_MEMORY_MAX ",\"tasksMax\":" TRY_TASKS_MAX "}}}";
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *text = NULL;
        char auto_id[37], program[4096];
        ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
        char *command[] = { program, (char *) "--probe-isolation", (char *) t->what, NULL };
        InstalledConnector connector = { .reference = (char *) "exec:gantry-launcher", .command = command };
        LaunchRequest q = { .id = "isolation", .auto_id = auto_id, .type = "check", .attempt = -1,
                            .connectors = { &connector }, .shim = i->options.shim,
                                    .worker = i->options.shim, .fence = i->options.fence };
        int r;

        if (n <= 0)
                return -errno;
        program[n] = 0;
        snprintf(auto_id, sizeof(auto_id), "00000000-0000-4000-8000-%06zx%06x", number,
                 (unsigned) getpid() & 0xffffffU);
        if (asprintf(&text, input, streq(t->what, "network") ? "hosts" : "none") < 0) {
                text = NULL;
                return -ENOMEM;
        }
        r = json_parse(text, strlen(text), &o, &error);
        q.input = o;
        if (r >= 0)
                r = launch_plan_new(&q, ret, &error);
        return r < 0 ? log_error_errno(r, "Failed to plan a try of this host: %s", error_message(error, r))
                : 0;
}

static int begin_try(Isolation *i, Try *t, size_t number) {
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_close_ int stdin_fd = -EBADF;
        int control, fds[3], r;

        r = make_plan(i, t, number, &plan);
        if (r < 0)
                return r;
        t->unit = strdup(plan->units[0].name);
        t->slice = strdup(plan->slice);
        if (!t->unit || !t->slice)
                return -ENOMEM;
        r = launch_network_write(&plan->units[0], NULL);
        if (r >= 0)
                r = launch_io_open_one(&plan->units[0], &stdin_fd, &control, fds);
        if (r < 0)
                return r;
        r = connector_oneshot_attach(i->options.env, "check", "gantry-launcher", /* memory_max= */ 0, control, fds,
                                     /* log= */ NULL, on_answer, t, &t->oneshot, NULL);
        if (r < 0)
                return r;
        return unit_manager_start(i->options.units, t->unit, plan->units[0].properties, stdin_fd, on_started,
                                  t);
}

static int begin(Isolation *i) {
        usec_t until = env_now(i->options.env, ENV_CLOCK_MONOTONIC) + PATIENCE_USEC;
        int r = i->options.env->ops->timer_add(i->options.env, until, on_patience, i, &i->patience);

        if (r < 0)
                return r;
        /* One that doesn't begin has shown nothing; the others' units may be on their way and will be answered. */
        for (size_t k = 0; k < ELEMENTSOF(i->tries); k++) {
                int q = begin_try(i, &i->tries[k], k);

                if (q < 0) {
                        log_warning_errno(q, "The try of this host's %s could not begin", i->tries[k].what);
                        try_over(&i->tries[k], what_is_unknown(&i->tries[k]));
                }
        }
        i->begun = true;
        return 0;
}

int isolation_new(const IsolationOptions *o, Isolation **ret) {
        _cleanup_(isolation_freep) Isolation *i = calloc(1, sizeof(*i));
        int r;

        if (!i)
                return -ENOMEM;
        i->options = *o;
        i->tries[0] = (Try) { .isolation = i, .what = "calls" };
        i->tries[1] = (Try) { .isolation = i, .what = "memory" };
        i->tries[2] = (Try) { .isolation = i, .what = "network" };
        r = read_boot_id(i);
        if (r >= 0)
                r = recall(i);
        if (r == 0)
                r = begin(i);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(i);
        return 0;
}

Isolation *isolation_free(Isolation *i) {
        if (!i)
                return NULL;
        for (size_t k = 0; k < ELEMENTSOF(i->tries); k++) {
                connector_oneshot_free(i->tries[k].oneshot);
                free(i->tries[k].unit);
                free(i->tries[k].slice);
        }
        env_source_free(i->options.env, i->patience);
        free(i->missing);
        free(i);
        return NULL;
}

bool isolation_is_known(const Isolation *i) {
        return i->known;
}

const char *isolation_missing(const Isolation *i) {
        return i->missing;
}
