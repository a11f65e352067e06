/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "basic/buffer.h"
#include "basic/log.h"
#include "basic/utf8.h"

static LogLevel max_level = LOG_LEVEL_INFO;

void log_set_level(LogLevel level) {
        max_level = level;
}

static void log_write(const char *message) {
        _cleanup_buffer_ Buffer b = {};
        const char *s = NULL;

        /* Names in messages may be a connector's: show them, but let none of their bytes steer the
         * terminal. */
        if (utf8_append_printable(&b, message, strlen(message), /* keep_newlines= */ true) >= 0)
                s = buffer_string(&b);
        (void) fprintf(stderr, "%s\n", s ?: "(out of memory)");
}

_printf_(3, 0) static void log_formatv(LogLevel level, const char *suffix, const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL, *whole = NULL;

        if (level > max_level)
                return;
        if (vasprintf(&text, format, ap) < 0)
                return;
        if (suffix && asprintf(&whole, "%s: %s", text, suffix) < 0)
                return;
        log_write(whole ?: text);
}

void log_full(LogLevel level, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        log_formatv(level, NULL, format, ap);
        va_end(ap);
}

int log_full_errno(LogLevel level, int r, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        log_formatv(level, strerror(r < 0 ? -r : r), format, ap);
        va_end(ap);
        return r;
}
