/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A row as a record. For CSV the keys are made once, and the room that a row can need at most is reserved
 * before it is written, so that nothing is checked on the way. Values go out as the type of their column
 * says; one that doesn't fit is emitted as the text that it is, counted, and reported at the end of the
 * file. Losing it would be worse, and failing would stop a million good rows for one. */

#include "basic/json-write.h"
#include "basic/time-util.h"
#include "connectors/source-file/infer.h"
#include "connectors/source-file/record-writer.h"

/* With the envelope it must stay below what the platform takes in one line. */
#define RECORD_BYTES_MAX 20000000U

int record_writer_init(RecordWriter *w, const FileConfig *config, EmitterStream *stream,
                       const Columns *columns,
                       const FileEntry *entry) {
        char modified[RFC3339_MAX];
        int r;

        *w = (RecordWriter) { .config = config, .stream = stream, .columns = columns };
        if (config->add_file_columns) {
                r = buffer_appendf(&w->suffix,
                                   "\"" COLUMN_FILE_MODIFIED "\":\"%s\",\"" COLUMN_FILE_URL "\":",
                                   format_rfc3339((usec_t) MAX(entry->modified, (int64_t) 0), modified));
                if (r >= 0)
                        r = json_write_cstring(&w->suffix, entry->url);
                if (r < 0)
                        return r;
        }
        return buffer_append_char(&w->suffix, '}');
}

void record_writer_done(RecordWriter *w) {
        buffer_done(&w->suffix);
        buffer_done(&w->scratch);
        free(w->map);
        strv_free(w->prefixes);
        *w = (RecordWriter) {};
}

static int make_map(RecordWriter *w, const RowReader *r) {
        int q;

        w->map = reallocarray(NULL, r->n_names + 1, sizeof(size_t));
        w->prefixes = calloc(r->n_names + 1, sizeof(char *));
        if (!w->map || !w->prefixes)
                return -ENOMEM;
        w->fixed_room = w->suffix.len + 16;
        for (w->n_map = 0; w->n_map < r->n_names; w->n_map++) {
                const char *name = r->names[w->n_map];
                ssize_t i = columns_find(w->columns, name, strlen(name));
                Buffer b = {};

                w->map[w->n_map] = i >= 0 ? (size_t) i : SIZE_MAX;
                q = json_write_cstring(&b, name);
                if (q >= 0)
                        q = buffer_append_char(&b, ':');
                w->fixed_room += b.len + VALUE_TEXT_MAX(0) + 1;
                w->prefixes[w->n_map] = buffer_steal_string(&b);
                if (q < 0 || !w->prefixes[w->n_map])
                        return -ENOMEM;
        }
        return 0;
}

static char *put(char *to, const void *p, size_t n) {
        memcpy(to, p, n);
        return to + n;
}

static char *put_string(char *to, const char *s) {
        while (*s)
                *to++ = *s++;
        return to;
}

/* The first of each kind is remembered with its place. */
static void note_problems(RecordWriter *w, uint64_t line, bool fits, bool valid, size_t column) {
        if (!fits && w->n_misfits++ == 0) {
                w->first_misfit = line;
                w->misfit_column = column;
        }
        if (!valid && w->n_replaced++ == 0)
                w->first_replaced = line;
}

/* `to` has the room: see record_writer_write(). */
static char *write_cells(RecordWriter *w, const RowReader *r, char *to) {
        bool valid = true;

        for (size_t i = 0; i < r->csv.n_cells; i++) {
                const CsvCell *cell = &r->csv.cells[i];
                ColumnType type = w->map[i] == SIZE_MAX ? COLUMN_STRING : w->columns->items[w->map[i]].type;
                bool fits = true;

                to = put_string(to, w->prefixes[i]);
                if (cell_is_null(w->config, cell))
                        to = put(to, "null", 4);
                else
                        to = value_write_text(to, type, cell->p, cell->n, &fits, &valid);
                *to++ = ',';
                if (_unlikely_(!fits))
                        note_problems(w, r->line, false, true, w->map[i]);
        }
        if (_unlikely_(!valid))
                note_problems(w, r->line, true, false, 0);
        return to;
}

/* Space outside of strings goes, so that a value of many lines becomes one. */
static char *write_minified(char *to, JsonSlice v) {
        const char *p = v.p, *end = v.p + v.n;

        while (p < end) {
                if (*p == '"') {
                        const char *behind = json_skip_string(p, end) ?: end;

                        to = put(to, p, (size_t) (behind - p));
                        p = behind;
                } else if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
                        p++;
                else
                        *to++ = *p++;
        }
        return to;
}

