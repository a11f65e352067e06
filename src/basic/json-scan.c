/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Strings are where JSON's bytes are, so their scanning is done sixteen bytes at a time: everything up to
 * the next quote, backslash or suspicious byte is passed unseen. SSE2 is part of x86-64; other machines
 * take the loop below it, with the same result.
 *
 * The walkers trust the text as far as their safety allows (json-scan.h has the two grades). The
 * validator is one loop with a byte for each open bracket, so neither depth nor size of a text can
 * exhaust the stack. Keys are compared in their escaped form where they have no escape, which is nearly
 * always. */

#ifdef __SSE2__
#  include <emmintrin.h>
#endif

#include "basic/hex.h"
#include "basic/json-scan.h"
#include "basic/json-skip.h"
#include "basic/utf8.h"

/* The next quote or backslash, or with `strict` also the next control byte or byte that is not ASCII;
 * else `end`. */
static inline const char *find_special(const char *p, const char *end, bool strict) {
#ifdef __SSE2__
        const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');

        for (; end - p >= 16; p += 16) {
                __m128i v = _mm_loadu_si128((const __m128i *) p);
                __m128i special = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
                int mask;

                /* As signed numbers the bytes from 0x80 are less than a space too. */
                if (strict)
                        special = _mm_or_si128(special, _mm_cmplt_epi8(v, space));
                mask = _mm_movemask_epi8(special);
                if (mask)
                        return p + __builtin_ctz((unsigned) mask);
        }
#endif
        for (; p < end && *p != '"' && *p != '\\'; p++)
                if (strict && ((uint8_t) *p < 0x20 || (uint8_t) *p >= 0x80))
                        break;
        return p;
}

static inline const char *skip_string(const char *p, const char *end) {
        p++;
        for (;;) {
                p = find_special(p, end, /* strict= */ false);
                if (p < end && *p == '"')
                        return p + 1;
                if (end - p < 2)
                        return NULL;
                p += 2;
        }
}

const char *json_skip_string(const char *p, const char *end) {
        assert(p < end && *p == '"');
        return skip_string(p, end);
}

/* A number or a word: all up to what can't be part of one. Behind it stands whatever the caller makes of
 * it. */
static const char *skip_scalar(const char *p, const char *end) {
        static const bool ends[256] = {
                [','] = true,  ['}'] = true,  [']'] = true,  [' '] = true, ['\t'] = true, ['\n'] = true,
                ['\r'] = true, ['"'] = true,  [':'] = true,  ['{'] = true, ['['] = true,  ['\\'] = true,
        };
        const char *start = p;

        while (p < end && !ends[(uint8_t) *p])
                p++;
        return p > start ? p : NULL;
}

static inline const char *skip_value(const char *p, const char *end) {
        if (p >= end)
                return NULL;
        switch (*p) {
        case '"':
                return skip_string(p, end);
        case '{':
        case '[':
                return json_skip_container(p, end, JSON_DEPTH_MAX);
        default:
                return skip_scalar(p, end);
        }
}

const char *json_skip_value(const char *p, const char *end) {
        return skip_value(p, end);
}

JsonType json_slice_type(JsonSlice value) {
        if (value.n == 0)
                return _JSON_TYPE_INVALID;
        switch (value.p[0]) {
        case '{':
                return JSON_OBJECT;
        case '[':
                return JSON_ARRAY;
        case '"':
                return JSON_STRING;
        case 't':
        case 'f':
                return JSON_BOOLEAN;
        case 'n':
                return JSON_NULL;
        case '-':
        case '0' ... '9':
                return JSON_NUMBER;
        default:
                return _JSON_TYPE_INVALID;
        }
}

static int iter_begin(JsonIter *it, JsonSlice value, char open) {
        if (value.n < 2 || value.p[0] != open)
                return -EBADMSG;
        *it = (JsonIter) { .p = value.p + 1, .end = value.p + value.n, .first = true };
        return 0;
}

/* Moves to the next element: 1 there is one, 0 the closing bracket was passed. */
static inline __attribute__((always_inline)) int iter_advance(JsonIter *it, char close) {
        it->p = json_skip_space(it->p, it->end);
        if (it->p >= it->end)
                return -EBADMSG;
        if (*it->p == close) {
                it->p++;
                return 0;
        }
        if (!it->first) {
                if (*it->p != ',')
                        return -EBADMSG;
                it->p = json_skip_space(it->p + 1, it->end);
        }
        it->first = false;
        return it->p < it->end ? 1 : -EBADMSG;
}

static inline __attribute__((always_inline)) int iter_value(JsonIter *it, JsonSlice *ret_value) {
        const char *start = it->p, *behind;

        if (start >= it->end)
                return -EBADMSG;
        behind = skip_value(start, it->end);
        if (!behind)
                return -EBADMSG;
        *ret_value = (JsonSlice) { start, (size_t) (behind - start) };
        it->p = behind;
        return 1;
}

int json_iter_object(JsonIter *it, JsonSlice value) {
        return iter_begin(it, value, '{');
}

