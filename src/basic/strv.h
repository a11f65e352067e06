/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* NULL-terminated string vectors. A NULL vector is an empty one. */

#include "basic/macro.h"

char **strv_free(char **l);
static inline void strv_freep(char ***l) {
        strv_free(*l);
}
#define _cleanup_strv_ _cleanup_(strv_freep)

size_t strv_length(char *const *l);
bool strv_contains(char *const *l, const char *s);
bool strv_equal(char *const *a, char *const *b);

/* Appends a copy, or takes the string over (freed on failure too). */
int strv_extend(char ***l, const char *s);
int strv_consume(char ***l, char *s);
int strv_extendf(char ***l, const char *format, ...) _printf_(2, 3);
char **strv_copy(char *const *l);

/* Joins with a separator; NULL when out of memory. Free the result. */
char *strv_join(char *const *l, const char *separator);

/* Splits at any byte of `separators`; empty pieces are kept. NULL when out of memory. */
char **strv_split(const char *s, const char *separators);

#define STRV_FOREACH(s, l) for (char *const *s = (l); s && *s; s++)
