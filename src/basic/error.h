/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An error with a sentence for the person who has to mend it. Functions that can fail for reasons a user
 * causes take `Error **reterr_error` last; they return a negative errno and, where the caller gave a
 * place, the sentence. */

#include <stdarg.h>

#include "basic/macro.h"

typedef struct Error {
        int code;      /* negative errno, what the function returned */
        char *message; /* one sentence without a final stop, UTF-8, may hold names that a peer chose */
} Error;

Error *error_free(Error *e);
DEFINE_CLEANUP(Error, error_free);
#define _cleanup_error_ _cleanup_(error_freep)

/* Stores a message and returns `code` (negative errno), so that `return error_set(…)` reads as one step.
 * A message that is already there is replaced. `reterr_error` may be NULL. */
int error_set(Error **reterr_error, int code, const char *format, ...) _printf_(3, 4);

/* The same, with ": " and strerror(-code) appended. */
int error_set_errno(Error **reterr_error, int code, const char *format, ...) _printf_(3, 4);

/* Puts "context: " before the message that is there. Returns `code`. */
int error_prefix(Error **reterr_error, int code, const char *format, ...) _printf_(3, 4);

/* The sentence, or strerror(-code) where a callee left none. Never NULL; valid as long as `e`. */
const char *error_message(const Error *e, int code);
