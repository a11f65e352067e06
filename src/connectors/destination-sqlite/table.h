/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables and the registry that remembers whose they are.
 *
 * `_gantry_streams` has one row a stream: the name of its table, the columns and the unique key of the
 * table, the generation that the table holds, and the same of the table beside it (`_gantry_new_…`) into
 * which a truncate refresh writes until it is complete. Names stay what they were at the first sync,
 * whatever comes later. */

#include "connectors/destination-sqlite/database.h"
#include "connectors/lib/stream-columns.h"

#define META_COLUMNS 4U

/* One physical table. */
typedef struct Table {
        char *name;
        char **fields;  /* of the records, strv */
        char **columns; /* the column of each field */
        char **kinds;   /* what it was declared as last */
        char *key;      /* SQL of the unique key, a comma-separated list; NULL = none */
        char *key_index;
} Table;

Table *table_free(Table *t);
DEFINE_CLEANUP(Table, table_free);

/* A row of the registry. */
typedef struct StreamTables {
        char *namespace, *stream;
        char *table_name;
        Table *final; /* NULL before the first data */
        bool has_generation;
        int64_t generation_id; /* of the last truncate refresh that became final */
        Table *new; /* NULL: none is under way */
        bool new_has_generation;
        int64_t new_generation_id;
} StreamTables;

void stream_tables_done(StreamTables *s);

/* Makes the registry, in the open transaction. */
int registry_create(Database *d, Error **reterr_error);
/* Reads the row of a stream or chooses a table name for a new one: `namespace` + separator + name, with a
 * hash appended where another stream has that name already (SQLite's names ignore ASCII case). */
int registry_load(Database *d, const char *separator, const char *namespace, const char *stream,
                  StreamTables *ret,
                  Error **reterr_error);
int registry_store(Database *d, const StreamTables *s, Error **reterr_error);

/* Creates the table for these columns. */
int table_create(Database *d, const char *name, const StreamColumns *columns, Table **ret,
                 Error **reterr_error);
/* Adds the columns that it lacks; those that are gone from the schema stay, those whose type changed lose
 * the declared one. */
int table_evolve(Database *d, Table *t, const StreamColumns *columns, const ConfiguredStream *stream,
                 Emitter *out,
                 Error **reterr_error);
int table_drop(Database *d, Table *t, Error **reterr_error);
int table_rename(Database *d, Table *t, const char *name, Error **reterr_error);
/* The column of a field, or NULL. */
const char *table_column(const Table *t, const char *field);
/* Appends the rows of `from` to `to`, which has all its columns; `upsert` is the ON CONFLICT clause or
 * "". */
int table_merge(Database *d, const Table *from, const Table *to, const char *upsert, Error **reterr_error);
