/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The columns that a stream's json_schema asks for, and finding them by the keys of records. A schema
 * that declares no properties (and does not forbid others) gives one column, `_airbyte_data`, which takes
 * the whole record. */

#include "basic/hashmap.h"
#include "connectors/lib/emitter.h"

typedef enum ColumnKind {
        COLUMN_STRING,
        COLUMN_INTEGER,
        COLUMN_NUMBER,
        COLUMN_BOOLEAN,
        COLUMN_DATE,
        COLUMN_TIME,
        COLUMN_TIMESTAMP,
        COLUMN_OBJECT,
        COLUMN_ARRAY,
        COLUMN_SCALAR, /* a union of strings, numbers and booleans */
        COLUMN_JSON,   /* anything else: stored as JSON text */
        _COLUMN_KIND_MAX,
        _COLUMN_KIND_INVALID = -EINVAL,
} ColumnKind;

const char *column_kind_to_string(ColumnKind k);
ColumnKind column_kind_from_string(const char *s);

typedef struct StreamColumn {
        char *field;
        size_t n_field;
        ColumnKind kind;
        bool nullable; /* the schema allows null, or says nothing of types */
        bool plain;    /* the field holds no backslash: its key may be compared as bytes */
} StreamColumn;

typedef struct StreamColumns {
        StreamColumn *items;
        size_t n;
        bool whole;    /* one column that takes the whole record */
        Hashmap *by_field;
        size_t next;   /* where the next key is expected: records keep their order */
        Buffer key;
        uint64_t n_undeclared;
        char **undeclared; /* the first few names */
} StreamColumns;

#define COLUMN_WHOLE "_airbyte_data"

int stream_columns_init(StreamColumns *c, const AirbyteStream *stream, Error **reterr_error);
void stream_columns_done(StreamColumns *c);

/* What a property's schema says of its values. */
ColumnKind column_kind_of_schema(JsonObject *schema, bool *ret_nullable);

/* The index of the column that an escaped key names; -ENOENT for an undeclared one, which is counted;
 * -ENOMEM. Call stream_columns_rewind() before each record. */
ssize_t stream_columns_find(StreamColumns *c, JsonSlice key);
static inline void stream_columns_rewind(StreamColumns *c) {
        c->next = 0;
}

/* Index of a field by its name, or -ENOENT. */
ssize_t stream_columns_index(const StreamColumns *c, const char *field);

/* One WARN with the count and the first names, when undeclared fields were dropped. */
int stream_columns_report(const StreamColumns *c, const char *stream, Emitter *out);
