/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of a file, whatever its format. Which one it is comes from the configuration, then from the name,
 * then from the first byte that is no space. Behind this, CSV and JSON differ in how a row is handed on,
 * not in how it is asked for. */

#include <stdio.h>

#include "connectors/source-file/columns.h"
#include "connectors/source-file/row-reader.h"

void row_reader_done(RowReader *r) {
        csv_reader_done(&r->csv);
        window_done(&r->window);
        file_input_free(r->input);
        strv_free(r->array_key);
        strv_free(r->names);
        free(r->url);
        *r = (RowReader) {};
}

/* The extension before one of compression, and before the query of a URL. */
static FileFormat format_by_name(const char *url) {
        static const struct {
                const char *suffix;
                FileFormat format;
        } table[] = {
                { ".csv", FILE_FORMAT_CSV },     { ".tsv", FILE_FORMAT_TSV },
                             { ".tab", FILE_FORMAT_TSV },
                { ".json", FILE_FORMAT_JSON },   { ".geojson", FILE_FORMAT_JSON },
                        { ".jsonl", FILE_FORMAT_JSONL },
                { ".ndjson", FILE_FORMAT_JSONL },
        };
        size_t n = strcspn(url, "?#");

        if (n > 3 && strncasecmp(url + n - 3, ".gz", 3) == 0)
                n -= 3;
        else if (n > 4 && strncasecmp(url + n - 4, ".zst", 4) == 0)
                n -= 4;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                size_t k = strlen(table[i].suffix);

                if (n > k && strncasecmp(url + n - k, table[i].suffix, k) == 0)
                        return table[i].format;
        }
        return FILE_FORMAT_AUTO;
}

/* No name says it: a text that starts like JSON is JSON (objects one after the other are read too), else
 * it is CSV. */
static int format_by_content(Window *w, FileFormat *ret, Error **reterr_error) {
        const char *p = NULL;
        int q = 1;

        while (q > 0) {
                q = window_fill(w, reterr_error);
                if (q < 0)
                        return q;
                if (w->buffer.len == 0)
                        break;
                p = json_skip_space(window_start(w), window_end(w));
                if (p < window_end(w) || w->buffer.len > ROW_BYTES_MAX)
                        break;
        }
        *ret = p && p < window_end(w) && (*p == '{' || *p == '[') ? FILE_FORMAT_JSON : FILE_FORMAT_CSV;
        return 0;
}

/* Where the rows of a JSON file lie is known only when all of it has been seen once. */
static int find_array(RowReader *r, FileEntry *entry, Error **reterr_error) {
        _cleanup_(file_input_freep) FileInput *input = NULL;
        _cleanup_(window_done) Window window = {};
        char *key = NULL;
        int q;

        q = file_input_open(r->config, entry, NULL, &input, reterr_error);
        if (q < 0)
                return q;
        window_init(&window, file_input_read, input);
        q = json_find_array(&window, &key, reterr_error);
        if (q < 0)
                return error_prefix(reterr_error, q, "'%s'", r->url);
        return key ? strv_consume(&r->array_key, key) : 0;
}

static int start_json(RowReader *r, FileEntry *entry, bool by_line, Error **reterr_error) {
        char **pointer = r->config->json_pointer;
        int q;

        r->is_json = true;
        if (!by_line && !r->config->has_json_pointer) {
                q = find_array(r, entry, reterr_error);
                if (q < 0)
                        return q;
                pointer = r->array_key;
        }
        json_reader_init(&r->json_reader, &r->window, by_line, pointer);
        return 1;
}

/* Names that the person gave stand for the header's. */
static int name_columns(RowReader *r) {
        size_t n = strv_length(r->config->column_names);
        int q;

        if (n > 0) {
                _cleanup_free_ CsvCell *cells = calloc(n, sizeof(CsvCell));

                if (!cells)
                        return -ENOMEM;
                for (size_t i = 0; i < n; i++)
                        cells[i] = (CsvCell) { .p = r->config->column_names[i],
                                               .n = strlen(r->config->column_names[i]) };
                q = header_names(cells, n, r->config->add_file_columns, &r->names);
        } else
                q = header_names(r->csv.cells, r->csv.n_cells, r->config->add_file_columns, &r->names);
        if (q < 0)
                return q;
        r->n_names = strv_length(r->names);
        return 1;
}

