/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One stream's way into its table. Opening decides by generations (lib/generation-place.c) which table
 * that is, the one that people see or a new one beside it, and what of an interrupted refresh is merged
 * or thrown away; then the table gets the columns that it lacks. All of that is part of one transaction
 * with the registry, so a crash leaves what was there.
 *
 * Records become rows of cells in one block, and a full block is one INSERT with many rows; the statement
 * is prepared once. A block that isn't full at a commit is written row by row by a second statement,
 * rather than preparing one for each size. Both, and the block, are released when there are more streams
 * than memory should serve, and made anew when the stream has records again. */

#include "connectors/destination-sqlite/stream-writer.h"
#include "connectors/lib/generation-place.h"
#include "connectors/lib/stream-lock.h"

/* Text of gathered rows that makes a flush worth while whatever their number. */
#define ARENA_MAX (512U * 1024U)
/* Bound parameters of one statement: more gains nothing and costs memory (SQLite's limit is 32766). */
#define PARAMETERS_MAX 2000U
#define NEW_TABLE_PREFIX "_gantry_new_"

/* --- where records go --- */

static GenerationHistory history(const StreamTables *t) {
        return (GenerationHistory) {
                .has_final = t->final,
                .has_new = t->new,
                .final_has_generation = t->has_generation,
                .new_has_generation = t->new_has_generation,
                .final_generation_id = t->generation_id,
                .new_generation_id = t->new_generation_id,
        };
}

static int drop_new(StreamWriter *w, Database *d, Error **reterr_error) {
        int r;

        if (!w->tables.new)
                return 0;
        r = table_drop(d, w->tables.new, reterr_error);
        w->tables.new = table_free(w->tables.new);
        return r;
}

static int open_new(StreamWriter *w, Database *d, Error **reterr_error) {
        _cleanup_strv_ char **name = NULL;
        int r;

        r = drop_new(w, d, reterr_error);
        if (r >= 0)
                r = strv_extendf(&name, "%s%s", NEW_TABLE_PREFIX, w->tables.table_name);
        if (r >= 0)
                r = database_exec(d, reterr_error, "DROP TABLE IF EXISTS \"%w\"", name[0]);
        if (r >= 0)
                r = table_create(d, name[0], &w->columns, &w->tables.new, reterr_error);
        w->tables.new_has_generation = w->configured->has_generation;
        w->tables.new_generation_id = w->configured->generation_id;
        return r;
}

static int open_final(StreamWriter *w, Database *d, Emitter *out, Error **reterr_error) {
        if (!w->tables.final)
                return table_create(d, w->tables.table_name, &w->columns, &w->tables.final, reterr_error);
        return table_evolve(d, w->tables.final, &w->columns, w->configured, out, reterr_error);
}

static int prepare_target(StreamWriter *w, Database *d, Emitter *out, Error **reterr_error) {
        GenerationHistory h = history(&w->tables);
        GenerationPlace place = generation_place(w->configured, &h, reterr_error);
        int r;

        switch (place) {
        case PLACE_NEW:
                r = open_new(w, d, reterr_error);
                w->target = w->tables.new;
                break;
        case PLACE_NEW_RESUME:
                r = table_evolve(d, w->tables.new, &w->columns, w->configured, out, reterr_error);
                w->target = w->tables.new;
                break;
        case PLACE_FINAL:
                r = open_final(w, d, out, reterr_error);
                w->target = w->tables.final;
                break;
        default:
                return place;
        }
        if (r >= 0)
                r = table_key_init(&w->key, w->configured, &w->columns, w->target, reterr_error);
        return r < 0 ? r : table_key_apply(d, w->target, &w->key, reterr_error);
}

static int merge_leftover(StreamWriter *w, Database *d, Error **reterr_error) {
        GenerationHistory h = history(&w->tables);
        int r = 0;

        if (!w->tables.new || w->target == w->tables.new)
                return 0;
        if (generation_keeps_new(w->configured, &h))
                r = table_merge(d, w->tables.new, w->tables.final, strempty(w->key.upsert), reterr_error);
        return r < 0 ? r : drop_new(w, d, reterr_error);
}

