/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading one table. A full refresh goes along the key and says in each state how far it came. An
 * incremental read goes along the cursor, and has to decide first what of the old ground it must cover
 * again:
 *
 *   rows without a cursor   changed since?  read them all : read none
 *   rows at the last value  changed since?  read from there : read behind it
 *
 * "Changed" is found by counting and hashing these rows once more, since another row with the same cursor
 * value may have been written after we read the last one (scenario S28). A row that changed below the
 * cursor is not found; that is what a cursor means. */

#include <strings.h>

#include "connectors/source-sqlite/sqlite-read.h"
#include "connectors/source-sqlite/sqlite-value.h"

/* With the envelope it must stay below what the platform takes in one line. */
#define RECORD_BYTES_MAX 20000000U

typedef struct TableReader {
        sqlite3 *db;
        const SqliteConfig *config;
        const SqliteTable *table;
        Emitter *out;
        EmitterStream *stream;
        size_t *columns; /* those to emit, by number */
        SqliteType *types;
        size_t n;
        const char *cursor; /* of an incremental read; borrowed */
        bool cursor_nocase; /* compared by SQLite without regard to ASCII case */
        SqliteState state;
        Buffer cursor_json; /* the value of the last row */
        RowGroup at_cursor, nulls;
        Buffer scratch;
        uint64_t n_rows, n_misfits;
        uint64_t state_at; /* n_rows at the last state */
        size_t misfit_column;
} TableReader;

/* The statement, the database and the table are not the reader's. */
static void reader_done(TableReader *r) {
        emitter_stream_free(r->stream);
        free(r->columns);
        free(r->types);
        sqlite_state_done(&r->state);
        buffer_done(&r->cursor_json);
        buffer_done(&r->scratch);
}

const char *sqlite_table_default_cursor(const SqliteTable *t) {
        if (t->key_is_rowid)
                return t->key[0];
        return t->shows_rowid ? t->columns[t->n_columns - 1].name : NULL;
}

/* ---- SQL ---- */

static int append_column(Buffer *b, const char *name) {
        int r = buffer_append_string(b, "s.");

        return r < 0 ? r : sqlite_append_name(b, name);
}

/* Separated by commas, each qualified. */
static int append_list(Buffer *b, char *const *names) {
        int r = 0;

        STRV_FOREACH(name, names) {
                if (r >= 0 && name != names)
                        r = buffer_append_char(b, ',');
                if (r >= 0)
                        r = append_column(b, *name);
        }
        return r;
}

/* "SELECT columns…, extra… FROM table AS s ". Names are qualified: SQLite takes a bare "name" that is no
 * column for a text. */
static int append_select(const TableReader *r, Buffer *b, char *const *extra) {
        int q;

        q = buffer_append_string(b, "SELECT ");
        for (size_t i = 0; q >= 0 && i < r->n; i++) {
                q = append_column(b, r->table->columns[r->columns[i]].name);
                if (q >= 0)
                        q = buffer_append_char(b, ',');
        }
        if (q >= 0)
                q = extra ? append_list(b, extra) : buffer_append_string(b, "0");
        if (q >= 0)
                q = buffer_append_string(b, " FROM main.");
        if (q >= 0)
                q = sqlite_append_name(b, r->table->name);
        return q < 0 ? q : buffer_append_string(b, " AS s ");
}

