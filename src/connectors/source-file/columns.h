/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The columns of a stream: their names in order of first appearance, their types, what to write before
 * their values. */

#include "basic/hashmap.h"
#include "connectors/source-file/csv-reader.h"
#include "connectors/source-file/value-type.h"

/* Names that a stream may have; JSON objects used as maps would make millions. */
#define COLUMNS_MAX CSV_COLUMNS_MAX

/* What we add to each record. */
#define COLUMN_FILE_URL "_ab_source_file_url"
#define COLUMN_FILE_MODIFIED "_ab_source_file_last_modified"

typedef struct Column {
        char *name;
        ColumnType type;
        KindSet kinds;    /* seen so far, while inferring */
        bool type_is_set; /* by the configuration: inference leaves it alone */
        char *prefix;     /* `"name":` */
        size_t n_prefix;
} Column;

typedef struct Columns {
        Column *items;
        size_t n, n_allocated;
        Hashmap *index; /* name → number + 1 */
} Columns;

void columns_done(Columns *c);

/* Finds or adds. -E2BIG when there are too many. */
int columns_add(Columns *c, const char *name, size_t n_name, size_t *ret_index);
/* The number of the column, or -ENOENT. */
ssize_t columns_find(const Columns *c, const char *name, size_t n_name);

/* Ends inference: each column gets the type of what it has seen. */
void columns_resolve(Columns *c);

/* The stream's json_schema; with the file's columns when `file_columns`. */
int columns_to_schema(const Columns *c, bool file_columns, JsonObject **ret);
/* The other way; our own columns are left out. */
int columns_from_schema(JsonObject *schema, Columns *ret);

/* Names for a header: space around them is cut, an empty one becomes column_N, a second one of the same
 * name gets _2, names of our own columns count as taken when `file_columns`. Columns of a file without
 * header: n names column_1 … */
int header_names(const CsvCell *cells, size_t n, bool file_columns, char ***ret);