/* Columns that only the table beside has: the schema may have changed in between. */
static int adopt_columns(StreamWriter *w, Database *d, Emitter *out, Error **reterr_error) {
        const Table *from = w->tables.new, *to = w->tables.final;

        if (!from || w->target == w->tables.new)
                return 0;
        STRV_FOREACH(f, from->fields)
                if (!table_column(to, *f)) {
                        size_t i = (size_t) (f - from->fields);
                        StreamColumn column = { .field = *f, .n_field = strlen(*f),
                                                .kind = column_kind_from_string(from->kinds[i]) };
                        StreamColumns one = { .items = &column, .n = 1 };
                        int r = column.kind;

                        if (r >= 0)
                                r = table_evolve(d, w->tables.final, &one, w->configured, out, reterr_error);
                        if (r < 0)
                                return r;
                }
        return 0;
}

int stream_writer_lock(Database *d, const ConfiguredStream *stream, Error **reterr_error) {
        const AirbyteStream *s = &stream->stream;
        int r;

        r = stream_lock_take(d->lock_fd, s->namespace, s->name);
        if (r == -EAGAIN)
                return connector_fail(reterr_error, FAILURE_TRANSIENT_ERROR, -EBUSY,
                                      "Another sync is writing stream '%s' "
                                      "into '%s'", s->name, d->path);
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to lock stream '%s' in '%s'", s->name,
                                       d->path) : 0;
}

int stream_writer_open(StreamWriter *w, Database *d, const ConfiguredStream *stream, const char *separator,
                       unsigned rows_max, Emitter *out, Error **reterr_error) {
        const AirbyteStream *s = &stream->stream;
        int r;

        w->configured = stream;
        r = stream_columns_init(&w->columns, s, reterr_error);
        if (r >= 0)
                r = registry_load(d, separator, s->namespace, s->name, &w->tables, reterr_error);
        if (r >= 0)
                r = prepare_target(w, d, out, reterr_error);
        if (r >= 0)
                r = adopt_columns(w, d, out, reterr_error);
        if (r >= 0)
                r = merge_leftover(w, d, reterr_error);
        if (r >= 0)
                r = registry_store(d, &w->tables, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "Stream '%s'", s->name);
        w->n_cells = META_COLUMNS + w->columns.n;
        w->rows_max = MAX(1U, MIN(rows_max, (unsigned) (PARAMETERS_MAX / w->n_cells)));
        w->deleted_field = w->key.deleted ? stream_columns_index(&w->columns,
                                                                 "_ab_cdc_deleted_at") : -ENOENT;
        return 0;
}

void stream_writer_done(StreamWriter *w) {
        w->n_rows = 0;
        stream_writer_release(w);
        stream_columns_done(&w->columns);
        stream_tables_done(&w->tables);
        table_key_done(&w->key);
        buffer_done(&w->changes);
}

/* --- records --- */

/* Fills the columns from the record's members; what isn't declared is counted by StreamColumns. */
static int fill_columns(StreamWriter *w, JsonSlice data, Cell *row) {
        JsonSlice key, value;
        JsonIter it;
        int r;

        if (w->columns.whole)
                return cell_from_json(COLUMN_JSON, data, &w->arena, row);
        stream_columns_rewind(&w->columns);
        r = json_iter_object(&it, data);
        if (r < 0)
                return r;
        while ((r = json_iter_member(&it, &key, &value)) > 0) {
                ssize_t i = stream_columns_find(&w->columns, key);

                if (i == -ENOENT)
                        continue;
                if (i < 0)
                        return (int) i;
                r = cell_from_json(w->columns.items[i].kind, value, &w->arena, row + i);
                if (r == 0)
                        r = record_change_append(&w->changes, w->columns.items[i].field);
                if (r < 0)
                        return r;
        }
        return r;
}

