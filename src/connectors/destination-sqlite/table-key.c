/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What makes a deduplicated stream one row a key. The work is SQLite's: a unique index over the key and
 * an ON CONFLICT clause that keeps the newer row, so that a batch of records needs no reading beforehand
 * and the same record twice changes nothing.
 *
 * NULLs would defeat a unique index, which holds each for different from all others; so parts that may be
 * null are indexed as an empty blob instead. Rows that are deleted at their source (`_ab_cdc_deleted_at`)
 * are written like others and swept at the commit: an older version that comes later in the same batch
 * then meets the newer one, deleted or not. */

#include <strings.h>
#include <sys/random.h>

#include "connectors/destination-sqlite/table-key.h"
#include "connectors/lib/record-stamp.h"

#define FIELD_DELETED_AT "_ab_cdc_deleted_at"

void table_key_done(TableKey *k) {
        free(k->key);
        free(k->upsert);
        free(k->order);
        free(k->deleted);
        free(k->fields);
        *k = (TableKey) {};
}

static int append_name(Buffer *b, const char *prefix, const char *column) {
        _cleanup_sqlite_str_ char *text = sqlite3_mprintf("%s\"%w\"", prefix, column);

        return text ? buffer_append_string(b, text) : -ENOMEM;
}

/* ` OP '$."a"."b"'` for the part of a path below its column. */
static int append_json_path(Buffer *b, const char *operator, FieldPath below, const char *stream,
                            Error **reterr_error) {
        _cleanup_sqlite_str_ char *quoted = NULL;
        _cleanup_buffer_ Buffer path = {};
        int r;

        r = buffer_append_char(&path, '$');
        STRV_FOREACH(s, below) {
                /* SQLite 3.40 has no way to say a quote inside a label. */
                if (strchr(*s, '"'))
                        return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EINVAL,
                                              "Stream '%s': a nested key "
                                              "or cursor field with a quote in its name cannot be used", stream);
                if (r >= 0)
                        r = buffer_appendf(&path, ".\"%s\"", *s);
        }
        if (r < 0)
                return r;
        quoted = sqlite3_mprintf(" %s %Q", operator, buffer_string(&path));
        return quoted ? buffer_append_string(b, quoted) : -ENOMEM;
}

/* The SQL of the value at `path`: its column, or what lies below it in a JSON column. */
static int append_path(Buffer *b, const char *prefix, const char *operator, FieldPath path, const Table *t,
                       const char *stream, Error **reterr_error) {
        const char *column = path && path[0] ? table_column(t, path[0]) : NULL;
        int r;

        if (!column)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EINVAL,
                                      "Stream '%s': its key or cursor field "
                                      "'%s' isn't in its schema", stream, path && path[0] ? path[0] : "");
        if (!path[1])
                return append_name(b, prefix, column);
        r = buffer_append_char(b, '(');
        if (r >= 0)
                r = append_name(b, prefix, column);
        if (r >= 0)
                r = append_json_path(b, operator, path + 1, stream, reterr_error);
        return r < 0 ? r : buffer_append_char(b, ')');
}

/* "->" gives a nested value as JSON text, exact for numbers of any size; good enough to be the same or
 * not. */
