/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Of any bytes: the validator, the walkers, both ways to skip a container and the tree builder tell one story. */

#include "basic/json-scan.h"
#include "basic/json-skip.h"
#include "fuzz/fuzz.h"
#include "shared/json-util.h"

static void compare_skips(const char *p, size_t n) {
        for (size_t i = 0; i < n && i < 256; i++) {
                const char *newline = memchr(p + i, '\n', n - i) ?: p + n;

                if (p[i] != '{' && p[i] != '[')
                        continue;
                FUZZ_CHECK(json_skip_container(p + i, p + n, 5 + i % 3) ==
                           json_skip_container_portable(p + i, p + n, 5 + i % 3));
                FUZZ_CHECK(json_skip_container_in_line(p + i, p + n, 5 + i % 3) ==
                           json_skip_container_portable(p + i, newline, 5 + i % 3));
        }
}

static void compare_value(JsonSlice value, JsonObject *o);

static void compare_text(JsonSlice value, const char *text, size_t n) {
        _cleanup_buffer_ Buffer b = {};
        JsonSlice inner = json_string_inner(value);

        FUZZ_CHECK(json_string_decode(inner, &b) == 0);
        FUZZ_CHECK(b.len == n && (n == 0 || memcmp(buffer_bytes(&b), text, n) == 0));
        FUZZ_CHECK(json_key_equal(inner, text, n));
}

static void compare_object(JsonSlice value, JsonObject *o) {
        JsonSlice key, member, found;
        size_t members = 0;
        JsonIter it;
        int r;

        FUZZ_CHECK(json_iter_object(&it, value) == 0);
        while ((r = json_iter_member(&it, &key, &member)) > 0)
                members++;
        FUZZ_CHECK(r == 0 && it.p == value.p + value.n);
        /* Duplicates are one member of the tree. */
        FUZZ_CHECK((size_t) json_object_object_length(o) <= members);
        FUZZ_CHECK((members > 0) == (json_object_object_length(o) > 0));
        json_object_object_foreach(o, name, child) {
                /* The tree writes U+FFFD for NUL in keys, so not every key is found again. */
                if (json_find_member(value, name, &found) == 1 && !memmem(value.p, value.n, "\\u0000", 6))
                        compare_value(found, child);
        }
}

static void compare_array(JsonSlice value, JsonObject *o) {
        JsonSlice element;
        size_t i = 0;
        JsonIter it;
        int r;

        FUZZ_CHECK(json_iter_array(&it, value) == 0);
        while ((r = json_iter_element(&it, &element)) > 0) {
                FUZZ_CHECK(i < json_object_array_length(o));
                compare_value(element, json_object_array_get_idx(o, i++));
        }
        FUZZ_CHECK(r == 0 && i == json_object_array_length(o));
}

/* A valid value as the walkers see it, and its tree. */
static void compare_value(JsonSlice value, JsonObject *o) {
        int64_t i;

        switch (json_slice_type(value)) {
        case JSON_NULL:
                FUZZ_CHECK(!o);
                break;
        case JSON_BOOLEAN:
                FUZZ_CHECK(json_object_is_type(o, json_type_boolean) && json_object_get_boolean(o) == (value.n == 4));
                break;
        case JSON_NUMBER:
                if (json_object_is_type(o, json_type_int))
                        FUZZ_CHECK(json_parse_i64(value, &i) == 0 && json_object_get_int64(o) == i);
                else {
                        FUZZ_CHECK(json_object_is_type(o, json_type_double));
                        FUZZ_CHECK(strlen(json_object_get_string(o)) == value.n &&
                                   memcmp(json_object_get_string(o), value.p, value.n) == 0);
                }
                break;
        case JSON_STRING:
                FUZZ_CHECK(json_object_is_type(o, json_type_string));
                compare_text(value, json_object_get_string(o), (size_t) json_object_get_string_len(o));
                break;
        case JSON_ARRAY:
                FUZZ_CHECK(json_object_is_type(o, json_type_array));
                compare_array(value, o);
                break;
        case JSON_OBJECT:
                FUZZ_CHECK(json_object_is_type(o, json_type_object));
                compare_object(value, o);
                break;
        default:
                FUZZ_CHECK(false);
        }
}

/* What was accepted can be written and read back unchanged. */
static void round_trip(JsonObject *o) {
        _cleanup_json_ JsonObject *again = NULL;
        _cleanup_buffer_ Buffer b = {};

        FUZZ_CHECK(json_append(&b, o) == 0);
        FUZZ_CHECK(json_parse(buffer_bytes(&b), b.len, &again, NULL) == 0);
        FUZZ_CHECK(json_equal(o, again));
}

/* A judge that shares no code with ours: whatever we accept, the library's own parser accepts too. */
static void ask_tokener(const char *p, size_t n) {
        struct json_tokener *t = json_tokener_new_ex((int) JSON_DEPTH_MAX + 2);
        JsonObject *o;

        FUZZ_CHECK(t);
        o = json_tokener_parse_ex(t, p, (int) n);
        if (json_tokener_get_error(t) == json_tokener_continue) /* a number may go on */
                o = json_tokener_parse_ex(t, "\n", 1);
        FUZZ_CHECK(json_tokener_get_error(t) == json_tokener_success);
        json_object_put(o);
        json_tokener_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = size > 0 ? (const char *) data : "", *start, *end = p + size, *behind;
        _cleanup_json_ JsonObject *o = NULL;
        size_t at = SIZE_MAX;
        JsonSlice value;
        int r;

        compare_skips(p, size);
        start = json_skip_space(p, end);
        behind = json_skip_value(start, end);
        FUZZ_CHECK(!behind || (behind > start && behind <= end));

        r = json_validate(p, size, &at);
        FUZZ_CHECK(json_parse(p, size, &o, NULL) == r);
        if (r < 0) {
                FUZZ_CHECK(r == -EBADMSG || r == -ELOOP || r == -EILSEQ);
                FUZZ_CHECK(at <= size);
                /* Broken text must do no harm where somebody walks it all the same. */
                if (behind)
                        (void) json_find_member((JsonSlice) { start, (size_t) (behind - start) }, "a", &value);
                return 0;
        }
        FUZZ_CHECK(behind && json_skip_space(behind, end) == end);
        value = (JsonSlice) { start, (size_t) (behind - start) };
        compare_value(value, o);
        round_trip(o);
        ask_tokener(p, size);
        return 0;
}
