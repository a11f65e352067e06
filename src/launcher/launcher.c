/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-launcher: takes workloads from the queue and has systemd run them. The only part of the suite
 * that is root. */

#include <getopt.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "basic/log.h"
#include "launcher/launcher-bus.h"
#include "launcher/plan-print.h"
#include "shared/daemon.h"

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

static int usage(void) {
        fputs("gantry-launcher\n"
              "gantry-launcher --print-plan FILE\n\n"
              "Takes workloads from the queue and has systemd run them. Started by the bus.\n\n"
              "      --print-plan FILE  Print the units of a workload (JSON with id, autoId,\n"
              "                         type, jobId, attempt, leaseEpoch, input) and exit\n"
              "  -h, --help             Show this and exit\n", stdout);
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "print-plan", required_argument, NULL, 'p' },
                { "probe-isolation", required_argument, NULL, 'i' },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        const char *plan = NULL;
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                if (c == 'p')
                        plan = optarg;
                else if (c == 'i') /* not for people, see isolation.h */
                        return isolation_probe(optarg) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                else
                        return c == 'h' ? usage() : 2;
        if (optind < argc) {
                log_error("Unknown argument '%s'", argv[optind]);
                return 2;
        }
        /* Where the suite's connectors are installed; a user's own are not the suite's business. */
        (void) setenv("GANTRY_CONNECTOR_DIR", "/var/lib/gantry-connectors", /* overwrite= */ 0);
        return (plan ? plan_print(plan) : run()) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
