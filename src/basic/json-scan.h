/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON as bytes: walking, validating and decoding without building a tree. The record path and the
 * destinations stand on it; everything that isn't hot uses shared/json-util.h. No function here recurses
 * or allocates (but into a Buffer).
 *
 * Two grades: the walkers (json_skip_*, JsonIter) are memory-safe on any bytes and fail on what they
 * notice to be broken, but do not check every byte; json_validate() is the whole of RFC 8259 plus the
 * decisions of docs/PROTOCOL.md: depth at most 512, UTF-8 valid, lone surrogate escapes accepted, no BOM. */

#include "basic/buffer.h"

#define JSON_DEPTH_MAX 512U

typedef struct JsonSlice {
        const char *p;
        size_t n;
} JsonSlice;

typedef enum JsonType {
        JSON_NULL,
        JSON_BOOLEAN,
        JSON_NUMBER,
        JSON_STRING,
        JSON_ARRAY,
        JSON_OBJECT,
        _JSON_TYPE_MAX,
        _JSON_TYPE_INVALID = -EINVAL,
} JsonType;

static inline const char *json_skip_space(const char *p, const char *end) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
                p++;
        return p;
}

/* Behind the string that starts (with its quote) at `p`; NULL where it doesn't end before `end`. */
const char *json_skip_string(const char *p, const char *end);

/* Behind the value that starts at `p` (no space before it); NULL when it is broken or too deep. */
const char *json_skip_value(const char *p, const char *end);

/* What the first byte of a value says it is. */
JsonType json_slice_type(JsonSlice value);

/* Walks the members of the object at `value` (from its brace). */
typedef struct JsonIter {
        const char *p, *end;
        bool first;
} JsonIter;

/* 0, or -EBADMSG when `value` isn't an object. */
int json_iter_object(JsonIter *it, JsonSlice value);

/* 1 and the next member, 0 at the end of the object, -EBADMSG when it is broken. The key is what stands
 * between its quotes, still escaped: compare with json_key_equal(). The value is without spaces around
 * it. After 0, `it->p` is behind the closing brace. */
int json_iter_member(JsonIter *it, JsonSlice *ret_key, JsonSlice *ret_value);

/* Walks the elements of an array, in the same way. */
int json_iter_array(JsonIter *it, JsonSlice value);
int json_iter_element(JsonIter *it, JsonSlice *ret_value);

/* Finds a member of an object. Of duplicate keys the last one counts, as everywhere in Gantry. 1 found, 0
 * not, -EBADMSG broken. */
int json_find_member(JsonSlice object, const char *key, JsonSlice *ret_value);

/* Whether an escaped key (between its quotes) spells `name`, escapes decoded. */
bool json_key_equal(JsonSlice escaped, const char *name, size_t n_name);

/* Appends the decoded text of what stands between the quotes. Lone surrogates become U+FFFD. -EBADMSG for
 * bad escapes. */
int json_string_decode(JsonSlice escaped, Buffer *b);

/* The text of a string value (with its quotes): `value` itself without them. Check json_slice_type()
 * first. */
static inline JsonSlice json_string_inner(JsonSlice value) {
        return (JsonSlice) { value.p + 1, value.n - 2 };
}

/* Checks that the bytes are one JSON text, spaces around it allowed. 0, -EBADMSG (broken), -ELOOP (too
 * deep), -EILSEQ (not UTF-8). `ret_at` (may be NULL) gets the offset of the first bad byte on failure. */
int json_validate(const char *p, size_t n, size_t *ret_at);

/* The same of a value that stands inside of `depth` open brackets of a longer text. */
int json_validate_inside(const char *p, size_t n, unsigned depth);

/* Integer of a number token that has no fraction or exponent; -EINVAL for others, -ERANGE when it doesn't
 * fit. */
int json_parse_i64(JsonSlice number, int64_t *ret);
