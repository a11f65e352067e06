/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CSV as it is found, which is wider than RFC 4180: any delimiter and quote, backslash escapes, CR or CR
 * LF or LF, quotes that are no quotes because they stand in the middle of a cell. Cells are slices of the
 * window, so that a row costs no allocation; escapes are taken out in place, once the whole row has been
 * seen.
 *
 * A row that is broken ends at the next line end. After a quote that was left open that may be the wrong
 * place, but every other guess loses more. */

#include "connectors/source-file/csv-reader.h"

/* How much of the start of a file is looked at to find out its line ends and its delimiter. */
#define SNIFF_BYTES (64U * 1024U)
#define SNIFF_LINES 20U

void csv_reader_init(CsvReader *r, Window *window, const CsvDialect *dialect) {
        *r = (CsvReader) { .window = window, .dialect = *dialect };
}

void csv_reader_done(CsvReader *r) {
        free(r->cells);
        r->cells = NULL;
}

/* Occurrences of `delimiter` outside quotes in each of the first lines: the count that all lines share,
 * else 0. */
static size_t sniff_count(const CsvReader *r, const char *p, const char *end, char delimiter) {
        size_t count = 0, first = 0, n_lines = 0;
        bool quoted = false;

        for (; p < end && n_lines < SNIFF_LINES; p++) {
                if (r->dialect.quote && *p == r->dialect.quote)
                        quoted = !quoted;
                else if (quoted)
                        continue;
                else if (*p == delimiter)
                        count++;
                else if (*p == '\n' || (r->cr_ends_line && *p == '\r')) {
                        if (n_lines++ == 0)
                                first = count;
                        else if (count != first)
                                return 0;
                        count = 0;
                }
        }
        return n_lines > 0 ? first : count;
}

/* The one that all of the first lines agree on, with the most columns. */
static char sniff_delimiter(const CsvReader *r, const char *p, const char *end) {
        static const char candidates[] = { ',', ';', '\t', '|' };
        size_t best = 0, n;
        char found = ',';

        for (size_t i = 0; i < sizeof(candidates); i++) {
                n = sniff_count(r, p, end, candidates[i]);
                if (n > best) {
                        best = n;
                        found = candidates[i];
                }
        }
        return found;
}

/* Looks at the beginning of the file once, for its line ends and, unless it is configured, its delimiter.
 */
static int csv_start(CsvReader *r, Error **reterr_error) {
        const char *p, *end;
        int q;

        if (r->started)
                return 0;
        while (r->window->buffer.len < SNIFF_BYTES) {
                q = window_fill(r->window, reterr_error);
                if (q < 0)
                        return q;
                if (q == 0)
                        break;
        }
        r->started = true;
        if (r->window->buffer.len == 0)
                return 0;
        p = window_start(r->window);
        end = p + MIN(r->window->buffer.len, (size_t) SNIFF_BYTES);
        r->cr_ends_line = memchr(p, '\r', (size_t) (end - p)) && !memchr(p, '\n', (size_t) (end - p));
        if (!r->dialect.delimiter)
                r->dialect.delimiter = sniff_delimiter(r, p, end);
        return 0;
}

/* Cells of the row before are overwritten. */
static int add_cell(CsvReader *r, char *p, size_t n, bool quoted) {
        if (r->n_cells == r->n_allocated) {
                size_t want = MAX(r->n_allocated * 2, (size_t) 64);
                CsvCell *more;

                if (r->n_cells > CSV_COLUMNS_MAX)
                        return -E2BIG;
                more = reallocarray(r->cells, want, sizeof(CsvCell));
                if (!more)
                        return -ENOMEM;
                r->cells = more;
                r->n_allocated = want;
        }
        r->has_quotes |= quoted;
        r->cells[r->n_cells++] = (CsvCell) { .p = p, .n = n, .quoted = quoted };
        return 0;
}

/* The closing quote of a cell whose text starts at `p`; NULL when it isn't in the window. Sets
 * *ret_escapes when the text holds escapes. */
