/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From objects to rows and back, by names. A parameter "$name" is looked for in the caller's values and
 * then among the fields of the model, a column is matched to the field of its name. So a table that gets
 * a column needs a field and the SQL, no code. A parameter that nobody fills is a mistake that stops the
 * program: it would be NULL, and a condition on NULL silently fits nothing.
 *
 * Queries are prepared at first use and kept for the connection's life; a query fills objects of one
 * kind, so the place of each column is worked out once. Values are bound without a copy, hence
 * statement_end() clears them before the caller's memory goes. A statement that isn't reset holds its
 * read transaction open and the log can't be checkpointed past it, so each is reset by the scope that
 * began it, errors included.
 *
 * Rows that this program doesn't know how to read (a word that is no member of an enum) are -EBADMSG,
 * never a default. */

#include "db/db-internal.h"

/* What all arrays of models look like. */
typedef struct AnyArray {
        void **items;
        size_t n;
} AnyArray;

static int query_error(Db *db, int result, Error **reterr_error) {
        return engine_error(db->handle, result, "use the database", reterr_error);
}

/* Prepares a query at its first use. */
static int statement_get(Db *db, SqlId id, Statement **ret, Error **reterr_error) {
        Statement *s = &db->statements[id];

        if (!s->handle) {
                int result = sqlite3_prepare_v3(db->handle, sql_texts[id], -1, SQLITE_PREPARE_PERSISTENT,
                                                &s->handle, NULL);

                if (result != SQLITE_OK)
                        return query_error(db, result, reterr_error);
        }
        *ret = s;
        return 0;
}

static void statement_endp(Statement **s) {
        if (!*s)
                return;
        (void) sqlite3_reset((*s)->handle);
        (void) sqlite3_clear_bindings((*s)->handle); /* values belong to the callers */
}
#define _cleanup_statement_ _cleanup_(statement_endp)

static int bind_value(sqlite3_stmt *s, int i, const Bind *b) {
        if (b->type == BIND_I64)
                return sqlite3_bind_int64(s, i, b->number);
        if (b->type == BIND_TEXT && b->text)
                return sqlite3_bind_text(s, i, b->text, -1, SQLITE_STATIC);
        if (b->type == BIND_BLOB && b->blob.p)
                return sqlite3_bind_blob64(s, i, b->blob.p, b->blob.n, SQLITE_STATIC);
        return sqlite3_bind_null(s, i);
}

static int bind_optional(sqlite3_stmt *s, int i, bool set, int64_t value) {
        return set ? sqlite3_bind_int64(s, i, value) : sqlite3_bind_null(s, i);
}

static int bind_field(sqlite3_stmt *s, int i, const Field *f, const void *o) {
        const void *p = field_of_const(f, o);

        switch (f->type) {
        case FIELD_TEXT:
                return bind_value(s, i, &(Bind) { .type = BIND_TEXT, .text = *(const char *const *) p });
        case FIELD_I64:
                return sqlite3_bind_int64(s, i, *(const int64_t *) p);
        case FIELD_I64_OPTIONAL:
                return bind_optional(s, i, *(const int64_t *) p != 0, *(const int64_t *) p);
        case FIELD_TIME:
                return bind_optional(s, i, *(const usec_t *) p != 0, (int64_t) * (const usec_t *) p);
        case FIELD_INT:
                return sqlite3_bind_int64(s, i, *(const int *) p);
        case FIELD_INT_OPTIONAL:
                return bind_optional(s, i, *(const int *) p >= 0, *(const int *) p);
        case FIELD_BOOL:
                return sqlite3_bind_int64(s, i, *(const bool *) p);
        case FIELD_ENUM:
                return bind_value(
                        s, i,
                        &(Bind) { .type = BIND_TEXT, .text = enum_to_string(f->names, *(const int *) p) });
        case FIELD_BLOB:
                return bind_value(s, i, &(Bind) { .type = BIND_BLOB, .blob = *(const Blob *) p });
        default:
                assert(false);
                return SQLITE_MISUSE;
        }
}