static int key_sql(TableKey *k, const ConfiguredStream *stream, const StreamColumns *columns,
                   const Table *t, Buffer *b,
                   Error **reterr_error) {
        size_t n = field_paths_length(stream->primary_key);

        k->fields = calloc(MAX(n, (size_t) 1), sizeof(*k->fields));
        if (!k->fields)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                FieldPath path = stream->primary_key[i];
                ssize_t at = path && path[0] ? stream_columns_index(columns, path[0]) : -ENOENT;
                bool nullable = at < 0 || columns->items[at].nullable || path[1];
                int r;

                if (at >= 0)
                        k->fields[k->n_fields++] = (size_t) at;
                r = buffer_append_string(b, i > 0 ? ", " : "");
                if (r >= 0 && nullable)
                        r = buffer_append_string(b, "ifnull(");
                if (r >= 0)
                        r = append_path(b, "", "->", path, t, stream->stream.name, reterr_error);
                /* An empty BLOB equals no value of ours. */
                if (r >= 0 && nullable)
                        r = buffer_append_string(b, ", x'')");
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Which of two rows stays: the one with the greater cursor, NULL the least; with equal cursors the one
 * extracted later; then the one that came later. */
static int newer_sql(const ConfiguredStream *stream, const Table *t, Buffer *where, Buffer *order,
                     Error **reterr_error) {
        _cleanup_buffer_ Buffer mine = {}, theirs = {};
        const char *a, *b;
        int r;

        if (!stream->cursor_field || !stream->cursor_field[0]) {
                r = buffer_append_string(where, "excluded." COLUMN_EXTRACTED_AT " >= " COLUMN_EXTRACTED_AT);
                return r < 0 ? r : buffer_append_string(order, COLUMN_EXTRACTED_AT " DESC");
        }
        r = append_path(&mine, "", "->>", stream->cursor_field, t, stream->stream.name, reterr_error);
        if (r >= 0)
                r = append_path(&theirs, "excluded.", "->>", stream->cursor_field, t, stream->stream.name,
                                reterr_error);
        if (r < 0)
                return r;
        a = buffer_string(&mine);
        b = buffer_string(&theirs);
        if (!a || !b)
                return -ENOMEM;
        r = buffer_appendf(where, "(%s IS NOT NULL AND (%s IS NULL OR %s > %s)) OR (%s IS %s AND excluded."
                           COLUMN_EXTRACTED_AT " >= " COLUMN_EXTRACTED_AT ")", b, a, b, a, b, a);
        return r < 0 ? r : buffer_appendf(order, "%s DESC NULLS LAST, " COLUMN_EXTRACTED_AT " DESC", a);
}

/* A newer version replaces the whole row: fields that it doesn't have any more become NULL. */
static int upsert_sql(TableKey *k, const StreamColumns *columns, const Table *t, const char *where,
                      Buffer *b) {
        int r;

        r = buffer_appendf(b, " ON CONFLICT (%s) DO UPDATE SET ", k->key);
        if (r >= 0)
                r = buffer_append_string(b,
                                         COLUMN_RAW_ID " = excluded." COLUMN_RAW_ID ", " COLUMN_EXTRACTED_AT
                                         " = excluded." COLUMN_EXTRACTED_AT ", " COLUMN_META " = excluded." COLUMN_META
                                         ", " COLUMN_GENERATION_ID " = excluded." COLUMN_GENERATION_ID);
        for (size_t i = 0; t->columns && t->columns[i] && r >= 0; i++) {
                bool present = stream_columns_index(columns, t->fields[i]) >= 0;

                r = append_name(b, ", ", t->columns[i]);
                if (r >= 0)
                        r = present ? append_name(b, " = excluded.",
                                                  t->columns[i]) : buffer_append_string(b, " = NULL");
        }
        return r < 0 ? r : buffer_appendf(b, " WHERE %s", where);
}

/* Appending streams have no key, whatever the source says of one. */
static bool is_dedup(const ConfiguredStream *s) {
        return s->destination_sync_mode == DESTINATION_SYNC_MODE_APPEND_DEDUP ||
               s->destination_sync_mode == DESTINATION_SYNC_MODE_OVERWRITE_DEDUP;
}

int table_key_init(TableKey *k, const ConfiguredStream *stream, const StreamColumns *columns, const Table *t,
                   Error **reterr_error) {
        _cleanup_buffer_ Buffer key = {}, where = {}, order = {}, upsert = {};
        const char *deleted = table_column(t, FIELD_DELETED_AT), *where_text;
        int r;

        if (!is_dedup(stream))
                return 0;
        if (field_paths_length(stream->primary_key) == 0)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EINVAL,
                                      "Stream '%s' is to be deduplicated but "
                                      "has no primary key", stream->stream.name);
        r = key_sql(k, stream, columns, t, &key, reterr_error);
        if (r >= 0)
                r = newer_sql(stream, t, &where, &order, reterr_error);
        if (r < 0)
                return r;
        k->key = buffer_steal_string(&key);
        where_text = buffer_string(&where);
        if (!k->key || !where_text)
                return -ENOMEM;
        r = upsert_sql(k, columns, t, where_text, &upsert);
        if (r < 0)
                return r;
        k->upsert = buffer_steal_string(&upsert);
        k->order = buffer_steal_string(&order);
        k->deleted = deleted ? strdup(deleted) : NULL;
        return k->upsert && k->order && (k->deleted || !deleted) ? 0 : -ENOMEM;
}