/* A record that lacks a part of its key cannot be placed; guessing would merge strangers. */
static int check_key(const StreamWriter *w, const Cell *row, Error **reterr_error) {
        for (size_t k = 0; k < w->key.n_fields; k++) {
                const StreamColumn *c = w->columns.items + w->key.fields[k];
                CellType type = row[w->key.fields[k]].type;

                if (type == CELL_ABSENT || (type == CELL_NULL && !c->nullable))
                        return error_set(reterr_error, -EINVAL,
                                         "Stream '%s': a record %s its primary key field '%s'",
                                         w->configured->stream.name, type == CELL_ABSENT ? "lacks" : "has null in",
                                         c->field);
        }
        return 0;
}

static int arena_text(StreamWriter *w, const char *p, size_t n, Cell *ret) {
        *ret = (Cell) { .type = CELL_TEXT, .n = (uint32_t) n, .offset = w->arena.len };
        return buffer_append(&w->arena, p, n);
}

static int fill_meta(StreamWriter *w, RecordStamp *stamp, const DestinationRecord *record, Cell *row) {
        JsonSlice time = record_stamp_time(stamp, record->emitted_at);
        JsonSlice own = { w->changes.data ? buffer_bytes(&w->changes) : "", w->changes.len };
        char id[RAW_ID_LENGTH];
        size_t start;
        int r;

        r = record_stamp_id(stamp, id);
        if (r >= 0)
                r = arena_text(w, id, sizeof(id), row);
        if (r >= 0)
                r = arena_text(w, time.p, time.n, row + 1);
        start = w->arena.len;
        if (r >= 0)
                r = record_meta_append(&w->arena, w->configured, record->meta_changes, own);
        row[2] = (Cell) { .type = CELL_TEXT, .n = (uint32_t) (w->arena.len - start), .offset = start };
        row[3] = (Cell) { .type = w->configured->has_generation ? CELL_INTEGER : CELL_NULL,
                          .integer = w->configured->generation_id };
        return r;
}

int stream_writer_add(StreamWriter *w, RecordStamp *stamp, const DestinationRecord *record,
                      Error **reterr_error) {
        Cell *row;
        int r;

        if (!w->cells) {
                w->cells = calloc(w->rows_max, w->n_cells * sizeof(*w->cells));
                if (!w->cells)
                        return -ENOMEM;
        }
        row = w->cells + w->n_rows * w->n_cells;
        memset(row, 0, w->n_cells * sizeof(*row));
        buffer_reset(&w->changes);
        r = fill_columns(w, record->data, row + META_COLUMNS);
        if (r >= 0)
                r = fill_meta(w, stamp, record, row);
        if (r >= 0)
                r = check_key(w, row + META_COLUMNS, reterr_error);
        if (r < 0)
                return r;
        if (w->deleted_field >= 0 && row[META_COLUMNS + w->deleted_field].type > CELL_NULL)
                w->sweep = true;
        w->n_rows++;
        return w->n_rows == w->rows_max || w->arena.len >= ARENA_MAX;
}

/* --- statements --- */

static int insert_sql(const StreamWriter *w, unsigned rows, Buffer *sql) {
        _cleanup_sqlite_str_ char *into = sqlite3_mprintf(
                "INSERT INTO \"%w\" (" COLUMN_RAW_ID ", " COLUMN_EXTRACTED_AT ", "
                COLUMN_META ", " COLUMN_GENERATION_ID, w->target->name);
        int r;

        r = into ? buffer_append_string(sql, into) : -ENOMEM;
        for (size_t i = 0; i < w->columns.n && r >= 0; i++) {
                _cleanup_sqlite_str_ char *name =
                        sqlite3_mprintf(", \"%w\"", table_column(w->target, w->columns.items[i].field));

                r = name ? buffer_append_string(sql, name) : -ENOMEM;
        }
        if (r >= 0)
                r = buffer_append_string(sql, ") VALUES ");
        for (unsigned k = 0; k < rows && r >= 0; k++) {
                r = buffer_append_string(sql, k > 0 ? ",(?" : "(?");
                for (size_t i = 1; i < w->n_cells && r >= 0; i++)
                        r = buffer_append(sql, ",?", 2);
                if (r >= 0)
                        r = buffer_append_char(sql, ')');
        }
        return r < 0 ? r : buffer_append_string(sql, strempty(w->key.upsert));
}

