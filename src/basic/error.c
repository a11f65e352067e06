/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An Error is a sentence that grows to the left: who knows what failed writes it, each caller may put
 * before it what it was about. The code is the return value, and the sentence goes with it; where no
 * place for it is given nothing is formatted. Out of memory is told as -ENOMEM instead of the error, and
 * error_message() then has the errno's own words. */

#include <stdio.h>

#include "basic/error.h"

Error *error_free(Error *e) {
        if (!e)
                return NULL;
        free(e->message);
        free(e);
        return NULL;
}

_printf_(4, 0) static int error_setv(Error **reterr_error, int code, const char *suffix, const char *format,
                                     va_list ap) {
        _cleanup_free_ char *text = NULL, *whole = NULL;
        Error *e;

        assert(code < 0);
        if (!reterr_error)
                return code;
        if (vasprintf(&text, format, ap) < 0)
                return -ENOMEM;
        if (suffix) {
                if (asprintf(&whole, "%s: %s", text, suffix) < 0)
                        return -ENOMEM;
        } else
                whole = TAKE_PTR(text);

        e = *reterr_error ?: calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        free(e->message);
        *e = (Error) { .code = code, .message = TAKE_PTR(whole) };
        *reterr_error = e;
        return code;
}

int error_set(Error **reterr_error, int code, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = error_setv(reterr_error, code, NULL, format, ap);
        va_end(ap);
        return r;
}

int error_set_errno(Error **reterr_error, int code, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = error_setv(reterr_error, code, strerror(-code), format, ap);
        va_end(ap);
        return r;
}

int error_prefix(Error **reterr_error, int code, const char *format, ...) {
        _cleanup_free_ char *old = NULL;
        va_list ap;
        int r;

        if (!reterr_error)
                return code;
        old = strdup(error_message(*reterr_error, code));
        if (!old)
                return -ENOMEM;
        va_start(ap, format);
        r = error_setv(reterr_error, code, old, format, ap);
        va_end(ap);
        return r;
}

const char *error_message(const Error *e, int code) {
        if (e && e->message)
                return e->message;
        return strerror(code < 0 ? -code : code);
}
