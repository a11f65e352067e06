/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings inside a reference: `CONNECTOR?key=value&list=a&list=b&object.member=c`, decoded like the
 * query of a URL, with dots for members of objects. All values are texts here. What they mean (a number,
 * a boolean) is decided when the specification is known, in connector_config_coerce(). */

#include "basic/hex.h"
#include "basic/utf8.h"
#include "runtime/connector-query.h"

#define QUERY_MEMBERS_MAX 256U
#define QUERY_DEPTH_MAX 16U

/* A question mark alone may be part of a shell pattern; with an equals sign behind it, it begins
 * settings. */
const char *connector_query_find(const char *s) {
        const char *q = strchr(s, '?');

        return q && strchr(q, '=') ? q : NULL;
}

/* A plus stays a plus: this is no form of a browser, and paths hold them. */
static int percent_decode(const char *s, char **ret, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        for (const char *p = s; *p; p++) {
                char c = *p;

                if (c == '%') {
                        int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);

                        if (low < 0)
                                return error_set(reterr_error, -EINVAL, "'%s': '%%' must be followed by two "
                                                 "hexadecimal digits (%%25 is '%%')", s);
                        c = (char) (high << 4 | low);
                        p += 2;
                }
                if (c == 0)
                        return error_set(reterr_error, -EINVAL, "'%s' holds a NUL byte", s);
                r = buffer_append_char(&b, c);
                if (r < 0)
                        return r;
        }
        if (!utf8_is_valid(b.data ? buffer_bytes(&b) : "", b.len))
                return error_set(reterr_error, -EINVAL, "'%s' is not UTF-8", s);
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}

/* Puts a value at the last key; a second one makes an array of both. Takes `value` over. */
static int set_value(JsonObject *o, const char *key, JsonObject *value) {
        JsonObject *old = json_member(o, key);
        JsonObject *array;

        if (!old)
                return json_add(o, key, value);
        if (json_object_is_type(old, json_type_array))
                array = json_object_get(old);
        else {
                array = json_object_new_array();
                if (!array || json_object_array_add(array, json_object_get(old)) < 0) {
                        json_object_put(array);
                        json_object_put(value);
                        return -ENOMEM;
                }
        }
        if (json_object_array_add(array, value) < 0) {
                json_object_put(array);
                json_object_put(value);
                return -ENOMEM;
        }
        return json_add(o, key, array);
}

/* Follows or makes the objects that the dotted key names but its last part. */
static int descend(JsonObject *config, char **parts, size_t n, const char *whole, JsonObject **ret,
                   Error **reterr_error) {
        JsonObject *o = config;
        int r;

        for (size_t i = 0; i + 1 < n; i++) {
                JsonObject *next = json_member(o, parts[i]);

                if (!next) {
                        next = json_object_new_object();
                        if (!next)
                                return -ENOMEM;
                        r = json_add(o, parts[i], next);
                        if (r < 0)
                                return r;
                }
                if (!json_object_is_type(next, json_type_object))
                        return error_set(reterr_error, -EINVAL, "'%s': '%s' has a value of its own already", whole,
                                         parts[i]);
                o = next;
        }
        *ret = o;
        return 0;
}

/* The dots are looked for before decoding, so that %2E is a dot inside a name. */
static int apply_member(const char *member, JsonObject *config, Error **reterr_error) {
        const char *equals = strchr(member, '=');
        _cleanup_free_ char *key = NULL, *value = NULL;
        _cleanup_strv_ char **parts = NULL, **keys = NULL;
        JsonObject *o = NULL, *string;
        size_t n;
        int r;

        if (!equals || equals == member)
                return error_set(reterr_error, -EINVAL, "'%s' is not of the form key=value", member);
        key = strndup(member, (size_t) (equals - member));
        if (!key)
                return -ENOMEM;
        r = percent_decode(equals + 1, &value, reterr_error);
        if (r < 0)
                return r;
        parts = strv_split(key, ".");
        if (!parts)
                return -ENOMEM;
        n = strv_length(parts);
        if (n > QUERY_DEPTH_MAX)
                return error_set(reterr_error, -EINVAL, "'%s' nests too deeply", key);
        STRV_FOREACH(p, parts) {
                char *decoded = NULL;

                r = percent_decode(*p, &decoded, reterr_error);
                if (r < 0)
                        return r;
                r = strv_consume(&keys, decoded);
                if (r < 0)
                        return r;
                if (**p == 0)
                        return error_set(reterr_error, -EINVAL, "'%s' has an empty part", key);
        }
        r = descend(config, keys, n, key, &o, reterr_error);
        if (r < 0)
                return r;
        string = json_object_new_string(value);
        return string ? set_value(o, keys[n - 1], string) : -ENOMEM;
}

int connector_query_apply(const char *query, JsonObject *config, Error **reterr_error) {
        _cleanup_strv_ char **members = strv_split(query, "&");
        int r;

        if (!members)
                return -ENOMEM;
        if (strv_length(members) > QUERY_MEMBERS_MAX)
                return error_set(reterr_error, -EINVAL, "More than %u settings in a reference: use a file",
                                 QUERY_MEMBERS_MAX);
        STRV_FOREACH(m, members) {
                if (**m == 0)
                        continue;
                r = apply_member(*m, config, reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}
