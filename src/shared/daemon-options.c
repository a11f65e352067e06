/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <getopt.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/strv.h"
#include "shared/daemon-options.h"

/* Those of the table are numbered from here on, so that none is taken for a letter. */
enum { OPTION_DEBUG = 256, OPTION_VERSION, OPTION_TABLE };

static void print_line(const char *name, const char *argument, const char *help) {
        char left[64];

        (void) snprintf(left, sizeof(left), "--%s%s%s", name, argument ? "=" : "", argument ?: "");
        printf("     %-22s %s\n", left, help);
}

static void print_help(const char *name, const char *summary, const DaemonOption *options, size_t n) {
        printf("%s [OPTION…]\n\n%s\n\n", name, summary);
        for (size_t i = 0; i < n; i++)
                print_line(options[i].name, options[i].argument, options[i].help);
        print_line("debug", NULL, "log more");
        printf("  -h %-22s %s\n", "--help", "show this help");
        print_line("version", NULL, "show the version");
}

static int take(const DaemonOption *o, const char *argument) {
        if (!o->list) {
                *o->value = argument;
                return 0;
        }
        return strv_extend(o->list, argument) < 0 ? log_oom() : 0;
}

static void make_table(struct option *table, const DaemonOption *options, size_t n) {
        for (size_t i = 0; i < n; i++)
                *table++ = (struct option) { options[i].name, required_argument, NULL,
                                             OPTION_TABLE + (int) i };
        *table++ = (struct option) { "debug", no_argument, NULL, OPTION_DEBUG };
        *table++ = (struct option) { "help", no_argument, NULL, 'h' };
        *table++ = (struct option) { "version", no_argument, NULL, OPTION_VERSION };
        *table = (struct option) {};
}

int daemon_options_parse(int argc, char **argv, const char *name, const char *summary,
                         const DaemonOption *options, size_t n_options) {
        struct option table[DAEMON_OPTIONS_MAX + 4];
        int c, r;

        assert(n_options <= DAEMON_OPTIONS_MAX);
        make_table(table, options, n_options);
        while ((c = getopt_long(argc, argv, "h", table, NULL)) >= 0)
                if (c == 'h') {
                        print_help(name, summary, options, n_options);
                        return 0;
                } else if (c == OPTION_VERSION) {
                        printf("%s %s\n", name, PACKAGE_VERSION);
                        return 0;
                } else if (c == OPTION_DEBUG)
                        log_set_level(LOG_LEVEL_DEBUG);
                else if (c < OPTION_TABLE)
                        return -EINVAL; /* getopt has said what is wrong */
                else if ((r = take(options + (c - OPTION_TABLE), optarg)) < 0)
                        return r;
        if (optind < argc) {
                log_error("Unexpected argument '%s'", argv[optind]);
                return -EINVAL;
        }
        return 1;
}
