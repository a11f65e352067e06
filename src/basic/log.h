/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages of programs to a person or the journal, on standard error. Libraries log at debug level only. */

#include <stdarg.h>

#include "basic/macro.h"

typedef enum LogLevel {
        LOG_LEVEL_ERROR,
        LOG_LEVEL_WARNING,
        LOG_LEVEL_INFO,
        LOG_LEVEL_DEBUG,
        _LOG_LEVEL_MAX,
        _LOG_LEVEL_INVALID = -EINVAL,
} LogLevel;

void log_set_level(LogLevel level);

void log_full(LogLevel level, const char *format, ...) _printf_(2, 3);
int log_full_errno(LogLevel level, int r, const char *format, ...) _printf_(3, 4);

#define log_error(...) log_full(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_full(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_full(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_full(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Log with ": strerror" appended and return `r`. */
#define log_error_errno(r, ...) log_full_errno(LOG_LEVEL_ERROR, r, __VA_ARGS__)
#define log_warning_errno(r, ...) log_full_errno(LOG_LEVEL_WARNING, r, __VA_ARGS__)
#define log_debug_errno(r, ...) log_full_errno(LOG_LEVEL_DEBUG, r, __VA_ARGS__)
#define log_oom() log_full_errno(LOG_LEVEL_ERROR, -ENOMEM, "Out of memory")
