/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tables a database has, what their columns are, and which type each column gets.
 *
 * A SQLite column may hold values of any storage class. Its type here is the declared one as long as the
 * values agree; where they don't, it is a string, and every value is written as text. Nothing is coerced
 * by the database. */

#include "connectors/source-sqlite/sqlite-util.h"
#include "shared/json-util.h"

#define STREAMS_MAX 10000U

typedef enum SqliteType {
        SQLITE_TYPE_STRING,
        SQLITE_TYPE_INTEGER,
        SQLITE_TYPE_NUMBER,
        SQLITE_TYPE_BOOLEAN,
        SQLITE_TYPE_BASE64,
        SQLITE_TYPE_ANY, /* a schema that somebody else wrote: each value as what it is */
} SqliteType;

typedef struct SqliteColumn {
        char *name;
        SqliteType type;
        unsigned key; /* place in the primary key, from 1; 0 = not in it */
        char *prefix; /* `"name":` */
        size_t n_prefix;
} SqliteColumn;

typedef enum SqliteTableKind {
        SQLITE_TABLE,
        SQLITE_VIEW,
        SQLITE_VIRTUAL,
} SqliteTableKind;

typedef struct SqliteTable {
        char *name;
        SqliteTableKind kind;
        bool is_strict;
        const char *rowid;  /* a name for the rowid that no column shadows; NULL = there is none */
        bool shows_rowid;   /* it is the last of the columns */
        char **key;         /* names of the primary key's columns, in its order; NULL = none */
        bool key_is_rowid;  /* INTEGER PRIMARY KEY */
        SqliteColumn *columns;
        size_t n_columns;
} SqliteTable;

typedef struct SqliteTables {
        SqliteTable *items;
        size_t n;
} SqliteTables;

typedef struct SqliteConfig {
        char *path;
        char **tables; /* NULL = all */
        bool include_views, add_rowid;
        int64_t scan_rows, checkpoint_rows;
} SqliteConfig;

/* A table that the configuration names and the database hasn't is -ENOENT. `scan`: look at values for
 * types. */
int sqlite_tables_load(sqlite3 *db, const SqliteConfig *config, bool scan, SqliteTables *ret,
                       Error **reterr_error);
void sqlite_tables_done(SqliteTables *t);

/* The number of a column, or -ENOENT. */
ssize_t sqlite_table_find(const SqliteTable *t, const char *column);

int sqlite_table_schema(const SqliteTable *t, JsonObject **ret);
/* The type that a schema's property says; ANY for those that we don't write. */
SqliteType sqlite_type_from_schema(JsonObject *property);