/* Whether a JSON value may stand in a column of that type as it is. */
static bool value_fits(ColumnType type, JsonType value, ValueKind kind) {
        switch (type) {
        case COLUMN_STRING:
                return value == JSON_STRING;
        case COLUMN_BOOLEAN:
                return value == JSON_BOOLEAN;
        case COLUMN_INTEGER:
                return kind == KIND_INTEGER;
        case COLUMN_NUMBER:
                return kind == KIND_INTEGER || kind == KIND_NUMBER;
        case COLUMN_DATE:
                return kind == KIND_DATE;
        case COLUMN_TIMESTAMP:
                return kind == KIND_TIMESTAMP;
        case COLUMN_TIMESTAMP_TZ:
                return kind == KIND_TIMESTAMP_TZ;
        case COLUMN_ARRAY:
                return value == JSON_ARRAY;
        case COLUMN_OBJECT:
                return value == JSON_OBJECT;
        case COLUMN_ANY:
                return true;
        default: /* big numbers are strings */
                return value == JSON_STRING;
        }
}

/* Whether writing the value as the text that it is makes it one of the column's own. */
static bool text_fits(ColumnType type, ValueKind kind) {
        return type == COLUMN_STRING || (type == COLUMN_BIG_INTEGER && kind <= KIND_BIG_INTEGER) ||
               (type == COLUMN_BIG_NUMBER && kind <= KIND_BIG_NUMBER);
}

static bool type_needs_kind(ColumnType type) {
        return type != COLUMN_STRING && type != COLUMN_BOOLEAN && type != COLUMN_ARRAY &&
                type != COLUMN_OBJECT &&
               type != COLUMN_ANY;
}

static char *write_value(RecordWriter *w, char *to, ColumnType type, JsonSlice value, bool *ret_fits) {
        JsonType json_type = json_slice_type(value);
        ValueKind kind = type_needs_kind(type) ? json_value_kind(value) : KIND_STRING;
        bool valid = true;
        char *text;

        if (json_type == JSON_NULL)
                return put(to, "null", 4);
        if (value_fits(type, json_type, kind))
                return json_type == JSON_ARRAY || json_type == JSON_OBJECT ? write_minified(to, value) :
                                                                           put(to, value.p, value.n);
        *ret_fits &= text_fits(type, kind);
        if (json_type == JSON_STRING)
                return put(to, value.p, value.n);
        /* The text of the value, in quotes. */
        buffer_reset(&w->scratch);
        text = buffer_reserve(&w->scratch, value.n);
        if (!text)
                return NULL;
        return value_write_string(to, text, (size_t) (write_minified(text, value) - text), &valid);
}

/* Keys are passed on as they are spelled; a member that the schema does not know keeps its JSON. */
static char *write_members(RecordWriter *w, const RowReader *r, char *to) {
        JsonSlice key, value;
        size_t hint = 0;
        JsonIter it;

        if (json_iter_object(&it, r->json) < 0)
                return to;
        while (json_iter_member(&it, &key, &value) > 0) {
                ssize_t i = json_key_column(w->columns, key, hint);
                ColumnType type = i >= 0 ? w->columns->items[i].type : COLUMN_ANY;
                bool fits = true;

                *to++ = '"';
                to = put(to, key.p, key.n);
                to = put(to, "\":", 2);
                to = write_value(w, to, type, value, &fits);
                if (!to)
                        return NULL;
                *to++ = ',';
                if (_unlikely_(!fits))
                        note_problems(w, r->line, false, true, (size_t) i);
                hint = i >= 0 ? (size_t) i + 1 : hint;
        }
        return to;
}

int record_writer_write(RecordWriter *w, const RowReader *r) {
        Buffer *b;
        char *to, *start;
        size_t room;
        int q;

        if (!r->is_json && !w->map) {
                q = make_map(w, r);
                if (q < 0)
                        return q;
        }
        b = emitter_record_begin(w->stream);
        if (!b)
                return -ENOMEM;
        room = r->is_json ? r->json.n : r->csv.row_bytes;
        start = to = buffer_reserve(b, VALUE_TEXT_MAX(room) + w->fixed_room + w->suffix.len);
        if (to) {
                *to++ = '{';
                to = r->is_json ? write_members(w, r, to) : write_cells(w, r, to);
        }
        if (!to) {
                emitter_record_cancel(w->stream);
                return -ENOMEM;
        }
        if (to[-1] == ',' && w->suffix.len == 1)
                to--; /* no member of ours follows */
        to = put(to, buffer_bytes(&w->suffix), w->suffix.len);
        if ((size_t) (to - start) > RECORD_BYTES_MAX) {
                emitter_record_cancel(w->stream);
                return -EMSGSIZE;
        }
        buffer_commit(b, (size_t) (to - start));
        w->n_bytes += (uint64_t) (to - start);
        return emitter_record_end(w->stream);
}
