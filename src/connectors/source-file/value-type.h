/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a value's text is, what type a column of such values gets, and how a value is written as JSON of
 * that type.
 *
 * The rule behind all of it: no value is ever changed or lost. A column gets a type only when every value
 * in the sample is exactly of it; a leading zero keeps a number a string; integers beyond 64 bits and
 * decimals of more than 17 digits travel as strings with "airbyte_type"; a value that doesn't fit its
 * column's type is written as the text it is. */

#include "shared/json-util.h"

typedef enum ValueKind {
        KIND_NULL,
        KIND_EMPTY, /* "" in quotes: no evidence for any type */
        KIND_BOOLEAN,
        KIND_INTEGER,
        KIND_BIG_INTEGER, /* does not fit int64_t */
        KIND_NUMBER,
        KIND_BIG_NUMBER, /* a double cannot hold it exactly enough */
        KIND_DATE,
        KIND_TIMESTAMP,
        KIND_TIMESTAMP_TZ,
        KIND_STRING,
        KIND_ARRAY,
        KIND_OBJECT,
        _KIND_MAX,
} ValueKind;

typedef unsigned KindSet; /* 1 << ValueKind */

typedef enum ColumnType {
        COLUMN_STRING,
        COLUMN_BOOLEAN,
        COLUMN_INTEGER,
        COLUMN_BIG_INTEGER,
        COLUMN_NUMBER,
        COLUMN_BIG_NUMBER,
        COLUMN_DATE,
        COLUMN_TIMESTAMP,
        COLUMN_TIMESTAMP_TZ,
        COLUMN_ARRAY,
        COLUMN_OBJECT,
        COLUMN_ANY, /* JSON only: written as it stands */
        _COLUMN_TYPE_MAX,
        _COLUMN_TYPE_INVALID = -EINVAL,
} ColumnType;

/* The kind of a text without quotes around it; "" is KIND_EMPTY. Never NULL, ARRAY or OBJECT. */
ValueKind text_classify(const char *p, size_t n);

/* The narrowest type that holds all of these kinds. */
ColumnType kind_set_resolve(KindSet kinds);

/* Names as in the configuration: "string", "integer", "big_integer", "date", "timestamp", … */
const char *column_type_to_string(ColumnType t);
ColumnType column_type_from_string(const char *s);

/* The JSON schema of a column, and back; a schema that we would not have made gives COLUMN_ANY. */
const char *column_type_schema(ColumnType t);
ColumnType column_type_from_schema(JsonObject *property);

/* Room that value_write_text() may need for a text of `n` bytes. */
#define VALUE_TEXT_MAX(n) ((n) * 6 + 16)

/* Writes a text as a JSON value of type `t` at `to`, which has room for VALUE_TEXT_MAX(n), and returns
 * the place behind it. `*ret_fits` (only ever set to false) tells whether the text was of the type; else
 * it was written as a string. `*ret_valid` (only ever set to false): bytes that are not UTF-8 became
 * U+FFFD. */
char *value_write_text(char *to, ColumnType t, const char *p, size_t n, bool *ret_fits, bool *ret_valid);

/* Writes a text as a JSON string; same room. */
char *value_write_string(char *to, const char *p, size_t n, bool *ret_valid);
