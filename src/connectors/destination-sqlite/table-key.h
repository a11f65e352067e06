/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Deduplication: one row a primary key, the newest by cursor, held by a unique index and upserts. */

#include "connectors/destination-sqlite/table.h"

/* How one stream is deduplicated into one table. */
typedef struct TableKey {
        char *key;     /* SQL list of the key's expressions; NULL: the stream isn't deduplicated */
        char *upsert;  /* the whole ON CONFLICT clause */
        char *order;   /* ORDER BY terms, newest first */
        char *deleted; /* the column `_ab_cdc_deleted_at`; NULL: records delete nothing */
        size_t *fields; /* the columns of the stream that the key's paths begin in */
        size_t n_fields;
} TableKey;

void table_key_done(TableKey *k);

/* Works out the SQL. -EINVAL when the schema has no such field. NULL in a key is a value like any other:
 * two records with it are the same row (SQL's unique indexes would let both in). */
int table_key_init(TableKey *k, const ConfiguredStream *stream, const StreamColumns *columns, const Table *t,
                   Error **reterr_error);

/* Gives the table the index that `k` needs and no other of ours; where rows are double already, the
 * newest stays. */
int table_key_apply(Database *d, Table *t, const TableKey *k, Error **reterr_error);

/* Removes the rows that a delete marker has reached. */
int table_key_sweep(Database *d, const Table *t, const TableKey *k, Error **reterr_error);
