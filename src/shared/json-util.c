/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON as trees, over json-c, with two things done differently from it. Text becomes a tree here and not
 * by json-c's tokener, so that there is one grammar for all of Gantry (json_validate()) and no text that
 * one reader takes and the other refuses. And numbers keep their text where a double would lose digits:
 * what is written out again is what came in.
 *
 * A null value is a NULL pointer, as json-c has it. So "absent" and "null" look alike to the getters
 * below, which is also what the protocol wants.
 *
 * Depth is bounded by the validator (JSON_DEPTH_MAX), and all that recurses here, comparing and copying
 * included, relies on it. Of two members with one name the last counts. A NUL in a string is kept, in a
 * key it is replaced, and where a string is read as a name it is refused. */

#include "basic/decimal.h"
#include "basic/file-util.h"
#include "basic/json-scan.h"
#include "shared/json-util.h"

/* Builds a tree from text that json_validate() has accepted, so that every step may trust the grammar.
 * Recursion is bounded by JSON_DEPTH_MAX. */
typedef struct Builder {
        const char *p, *end;
        Buffer scratch;
} Builder;

static int build_value(Builder *b, JsonObject **ret);

/* Into `scratch`, which the next text overwrites. */
static int build_text(Builder *b) {
        const char *behind = json_skip_string(b->p, b->end);
        int r;

        assert(behind);
        buffer_reset(&b->scratch);
        r = json_string_decode((JsonSlice) { b->p + 1, (size_t) (behind - b->p) - 2 }, &b->scratch);
        b->p = behind;
        return r < 0 ? r : buffer_string(&b->scratch) ? 0 : -ENOMEM;
}

/* An integer where 64 bits hold it, else a double that remembers its text. */
static int build_number(Builder *b, JsonObject **ret) {
        const char *start = b->p;
        _cleanup_free_ char *text = NULL;
        bool integer = true;
        int64_t i;

        for (; b->p < b->end && strchr("+-0123456789.eE", *b->p); b->p++)
                if (*b->p == '.' || *b->p == 'e' || *b->p == 'E')
                        integer = false;
        if (integer && json_parse_i64((JsonSlice) { start, (size_t) (b->p - start) }, &i) >= 0) {
                /* "-0" is a number of its own: keep its text. */
                if (i != 0 || *start != '-') {
                        *ret = json_object_new_int64(i);
                        return *ret ? 0 : -ENOMEM;
                }
        }
        text = strndup(start, (size_t) (b->p - start));
        if (!text)
                return -ENOMEM;
        *ret = json_object_new_double_s(strtod(text, NULL), text);
        return *ret ? 0 : -ENOMEM;
}

/* A key of json-c ends at a NUL byte: rather than cut one short, write it with the replacement character. */
static char *build_key(const Builder *b) {
        _cleanup_buffer_ Buffer key = {};
        const char *p = buffer_bytes(&b->scratch), *end = p + b->scratch.len;

        for (; p < end; p++)
                if ((*p ? buffer_append_char(&key, *p) : buffer_append(&key, "\xef\xbf\xbd", 3)) < 0)
                        return NULL;
        return buffer_steal_string(&key);
}

/* Of the same name the last one counts, as json_add() replaces. */
static int build_members(Builder *b, JsonObject *o) {
        int r;

        b->p = json_skip_space(b->p + 1, b->end);
        while (*b->p != '}') {
                _cleanup_free_ char *key = NULL;
                JsonObject *value = NULL;

                if (*b->p == ',')
                        b->p = json_skip_space(b->p + 1, b->end);
                r = build_text(b);
                if (r < 0)
                        return r;
                key = build_key(b);
                if (!key)
                        return -ENOMEM;
                b->p = json_skip_space(json_skip_space(b->p, b->end) + 1, b->end); /* the colon */
                r = build_value(b, &value);
                if (r < 0)
                        return r;
                r = json_add(o, key, value);
                if (r < 0)
                        return r;
                b->p = json_skip_space(b->p, b->end);
        }
        b->p++;
        return 0;
}

static int build_elements(Builder *b, JsonObject *array) {
        int r;

        b->p = json_skip_space(b->p + 1, b->end);
        while (*b->p != ']') {
                JsonObject *value = NULL;

                if (*b->p == ',')
                        b->p = json_skip_space(b->p + 1, b->end);
                r = build_value(b, &value);
                if (r < 0)
                        return r;
                if (json_object_array_add(array, value) < 0) {
                        json_object_put(value);
                        return -ENOMEM;
                }
                b->p = json_skip_space(b->p, b->end);
        }
        b->p++;
        return 0;
}

