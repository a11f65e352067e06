/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One table of the database, as far as records need it: its columns, which of them a field goes to, its
 * unique key. */

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
