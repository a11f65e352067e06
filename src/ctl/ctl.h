/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The frame of gantryctl: what the command line said, the bus, and what the verbs are. Each noun has a file of
 * its own, verb-NOUN.c, with a table of its verbs. */

#include <systemd/sd-bus.h>

#include "basic/error.h"
#include "shared/exit-codes.h"
#include "shared/json-util.h"

/* Options that not every verb takes; the table of a verb names its own. */
typedef enum CtlOption {
        CTL_OPTION_ATTEMPT,
        CTL_OPTION_COLOR,
        CTL_OPTION_CONFIG,
        CTL_OPTION_CONNECTOR,
        CTL_OPTION_DESTINATION,
        CTL_OPTION_FOLLOW,
        CTL_OPTION_LIMIT,
        CTL_OPTION_LINES,
        CTL_OPTION_NAME,
        CTL_OPTION_PROGRESS,
        CTL_OPTION_SCHEDULE,
        CTL_OPTION_SOURCE,
        CTL_OPTION_STATUS,
        CTL_OPTION_STREAM,
        CTL_OPTION_TYPE,
        CTL_OPTION_WAIT,
        CTL_OPTION_WORKSPACE,
        _CTL_OPTION_MAX,
} CtlOption;
#define CTL_BIT(o) (UINT64_C(1) << CTL_OPTION_##o)

typedef struct Ctl {
        const char *host;   /* -H; NULL: this one */
        bool json, json_pretty;
        bool pager, legend, quiet, ask_password;
        bool given[_CTL_OPTION_MAX];
        const char *values[_CTL_OPTION_MAX]; /* of options with an argument; the last one given */
        char **streams;                      /* --stream may be given more than once */
        const char *verb;                    /* "source add", for messages */
        sd_bus *bus;                         /* opened by the first call */
} Ctl;
void ctl_done(Ctl *c);

/* `argv` holds what is neither option nor verb, at least `min` and at most `max` of them. Returns an exit code. */
typedef struct CtlVerb {
        const char *name;      /* NULL: the noun alone is the verb */
        const char *arguments; /* for help */
        const char *help;
        int min, max;
        uint64_t options;      /* CTL_BIT()s */
        int (*run)(Ctl *c, int argc, char **argv);
} CtlVerb;

typedef struct CtlNoun {
        const char *name, *help;
        const CtlVerb *verbs;
        size_t n_verbs;
} CtlNoun;

/* Reads the command line, runs the verb, returns the exit code. */
int ctl_main(int argc, char **argv);

/* Logs the error and returns the exit code that fits it. */
int ctl_fail(const Ctl *c, const Error *e, int r);
/* One line for a wrong command line; returns EXIT_USAGE. */
int ctl_usage_error(const char *verb, const char *format, ...) _printf_(2, 3);
/* What was done, for people; nothing with --quiet or --json. */
void ctl_say(const Ctl *c, const char *format, ...) _printf_(2, 3);
