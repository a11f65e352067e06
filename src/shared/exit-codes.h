/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Gantry's programs exit with; the same numbers in gantry(1) and
 * gantryctl(1). */

enum {
        EXIT_OK = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_PARTIAL = 3,
        EXIT_NOT_FOUND = 4,
        EXIT_DENIED = 5,
        EXIT_CANCELLED = 6,
        EXIT_SERVICE_UNAVAILABLE = 69,
        EXIT_TRY_AGAIN = 75,
        EXIT_CONFIGURATION = 78,
        EXIT_SIGNAL_BASE = 128, /* + the signal's number */
};

/* The exit code for an error that a library returned. */
int exit_code_from_errno(int r);