/* A name of the row number that no column hides; NULL when all three are columns. */
static const char *rowid_name(const Table *t) {
        static const char *const names[] = { "rowid", "_rowid_", "oid" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                bool hidden = false;

                STRV_FOREACH(c, t->columns)
                        hidden = hidden || strcasecmp(*c, names[i]) == 0;
                if (!hidden)
                        return names[i];
        }
        return NULL;
}

/* For a stream that is deduplicated from now on: of each key the row stays that the clause would have
 * kept. */
static int drop_doubles(Database *d, const Table *t, const TableKey *k, Error **reterr_error) {
        const char *rowid = rowid_name(t);

        if (!rowid)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EINVAL,
                                      "Table '%s' has columns rowid, _rowid_ "
                                      "and oid and cannot be deduplicated", t->name);
        return database_exec(d, reterr_error,
                             "DELETE FROM \"%w\" WHERE %s IN (SELECT r FROM (SELECT %s AS r, row_number() "
                             "OVER (PARTITION BY %s ORDER BY %s, %s DESC) AS n FROM \"%w\") WHERE n > "
                             "1)", t->name, rowid,
                             rowid, k->key, k->order, rowid, t->name);
}

/* Both of them; the index on deletions has the name of the other and a suffix. */
static int drop_index(Database *d, Table *t, Error **reterr_error) {
        int r;

        if (!t->key_index)
                return 0;
        r = database_exec(d, reterr_error, "DROP INDEX IF EXISTS \"%w\"; DROP INDEX IF EXISTS \"%w_del\"",
                          t->key_index,
                          t->key_index);
        if (r < 0)
                return r;
        free(TAKE_PTR(t->key));
        free(TAKE_PTR(t->key_index));
        return 0;
}

/* Index names are the database's, not the table's, and outlive the renaming of their table: a random one
 * never meets another. */
static int make_index(Database *d, Table *t, const TableKey *k, Error **reterr_error) {
        _cleanup_strv_ char **name = NULL;
        uint64_t random;
        int r;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return -EIO;
        r = strv_extendf(&name, "_gantry_key_%016llx", (unsigned long long) random);
        if (r >= 0)
                r = database_exec(d, reterr_error, "CREATE UNIQUE INDEX \"%w\" ON \"%w\" (%s)", name[0],
                                  t->name, k->key);
        if (r >= 0 && k->deleted)
                r = database_exec(d, reterr_error,
                                  "CREATE INDEX \"%w_del\" ON \"%w\" (\"%w\") WHERE \"%w\" IS NOT NULL",
                                  name[0], t->name, k->deleted, k->deleted);
        if (r < 0)
                return r;
        t->key_index = strdup(name[0]);
        t->key = strdup(k->key);
        return t->key_index && t->key ? 0 : -ENOMEM;
}

int table_key_apply(Database *d, Table *t, const TableKey *k, Error **reterr_error) {
        int r;

        if (streq_ptr(t->key, k->key))
                return 0;
        r = drop_index(d, t, reterr_error);
        if (r < 0 || !k->key)
                return r;
        r = drop_doubles(d, t, k, reterr_error);
        return r < 0 ? r : make_index(d, t, k, reterr_error);
}

int table_key_sweep(Database *d, const Table *t, const TableKey *k, Error **reterr_error) {
        return database_exec(d, reterr_error, "DELETE FROM \"%w\" WHERE \"%w\" IS NOT NULL", t->name,
                             k->deleted);
}
