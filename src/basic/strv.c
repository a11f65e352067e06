/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "basic/buffer.h"
#include "basic/strv.h"

char **strv_free(char **l) {
        STRV_FOREACH(s, l)
                free(*s);
        free(l);
        return NULL;
}

size_t strv_length(char *const *l) {
        size_t n = 0;

        STRV_FOREACH(s, l)
                n++;
        return n;
}

bool strv_contains(char *const *l, const char *s) {
        STRV_FOREACH(i, l)
                if (streq(*i, s))
                        return true;
        return false;
}

bool strv_equal(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

int strv_consume(char ***l, char *s) {
        size_t n = strv_length(*l);
        char **p;

        if (!s)
                return -ENOMEM;
        p = reallocarray(*l, n + 2, sizeof(char *));
        if (!p) {
                free(s);
                return -ENOMEM;
        }
        p[n] = s;
        p[n + 1] = NULL;
        *l = p;
        return 0;
}

int strv_extend(char ***l, const char *s) {
        return strv_consume(l, strdup(s));
}

int strv_extendf(char ***l, const char *format, ...) {
        char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        return n < 0 ? -ENOMEM : strv_consume(l, s);
}

char **strv_copy(char *const *l) {
        _cleanup_strv_ char **copy = calloc(1, sizeof(char *));

        if (!copy)
                return NULL;
        STRV_FOREACH(s, l)
                if (strv_extend(&copy, *s) < 0)
                        return NULL;
        return TAKE_PTR(copy);
}

char *strv_join(char *const *l, const char *separator) {
        _cleanup_buffer_ Buffer b = {};

        STRV_FOREACH(s, l) {
                if (s != l && buffer_append_string(&b, separator) < 0)
                        return NULL;
                if (buffer_append_string(&b, *s) < 0)
                        return NULL;
        }
        return buffer_steal_string(&b);
}

char **strv_split(const char *s, const char *separators) {
        _cleanup_strv_ char **l = NULL;

        for (;;) {
                size_t n = strcspn(s, separators);

                if (strv_consume(&l, strndup(s, n)) < 0)
                        return NULL;
                if (!s[n])
                        return TAKE_PTR(l);
                s += n + 1;
        }
}