static int need_statement(StreamWriter *w, Database *d, unsigned rows, sqlite3_stmt **s,
                          Error **reterr_error) {
        _cleanup_buffer_ Buffer sql = {};
        const char *text;
        int r;

        if (*s)
                return 0;
        r = insert_sql(w, rows, &sql);
        if (r < 0)
                return r;
        text = buffer_string(&sql);
        return text ? database_prepare(d, text, s, reterr_error) : -ENOMEM;
}

static int bind_cell(const StreamWriter *w, sqlite3_stmt *s, int at, const Cell *c) {
        switch (c->type) {
        case CELL_INTEGER:
                return sqlite3_bind_int64(s, at, c->integer);
        case CELL_REAL:
                return sqlite3_bind_double(s, at, c->real);
        case CELL_TEXT:
                return sqlite3_bind_text(s, at, buffer_bytes(&w->arena) + c->offset, (int) c->n,
                                         SQLITE_STATIC);
        default:
                return sqlite3_bind_null(s, at);
        }
}

static int insert_rows(StreamWriter *w, Database *d, sqlite3_stmt *s, unsigned from, unsigned rows,
                       Error **reterr_error) {
        const Cell *c = w->cells + from * w->n_cells;
        size_t n = rows * w->n_cells;
        int r = SQLITE_OK;

        for (size_t i = 0; i < n && r == SQLITE_OK; i++)
                r = bind_cell(w, s, (int) i + 1, c + i);
        if (r == SQLITE_OK)
                r = sqlite3_step(s);
        if (r != SQLITE_DONE) {
                _cleanup_strv_ char **what = NULL;
                int q = strv_extendf(&what, "write table '%s'", w->target->name);

                if (q >= 0)
                        q = database_error(d, r, what[0], reterr_error);
                (void) sqlite3_reset(s);
                return q;
        }
        (void) sqlite3_reset(s);
        return 0;
}

int stream_writer_flush(StreamWriter *w, Database *d, Error **reterr_error) {
        int r = 0;

        if (w->n_rows == 0)
                return 0;
        if (w->n_rows == w->rows_max) {
                r = need_statement(w, d, w->rows_max, &w->many, reterr_error);
                if (r >= 0)
                        r = insert_rows(w, d, w->many, 0, w->rows_max, reterr_error);
        } else {
                r = need_statement(w, d, 1, &w->one, reterr_error);
                for (unsigned k = 0; k < w->n_rows && r >= 0; k++)
                        r = insert_rows(w, d, w->one, k, 1, reterr_error);
        }
        w->n_rows = 0;
        /* One huge row must not keep its memory for the rest of the sync. */
        if (w->arena.allocated > 4 * ARENA_MAX)
                buffer_done(&w->arena);
        else
                buffer_reset(&w->arena);
        return r;
}

void stream_writer_release(StreamWriter *w) {
        assert(w->n_rows == 0);
        sqlite3_finalize(TAKE_PTR(w->many));
        sqlite3_finalize(TAKE_PTR(w->one));
        free(TAKE_PTR(w->cells));
        buffer_done(&w->arena);
}

int stream_writer_settle(StreamWriter *w, Database *d, Error **reterr_error) {
        int r;

        if (!w->sweep)
                return 0;
        r = table_key_sweep(d, w->target, &w->key, reterr_error);
        if (r >= 0)
                w->sweep = false;
        return r;
}

/* --- the end --- */

int stream_writer_finish(StreamWriter *w, Database *d, Error **reterr_error) {
        int r;

        if (w->target != w->tables.new)
                return 0;
        stream_writer_release(w);
        /* Whatever has the name, a table that the registry lost sight of included. */
        if (w->tables.final) {
                r = table_drop(d, w->tables.final, reterr_error);
                w->tables.final = table_free(w->tables.final);
                if (r < 0)
                        return r;
        }
        r = table_rename(d, w->tables.new, w->tables.table_name, reterr_error);
        if (r < 0)
                return r;
        w->tables.final = TAKE_PTR(w->tables.new);
        w->tables.has_generation = w->tables.new_has_generation;
        w->tables.generation_id = w->tables.new_generation_id;
        w->target = w->tables.final;
        return registry_store(d, &w->tables, reterr_error);
}
