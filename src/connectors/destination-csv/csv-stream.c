/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records of one stream as lines of a CSV file. The header is the file's and only grows: columns keep
 * their place, new ones are added behind them, and those that a schema lost stay, empty. When a column
 * comes to a file that is there, its old records are padded once, in a rewrite that is atomic, since a
 * file whose lines have different lengths is no table for most readers.
 *
 * A record is gathered cell by cell into an arena before a byte of it is written: its members come in the
 * order of the record, the file wants that of the header.
 *
 * Cells are places in the arena and not pointers, since the arena moves while it grows. An unfinished
 * file of an earlier refresh is joined by names, because its columns may have come in another order. */

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "basic/fd-util.h"
#include "connectors/destination-csv/csv-stream.h"

#define WRITE_CHUNK (128U * 1024U)

static const char *const meta_columns[4] = { COLUMN_RAW_ID, COLUMN_EXTRACTED_AT, COLUMN_META, COLUMN_GENERATION_ID };

int csv_stream_init(CsvStream *s, const AirbyteStream *stream, bool neutralize, Error **reterr_error) {
        int r;

        s->neutralize = neutralize;
        r = stream_columns_init(&s->columns, stream, reterr_error);
        if (r < 0)
                return r;
        s->column_at = calloc(s->columns.n + 1, sizeof(*s->column_at));
        return s->column_at ? 0 : -ENOMEM;
}

void csv_stream_done(CsvStream *s) {
        stream_columns_done(&s->columns);
        strv_free(s->header);
        free(s->column_at);
        free(s->cells);
        buffer_done(&s->arena);
        buffer_done(&s->scratch);
        *s = (CsvStream) {};
}

/* --- files that are there already --- */

typedef struct Mapping {
        char *p;
        size_t n;
} Mapping;

static void unmap(Mapping *m) {
        if (m->p)
                (void) munmap(m->p, m->n);
}

/* Private: what another program writes to it meanwhile is not seen half way through. */
static int map_file(int fd, uint64_t length, const char *name, Mapping *ret, Error **reterr_error) {
        void *p = mmap(NULL, (size_t) length, PROT_READ, MAP_PRIVATE, fd, 0);

        if (p == MAP_FAILED)
                return error_set_errno(reterr_error, -errno, "Failed to read '%s'", name);
        *ret = (Mapping) { p, (size_t) length };
        return 0;
}

static int read_row(CsvRow *row, const char **p, const char *end, const char *name, Error **reterr_error) {
        int r = csv_row_next(row, p, end);

        return r == -EBADMSG ? connector_fail(reterr_error, FAILURE_CONFIG_ERROR, r,
                                              "'%s' is there and is not CSV: a "
                                              "quote isn't closed", name) : r;
}

