/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the stores reach the database: by the names of their queries, with values bound by name. For the
 * files of this directory only. */

#include "db/db.h"
#include "db/engine.h"
#include "db/list-options.h"
#include "db/sql.h"
#include "model/model.h"

#define DB_DEPTH_MAX 8U

/* A prepared query and which of its columns belongs to which field of the model that it fills. */
typedef struct Statement {
        sqlite3_stmt *handle;
        const Model *model;
        int8_t *columns; /* for each field: its column, or -1 */
} Statement;

struct Db {
        sqlite3 *handle;
        bool read_only;
        unsigned depth;                    /* open transaction and savepoints */
        int64_t pending_seq[DB_DEPTH_MAX]; /* for each level: what pending was when it began */
        int64_t pending, committed;        /* seqs of `change` */
        Statement statements[_SQL_MAX];
};

/* A value for a parameter. */
typedef struct Bind {
        const char *name; /* without the "$"; NULL ends a list */
        enum { BIND_NULL, BIND_TEXT, BIND_I64, BIND_BLOB } type;
        const char *text;
        int64_t number;
        Blob blob;
} Bind;
#define BINDS(...) ((const Bind[]) { __VA_ARGS__, {} })
#define B_TEXT(name_, s_) { .name = name_, .type = BIND_TEXT, .text = s_ } /* NULL pointer: NULL */
#define B_I64(name_, i_) { .name = name_, .type = BIND_I64, .number = (int64_t) (i_) }
#define B_BLOB(name_, p_, n_) { .name = name_, .type = BIND_BLOB, .blob = { (void *) (p_), n_ } }
/* A time where 0 means "not set". */
#define B_TIME(name_, t_) { .name = name_, .type = (t_) ? BIND_I64 : BIND_NULL, .number = (int64_t) (t_) }

/* Runs a statement that changes rows and returns how many. The parameters are taken from `binds`, then
 * from the fields of `o` (both may be NULL); each must be found in one of them. */
int db_run(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds, Error **reterr_error);
/* The same, -ENOENT with the sentence "There is no <what> '<key>'" when no row was changed. */
int db_run_one(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds, const char *what,
               const char *key, Error **reterr_error);

/* The first row as an object; -ENOENT (without a sentence) when there is none. */
int db_get(Db *db, SqlId id, const Bind *binds, const Model *model, void *ret, Error **reterr_error);
/* The same with the sentence. */
int db_get_one(Db *db, SqlId id, const Bind *binds, const Model *model, void *ret, const char *key,
               Error **reterr_error);
/* All rows, appended to a FooArray. */
int db_list(Db *db, SqlId id, const Bind *binds, const Model *model, void *array, Error **reterr_error);
/* One number, text or blob: the first column of the first row. -ENOENT: no row, or NULL in it. */
int db_get_i64(Db *db, SqlId id, const Bind *binds, int64_t *ret, Error **reterr_error);
int db_get_text(Db *db, SqlId id, const Bind *binds, char **ret, Error **reterr_error);
int db_get_blob(Db *db, SqlId id, const Bind *binds, Blob *ret, Error **reterr_error);

/* A transaction that only reads: several queries see the same moment. Ended like the others. */
int db_begin_read(Db *db, Db **ret_transaction, Error **reterr_error);

/* db_begin_immediate() … db_commit() round one statement and its row in `change`. */
int db_change(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds, int kind,
              const char *change_id, usec_t now, Error **reterr_error);

/* The same for a statement that must change a row: -ENOENT with the sentence "There is no <what> '<id>'"
 * otherwise; 0. */
int db_change_one(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds, int kind,
                  const char *what, const char *change_id, usec_t now, Error **reterr_error);
/* db_list() into an empty array, which stays empty after a failure. */
int db_list_whole(Db *db, SqlId id, const Bind *binds, const Model *model, void *array,
                  Error **reterr_error);
/* -EBUSY when the query (of $id) says 1. */
int db_refuse_in_use(Db *db, SqlId query, const char *id, const char *what, Error **reterr_error);

/* The limit of a list, as bound. */
static inline int64_t list_limit(const ListOptions *o) {
        if (!o || o->limit == 0 || (o->limit > LIST_LIMIT_MAX && !o->unbounded))
                return LIST_LIMIT_MAX;
        return (int64_t) o->limit;
}
static inline int64_t list_offset(const ListOptions *o) {
        /* Beyond is past the end of any list, and sums don't overflow. */
        return o ? (int64_t) MIN(o->offset, (uint64_t) INT64_MAX / 2) : 0;
}
static inline bool list_deleted(const ListOptions *o) {
        return o && o->include_deleted;
}
/* Ids sort behind the empty string. */
static inline const char *list_after(const ListOptions *o) {
        return o && o->after ? o->after : "";
}
#define B_PAGE(options_) B_TEXT("after", list_after(options_)), B_I64("limit", list_limit(options_)), \
                B_I64("offset", list_offset(options_))

/* The empty namespace of the tables is NULL in objects. */
static inline void no_namespace(char **namespace) {
        if (*namespace && **namespace == '\0') {
                free(*namespace);
                *namespace = NULL;
        }
}

/* A list that is the union of several, each in the same order: all of them are asked for their rows up to the
 * end of the page, which are merged, freed of doubles and cut. With one part the page is read directly. */
#define LIST_MERGED_MAX (100U * LIST_LIMIT_MAX)
typedef struct ListUnion {
        size_t n_parts;
        int (*list_part)(Db *db, size_t part, const ListOptions *options, const void *filter, void *array,
                         Error **reterr_error);
        int (*compare)(const void *a, const void *b); /* of two elements of the array; 0: the same row */
        const Model *model;
} ListUnion;
int db_list_union(Db *db, const ListUnion *u, const ListOptions *options, const void *filter, void *array,
                  Error **reterr_error);