/* "WHERE …" for a pass over some group of cursor values, with the cursor as first parameter. */
static int prepare_cursor(const TableReader *r, const char *format, bool ordered, sqlite3_stmt **ret,
                          Error **reterr_error) {
        char *cursor[] = { (char *) r->cursor, NULL };
        _cleanup_buffer_ Buffer b = {};
        int q;

        q = append_select(r, &b, cursor);
        if (q >= 0)
                q = buffer_append_string(&b, "WHERE ");
        for (; q >= 0 && *format; format++) /* '$' stands for the column */
                q = *format == '$' ? append_column(&b, r->cursor) : buffer_append_char(&b, *format);
        if (q >= 0 && ordered) {
                q = buffer_append_string(&b, " ORDER BY ");
                if (q >= 0)
                        q = append_column(&b, r->cursor);
        }
        if (q < 0 || !buffer_string(&b))
                return -ENOMEM;
        q = sqlite_prepare(r->db, buffer_string(&b), ret, reterr_error);
        if (q >= 0 && sqlite3_bind_parameter_count(*ret) > 0 &&
            sqlite_value_bind(*ret, 1, r->state.cursor) < 0)
                return error_set(reterr_error, -EINVAL, "the state's cursor is not a value of a database");
        return q;
}

/* Row values compare by the whole key in one go, which an index on the key serves; that is why a state
 * holds the values of all its columns. */
static int prepare_full(const TableReader *r, char *const *key, sqlite3_stmt **ret, Error **reterr_error) {
        size_t n = r->state.resume_after ? json_object_array_length(r->state.resume_after) : 0;
        _cleanup_buffer_ Buffer b = {};
        int q;

        if (n > 0 && n != strv_length(key))
                return error_set(reterr_error, -EINVAL,
                                 "the state's resume_after doesn't fit the table's key");
        q = append_select(r, &b, key);
        if (q >= 0 && n > 0) {
                q = buffer_append_string(&b, "WHERE (");
                if (q >= 0)
                        q = append_list(&b, key);
                for (size_t i = 0; q >= 0 && i < n; i++)
                        q = buffer_append_string(&b, i == 0 ? ") > (?" : ",?");
                if (q >= 0)
                        q = buffer_append_string(&b, ") ");
        }
        if (q >= 0 && key) {
                q = buffer_append_string(&b, "ORDER BY ");
                if (q >= 0)
                        q = append_list(&b, key);
        }
        if (q < 0 || !buffer_string(&b))
                return -ENOMEM;
        q = sqlite_prepare(r->db, buffer_string(&b), ret, reterr_error);
        for (size_t i = 0; q >= 0 && i < n; i++)
                if (sqlite_value_bind(*ret, (int) i + 1, json_object_array_get_idx(r->state.resume_after,
                                                                                   i)) < 0)
                        return error_set(reterr_error, -EINVAL,
                                         "the state's resume_after holds what is no value");
        return q;
}

/* ---- rows ---- */

/* A value that is not of its column's type is written as what it is, and counted for one warning at the
 * end. */
static int write_row(TableReader *r, sqlite3_stmt *s, Buffer *b) {
        int q;

        q = buffer_append_char(b, '{');
        for (size_t i = 0; q >= 0 && i < r->n; i++) {
                const SqliteColumn *c = &r->table->columns[r->columns[i]];

                if (i > 0)
                        q = buffer_append_char(b, ',');
                if (q >= 0)
                        q = buffer_append(b, c->prefix, c->n_prefix);
                if (q >= 0)
                        q = sqlite_value_write(b, r->types[i], s, (int) i);
                if (q == 0 && r->n_misfits++ == 0)
                        r->misfit_column = r->columns[i];
        }
        return q < 0 ? q : buffer_append_char(b, '}');
}

/* Emits the row; the text of its data stays at *ret_data until the emitter is used again. */
static int emit_row(TableReader *r, sqlite3_stmt *s, RowGroup *group, Error **reterr_error) {
        Buffer *b = emitter_record_begin(r->stream);
        size_t start;
        int q;

        if (!b)
                return -ENOMEM;
        start = b->len;
        q = write_row(r, s, b);
        if (q >= 0 && b->len - start > RECORD_BYTES_MAX)
                q = error_set(reterr_error, -EMSGSIZE,
                              "table '%s': a row is larger than the 20 MB that a record may have",
                              r->table->name);
        if (q < 0) {
                emitter_record_cancel(r->stream);
                return q;
        }
        if (group)
                row_group_add(group, buffer_bytes(b) + start, b->len - start);
        r->n_rows++;
        return emitter_record_end(r->stream);
}