/* As they were before quoting. */
static int header_names(const CsvRow *row, char ***ret) {
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < row->n; i++) {
                _cleanup_buffer_ Buffer b = {};
                const char *name;
                int r = csv_field_decode(row->fields[i], &b);

                name = r < 0 ? NULL : buffer_string(&b);
                if (!name || strv_extend(&names, name) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(names);
        return 0;
}

static ssize_t find_name(char *const *names, const char *name) {
        for (size_t i = 0; names && names[i]; i++)
                if (streq(names[i], name))
                        return (ssize_t) i;
        return -ENOENT;
}

/* The name as it stands in the header: what a spreadsheet could take for a formula is neutralized there
 * too. */
static int column_name(const CsvStream *s, const char *field, Buffer *b) {
        bool formula = s->neutralize && *field && strchr("=+-@\t\r", *field);

        buffer_reset(b);
        return buffer_appendf(b, "%s%s", formula ? "'" : "", field);
}

/* Adds to the header what is missing in it, and remembers where each column is. */
static int extend_header(CsvStream *s) {
        for (size_t i = 0; i < 4 + s->columns.n; i++) {
                const char *field = i < 4 ? meta_columns[i] : s->columns.items[i - 4].field, *name;
                ssize_t at;
                int r;

                r = column_name(s, field, &s->scratch);
                name = r < 0 ? NULL : buffer_string(&s->scratch);
                if (!name)
                        return -ENOMEM;
                at = find_name(s->header, name);
                if (at < 0) {
                        at = (ssize_t) strv_length(s->header);
                        r = strv_extend(&s->header, name);
                        if (r < 0)
                                return r;
                }
                if (i < 4)
                        s->meta_at[i] = (size_t) at;
                else
                        s->column_at[i - 4] = (size_t) at;
        }
        return 0;
}

/* Never neutralized here: column_name() has done it, so that names are found again. */
static int append_header(const CsvStream *s, Buffer *b) {
        int r = 0;

        for (size_t i = 0; s->header[i] && r >= 0; i++) {
                if (i > 0)
                        r = buffer_append_char(b, ',');
                if (r >= 0)
                        r = csv_append_field(b, s->header[i], strlen(s->header[i]), false);
        }
        return r < 0 ? r : buffer_append_char(b, '\n');
}

/* A record of `n_header` fields: field i of `row` goes to place[i] (or to i). */
static int append_row(Buffer *b, const CsvRow *row, const size_t *place, size_t n_header) {
        size_t i = 0;
        int r = 0;

        for (size_t column = 0; column < n_header && r >= 0; column++) {
                for (i = place ? 0 : column; place && i < row->n && place[i] != column; i++)
                        ;
                if (column > 0)
                        r = buffer_append_char(b, ',');
                if (r >= 0 && i < row->n)
                        r = buffer_append(b, row->fields[i].p, row->fields[i].n);
        }
        return r < 0 ? r : buffer_append_char(b, '\n');
}

/* The file again, its records padded for the columns that came. */
static int fill_wider(TargetFile *f, int to, void *userdata, Error **reterr_error) {
        _cleanup_(unmap) Mapping m = {};
        _cleanup_(csv_row_done) CsvRow row = {};
        _cleanup_buffer_ Buffer b = {};
        CsvStream *s = userdata;
        const char *p, *end;
        int r;

        r = map_file(f->fd, f->length, f->display, &m, reterr_error);
        if (r < 0)
                return r;
        p = m.p;
        end = m.p + m.n;
        r = read_row(&row, &p, end, f->display, reterr_error);
        if (r >= 0)
                r = append_header(s, &b);
        while (r >= 0) {
                r = read_row(&row, &p, end, f->display, reterr_error);
                if (r > 0)
                        r = append_row(&b, &row, NULL, s->n_header) < 0 ? -ENOMEM : 1;
                if (r < 0)
                        return r;
                if (b.len >= WRITE_CHUNK || r == 0) {
                        int q = write_full(to, buffer_bytes(&b), b.len);

                        if (q < 0)
                                return error_set_errno(reterr_error, q, "Failed to rewrite '%s'",
                                                       f->display);
                        buffer_reset(&b);
                }
                if (r == 0)
                        break;
        }
        return r;
}

static int header_changed(CsvStream *s) {
        free(s->cells);
        s->n_header = strv_length(s->header);
        s->cells = calloc(s->n_header, sizeof(*s->cells));
        return s->cells ? 0 : -ENOMEM;
}

/* Only the first record is looked at; the rest is somebody's data. */
static int read_header(TargetFile *f, CsvStream *s, Error **reterr_error) {
        _cleanup_(unmap) Mapping m = {};
        _cleanup_(csv_row_done) CsvRow row = {};
        const char *p;
        int r;

        r = map_file(f->fd, f->length, f->display, &m, reterr_error);
        if (r < 0)
                return r;
        p = m.p;
        r = read_row(&row, &p, m.p + m.n, f->display, reterr_error);
        return r < 0 ? r : header_names(&row, &s->header);
}

/* Either the file is new and begins with our header, or it has one that ours is added to. */
static int csv_start(TargetFile *f, void *userdata, Error **reterr_error) {
        CsvStream *s = userdata;
        size_t before;
        int r;

        /* A line end that place_at() added must be in the file before it is read. */
        r = target_file_flush(f, reterr_error);
        if (r >= 0 && f->length > 0)
                r = read_header(f, s, reterr_error);
        before = strv_length(s->header);
        if (r >= 0)
                r = extend_header(s);
        if (r >= 0)
                r = header_changed(s);
        if (r < 0)
                return r;
        if (f->length == 0)
                return append_header(s, &f->buffer);
        return s->n_header > before ? target_file_rewrite(f, fill_wider, s, reterr_error) : 0;
}

/* The columns of the unfinished file join those of the file. */
static int join_header(TargetFile *f, CsvStream *s, char *const *names, size_t **ret_place,
                       Error **reterr_error) {
        _cleanup_free_ size_t *place = calloc(strv_length(names) + 1, sizeof(*place));
        size_t before = s->n_header;
        int r = 0;

        if (!place)
                return -ENOMEM;
        for (size_t i = 0; names && names[i] && r >= 0; i++) {
                ssize_t at = find_name(s->header, names[i]);

                place[i] = at >= 0 ? (size_t) at : strv_length(s->header);
                if (at < 0)
                        r = strv_extend(&s->header, names[i]);
        }
        if (r >= 0)
                r = header_changed(s);
        if (r >= 0 && s->n_header > before)
                r = target_file_rewrite(f, fill_wider, s, reterr_error);
        if (r < 0)
                return r;
        *ret_place = TAKE_PTR(place);
        return 0;
}

/* The unfinished file may have other columns in another order; each field finds its place by name. */
static int csv_merge(TargetFile *f, int fd, uint64_t length, void *userdata, Error **reterr_error) {
        _cleanup_(unmap) Mapping m = {};
        _cleanup_(csv_row_done) CsvRow row = {};
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ size_t *place = NULL;
        CsvStream *s = userdata;
        const char *p, *end;
        int r;

        if (length == 0)
                return 0;
        r = target_file_flush(f, reterr_error);
        if (r >= 0)
                r = map_file(fd, length, f->display, &m, reterr_error);
        if (r < 0)
                return r;
        p = m.p;
        end = m.p + m.n;
        r = read_row(&row, &p, end, f->display, reterr_error);
        if (r > 0)
                r = header_names(&row, &names);
        if (r >= 0)
                r = join_header(f, s, names, &place, reterr_error);
        while (r >= 0 && (r = read_row(&row, &p, end, f->display, reterr_error)) > 0) {
                r = append_row(&f->buffer, &row, place, s->n_header);
                if (r >= 0)
                        r = target_file_wrote(f, reterr_error);
        }
        return r;
}

const TargetFormat csv_format = { .extension = ".csv", .start = csv_start, .merge = csv_merge };

/* --- records --- */

/* Nothing is remembered but where it lies: the arena may move while it grows. */
static int put_text(CsvStream *s, size_t at, const char *p, size_t n) {
        size_t start = s->arena.len;
        int r = csv_append_field(&s->arena, p, n, s->neutralize);

        s->cells[at] = (CsvCell) { start, s->arena.len - start };
        return r;
}

/* Numbers and booleans: the token as it is; the sign of a number is no formula. */
static int put_raw(CsvStream *s, size_t at, const char *p, size_t n) {
        s->cells[at] = (CsvCell) { s->arena.len, n };
        return buffer_append(&s->arena, p, n);
}

/* Objects and arrays are stored as their JSON text. */
static int put_value(CsvStream *s, size_t at, JsonSlice value) {
        JsonSlice inner;
        int r;

        switch (json_slice_type(value)) {
        case JSON_NULL:
                s->cells[at] = (CsvCell) {};
                return 0;
        case JSON_STRING:
                inner = json_string_inner(value);
                if (!memchr(inner.p, '\\', inner.n))
                        return put_text(s, at, inner.p, inner.n);
                buffer_reset(&s->scratch);
                r = json_string_decode(inner, &s->scratch);
                return r < 0 ? r : put_text(s, at, buffer_bytes(&s->scratch), s->scratch.len);
        case JSON_OBJECT:
        case JSON_ARRAY:
                return put_text(s, at, value.p, value.n);
        default:
                return put_raw(s, at, value.p, value.n);
        }
}

/* Members that the schema does not name are left out, as in a table. */
static int put_columns(CsvStream *s, JsonSlice data) {
        JsonSlice key, value;
        JsonIter it;
        int r;

        if (s->columns.whole)
                return put_text(s, s->column_at[0], data.p, data.n);
        stream_columns_rewind(&s->columns);
        r = json_iter_object(&it, data);
        while (r >= 0 && (r = json_iter_member(&it, &key, &value)) > 0) {
                ssize_t i = stream_columns_find(&s->columns, key);

                if (i == -ENOENT)
                        continue;
                r = i < 0 ? (int) i : put_value(s, s->column_at[i], value);
        }
        return r;
}

static int put_meta(CsvStream *s, const ConfiguredStream *stream, RecordStamp *stamp,
                    const DestinationRecord *record) {
        JsonSlice time = record_stamp_time(stamp, record->emitted_at);
        char id[RAW_ID_LENGTH], generation[24];
        int r;

        r = record_stamp_id(stamp, id);
        if (r >= 0)
                r = put_raw(s, s->meta_at[0], id, sizeof(id));
        if (r >= 0)
                r = put_raw(s, s->meta_at[1], time.p, time.n);
        buffer_reset(&s->scratch);
        if (r >= 0)
                r = record_meta_append(&s->scratch, stream, record->meta_changes, (JsonSlice) {});
        if (r >= 0)
                r = put_text(s, s->meta_at[2], buffer_bytes(&s->scratch), s->scratch.len);
        if (r < 0 || !stream->has_generation)
                return r;
        (void) snprintf(generation, sizeof(generation), "%" PRIi64, stream->generation_id);
        return put_raw(s, s->meta_at[3], generation, strlen(generation));
}

int csv_stream_write(CsvStream *s, TargetFile *f, RecordStamp *stamp, const DestinationRecord *record) {
        Buffer *b = &f->buffer;
        int r;

        buffer_reset(&s->arena);
        memset(s->cells, 0, s->n_header * sizeof(*s->cells));
        r = put_columns(s, record->data);
        if (r >= 0)
                r = put_meta(s, f->configured, stamp, record);
        for (size_t i = 0; i < s->n_header && r >= 0; i++) {
                if (i > 0)
                        r = buffer_append_char(b, ',');
                if (r >= 0 && s->cells[i].n > 0)
                        r = buffer_append(b, buffer_bytes(&s->arena) + s->cells[i].offset, s->cells[i].n);
        }
        return r < 0 ? r : buffer_append_char(b, '\n');
}
