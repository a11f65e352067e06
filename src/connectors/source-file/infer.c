/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What types the columns of a file have. Every cell is classified and the column keeps the set of kinds
 * that it has seen; the type is the narrowest that holds them all. By default all rows are looked at,
 * since a type that is guessed from the first thousand is wrong in the row that matters. A cell that is
 * once a text makes the column one, and most cells of most files end there. */

#include "connectors/source-file/infer.h"

#define TICK_ROWS 4096U

bool cell_is_null(const FileConfig *config, const CsvCell *cell) {
        if (cell->quoted)
                return false;
        if (cell->n == 0)
                return true;
        STRV_FOREACH(word, config->null_values)
                if (strlen(*word) == cell->n && memcmp(*word, cell->p, cell->n) == 0)
                        return true;
        return false;
}

/* A prefix is `"key":`, and the key in there is escaped as most writers escape it. */
static bool prefix_is_key(const Column *c, JsonSlice key) {
        return c->n_prefix == key.n + 3 && memcmp(c->prefix + 1, key.p, key.n) == 0;
}

ssize_t json_key_column(const Columns *columns, JsonSlice key, size_t hint) {
        _cleanup_buffer_ Buffer decoded = {};

        if (hint < columns->n && prefix_is_key(&columns->items[hint], key))
                return (ssize_t) hint;
        if (!memchr(key.p, '\\', key.n))
                return columns_find(columns, key.p, key.n);
        if (json_string_decode(key, &decoded) < 0)
                return -ENOENT;
        return columns_find(columns, buffer_bytes(&decoded), decoded.len);
}

/* A string of JSON is a time only in the form that we would write: in a column of times, strings are
 * passed on as they are. */
static ValueKind string_kind(JsonSlice inner) {
        char canonical[VALUE_TEXT_MAX(40)], *end;
        bool fits = true, valid = true;
        ValueKind kind;

        if (inner.n < 10 || inner.n > 40 || inner.p[4] != '-')
                return KIND_STRING;
        kind = text_classify(inner.p, inner.n);
        if (kind == KIND_DATE)
                return kind;
        if (kind != KIND_TIMESTAMP && kind != KIND_TIMESTAMP_TZ)
                return KIND_STRING;
        end = value_write_text(canonical, kind == KIND_TIMESTAMP ? COLUMN_TIMESTAMP : COLUMN_TIMESTAMP_TZ,
                               inner.p,
                               inner.n, &fits, &valid);
        if ((size_t) (end - canonical) != inner.n + 2 || memcmp(canonical + 1, inner.p, inner.n) != 0)
                return KIND_STRING;
        return kind;
}

ValueKind json_value_kind(JsonSlice value) {
        switch (json_slice_type(value)) {
        case JSON_NULL:
                return KIND_NULL;
        case JSON_BOOLEAN:
                return KIND_BOOLEAN;
        case JSON_NUMBER:
                return text_classify(value.p, value.n);
        case JSON_STRING:
                return string_kind(json_string_inner(value));
        case JSON_ARRAY:
                return KIND_ARRAY;
        default:
                return KIND_OBJECT;
        }
}

/* New members become new columns, wherever they first come. */
static int infer_object(Columns *columns, JsonSlice object) {
        JsonSlice key, value;
        size_t hint = 0, k;
        JsonIter it;
        int r;

        r = json_iter_object(&it, object);
        if (r < 0)
                return r;
        while ((r = json_iter_member(&it, &key, &value)) > 0) {
                ssize_t i = json_key_column(columns, key, hint);

                if (i < 0) {
                        _cleanup_buffer_ Buffer name = {};

                        r = json_string_decode(key, &name);
                        if (r >= 0)
                                r = columns_add(columns, buffer_bytes(&name) ?: "", name.len, &k);
                        if (r < 0)
                                return r;
                        i = (ssize_t) k;
                }
                columns->items[i].kinds |= 1U << json_value_kind(value);
                hint = (size_t) i + 1;
        }
        return r;
}

static void infer_cells(const FileConfig *config, const CsvReader *csv, Columns *columns,
                        const size_t *map) {
        for (size_t i = 0; i < csv->n_cells; i++) {
                const CsvCell *cell = &csv->cells[i];
                Column *c = &columns->items[map[i]];

                /* Once a text, always a text: most cells of most files are done here. */
                if ((c->kinds & 1U << KIND_STRING) || cell_is_null(config, cell))
                        continue;
                c->kinds |= 1U << text_classify(cell->p, cell->n);
        }
}

/* From the cells of this file to the columns of the stream, which other files may have begun. */
static int map_columns(RowReader *r, Columns *columns, size_t **ret) {
        size_t *map = reallocarray(NULL, r->n_names + 1, sizeof(size_t));
        int q;

        if (!map)
                return -ENOMEM;
        for (size_t i = 0; i < r->n_names; i++) {
                q = columns_add(columns, r->names[i], strlen(r->names[i]), &map[i]);
                if (q < 0) {
                        free(map);
                        return q;
                }
        }
        *ret = map;
        return 0;
}

static int too_many_columns(int q, Error **reterr_error) {
        return q == -E2BIG ? error_set(reterr_error, q, "The data has more than %u different columns",
                                       COLUMNS_MAX) : q;
}

int infer_rows(RowReader *r, Columns *columns, InferTick tick, void *userdata, Error **reterr_error) {
        _cleanup_free_ size_t *map = NULL;
        uint64_t n = 0;
        int q;

        if (r->names) { /* a header alone has columns too */
                q = map_columns(r, columns, &map);
                if (q < 0)
                        return too_many_columns(q, reterr_error);
        }
        while (r->config->infer_rows == 0 || n < r->config->infer_rows) {
                q = row_reader_next(r, reterr_error);
                if (q == 0)
                        break;
                if (q < 0 && q != -EBADMSG)
                        return q;
                if (++n % TICK_ROWS == 0 && tick && tick(userdata) < 0)
                        return -ECANCELED;
                if (q == -EBADMSG)
                        continue;
                if (r->is_json) {
                        q = infer_object(columns, r->json);
                        if (q < 0)
                                return too_many_columns(q, reterr_error);
                        continue;
                }
                if (!map) {
                        q = map_columns(r, columns, &map);
                        if (q < 0)
                                return too_many_columns(q, reterr_error);
                }
                infer_cells(r->config, &r->csv, columns, map);
        }
        return 0;
}

int columns_apply_config(Columns *columns, const FileConfig *config) {
        size_t i, k = 0;
        int r;

        STRV_FOREACH(name, config->typed_columns) {
                r = columns_add(columns, *name, strlen(*name), &i);
                if (r < 0)
                        return r;
                columns->items[i].type = config->column_types[k++];
                columns->items[i].type_is_set = true;
        }
        return 0;
}
