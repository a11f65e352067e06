/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two ways to write a value. In records it is written by the type of its column, and the answer says
 * whether it was of that type: 2 in a BOOLEAN column goes out as 2 and is counted. In states it must come
 * back exactly, as the next run compares with it: reals as texts that read back the same, texts that are
 * no JSON string and blobs in base64, each marked by what it is. Numbers in states that somebody wrote by
 * hand are taken as well. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "basic/json-write.h"
#include "basic/utf8.h"
#include "connectors/source-sqlite/sqlite-value.h"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_append(Buffer *b, const void *p, size_t n) {
        const uint8_t *from = p;
        char *to = buffer_reserve(b, n / 3 * 4 + 4);
        size_t k = 0;

        if (!to)
                return -ENOMEM;
        for (; n >= 3; n -= 3, from += 3) {
                to[k++] = base64_digits[from[0] >> 2];
                to[k++] = base64_digits[(from[0] & 3) << 4 | from[1] >> 4];
                to[k++] = base64_digits[(from[1] & 15) << 2 | from[2] >> 6];
                to[k++] = base64_digits[from[2] & 63];
        }
        if (n > 0) {
                unsigned second = n > 1 ? from[1] : 0;

                to[k++] = base64_digits[from[0] >> 2];
                to[k++] = base64_digits[(from[0] & 3U) << 4 | second >> 4];
                to[k++] = n > 1 ? base64_digits[(second & 15) << 2] : '=';
                to[k++] = '=';
        }
        buffer_commit(b, k);
        return 0;
}

static int digit_value(char c) {
        const char *p = c ? strchr(base64_digits, c) : NULL;

        return p ? (int) (p - base64_digits) : -EINVAL;
}