int json_iter_member(JsonIter *it, JsonSlice *ret_key, JsonSlice *ret_value) {
        const char *behind;
        int r;

        r = iter_advance(it, '}');
        if (r <= 0)
                return r;
        if (*it->p != '"')
                return -EBADMSG;
        behind = skip_string(it->p, it->end);
        if (!behind)
                return -EBADMSG;
        *ret_key = (JsonSlice) { it->p + 1, (size_t) (behind - it->p) - 2 };
        it->p = json_skip_space(behind, it->end);
        if (it->p >= it->end || *it->p != ':')
                return -EBADMSG;
        it->p = json_skip_space(it->p + 1, it->end);
        return iter_value(it, ret_value);
}

int json_iter_array(JsonIter *it, JsonSlice value) {
        return iter_begin(it, value, '[');
}

int json_iter_element(JsonIter *it, JsonSlice *ret_value) {
        int r = iter_advance(it, ']');

        return r <= 0 ? r : iter_value(it, ret_value);
}

int json_find_member(JsonSlice object, const char *key, JsonSlice *ret_value) {
        size_t n = strlen(key);
        JsonSlice k, v;
        JsonIter it;
        int r, found = 0;

        r = json_iter_object(&it, object);
        if (r < 0)
                return r;
        while ((r = json_iter_member(&it, &k, &v)) > 0)
                if (json_key_equal(k, key, n)) {
                        *ret_value = v;
                        found = 1;
                }
        return r < 0 ? r : found;
}

/* Reads the four digits behind "\u". */
static int parse_hex4(const char *p, const char *end, uint32_t *ret) {
        uint32_t v = 0;

        if (end - p < 4)
                return -EBADMSG;
        for (int i = 0; i < 4; i++) {
                int d = hex_digit(p[i]);

                if (d < 0)
                        return -EBADMSG;
                v = v << 4 | (uint32_t) d;
        }
        *ret = v;
        return 0;
}

/* Decodes the escape at `*p` (its backslash) into at most 4 bytes and moves behind it. */
static int decode_escape(const char **p, const char *end, char out[static 4]) {
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *s = *p + 1, *at;
        uint32_t c, low;

        if (s >= end)
                return -EBADMSG;
        if (*s != 'u') {
                at = *s ? strchr(from, *s) : NULL;
                if (!at)
                        return -EBADMSG;
                out[0] = to[at - from];
                *p = s + 1;
                return 1;
        }
        if (parse_hex4(s + 1, end, &c) < 0)
                return -EBADMSG;
        s += 5;
        if (c >= 0xd800 && c < 0xdc00 && end - s >= 6 && s[0] == '\\' && s[1] == 'u' &&
            parse_hex4(s + 2, end, &low) >= 0 && low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                s += 6;
        }
        *p = s;
        return (int) utf8_encode(c, out);
}

bool json_key_equal(JsonSlice escaped, const char *name, size_t n_name) {
        const char *p = escaped.p, *end = p + escaped.n;
        size_t done = 0;

        if (!memchr(p, '\\', escaped.n))
                return escaped.n == n_name && memcmp(p, name, n_name) == 0;
        while (p < end) {
                char out[4] = { *p };
                int k = 1;

                if (*p == '\\')
                        k = decode_escape(&p, end, out);
                else
                        p++;
                if (k < 0 || n_name - done < (size_t) k || memcmp(name + done, out, k) != 0)
                        return false;
                done += k;
        }
        return done == n_name;
}

