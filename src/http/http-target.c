/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One decoding, done here, after the cut at slashes and ampersands, so an encoded one never separates: the
 * slash is refused, the ampersand is a character of its value. Nothing is decoded twice. The result is
 * UTF-8 without NUL and can be used as a C string. Dot segments are refused, not resolved; no client of
 * the API has a use for them. */

#include "basic/hex.h"
#include "basic/utf8.h"
#include "http/http-target.h"

void http_target_done(HttpTarget *t) {
        for (size_t i = 0; i < t->n_segments; i++)
                free(t->segments[i]);
        for (size_t i = 0; i < t->n_parameters; i++) {
                free(t->parameters[i].name);
                free(t->parameters[i].value);
        }
        free(t->parameters);
        *t = (HttpTarget) {};
}

/* Percent-decodes. The result is UTF-8 without NUL. */
static int decode(const char *p, size_t n, bool plus_is_space, char **ret) {
        _cleanup_free_ char *s = malloc(n + 1);
        size_t k = 0;

        if (!s)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (p[i] == '%') {
                        int high = i + 2 < n ? hex_digit(p[i + 1]) : -EBADMSG;
                        int low = i + 2 < n ? hex_digit(p[i + 2]) : -EBADMSG;

                        if (high < 0 || low < 0)
                                return -EBADMSG;
                        s[k++] = (char) (high << 4 | low);
                        i += 2;
                } else
                        s[k++] = plus_is_space && p[i] == '+' ? ' ' : p[i];
                if (s[k - 1] == 0)
                        return -EBADMSG;
        }
        s[k] = 0;
        if (!utf8_is_valid(s, k))
                return -EBADMSG;
        *ret = TAKE_PTR(s);
        return 0;
}

static bool segment_is_good(const char *s) {
        if (streq(s, ".") || streq(s, ".."))
                return false;
        for (; *s; s++)
                if ((unsigned char) *s < ' ' || *s == 0x7f || *s == '/' || *s == '\\')
                        return false;
        return true;
}

static int parse_path(HttpTarget *t, const char *p, size_t n) {
        const char *end = p + n;

        while (p < end) {
                const char *next;
                int r;

                p++; /* the slash */
                next = memchr(p, '/', (size_t) (end - p)) ?: end;
                if (p == end && t->n_segments == 0)
                        return 0; /* "/" */
                if (t->n_segments == HTTP_SEGMENTS_MAX)
                        return -E2BIG;
                r = decode(p, (size_t) (next - p), /* plus_is_space= */ false, &t->segments[t->n_segments]);
                if (r < 0)
                        return r;
                if (!segment_is_good(t->segments[t->n_segments++]))
                        return -EBADMSG;
                p = next;
        }
        return 0;
}

static int add_parameter(HttpTarget *t, const char *p, size_t n) {
        const char *equals = memchr(p, '=', n);
        size_t n_name = equals ? (size_t) (equals - p) : n;
        _cleanup_free_ char *name = NULL, *value = NULL;
        HttpParameter *grown;
        int r;

        if (t->n_parameters == HTTP_PARAMETERS_MAX)
                return -E2BIG;
        r = decode(p, n_name, /* plus_is_space= */ true, &name);
        if (r < 0)
                return r;
        r = decode(equals ? equals + 1 : p + n, equals ? n - n_name - 1 : 0, /* plus_is_space= */ true,
                   &value);
        if (r < 0)
                return r;
        grown = reallocarray(t->parameters, t->n_parameters + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        t->parameters = grown;
        t->parameters[t->n_parameters++] = (HttpParameter) { TAKE_PTR(name), TAKE_PTR(value) };
        return 0;
}

int http_target_add_query(HttpTarget *t, const char *p, size_t n) {
        const char *end = p + n;

        while (p < end) {
                const char *next = memchr(p, '&', (size_t) (end - p)) ?: end;
                int r = next > p ? add_parameter(t, p, (size_t) (next - p)) : 0;

                if (r < 0)
                        return r;
                p = next < end ? next + 1 : end;
        }
        return 0;
}

int http_target_parse(const char *target, HttpTarget *ret) {
        _cleanup_http_target_ HttpTarget t = {};
        const char *query = strchr(target, '?');
        int r;

        if (*target != '/')
                return -EBADMSG;
        r = parse_path(&t, target, query ? (size_t) (query - target) : strlen(target));
        if (r >= 0 && query)
                r = http_target_add_query(&t, query + 1, strlen(query + 1));
        if (r < 0)
                return r;
        *ret = t;
        t = (HttpTarget) {};
        return 0;
}

const char *http_target_get(const HttpTarget *t, const char *name) {
        for (size_t i = 0; i < t->n_parameters; i++)
                if (streq(t->parameters[i].name, name))
                        return t->parameters[i].value;
        return NULL;
}
