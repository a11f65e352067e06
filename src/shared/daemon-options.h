/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of a daemon. All take --help, --version and --debug; what else one takes is a table,
 * and the text of --help comes from the same table. */

#include <stddef.h>

typedef struct DaemonOption {
        const char *name;     /* "listen" */
        const char *argument; /* "PATH": every option takes one */
        const char *help;
        const char **value;   /* where it goes, the last one wins; points into argv */
        char ***list;         /* instead of `value`: may be repeated; a strv of the caller's */
} DaemonOption;

#define DAEMON_OPTIONS_MAX 16U

/* 1: go on; 0: --help or --version has been answered; negative: a usage error, which has been told. */
int daemon_options_parse(int argc, char **argv, const char *name, const char *summary,
                         const DaemonOption *options, size_t n_options);

/* What a main() returns for that: 2 for a usage error, else 0. */
static inline int daemon_options_exit_code(int r) {
        return r < 0 ? 2 : 0;
}
