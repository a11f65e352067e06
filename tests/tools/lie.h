/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the connectors that lie on request have in common: which lie, the mark that it was told, options as KEY=VALUE. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "basic/fd-util.h"

static const char *arg_lie = "", *arg_told;
static unsigned arg_at, arg_pace;

/* One option: text or a number, never both. */
typedef struct LieOption {
        const char *name; /* with its "=" */
        unsigned *number;
        const char **text;
} LieOption;

/* Those that every liar has. */
static const LieOption lie_options[] = {
        { "at=", &arg_at, NULL }, { "pace=", &arg_pace, NULL }, { "lie=", NULL, &arg_lie }, { "told=", NULL, &arg_told },
};

static bool lie_is(const char *name) {
        return streq(arg_lie, name);
}

/* Leaves a mark that the lie was told. */
static void tell(void) {
        int fd;

        if (!arg_told)
                return;
        fd = open(arg_told, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || write_full(fd, arg_lie, strlen(arg_lie)) < 0)
                _exit(4);
        (void) close(fd);
}

static bool lie_set_option(const LieOption *options, size_t n, const char *arg) {
        for (size_t i = 0; i < n; i++)
                if (strncmp(arg, options[i].name, strlen(options[i].name)) == 0) {
                        const char *value = arg + strlen(options[i].name);

                        if (options[i].text)
                                *options[i].text = value;
                        else
                                *options[i].number = (unsigned) strtoul(value, NULL, 10);
                        return true;
                }
        return false;
}

/* Takes the arguments of `program`, its own options beside the common ones. An unknown one ends it with 2. */
static void lie_parse_arguments(const char *program, const LieOption *options, size_t n, char **argv) {
        for (char **arg = argv + 1; *arg; arg++)
                if (!lie_set_option(options, n, *arg) && !lie_set_option(lie_options, ELEMENTSOF(lie_options), *arg)) {
                        fprintf(stderr, "%s: what is '%s'?\n", program, *arg);
                        exit(2);
                }
}