static int start_csv(RowReader *r, bool tabs, Error **reterr_error) {
        CsvDialect dialect = r->config->dialect;
        int q;

        if (tabs && !dialect.delimiter)
                dialect.delimiter = '\t';
        csv_reader_init(&r->csv, &r->window, &dialect);
        q = csv_reader_skip_lines(&r->csv, r->config->skip_rows, reterr_error);
        if (q < 0)
                return q;
        if (!r->config->has_header)
                return r->config->column_names ? name_columns(r) : 1;
        q = csv_reader_next(&r->csv, reterr_error);
        if (q == -EBADMSG)
                return error_set(reterr_error, -EINVAL, "'%s': line %llu should be the header, but %s",
                                 r->url,
                                 (unsigned long long) r->csv.line, r->csv.problem);
        if (q <= 0)
                return q < 0 ? q : 1;
        return name_columns(r);
}

static int reader_start(RowReader *r, FileEntry *entry, Error **reterr_error) {
        FileFormat format = r->config->format;
        int q;

        if (format == FILE_FORMAT_AUTO)
                format = format_by_name(entry->url);
        if (format == FILE_FORMAT_AUTO) {
                q = format_by_content(&r->window, &format, reterr_error);
                if (q < 0)
                        return q;
        }
        switch (format) {
        case FILE_FORMAT_JSON:
        case FILE_FORMAT_JSONL:
                return start_json(r, entry, format == FILE_FORMAT_JSONL, reterr_error);
        default:
                return start_csv(r, format == FILE_FORMAT_TSV, reterr_error);
        }
}

int row_reader_open(const FileConfig *config, FileEntry *entry, const FileValidators *unless, RowReader *ret,
                    Error **reterr_error) {
        int q;

        /* Built in place: the readers keep the window's address. */
        *ret = (RowReader) { .config = config, .url = strdup(entry->url) };
        if (!ret->url)
                return -ENOMEM;
        q = file_input_open(config, entry, unless, &ret->input, reterr_error);
        if (q > 0) {
                window_init(&ret->window, file_input_read, ret->input);
                q = reader_start(ret, entry, reterr_error);
        }
        if (q <= 0)
                row_reader_done(ret);
        return q;
}

/* Copied, since the text of the reader is overwritten by the next row. */
static int bad_row(RowReader *r, uint64_t line, const char *problem) {
        r->line = line;
        (void) snprintf(r->problem, sizeof(r->problem), "%s", problem);
        return -EBADMSG;
}

/* Names for a file without any. */
static int number_columns(RowReader *r) {
        r->names = calloc(r->csv.n_cells + 1, sizeof(char *));
        if (!r->names)
                return -ENOMEM;
        for (r->n_names = 0; r->n_names < r->csv.n_cells; r->n_names++)
                if (asprintf(&r->names[r->n_names], "column_%zu", r->n_names + 1) < 0) {
                        r->names[r->n_names] = NULL;
                        return -ENOMEM;
                }
        return 0;
}

static int next_csv(RowReader *r, Error **reterr_error) {
        int q;

        q = csv_reader_next(&r->csv, reterr_error);
        if (q == -EBADMSG)
                return bad_row(r, r->csv.line, r->csv.problem);
        if (q <= 0)
                return q;
        r->line = r->csv.line;
        if (!r->names) { /* no header: the first row tells how many columns there are */
                q = number_columns(r);
                if (q < 0)
                        return q;
        }
        /* A row cut short loses nothing: what isn't there is null. A cell without a column would be lost. */
        if (r->csv.n_cells < r->n_names && r->n_short++ == 0)
                r->first_short = r->line;
        if (r->csv.n_cells > r->n_names) {
                (void) snprintf(r->problem, sizeof(r->problem), "it has %zu cells, there are %zu columns",
                                r->csv.n_cells,
                                r->n_names);
                return -EBADMSG;
        }
        return 1;
}

int row_reader_next(RowReader *r, Error **reterr_error) {
        int q;

        if (!r->is_json)
                return next_csv(r, reterr_error);
        q = json_reader_next(&r->json_reader, &r->json, reterr_error);
        if (q == -EBADMSG)
                return bad_row(r, r->json_reader.line, r->json_reader.problem);
        r->line = r->json_reader.line;
        if (q == -EINVAL)
                return error_prefix(reterr_error, q, "'%s'", r->url);
        return q;
}