static int emit_text(TableReader *r, Buffer *b) {
        const char *text = buffer_string(b);

        return text ? emitter_stream_state(r->stream, text) : -ENOMEM;
}

/* Speaks for all rows so far, since they come in the order of the cursor. */
static int emit_cursor_state(TableReader *r) {
        _cleanup_buffer_ Buffer b = {};
        int q;

        r->state_at = r->n_rows;
        q = sqlite_state_append(&b, r->cursor, r->cursor_json.len > 0 ?
                                buffer_string(&r->cursor_json) : "null",
                                &r->at_cursor, &r->nulls);
        return q < 0 ? q : emit_text(r, &b);
}

/* Whether two cursors are one to SQLite: what it finds by "=" must be counted as one group. */
static bool same_cursor(const TableReader *r, const Buffer *a, const Buffer *b) {
        if (a->len != b->len || a->len == 0)
                return false;
        return memcmp(buffer_bytes(a), buffer_bytes(b), a->len) == 0 ||
                (r->cursor_nocase && buffer_bytes(a)[0] == '"' &&
                 strncasecmp(buffer_bytes(a), buffer_bytes(b), a->len) == 0);
}

/* Notes the cursor of the current row; the group that the row belongs to. */
static int follow_cursor(TableReader *r, sqlite3_stmt *s, RowGroup **ret) {
        int q;

        *ret = &r->nulls;
        if (sqlite3_column_type(s, (int) r->n) == SQLITE_NULL)
                return 0;
        *ret = &r->at_cursor;
        buffer_reset(&r->scratch);
        q = sqlite_value_write_state(&r->scratch, s, (int) r->n);
        if (q < 0)
                return q;
        if (!same_cursor(r, &r->scratch, &r->cursor_json)) {
                Buffer old = r->cursor_json;

                r->cursor_json = r->scratch;
                r->scratch = old;
                r->at_cursor = (RowGroup) {};
        }
        return 0;
}

/* Also the end of a read without rows: an empty stream has a state (S22). */
static int run_cursor_query(TableReader *r, sqlite3_stmt *s, Error **reterr_error) {
        RowGroup *group;
        int q;

        while ((q = sqlite_step(s, reterr_error)) > 0) {
                q = follow_cursor(r, s, &group);
                if (q >= 0)
                        q = emit_row(r, s, group, reterr_error);
                /* Rows come in the order of their cursor, so each is a point to go on from. */
                if (q >= 0 && r->n_rows % (uint64_t) r->config->checkpoint_rows == 0)
                        q = emit_cursor_state(r);
                if (q < 0)
                        return q;
        }
        if (q < 0 || (r->n_rows > 0 && r->state_at == r->n_rows))
                return q; /* the same state again would say nothing */
        return emit_cursor_state(r);
}

/* What the rows of a group hold now. */
static int measure_group(TableReader *r, const char *where, RowGroup *ret, Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        uint64_t misfits = r->n_misfits;
        int q;

        *ret = (RowGroup) {};
        q = prepare_cursor(r, where, /* ordered= */ false, &s, reterr_error);
        if (q < 0)
                return q;
        while ((q = sqlite_step(s, reterr_error)) > 0) {
                buffer_reset(&r->scratch);
                q = write_row(r, s, &r->scratch);
                if (q < 0)
                        return q;
                row_group_add(ret, buffer_bytes(&r->scratch), r->scratch.len);
        }
        r->n_misfits = misfits; /* counted when they are emitted */
        return q;
}

/* Before the first row, the cursor is the state's. */
static int keep_cursor(TableReader *r) {
        return r->state.cursor ? json_append(&r->cursor_json, r->state.cursor) : 0;
}