int base64_decode(const char *p, size_t n, Buffer *b) {
        int r;

        if (n % 4 != 0)
                return -EINVAL;
        for (size_t i = 0; i < n; i += 4) {
                bool last = i + 4 == n;
                unsigned pad = last && p[i + 3] == '=' ? (p[i + 2] == '=' ? 2 : 1) : 0;
                uint32_t v = 0;

                for (size_t k = 0; k < 4; k++) {
                        int d = k >= 4 - pad ? 0 : digit_value(p[i + k]);

                        if (d < 0)
                                return d;
                        v = v << 6 | (uint32_t) d;
                }
                r = buffer_append(b, (const char[]) { (char) (v >> 16), (char) (v >> 8), (char) v },
                                  3 - pad);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The shortest text that reads back as the same double, with a point, so that it stays a real. */
size_t real_format(double v, char buf[static REAL_TEXT_MAX]) {
        int n = 0;

        for (int digits = 15; digits <= 17; digits++) {
                n = snprintf(buf, REAL_TEXT_MAX, "%.*g", digits, v);
                if (strtod(buf, NULL) == v)
                        break;
        }
        if (!strpbrk(buf, ".e")) {
                memcpy(buf + n, ".0", 3);
                n += 2;
        }
        return (size_t) n;
}

/* By hand: this runs for each number of each row. */
static int write_integer(Buffer *b, int64_t v) {
        char text[24], *p = text + sizeof(text);
        uint64_t u = v < 0 ? -(uint64_t) v : (uint64_t) v;

        do {
                *--p = (char) ('0' + u % 10);
                u /= 10;
        } while (u > 0);
        if (v < 0)
                *--p = '-';
        return buffer_append(b, p, (size_t) (text + sizeof(text) - p));
}

/* NaN does not occur: SQLite stores it as NULL. */
static int write_real(Buffer *b, double v) {
        char text[REAL_TEXT_MAX];

        if (isinf(v))
                return buffer_append_string(b, v < 0 ? "-Infinity" : "Infinity");
        return buffer_append(b, text, real_format(v, text));
}

static int write_blob(Buffer *b, sqlite3_stmt *s, int i) {
        const void *p = sqlite3_column_blob(s, i);
        int r = buffer_append_char(b, '"');

        if (r >= 0)
                r = base64_append(b, p, (size_t) sqlite3_column_bytes(s, i));
        return r < 0 ? r : buffer_append_char(b, '"');
}

static int quoted(Buffer *b, int64_t integer, double real, bool is_real) {
        int r = buffer_append_char(b, '"');

        if (r >= 0)
                r = is_real ? write_real(b, real) : write_integer(b, integer);
        return r < 0 ? r : buffer_append_char(b, '"');
}

/* 1 when the value is of the type that the catalog says, 0 when it is written as what it is. */
static int write_integer_as(Buffer *b, SqliteType t, int64_t v) {
        int r;

        switch (t) {
        case SQLITE_TYPE_STRING:
                r = quoted(b, v, 0, false);
                break;
        case SQLITE_TYPE_BOOLEAN:
                if (v == 0 || v == 1)
                        r = buffer_append_string(b, v ? "true" : "false");
                else
                        return write_integer(b, v);
                break;
        default:
                r = write_integer(b, v);
                return r < 0 ? r : t != SQLITE_TYPE_BASE64;
        }
        return r < 0 ? r : 1;
}

static int write_real_as(Buffer *b, SqliteType t, double v) {
        int r;

        /* JSON has no infinity; the protocol's text for it is this. */
        if (t == SQLITE_TYPE_STRING || isinf(v)) {
                r = quoted(b, 0, v, true);
                return r < 0 ? r : t == SQLITE_TYPE_STRING;
        }
        r = write_real(b, v);
        return r < 0 ? r : t == SQLITE_TYPE_NUMBER || t == SQLITE_TYPE_ANY;
}

int sqlite_value_write(Buffer *b, SqliteType t, sqlite3_stmt *s, int i) {
        const char *text;
        int r;

        switch (sqlite3_column_type(s, i)) {
        case SQLITE_INTEGER:
                return write_integer_as(b, t, sqlite3_column_int64(s, i));
        case SQLITE_FLOAT:
                return write_real_as(b, t, sqlite3_column_double(s, i));
        case SQLITE_TEXT:
                text = (const char *) sqlite3_column_text(s, i);
                r = json_write_string(b, text, (size_t) sqlite3_column_bytes(s, i));
                return r < 0 ? r : t == SQLITE_TYPE_STRING || t == SQLITE_TYPE_ANY;
        case SQLITE_BLOB:
                r = write_blob(b, s, i);
                return r < 0 ? r : t == SQLITE_TYPE_STRING || t == SQLITE_TYPE_BASE64 ||
                        t == SQLITE_TYPE_ANY;
        default:
                r = buffer_append(b, "null", 4);
                return r < 0 ? r : 1;
        }
}

int sqlite_value_write_state(Buffer *b, sqlite3_stmt *s, int i) {
        int type = sqlite3_column_type(s, i), r;
        const char *text;

        if (type == SQLITE_INTEGER)
                return write_integer(b, sqlite3_column_int64(s, i));
        if (type == SQLITE_NULL)
                return buffer_append(b, "null", 4);
        if (type == SQLITE_TEXT) {
                text = (const char *) sqlite3_column_text(s, i);
                if (utf8_is_valid(text, (size_t) sqlite3_column_bytes(s, i)) &&
                    !memchr(text, 0, (size_t) sqlite3_column_bytes(s, i)))
                        return json_write_string(b, text, (size_t) sqlite3_column_bytes(s, i));
        }
        r = buffer_append_string(b, type == SQLITE_FLOAT ? "{\"real\":" : type == SQLITE_TEXT ?
                                 "{\"text\":" :
                                                                                               "{\"blob\":");
        if (r >= 0)
                r = type == SQLITE_FLOAT ? quoted(b, 0, sqlite3_column_double(s, i), true) : write_blob(b, s,
                                                                                                        i);
        return r < 0 ? r : buffer_append_char(b, '}');
}

/* The forms that sqlite_value_write_state() gives to what JSON cannot hold: reals, texts that are not
 * UTF-8, blobs. */
static int bind_object(sqlite3_stmt *s, int i, JsonObject *value) {
        const char *text = NULL;
        _cleanup_buffer_ Buffer bytes = {};
        bool is_text;
        char *end;
        double v;
        int r;

        if (json_get_string(value, "real", &text, "the state", NULL) > 0) {
                v = strtod(text, &end);
                return *text && !*end && sqlite3_bind_double(s, i, v) == SQLITE_OK ? 0 : -EINVAL;
        }
        is_text = json_get_string(value, "text", &text, "the state", NULL) > 0;
        if (!is_text && json_get_string(value, "blob", &text, "the state", NULL) <= 0)
                return -EINVAL;
        r = base64_decode(text, strlen(text), &bytes);
        if (r >= 0 && !buffer_reserve(&bytes, 1)) /* a blob of no bytes still wants an address */
                r = -ENOMEM;
        if (r < 0)
                return r;
        if (is_text)
                r = sqlite3_bind_text64(s, i, buffer_bytes(&bytes), bytes.len, SQLITE_TRANSIENT,
                                        SQLITE_UTF8);
        else
                r = sqlite3_bind_blob64(s, i, buffer_bytes(&bytes), bytes.len, SQLITE_TRANSIENT);
        return r == SQLITE_OK ? 0 : -ENOMEM;
}

int sqlite_value_bind(sqlite3_stmt *s, int i, JsonObject *value) {
        int r;

        switch (json_object_get_type(value)) {
        case json_type_null:
                r = sqlite3_bind_null(s, i);
                break;
        case json_type_int:
                r = sqlite3_bind_int64(s, i, json_object_get_int64(value));
                break;
        case json_type_double: /* of a state that somebody wrote by hand, or an integer beyond 64 bits */
                r = sqlite3_bind_double(s, i, json_object_get_double(value));
                break;
        case json_type_string:
                r = sqlite3_bind_text(s, i, json_object_get_string(value), json_object_get_string_len(value),
                                      SQLITE_TRANSIENT);
                break;
        case json_type_object:
                return bind_object(s, i, value);
        default:
                return -EINVAL;
        }
        return r == SQLITE_OK ? 0 : -ENOMEM;
}