int json_string_decode(JsonSlice escaped, Buffer *b) {
        const char *p = escaped.p, *end = p + escaped.n;
        int r;

        while (p < end) {
                const char *q = memchr(p, '\\', (size_t) (end - p)) ?: end;
                char out[4];
                int k;

                r = buffer_append(b, p, (size_t) (q - p));
                if (r < 0)
                        return r;
                p = q;
                if (p == end)
                        break;
                k = decode_escape(&p, end, out);
                if (k < 0)
                        return k;
                r = buffer_append(b, out, (size_t) k);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The validating scanner: one pass, no recursion, a byte per open bracket. */
typedef struct Validator {
        const char *p, *end;
} Validator;

/* Text in other scripts comes in runs: stay here until they end. */
static int validate_not_ascii(Validator *v) {
        do {
                size_t k = utf8_sequence(v->p, v->end);

                if (k == 0)
                        return -EILSEQ;
                v->p += k;
        } while (v->p < v->end && (uint8_t) *v->p >= 0x80);
        return 0;
}

static int validate_string(Validator *v) {
        v->p++;
        while ((v->p = find_special(v->p, v->end, /* strict= */ true)) < v->end) {
                uint8_t c = (uint8_t) *v->p;

                if (c == '"') {
                        v->p++;
                        return 0;
                }
                if (c == '\\') {
                        char out[4];
                        int r = decode_escape(&v->p, v->end, out);

                        if (r < 0)
                                return r;
                } else if (c < 0x20)
                        return -EBADMSG;
                else {
                        int r = validate_not_ascii(v);

                        if (r < 0)
                                return r;
                }
        }
        return -EBADMSG;
}

static size_t skip_digits(Validator *v) {
        const char *start = v->p;

        while (v->p < v->end && *v->p >= '0' && *v->p <= '9')
                v->p++;
        return (size_t) (v->p - start);
}

static int validate_number(Validator *v) {
        if (*v->p == '-')
                v->p++;
        if (v->p < v->end && *v->p == '0')
                v->p++;
        else if (skip_digits(v) == 0)
                return -EBADMSG;
        if (v->p < v->end && *v->p == '.') {
                v->p++;
                if (skip_digits(v) == 0)
                        return -EBADMSG;
        }
        if (v->p < v->end && (*v->p == 'e' || *v->p == 'E')) {
                v->p++;
                if (v->p < v->end && (*v->p == '+' || *v->p == '-'))
                        v->p++;
                if (skip_digits(v) == 0)
                        return -EBADMSG;
        }
        return 0;
}

static int validate_word(Validator *v, const char *word) {
        size_t n = strlen(word);

        if ((size_t) (v->end - v->p) < n || memcmp(v->p, word, n) != 0)
                return -EBADMSG;
        v->p += n;
        return 0;
}

static int validate_scalar(Validator *v) {
        switch (*v->p) {
        case '"':
                return validate_string(v);
        case 't':
                return validate_word(v, "true");
        case 'f':
                return validate_word(v, "false");
        case 'n':
                return validate_word(v, "null");
        case '-':
        case '0' ... '9':
                return validate_number(v);
        default:
                return -EBADMSG;
        }
}

/* Key and colon, with the spaces around them. */
static int validate_key(Validator *v) {
        int r;

        if (v->p >= v->end || *v->p != '"')
                return -EBADMSG;
        r = validate_string(v);
        if (r < 0)
                return r;
        v->p = json_skip_space(v->p, v->end);
        if (v->p >= v->end || *v->p != ':')
                return -EBADMSG;
        v->p = json_skip_space(v->p + 1, v->end);
        return 0;
}

/* Enters a bracket. 1: a value follows; 0: it was empty and is closed again. */
static int validate_open(Validator *v, bool object) {
        v->p = json_skip_space(v->p + 1, v->end);
        if (v->p < v->end && *v->p == (object ? '}' : ']')) {
                v->p++;
                return 0;
        }
        if (object) {
                int r = validate_key(v);

                if (r < 0)
                        return r;
        }
        return 1;
}

/* After a value: commas and closing brackets. 1: a value follows; 0: the text is complete. */
static int validate_after(Validator *v, const uint8_t *is_object, unsigned *depth) {
        while (*depth > 0) {
                bool object = is_object[*depth - 1];

                v->p = json_skip_space(v->p, v->end);
                if (v->p >= v->end)
                        return -EBADMSG;
                if (*v->p == ',') {
                        int r = 0;

                        v->p = json_skip_space(v->p + 1, v->end);
                        if (object)
                                r = validate_key(v);
                        return r < 0 ? r : 1;
                }
                if (*v->p != (object ? '}' : ']'))
                        return -EBADMSG;
                v->p++;
                (*depth)--;
        }
        return 0;
}

static int validate_text(Validator *v, unsigned depth_max) {
        uint8_t is_object[JSON_DEPTH_MAX];
        unsigned depth = 0;
        int r;

        for (;;) {
                if (v->p >= v->end)
                        return -EBADMSG;
                if (*v->p == '{' || *v->p == '[') {
                        bool object = *v->p == '{';

                        if (depth >= depth_max)
                                return -ELOOP;
                        r = validate_open(v, object);
                        if (r < 0)
                                return r;
                        if (r > 0) {
                                is_object[depth++] = object;
                                continue;
                        }
                } else {
                        r = validate_scalar(v);
                        if (r < 0)
                                return r;
                }
                r = validate_after(v, is_object, &depth);
                if (r <= 0)
                        return r;
        }
}

static int validate(const char *p, size_t n, unsigned depth_max, size_t *ret_at) {
        Validator v = { .p = json_skip_space(p, p + n), .end = p + n };
        int r;

        r = validate_text(&v, depth_max);
        if (r >= 0) {
                v.p = json_skip_space(v.p, v.end);
                if (v.p < v.end)
                        r = -EBADMSG;
        }
        if (r < 0 && ret_at)
                *ret_at = (size_t) (v.p - p);
        return r;
}

int json_validate(const char *p, size_t n, size_t *ret_at) {
        return validate(p, n, JSON_DEPTH_MAX, ret_at);
}

int json_validate_inside(const char *p, size_t n, unsigned depth) {
        assert(depth <= JSON_DEPTH_MAX);
        return validate(p, n, JSON_DEPTH_MAX - depth, NULL);
}

int json_parse_i64(JsonSlice number, int64_t *ret) {
        bool negative = number.n > 0 && number.p[0] == '-';
        uint64_t v = 0;

        if (number.n == (size_t) negative)
                return -EINVAL;
        for (size_t i = negative; i < number.n; i++) {
                char c = number.p[i];

                if (c < '0' || c > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t) (c - '0'), &v))
                        return -ERANGE;
        }
        if (v > (uint64_t) INT64_MAX + negative)
                return -ERANGE;
        *ret = negative ? (int64_t) (0 - v) : (int64_t) v;
        return 0;
}
