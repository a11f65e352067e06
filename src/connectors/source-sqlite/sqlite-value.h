/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values of SQLite as JSON: in records by the column's type, in states so that they come back exactly. */

#include "connectors/source-sqlite/sqlite-table.h"

/* Writes column `i` of the current row as a value of type `t`. Integers are exact, reals the shortest
 * text that gives the same double, blobs base64. 1; 0 when the value isn't of that type and was written
 * as what it is. */
int sqlite_value_write(Buffer *b, SqliteType t, sqlite3_stmt *s, int i);

/* Writes it for a state: null, an integer, a text as JSON's; {"real": "1.5"}, {"blob": "base64"},
 * {"text": "base64"} (a text that isn't UTF-8) as objects. */
int sqlite_value_write_state(Buffer *b, sqlite3_stmt *s, int i);
/* Binds such a value to parameter `i`. -EINVAL when it isn't one. */
int sqlite_value_bind(sqlite3_stmt *s, int i, JsonObject *value);

/* Base64 of RFC 4648 with padding. */
int base64_append(Buffer *b, const void *p, size_t n);
/* Appends the bytes; -EINVAL for anything but that. */
int base64_decode(const char *p, size_t n, Buffer *b);

/* The shortest decimal that reads back as `v`, always with a point or an exponent. `v` must be finite. */
#define REAL_TEXT_MAX 32
size_t real_format(double v, char buf[static REAL_TEXT_MAX]);
