/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "basic/log.h"
#include "cli/cli.h"

int exit_code_from_errno(int r) {
        switch (-r) {
        case ENOENT:
                return EXIT_NOT_FOUND;
        case EACCES:
        case EPERM:
                return EXIT_DENIED;
        case EBUSY:
        case EAGAIN:
                return EXIT_TRY_AGAIN;
        case EINVAL:
        case EBADMSG:
                return EXIT_CONFIGURATION;
        case ECANCELED:
                return EXIT_CANCELLED;
        default:
                return EXIT_FAILED;
        }
}

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
