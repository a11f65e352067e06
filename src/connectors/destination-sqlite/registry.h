/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The registry that remembers whose tables are whose.
 *
 * `_gantry_streams` has one row a stream: the name of its table, the columns and the unique key of the
 * table, the generation that the table holds, and the same of the table beside it (`_gantry_new_…`) into
 * which a truncate refresh writes until it is complete. Names stay what they were at the first sync,
 * whatever comes later. */

#include "connectors/destination-sqlite/table.h"

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