static char *find_closing_quote(const CsvReader *r, char *p, char *end, bool *ret_escapes) {
        char quote = r->dialect.quote, escape = r->dialect.escape;

        *ret_escapes = false;
        while (p < end) {
                p = escape ? find_either(p, end, escape, quote) : memchr(p, quote, (size_t) (end - p));
                if (!p || p == end)
                        return NULL;
                if (escape && *p == escape && escape != quote) {
                        *ret_escapes = true;
                        p += 2;
                        continue;
                }
                if (p + 1 < end && p[1] == quote && (!escape || escape == quote)) {
                        *ret_escapes = true;
                        p += 2;
                        continue;
                }
                return p;
        }
        return NULL;
}

/* Marks a cell that holds escapes by a length with this bit until the whole row has been seen: a row that
 * has to be looked at again with more bytes must find its text unchanged. */
#define CELL_ESCAPED (SIZE_MAX / 2 + 1)

/* The text only becomes shorter, so it stays where it is. */
static void unescape_cell(const CsvReader *r, CsvCell *cell) {
        char escape = r->dialect.escape ?: r->dialect.quote, *from = cell->p, *to = cell->p, *end;

        cell->n &= ~CELL_ESCAPED;
        end = cell->p + cell->n;
        while (from < end) {
                if (*from == escape && from + 1 < end)
                        from++;
                *to++ = *from++;
        }
        cell->n = (size_t) (to - cell->p);
}

typedef enum RowResult {
        ROW_INCOMPLETE, /* the window ends inside the row */
        ROW_COMPLETE,
        ROW_BROKEN, /* r->problem says why; *ret_behind is where to look for the next line end */
} RowResult;

/* One quoted cell from its opening quote on. ROW_COMPLETE: *p is behind the closing quote, at a
 * delimiter, line end or the end. */
static int read_quoted(CsvReader *r, char **p, char *end, char newline) {
        char *text = *p + 1, *close;
        bool escapes;
        int q;

        close = find_closing_quote(r, text, end, &escapes);
        if (!close)
                return ROW_INCOMPLETE;
        *p = close + 1;
        if (*p == end && !r->window->at_end)
                return ROW_INCOMPLETE; /* the next byte may be another quote */
        if (*p < end && **p == '\r' && newline == '\n') {
                if (*p + 1 == end && !r->window->at_end)
                        return ROW_INCOMPLETE;
                (*p)++;
        }
        if (*p < end && **p != r->dialect.delimiter && **p != newline) {
                r->problem = "there is text behind a closing quote";
                return ROW_BROKEN;
        }
        q = add_cell(r, text, (size_t) (close - text) | (escapes ? CELL_ESCAPED : 0), true);
        return q < 0 ? q : ROW_COMPLETE;
}

/* Only looks: with more bytes in the window the same row is read again from its start. */
static int read_row(CsvReader *r, char *start, char *end, char **ret_behind) {
        char delimiter = r->dialect.delimiter, quote = r->dialect.quote;
        char newline = r->cr_ends_line ? '\r' : '\n';
        char *p = start;
        int q;

        r->n_cells = 0;
        r->has_quotes = false;
        for (;;) {
                if (p < end && quote && *p == quote) {
                        q = read_quoted(r, &p, end, newline);
                        if (q != ROW_COMPLETE) {
                                *ret_behind = p;
                                return q;
                        }
                } else {
                        /* Quotes in here are plain text: a cell is quoted only from its first byte on. */
                        char *stop = find_either(p, end, delimiter, newline);
                        size_t n = (size_t) (stop - p);

                        if (stop == end && !r->window->at_end)
                                return ROW_INCOMPLETE;
                        if (n > 0 && newline == '\n' && stop[-1] == '\r' &&
                            (stop == end || *stop == newline))
                                n--;
                        q = add_cell(r, p, n, false);
                        if (q < 0)
                                return q;
                        p = stop;
                }
                if (p >= end || *p == newline)
                        break;
                p++; /* the delimiter */
        }
        *ret_behind = p < end ? p + 1 : p;
        return ROW_COMPLETE;
}

/* Sets up the drop of everything up to and with the first line end at or behind `p`, reading on as
 * needed: without keeping it, for the line may be endless. */
