/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of `gantry`. Each gets its own argv (argv[0] is the verb) and returns an exit code. */

#include "basic/error.h"
#include "shared/exit-codes.h"

typedef int (*VerbFunction)(int argc, char *argv[]);

int verb_connector(int argc, char *argv[]);
int verb_protocol(int argc, char *argv[]); /* spec, check, discover, read, write */
int verb_sync(int argc, char *argv[]);

/* Logs the error and returns the exit code that fits it. */
int cli_fail(const Error *e, int r);

/* One line for a wrong command line, never the help text; returns EXIT_USAGE. */
int cli_usage_error(const char *verb, const char *format, ...) _printf_(2, 3);