static int build_container(Builder *b, bool object, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = object ? json_object_new_object() : json_object_new_array();
        int r;

        if (!o)
                return -ENOMEM;
        r = object ? build_members(b, o) : build_elements(b, o);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

static int build_value(Builder *b, JsonObject **ret) {
        int r;

        switch (*b->p) {
        case '{':
        case '[':
                return build_container(b, *b->p == '{', ret);
        case '"':
                r = build_text(b);
                if (r < 0)
                        return r;
                *ret = json_object_new_string_len(buffer_bytes(&b->scratch), (int) b->scratch.len);
                return *ret ? 0 : -ENOMEM;
        case 't':
        case 'f':
                *ret = json_object_new_boolean(*b->p == 't');
                b->p += *b->p == 't' ? 4 : 5;
                return *ret ? 0 : -ENOMEM;
        case 'n':
                *ret = NULL;
                b->p += 4;
                return 0;
        default:
                return build_number(b, ret);
        }
}

int json_parse(const char *p, size_t n, JsonObject **ret, Error **reterr_error) {
        Builder b = { .p = json_skip_space(p, p + n), .end = p + n };
        size_t at = 0;
        int r;

        if (n > INT32_MAX)
                return error_set(reterr_error, -EFBIG, "JSON text of more than 2 GiB");
        r = json_validate(p, n, &at);
        if (r < 0)
                return error_set(reterr_error, r, "Not valid JSON at byte %zu%s", at,
                                 r == -ELOOP      ? " (nested too deeply)"
                                         : r == -EILSEQ ? " (not UTF-8)"
                                                        : "");
        r = build_value(&b, ret);
        buffer_done(&b.scratch);
        return r;
}

int json_parse_file(const char *path, size_t max, JsonObject **ret, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = read_file(path, max, &text, &n, reterr_error);
        if (r < 0)
                return r;
        r = json_parse(text, n, ret, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "'%s'", path);
        return 0;
}

int json_append(Buffer *b, JsonObject *o) {
        size_t n;
        const char *s = json_object_to_json_string_length(
                o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);

        return s ? buffer_append(b, s, n) : -ENOMEM;
}

static int write_frozen(JsonObject *o, struct printbuf *pb, int level, int flags) {
        const char *text = json_object_get_userdata(o);

        return printbuf_memappend(pb, text, (int) strlen(text));
}

int json_freeze(JsonObject *o) {
        char *text = json_to_string(o);

        if (!text)
                return -ENOMEM;
        json_object_set_serializer(o, write_frozen, text, json_object_free_userdata);
        return 0;
}

char *json_to_string(JsonObject *o) {
        _cleanup_buffer_ Buffer b = {};

        return json_append(&b, o) < 0 ? NULL : buffer_steal_string(&b);
}

JsonObject *json_member(JsonObject *o, const char *key) {
        JsonObject *v = NULL;

        if (!o || !json_object_is_type(o, json_type_object))
                return NULL;
        return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

/* 1 found, 0 absent or null, -EINVAL with a sentence that names `what` and the member. */
static int get_typed(JsonObject *o, const char *key, json_type type, const char *type_name, JsonObject **ret,
                     const char *what, Error **reterr_error) {
        JsonObject *v = json_member(o, key);

        if (!v)
                return 0;
        if (!json_object_is_type(v, type))
                return error_set(reterr_error, -EINVAL, "%s: '%s' is not %s", what, key, type_name);
        *ret = v;
        return 1;
}

/* A name that is cut short at a NUL would be another name: such strings are refused, not shortened. */
static bool has_nul(JsonObject *v) {
        return strlen(json_object_get_string(v)) != (size_t) json_object_get_string_len(v);
}

int json_get_string(JsonObject *o, const char *key, const char **ret, const char *what,
                    Error **reterr_error) {
        JsonObject *v = NULL;
        int r = get_typed(o, key, json_type_string, "a string", &v, what, reterr_error);

        if (r <= 0)
                return r;
        if (has_nul(v))
                return error_set(reterr_error, -EINVAL, "%s: '%s' has a NUL character in it", what, key);
        *ret = json_object_get_string(v);
        return 1;
}

int json_get_bool(JsonObject *o, const char *key, bool *ret, const char *what, Error **reterr_error) {
        JsonObject *v = NULL;
        int r = get_typed(o, key, json_type_boolean, "true or false", &v, what, reterr_error);

        if (r > 0)
                *ret = json_object_get_boolean(v);
        return r;
}

int json_get_i64(JsonObject *o, const char *key, int64_t *ret, const char *what, Error **reterr_error) {
        JsonObject *v = json_member(o, key);

        if (!v)
                return 0;
        if (json_object_is_type(v, json_type_double)) {
                /* 3.0 is an integer in JSON Schema's sense, and protocol counts look like that. */
                double d = json_object_get_double(v);

                if (d < -9e15 || d > 9e15 || d != (double) (int64_t) d)
                        return error_set(reterr_error, -EINVAL, "%s: '%s' is not an integer", what, key);
                *ret = (int64_t) d;
                return 1;
        }
        if (!json_object_is_type(v, json_type_int))
                return error_set(reterr_error, -EINVAL, "%s: '%s' is not an integer", what, key);
        *ret = json_object_get_int64(v);
        return 1;
}

int json_get_double(JsonObject *o, const char *key, double *ret, const char *what, Error **reterr_error) {
        JsonObject *v = json_member(o, key);

        if (!v)
                return 0;
        if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
                return error_set(reterr_error, -EINVAL, "%s: '%s' is not a number", what, key);
        *ret = json_object_get_double(v);
        return 1;
}

int json_get_object(JsonObject *o, const char *key, JsonObject **ret, const char *what,
                    Error **reterr_error) {
        return get_typed(o, key, json_type_object, "an object", ret, what, reterr_error);
}

int json_get_array(JsonObject *o, const char *key, JsonObject **ret, const char *what,
                   Error **reterr_error) {
        return get_typed(o, key, json_type_array, "an array", ret, what, reterr_error);
}

int json_get_strv(JsonObject *o, const char *key, char ***ret, const char *what, Error **reterr_error) {
        _cleanup_strv_ char **l = NULL;
        JsonObject *array = NULL;
        int r;

        r = json_get_array(o, key, &array, what, reterr_error);
        if (r == 0)
                *ret = NULL;
        if (r <= 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                JsonObject *v = json_object_array_get_idx(array, i);

                if (!json_object_is_type(v, json_type_string))
                        return error_set(reterr_error, -EINVAL,
                                         "%s: '%s' holds something that is not a string", what,
                                         key);
                if (has_nul(v))
                        return error_set(reterr_error, -EINVAL, "%s: '%s' has a NUL character in it", what, key);
                r = strv_extend(&l, json_object_get_string(v));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(l);
        return 1;
}

int json_add(JsonObject *o, const char *key, JsonObject *value) {
        if (json_object_object_add(o, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_add_string(JsonObject *o, const char *key, const char *value) {
        JsonObject *v = value ? json_object_new_string(value) : NULL;

        return v || !value ? json_add(o, key, v) : -ENOMEM;
}

/* By value and exactly: doubles would make neighbours beyond 2^53 equal. */
static bool number_equal(JsonObject *a, JsonObject *b) {
        const char *s, *t;
        Decimal x, y;

        if (json_object_is_type(a, json_type_int) && json_object_is_type(b, json_type_int))
                return json_object_get_int64(a) == json_object_get_int64(b);
        s = json_object_get_string(a);
        t = json_object_get_string(b);
        if (!s || !t)
                return false;
        if (decimal_parse(s, strlen(s), &x) < 0 || decimal_parse(t, strlen(t), &y) < 0)
                return streq(s, t); /* NaN and Infinity, which no JSON text can bring */
        return decimal_compare(&x, &y) == 0;
}

static bool is_number(JsonObject *o) {
        return json_object_is_type(o, json_type_int) || json_object_is_type(o, json_type_double);
}

/* Members have no order. */
static bool object_equal(JsonObject *a, JsonObject *b) {
        if (json_object_object_length(a) != json_object_object_length(b))
                return false;
        json_object_object_foreach(a, key, value) {
                JsonObject *other = NULL;

                if (!json_object_object_get_ex(b, key, &other) || !json_equal(value, other))
                        return false;
        }
        return true;
}

static bool array_equal(JsonObject *a, JsonObject *b) {
        if (json_object_array_length(a) != json_object_array_length(b))
                return false;
        for (size_t i = 0; i < json_object_array_length(a); i++)
                if (!json_equal(json_object_array_get_idx(a, i), json_object_array_get_idx(b, i)))
                        return false;
        return true;
}

bool json_equal(JsonObject *a, JsonObject *b) {
        if (a == b)
                return true;
        if (!a || !b)
                return false;
        if (is_number(a) && is_number(b))
                return number_equal(a, b);
        if (json_object_get_type(a) != json_object_get_type(b))
                return false;
        switch (json_object_get_type(a)) {
        case json_type_object:
                return object_equal(a, b);
        case json_type_array:
                return array_equal(a, b);
        case json_type_string:
                return json_object_get_string_len(a) == json_object_get_string_len(b) &&
                        memcmp(json_object_get_string(a), json_object_get_string(b),
                               (size_t) json_object_get_string_len(a)) == 0;
        default:
                return json_object_get_boolean(a) == json_object_get_boolean(b);
        }
}

JsonObject *json_clone(JsonObject *o) {
        JsonObject *copy = NULL;

        if (!o || json_object_deep_copy(o, &copy, NULL) < 0)
                return NULL;
        return copy;
}
