/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/json-write.h"
#include "basic/utf8.h"

static bool is_plain(uint8_t c) {
        return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static int write_escape(Buffer *b, uint8_t c) {
        switch (c) {
        case '"':
                return buffer_append(b, "\\\"", 2);
        case '\\':
                return buffer_append(b, "\\\\", 2);
        case '\n':
                return buffer_append(b, "\\n", 2);
        case '\r':
                return buffer_append(b, "\\r", 2);
        case '\t':
                return buffer_append(b, "\\t", 2);
        case '\b':
                return buffer_append(b, "\\b", 2);
        case '\f':
                return buffer_append(b, "\\f", 2);
        default:
                return buffer_appendf(b, "\\u%04x", c);
        }
}

int json_write_string(Buffer *b, const char *s, size_t n) {
        const char *end = s + n;
        int r;

        r = buffer_append_char(b, '"');
        while (r >= 0 && s < end) {
                const char *run = s;
                size_t k;

                while (s < end && is_plain((uint8_t) *s))
                        s++;
                if (s > run) {
                        r = buffer_append(b, run, (size_t) (s - run));
                        continue;
                }
                if ((uint8_t) *s < 0x80) {
                        r = write_escape(b, (uint8_t) *s++);
                        continue;
                }
                k = utf8_sequence(s, end);
                r = k > 0 ? buffer_append(b, s, k) : buffer_append(b, "\xef\xbf\xbd", 3);
                s += k > 0 ? k : 1;
        }
        return r < 0 ? r : buffer_append_char(b, '"');
}

int json_write_cstring(Buffer *b, const char *s) {
        return json_write_string(b, s, strlen(s));
}

int json_write_key(Buffer *b, const char *key) {
        char last = b->len > 0 ? buffer_bytes(b)[b->len - 1] : '{';
        int r = 0;

        if (last != '{' && last != '[' && last != ':')
                r = buffer_append_char(b, ',');
        if (r >= 0)
                r = json_write_cstring(b, key);
        return r < 0 ? r : buffer_append_char(b, ':');
}

int json_write_member_raw(Buffer *b, const char *key, const char *json) {
        int r = json_write_key(b, key);

        return r < 0 ? r : buffer_append_string(b, json);
}

int json_write_member_string(Buffer *b, const char *key, const char *value) {
        int r = json_write_key(b, key);

        if (r < 0)
                return r;
        return value ? json_write_cstring(b, value) : buffer_append_string(b, "null");
}

/* Numbers are written for every record, so not through printf(). */
static int write_u64(Buffer *b, uint64_t value, bool negative) {
        char text[21], *p = text + sizeof(text);

        do
                *--p = (char) ('0' + value % 10);
        while (value /= 10);
        if (negative)
                *--p = '-';
        return buffer_append(b, p, (size_t) (text + sizeof(text) - p));
}

int json_write_member_u64(Buffer *b, const char *key, uint64_t value) {
        int r = json_write_key(b, key);

        return r < 0 ? r : write_u64(b, value, false);
}

int json_write_member_i64(Buffer *b, const char *key, int64_t value) {
        int r = json_write_key(b, key);

        return r < 0 ? r : write_u64(b, value < 0 ? 0 - (uint64_t) value : (uint64_t) value, value < 0);
}

int json_write_member_bool(Buffer *b, const char *key, bool value) {
        return json_write_member_raw(b, key, value ? "true" : "false");
}
