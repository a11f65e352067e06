/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry(1): connectors and syncs without a daemon.
 *
 * SIGPIPE is ignored everywhere, and what is still in a buffer at the end counts: a full disk under
 * standard output makes the command fail. */

#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "basic/log.h"
#include "cli/cli-error.h"
#include "cli/cli.h"

static const struct {
        const char *name;
        VerbFunction run;
} verbs[] = {
        { "check", verb_protocol },   { "connector", verb_connector }, { "discover", verb_protocol },
        { "read", verb_protocol },    { "spec", verb_protocol },       { "sync", verb_sync },
        { "write", verb_protocol },
};

static int help(void) {
        printf("gantry [--help|--version] COMMAND …\n\n"
               "Move data from a source to a destination with any Airbyte connector.\n\n"
               "  sync SRC DST                  Run a sync\n"
               "  connector install REFERENCE   Install a connector (pypi:, npm:, exec:)\n"
               "  connector list|show|remove    Look after installed connectors\n"
               "  spec|check|discover CONNECTOR Ask a connector, in the Airbyte protocol\n"
               "  read|write CONNECTOR          Run a connector, in the Airbyte protocol\n\n"
               "'gantry COMMAND --help' tells more of each; gantry(1) tells all.\n\n"
               "Try: gantry sync native:source-faker sqlite:example.db\n");
        return EXIT_OK;
}

static int unknown_verb(const char *name) {
        const char *close = NULL;

        /* The commonest slip is a verb cut short or with a letter too many. */
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (strncmp(verbs[i].name, name, 2) == 0)
                        close = verbs[i].name;
        if (close)
                log_error("gantry: unknown command '%s', did you mean '%s'?", name, close);
        else
                log_error("gantry: unknown command '%s', see 'gantry --help'", name);
        return EXIT_USAGE;
}

/* What stands in a buffer yet may not reach its reader: a full disk is no success. */
static int finish(int code) {
        if (fflush(stdout) >= 0 && !ferror(stdout))
                return code;
        log_error("gantry: failed to write to standard output");
        return code == EXIT_OK ? EXIT_FAILED : code;
}

int main(int argc, char *argv[]) {
        (void) setlocale(LC_CTYPE, "C.UTF-8");
        /* A reader that goes away is an error of write(), told like others. */
        (void) signal(SIGPIPE, SIG_IGN);

        if (argc < 2)
                return cli_usage_error("gantry", "a command is needed, see 'gantry --help'");
        if (streq(argv[1], "--help") || streq(argv[1], "-h") || streq(argv[1], "help"))
                return finish(help());
        if (streq(argv[1], "--version")) {
                printf("gantry %s\n", PACKAGE_VERSION);
                return EXIT_OK;
        }
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, argv[1]))
                        return finish(verbs[i].run(argc - 1, argv + 1));
        return unknown_verb(argv[1]);
}