static int skip_line(CsvReader *r, size_t offset, Error **reterr_error) {
        char newline = r->cr_ends_line ? '\r' : '\n';

        for (;;) {
                Window *w = r->window;
                char *p = window_start(w) + offset, *hit = NULL;
                int q;

                if (w->buffer.len > offset)
                        hit = memchr(p, newline, w->buffer.len - offset);
                if (hit) {
                        r->row_bytes = (size_t) (hit + 1 - window_start(w));
                        r->row_lines = r->cr_ends_line ? 1 : count_newlines(window_start(w), hit + 1);
                        return 0;
                }
                if (w->buffer.len > 0)
                        window_drop(w, w->buffer.len, count_newlines(window_start(w), window_end(w)));
                offset = 0;
                r->row_bytes = r->row_lines = 0;
                q = window_fill(w, reterr_error);
                if (q <= 0)
                        return q;
        }
}

static int broken_row(CsvReader *r, size_t offset, const char *problem, Error **reterr_error) {
        int q;

        q = skip_line(r, offset, reterr_error);
        if (q < 0)
                return q;
        r->problem = problem;
        return -EBADMSG;
}

/* The whole row is there: its line ends are counted (only quoted cells hold any), then escapes are taken
 * out in place. */
static void finish_row(CsvReader *r, char *behind) {
        char *start = window_start(r->window);

        r->row_bytes = (size_t) (behind - start);
        r->row_lines = 1;
        if (!r->has_quotes)
                return;
        if (!r->cr_ends_line)
                r->row_lines = count_newlines(start, behind);
        for (size_t i = 0; i < r->n_cells; i++)
                if (r->cells[i].n & CELL_ESCAPED)
                        unescape_cell(r, &r->cells[i]);
}

/* An empty line, not a row of one null: no writer of CSV means that. */
static bool row_is_blank(const CsvReader *r) {
        return r->n_cells == 1 && r->cells[0].n == 0 && !r->cells[0].quoted;
}

/* One row, read on until it is whole. 1, 0 at the end, -EBADMSG. */
static int next_row(CsvReader *r, Error **reterr_error) {
        Window *w = r->window;
        char *behind = NULL;
        int q;

        for (;;) {
                if (w->buffer.len == 0 && w->at_end)
                        return 0;
                q = ROW_INCOMPLETE;
                if (w->buffer.len > 0)
                        q = read_row(r, window_start(w), window_end(w), &behind);
                if (q != ROW_INCOMPLETE)
                        break;
                if (w->at_end)
                        return broken_row(r, 0, "a quote is never closed", reterr_error);
                if (w->buffer.len > ROW_BYTES_MAX)
                        return broken_row(r, 0, "the row is longer than 8 MiB; is a quote never closed?",
                                          reterr_error);
                q = window_fill(w, reterr_error);
                if (q < 0)
                        return q;
        }
        if (q == -E2BIG)
                return broken_row(r, 0, "the row has more than 65,536 cells", reterr_error);
        if (q < 0)
                return q;
        if (q == ROW_BROKEN)
                return broken_row(r, (size_t) (behind - window_start(w)), r->problem, reterr_error);
        finish_row(r, behind);
        return 1;
}

int csv_reader_next(CsvReader *r, Error **reterr_error) {
        int q;

        q = csv_start(r, reterr_error);
        if (q < 0)
                return q;
        do {
                window_drop(r->window, r->row_bytes, r->row_lines);
                r->row_bytes = r->row_lines = 0;
                r->line = r->window->line;
                q = next_row(r, reterr_error);
        } while (q > 0 && row_is_blank(r));
        return q;
}

int csv_reader_skip_lines(CsvReader *r, uint64_t n, Error **reterr_error) {
        int q;

        q = csv_start(r, reterr_error);
        while (q >= 0 && n-- > 0) {
                q = skip_line(r, 0, reterr_error);
                if (q >= 0) {
                        window_drop(r->window, r->row_bytes, r->row_lines);
                        r->row_bytes = r->row_lines = 0;
                }
        }
        return q < 0 ? q : 0;
}