static const Bind *find_bind(const Bind *binds, const char *name) {
        for (const Bind *b = binds; b && b->name; b++)
                if (streq(b->name, name))
                        return b;
        return NULL;
}

static int statement_bind(Db *db, Statement *s, const Model *model, const void *o, const Bind *binds,
                          Error **reterr_error) {
        int n = sqlite3_bind_parameter_count(s->handle);

        for (int i = 1; i <= n; i++) {
                const char *name = sqlite3_bind_parameter_name(s->handle, i) + 1; /* behind the "$" */
                const Bind *b = find_bind(binds, name);
                const Field *f = !b && o ? model_field(model, name) : NULL;
                int result;

                assert(b || f); /* a parameter that nobody fills would be NULL silently */
                result = b ? bind_value(s->handle, i, b) : bind_field(s->handle, i, f, o);
                if (result != SQLITE_OK)
                        return query_error(db, result, reterr_error);
        }
        return 0;
}

/* Prepared, bound, not stepped. */
static int statement_start(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds,
                           Statement **ret, Error **reterr_error) {
        _cleanup_statement_ Statement *s = NULL;
        int r;

        r = statement_get(db, id, &s, reterr_error);
        if (r < 0)
                return r;
        r = statement_bind(db, s, model, o, binds, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

static int find_columns(Statement *s, const Model *model) {
        int n = sqlite3_column_count(s->handle);

        if (s->model == model)
                return 0;
        assert(!s->model && n < INT8_MAX); /* a query fills objects of one kind */
        s->columns = malloc(model->n_fields);
        if (!s->columns)
                return -ENOMEM;
        memset(s->columns, -1, model->n_fields);
        for (int i = 0; i < n; i++) {
                const Field *f = model_field(model, sqlite3_column_name(s->handle, i) ?: "");

                if (f)
                        s->columns[f - model->fields] = (int8_t) i;
        }
        s->model = model;
        return 0;
}

/* -ENOMEM also where SQLite couldn't hand out the text. */
static int read_text(sqlite3_stmt *s, int column, char **ret) {
        const unsigned char *text = sqlite3_column_text(s, column);

        *ret = text ? strdup((const char *) text) : NULL;
        return *ret ? 0 : -ENOMEM;
}

static int read_blob(sqlite3_stmt *s, int column, Blob *ret) {
        const void *p = sqlite3_column_blob(s, column);
        size_t n = (size_t) sqlite3_column_bytes(s, column);

        if (!p && n > 0)
                return -ENOMEM;
        *ret = (Blob) { malloc(n ?: 1), n };
        if (!ret->p)
                return -ENOMEM;
        if (n > 0)
                memcpy(ret->p, p, n);
        return 0;
}

static int read_enum(sqlite3_stmt *s, int column, const Field *f, int *ret, Error **reterr_error) {
        const char *text = (const char *) sqlite3_column_text(s, column);
        int value;

        if (!text)
                return -ENOMEM;
        value = enum_from_string(f->names, text);
        if (value < 0)
                return error_set(reterr_error, -EBADMSG, "The database has the unknown %s '%s'",
                                 f->names->what, text);
        *ret = value;
        return 0;
}

static int read_field(sqlite3_stmt *s, int column, const Field *f, void *o, Error **reterr_error) {
        bool null = column < 0 || sqlite3_column_type(s, column) == SQLITE_NULL;
        void *p = field_of(f, o);

        if (f->type == FIELD_INT_OPTIONAL)
                *(int *) p = null ? -1 : sqlite3_column_int(s, column);
        if (null)
                return 0;
        switch (f->type) {
        case FIELD_TEXT:
                return read_text(s, column, p);
        case FIELD_I64:
        case FIELD_I64_OPTIONAL:
                *(int64_t *) p = sqlite3_column_int64(s, column);
                return 0;
        case FIELD_TIME:
                *(usec_t *) p = (usec_t) sqlite3_column_int64(s, column);
                return 0;
        case FIELD_INT:
                *(int *) p = sqlite3_column_int(s, column);
                return 0;
        case FIELD_BOOL:
                *(bool *) p = sqlite3_column_int(s, column) != 0;
                return 0;
        case FIELD_ENUM:
                return read_enum(s, column, f, p, reterr_error);
        case FIELD_BLOB:
                return read_blob(s, column, p);
        default:
                return 0;
        }
}

static int read_row(Statement *s, const Model *model, void **ret, Error **reterr_error) {
        void *o;
        int r;

        r = find_columns(s, model);
        if (r < 0)
                return r;
        o = calloc(1, model->size);
        if (!o)
                return -ENOMEM;
        for (size_t i = 0; i < model->n_fields; i++) {
                r = read_field(s->handle, s->columns[i], &model->fields[i], o, reterr_error);
                if (r < 0) {
                        model_free(model, o);
                        return r;
                }
        }
        *ret = o;
        return 0;
}

int db_run(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds, Error **reterr_error) {
        _cleanup_statement_ Statement *s = NULL;
        int result, r;

        r = statement_start(db, id, model, o, binds, &s, reterr_error);
        if (r < 0)
                return r;
        while ((result = sqlite3_step(s->handle)) == SQLITE_ROW)
                ;
        if (result != SQLITE_DONE)
                return query_error(db, result, reterr_error);
        return sqlite3_changes(db->handle);
}

int db_run_one(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds, const char *what,
               const char *key, Error **reterr_error) {
        int r;

        r = db_run(db, id, model, o, binds, reterr_error);
        return r == 0 ? error_set(reterr_error, -ENOENT, "There is no %s '%s'", what, key) : r;
}

int db_get(Db *db, SqlId id, const Bind *binds, const Model *model, void *ret, Error **reterr_error) {
        _cleanup_statement_ Statement *s = NULL;
        int result, r;

        r = statement_start(db, id, NULL, NULL, binds, &s, reterr_error);
        if (r < 0)
                return r;
        result = sqlite3_step(s->handle);
        if (result == SQLITE_DONE)
                return -ENOENT;
        if (result != SQLITE_ROW)
                return query_error(db, result, reterr_error);
        return read_row(s, model, ret, reterr_error);
}

int db_get_one(Db *db, SqlId id, const Bind *binds, const Model *model, void *ret, const char *key,
               Error **reterr_error) {
        int r;

        r = db_get(db, id, binds, model, ret, reterr_error);
        return r == -ENOENT ? error_set(reterr_error, r, "There is no %s '%s'", model->name, key) : r;
}

int db_list(Db *db, SqlId id, const Bind *binds, const Model *model, void *array, Error **reterr_error) {
        _cleanup_statement_ Statement *s = NULL;
        AnyArray *a = array;
        int result, r;

        r = statement_start(db, id, NULL, NULL, binds, &s, reterr_error);
        if (r < 0)
                return r;
        while ((result = sqlite3_step(s->handle)) == SQLITE_ROW) {
                void *o;

                r = read_row(s, model, &o, reterr_error);
                if (r < 0)
                        return r;
                r = model_array_append(&a->items, &a->n, o);
                if (r < 0) {
                        model_free(model, o);
                        return r;
                }
        }
        return result == SQLITE_DONE ? 0 : query_error(db, result, reterr_error);
}

static void array_done(const Model *model, AnyArray *a) {
        for (size_t i = 0; i < a->n; i++)
                model_free(model, a->items[i]);
        free(a->items);
        *a = (AnyArray) {};
}

int db_list_whole(Db *db, SqlId id, const Bind *binds, const Model *model, void *array,
                  Error **reterr_error) {
        AnyArray found = {};
        int r;

        r = db_list(db, id, binds, model, &found, reterr_error);
        if (r < 0) {
                array_done(model, &found);
                return r;
        }
        *(AnyArray *) array = found;
        return 0;
}

/* Steps to the first row; -ENOENT when it isn't there or its first column is NULL. */
static int first_value(Db *db, SqlId id, const Bind *binds, Statement **ret, Error **reterr_error) {
        _cleanup_statement_ Statement *s = NULL;
        int result, r;

        r = statement_start(db, id, NULL, NULL, binds, &s, reterr_error);
        if (r < 0)
                return r;
        result = sqlite3_step(s->handle);
        if (result != SQLITE_ROW && result != SQLITE_DONE)
                return query_error(db, result, reterr_error);
        if (result == SQLITE_DONE || sqlite3_column_type(s->handle, 0) == SQLITE_NULL)
                return -ENOENT;
        *ret = TAKE_PTR(s);
        return 0;
}

int db_get_i64(Db *db, SqlId id, const Bind *binds, int64_t *ret, Error **reterr_error) {
        _cleanup_statement_ Statement *s = NULL;
        int result, r;

        r = first_value(db, id, binds, &s, reterr_error);
        if (r < 0)
                return r;
        *ret = sqlite3_column_int64(s->handle, 0);
        /* UPDATE … RETURNING is done only at its end. */
        result = sqlite3_step(s->handle);
        return result == SQLITE_DONE || result == SQLITE_ROW ? 0 : query_error(db, result, reterr_error);
}

int db_get_text(Db *db, SqlId id, const Bind *binds, char **ret, Error **reterr_error) {
        _cleanup_statement_ Statement *s = NULL;
        int r;

        r = first_value(db, id, binds, &s, reterr_error);
        return r < 0 ? r : read_text(s->handle, 0, ret);
}

int db_get_blob(Db *db, SqlId id, const Bind *binds, Blob *ret, Error **reterr_error) {
        _cleanup_statement_ Statement *s = NULL;
        int r;

        r = first_value(db, id, binds, &s, reterr_error);
        return r < 0 ? r : read_blob(s->handle, 0, ret);
}

/* Frees the doubles of a sorted array. */
static void array_unique(const ListUnion *u, AnyArray *a) {
        size_t n = 1;

        for (size_t i = 1; i < a->n; i++)
                if (u->compare(&a->items[n - 1], &a->items[i]) == 0)
                        model_free(u->model, a->items[i]);
                else
                        a->items[n++] = a->items[i];
        a->n = n;
}

/* Frees the rows before the page and behind it. */
static void array_cut(const ListUnion *u, AnyArray *a, uint64_t offset, size_t limit) {
        size_t from = (size_t) MIN(offset, (uint64_t) a->n), to = from + MIN(limit, a->n - from);

        for (size_t i = 0; i < a->n; i++)
                if (i < from || i >= to)
                        model_free(u->model, a->items[i]);
        memmove(a->items, a->items + from, (to - from) * sizeof(*a->items));
        a->n = to - from;
}

int db_list_union(Db *db, const ListUnion *u, const ListOptions *options, const void *filter, void *array,
                  Error **reterr_error) {
        size_t limit = (size_t) list_limit(options);
        uint64_t offset = (uint64_t) list_offset(options);
        ListOptions all = options ? *options : (ListOptions) {};
        AnyArray merged = {};
        int r = 0;

        if (u->n_parts > 1) {
                if (offset + limit > LIST_MERGED_MAX)
                        return error_set(reterr_error, -EINVAL,
                                         "Of a list over several workspaces or tags only %u "
                                         "rows can be read",
                                         LIST_MERGED_MAX);
                all.offset = 0;
                all.limit = (size_t) offset + limit;
                all.unbounded = true;
        }
        for (size_t i = 0; i < u->n_parts && r >= 0; i++)
                r = u->list_part(db, i, &all, filter, &merged, reterr_error);
        if (r < 0) {
                array_done(u->model, &merged);
                return r;
        }
        if (u->n_parts > 1 && merged.n > 0) {
                qsort(merged.items, merged.n, sizeof(*merged.items), u->compare);
                array_unique(u, &merged);
                array_cut(u, &merged, offset, limit);
        }
        *(AnyArray *) array = merged;
        return 0;
}
