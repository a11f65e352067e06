/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "basic/log.h"
#include "cli/cli-error.h"

int cli_fail(const Error *e, int r) {
        log_error("gantry: %s", error_message(e, r));
        return exit_code_from_errno(r);
}

int cli_usage_error(const char *verb, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        log_error("%s: %s", verb, n < 0 ? "wrong command line" : text);
        return EXIT_USAGE;
}
