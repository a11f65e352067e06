/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writing JSON into a Buffer: the one place where text becomes a JSON string. */

#include "basic/buffer.h"

/* Appends `s` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
int json_write_string(Buffer *b, const char *s, size_t n);
int json_write_cstring(Buffer *b, const char *s);

/* Appends `"key":` and, before it, a comma unless the buffer ends with '{', '[' or ':'. */
int json_write_key(Buffer *b, const char *key);

/* key + value helpers over the above. A NULL string is written as null. */
int json_write_member_string(Buffer *b, const char *key, const char *value);
int json_write_member_u64(Buffer *b, const char *key, uint64_t value);
int json_write_member_i64(Buffer *b, const char *key, int64_t value);
int json_write_member_bool(Buffer *b, const char *key, bool value);
int json_write_member_raw(Buffer *b, const char *key, const char *json);
