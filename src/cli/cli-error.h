/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a verb of `gantry` ends when it can't do what was asked: one sentence on standard error and the exit
 * code that says what kind of failure it was. */

#include "basic/error.h"
#include "shared/exit-codes.h"

/* Logs the error and returns the exit code that fits it. */
int cli_fail(const Error *e, int r);

/* One line for a wrong command line, never the help text; returns EXIT_USAGE. */
int cli_usage_error(const char *verb, const char *format, ...) _printf_(2, 3);