static int read_incremental(TableReader *r, Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        RowGroup now;
        bool same_nulls, same_rows;
        int q;

        if (!r->state.has_cursor) {
                q = prepare_cursor(r, "1", /* ordered= */ true, &s, reterr_error);
                return q < 0 ? q : run_cursor_query(r, s, reterr_error);
        }
        q = measure_group(r, "$ IS NULL", &now, reterr_error);
        if (q < 0)
                return q;
        same_nulls = row_group_equal(&now, &r->state.nulls);
        if (same_nulls)
                r->nulls = now;
        if (!r->state.cursor) {
                q = prepare_cursor(r, same_nulls ? "$ IS NOT NULL" : "1", /* ordered= */ true, &s, reterr_error);
                return q < 0 ? q : run_cursor_query(r, s, reterr_error);
        }
        q = measure_group(r, "$ = ?1", &now, reterr_error);
        if (q >= 0)
                q = keep_cursor(r);
        if (q < 0)
                return q;
        same_rows = row_group_equal(&now, &r->state.at_cursor);
        if (same_rows)
                r->at_cursor = now;
        q = prepare_cursor(r, same_rows ? (same_nulls ? "$ > ?1" : "$ > ?1 OR $ IS NULL") :
                                          (same_nulls ? "$ >= ?1" : "$ >= ?1 OR $ IS NULL"),
                           /* ordered= */ true, &s, reterr_error);
        return q < 0 ? q : run_cursor_query(r, s, reterr_error);
}

/* The key values of the last row, all of them: with a part of the key, rows would be skipped. */
static int emit_resume_state(TableReader *r, sqlite3_stmt *s, size_t n_key) {
        _cleanup_buffer_ Buffer b = {};
        int q;

        q = buffer_append_string(&b, "{\"resume_after\":[");
        for (size_t i = 0; q >= 0 && i < n_key; i++) {
                if (i > 0)
                        q = buffer_append_char(&b, ',');
                if (q >= 0)
                        q = sqlite_value_write_state(&b, s, (int) (r->n + i));
        }
        if (q >= 0)
                q = buffer_append_string(&b, "]}");
        return q < 0 ? q : emit_text(r, &b);
}

static int emit_complete_state(TableReader *r) {
        return emitter_stream_state(r->stream, "{\"__ab_full_refresh_sync_complete\":true}");
}

/* SQLite counts by walking an index, which is far cheaper than reading. */
static int estimate_rows(TableReader *r, Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        _cleanup_buffer_ Buffer b = {};
        int q;

        if (r->table->kind != SQLITE_TABLE)
                return 0; /* counting a view is reading it */
        q = buffer_append_string(&b, "SELECT count(*) FROM main.");
        if (q >= 0)
                q = sqlite_append_name(&b, r->table->name);
        if (q < 0 || !buffer_string(&b))
                return -ENOMEM;
        q = sqlite_prepare(r->db, buffer_string(&b), &s, reterr_error);
        if (q >= 0)
                q = sqlite_step(s, reterr_error);
        return q <= 0 ? q : emitter_stream_estimate(r->stream, sqlite3_column_int64(s, 0), -1);
}

/* A view has no key: it is read in one go, and a state in the middle could not be gone on from. */
static int read_full(TableReader *r, Error **reterr_error) {
        char *rowid[] = { (char *) r->table->rowid, NULL };
        char *const *key = r->table->kind != SQLITE_TABLE ? NULL : r->table->rowid ? rowid : r->table->key;
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int q;

        if (r->state.is_complete)
                return emit_complete_state(r);
        if (!r->state.resume_after) {
                q = estimate_rows(r, reterr_error);
                if (q < 0)
                        return q;
        }
        q = prepare_full(r, key, &s, reterr_error);
        if (q < 0)
                return q;
        while ((q = sqlite_step(s, reterr_error)) > 0) {
                q = emit_row(r, s, NULL, reterr_error);
                if (q >= 0 && key && r->n_rows % (uint64_t) r->config->checkpoint_rows == 0)
                        q = emit_resume_state(r, s, strv_length((char **) key));
                if (q < 0)
                        return q;
        }
        if (q < 0)
                return q;
        return key ? emit_complete_state(r) : emitter_stream_state(r->stream, "{}");
}

