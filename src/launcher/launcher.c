/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-launcher: takes workloads from the queue and has systemd run them. The only part of the suite
 * that is root. */

#include <sys/utsname.h>

#include "basic/log.h"
#include "launcher/launcher-bus.h"
#include "launcher/plan-print.h"
#include "runtime/suite-store.h"
#include "shared/daemon.h"
#include "shared/daemon-options.h"

static bool busy(void *userdata) {
        Launcher **l = userdata;

        return *l && launcher_busy(*l);
}

static void touch(void *userdata) {
        daemon_touch(userdata);
}

static int run(void) {
        Launcher *launcher = NULL;
        const char *api = getenv("GANTRY_WORKLOAD_SOCKET");
        struct utsname host = {};
        Daemon *daemon = NULL;
        int r;

        (void) uname(&host);
        r = daemon_new(&(DaemonOptions) { .bus_name = "org.gantry.Launcher1", .busy = busy,
                                          .userdata = &launcher }, &daemon);
        if (r >= 0)
                r = launcher_new(&(LauncherOptions) { .env = daemon_env(daemon), .bus = daemon_bus(daemon),
                                                      .api = api ?: WORKLOAD_SOCKET, .name = host.nodename,
                                                      .touch = touch, .userdata = daemon }, &launcher);
        if (r >= 0) {
                r = launcher_bus_export(daemon_bus(daemon), launcher);
                if (r < 0)
                        log_error_errno(r, "Failed to export the bus object");
        }
        if (r >= 0)
                r = daemon_run(daemon);
        launcher_free(launcher);
        daemon_free(daemon);
        return r;
}

int main(int argc, char *argv[]) {
        const char *plan = NULL;
        const DaemonOption options[] = {
                { "print-plan", "FILE", "print the units of a workload (JSON) and exit", &plan, NULL },
        };
        int r;

        /* What units that try out this host run: as a connector, with a connector's arguments behind it. */
        if (argc > 2 && streq(argv[1], "--probe-isolation"))
                return isolation_probe(argv[2]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        r = daemon_options_parse(argc, argv, "gantry-launcher",
                                 "Takes workloads from the queue and has systemd run them.", options,
                                 ELEMENTSOF(options));
        if (r <= 0)
                return daemon_options_exit_code(r);
        /* Where the suite's connectors are installed; a user's own are not the suite's business. */
        (void) setenv("GANTRY_CONNECTOR_DIR", SUITE_STORE, /* overwrite= */ 0);
        return (plan ? plan_print(plan) : run()) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