/* ---- set-up ---- */

/* The configured schema selects; an empty one means all, as people write it by hand. */
static int choose_columns(TableReader *r, const ConfiguredStream *configured) {
        JsonObject *properties = json_member(configured->stream.json_schema, "properties");
        bool all = !json_object_is_type(properties, json_type_object) ||
                json_object_object_length(properties) == 0;

        r->columns = calloc(r->table->n_columns + 1, sizeof(size_t));
        r->types = calloc(r->table->n_columns + 1, sizeof(SqliteType));
        if (!r->columns || !r->types)
                return -ENOMEM;
        for (size_t i = 0; i < r->table->n_columns; i++) {
                JsonObject *property = NULL;

                if (!all && !json_object_object_get_ex(properties, r->table->columns[i].name, &property))
                        continue;
                r->columns[r->n] = i;
                r->types[r->n++] = all ? SQLITE_TYPE_ANY : sqlite_type_from_schema(property);
        }
        return 0;
}

static int choose_cursor(TableReader *r, const ConfiguredStream *configured, Error **reterr_error) {
        const char *collation = NULL;

        if (configured->sync_mode != SYNC_MODE_INCREMENTAL)
                return 0;
        r->cursor = strv_length(configured->cursor_field) > 0 ? configured->cursor_field[0] :
                                                                 sqlite_table_default_cursor(r->table);
        if (!r->cursor)
                return error_set(reterr_error, -EINVAL,
                                 "table '%s' needs a cursor field to be read incrementally",
                                 r->table->name);
        if (strv_length(configured->cursor_field) > 1 || sqlite_table_find(r->table, r->cursor) < 0)
                return error_set(reterr_error, -EINVAL, "table '%s' has no column '%s' to serve as cursor",
                                 r->table->name, r->cursor);
        /* A view has no collations to tell: there the bytes decide. */
        if (sqlite3_table_column_metadata(r->db, "main", r->table->name, r->cursor, NULL, &collation, NULL, NULL,
                                          NULL) == SQLITE_OK)
                r->cursor_nocase = collation && strcasecmp(collation, "NOCASE") == 0;
        return 0;
}

static int read_rows(TableReader *r, Error **reterr_error) {
        int q;

        q = emitter_stream_status(r->stream, STREAM_STATUS_RUNNING);
        if (q >= 0)
                q = r->cursor ? read_incremental(r, reterr_error) : read_full(r, reterr_error);
        if (q >= 0 && r->n_misfits > 0)
                q = emitter_log(r->out, "WARN",
                                "table '%s': %llu values are not of the type that the catalog says and were emitted as "
                                "what they are, the first in column '%s'; discover again, or raise scan_rows",
                                r->table->name, (unsigned long long) r->n_misfits,
                                r->table->columns[r->misfit_column].name);
        return q;
}

int sqlite_table_read(sqlite3 *db, const SqliteConfig *config, const SqliteTable *t,
                      const ConfiguredStream *configured,
                      const char *state, size_t n_state, Emitter *out, Error **reterr_error) {
        _cleanup_(reader_done) TableReader r = { .db = db, .config = config, .table = t, .out = out };
        int q;

        q = emitter_stream_new(out, configured->stream.name, configured->stream.namespace, &r.stream);
        if (q >= 0)
                q = choose_cursor(&r, configured, reterr_error);
        if (q >= 0)
                q = choose_columns(&r, configured);
        if (q >= 0)
                q = sqlite_state_parse(state, n_state, r.cursor, &r.state, reterr_error);
        if (q >= 0)
                q = emitter_stream_status(r.stream, STREAM_STATUS_STARTED);
        if (q >= 0)
                q = read_rows(&r, reterr_error);
        if (q >= 0)
                return emitter_stream_status(r.stream, STREAM_STATUS_COMPLETE);
        if (r.stream)
                (void) emitter_stream_status(r.stream, STREAM_STATUS_INCOMPLETE);
        return q;
}
