/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CSV as RFC 4180 writes it, read a little more widely: other programs may have touched the file (line
 * ends with CR LF, a quote only where the cell begins with one). Null is nothing between the commas and
 * an empty text is a pair of quotes, or the two could not be told apart when the file is read again.
 *
 * A field that a spreadsheet would take for a formula can get an apostrophe before it (T36). That changes
 * data, so it is the person's choice and off by default.
 *
 * Rows are slices of the mapped file, still quoted: most of them are only copied. */

#include "connectors/destination-csv/csv-text.h"

/* What spreadsheets take for one (threat T36). */
static bool is_formula(const char *p, size_t n) {
        return n > 0 && (*p == '=' || *p == '+' || *p == '-' || *p == '@' || *p == '\t' || *p == '\r');
}

/* An empty text is quoted, so that it differs from null. */
static bool must_quote(const char *p, size_t n) {
        if (n == 0)
                return true;
        for (size_t i = 0; i < n; i++)
                if (p[i] == '"' || p[i] == ',' || p[i] == '\n' || p[i] == '\r')
                        return true;
        return false;
}

int csv_append_field(Buffer *b, const char *p, size_t n, bool neutralize) {
        bool formula = neutralize && is_formula(p, n);
        const char *end = p + n;
        int r = 0;

        if (!must_quote(p, n)) {
                if (formula)
                        r = buffer_append_char(b, '\'');
                return r < 0 ? r : buffer_append(b, p, n);
        }
        r = buffer_append_string(b, formula ? "\"'" : "\"");
        while (r >= 0 && p < end) {
                const char *q = memchr(p, '"', (size_t) (end - p));
                size_t k = (size_t) ((q ? q + 1 : end) - p);

                r = buffer_append(b, p, k);
                if (r >= 0 && q)
                        r = buffer_append_char(b, '"');
                p += k;
        }
        return r < 0 ? r : buffer_append_char(b, '"');
}

void csv_row_done(CsvRow *row) {
        free(row->fields);
        *row = (CsvRow) {};
}

static int add_field(CsvRow *row, const char *p, const char *behind) {
        if (row->n == row->allocated) {
                size_t n = MAX(row->allocated * 2, (size_t) 32);
                JsonSlice *fields = reallocarray(row->fields, n, sizeof(*fields));

                if (!fields)
                        return -ENOMEM;
                row->fields = fields;
                row->allocated = n;
        }
        row->fields[row->n++] = (JsonSlice) { p, (size_t) (behind - p) };
        return 0;
}

/* Behind the field at `p`, at its comma, line end or the end; NULL when its quote isn't closed. */
static const char *skip_field(const char *p, const char *end) {
        if (p < end && *p == '"') {
                p++;
                for (;;) {
                        p = memchr(p, '"', (size_t) (end - p));
                        if (!p)
                                return NULL;
                        p++;
                        if (p >= end || *p != '"')
                                break;
                        p++;
                }
        }
        while (p < end && *p != ',' && *p != '\n')
                p++;
        return p;
}

int csv_row_next(CsvRow *row, const char **p, const char *end) {
        const char *at = *p;

        row->n = 0;
        if (at >= end)
                return 0;
        for (;;) {
                const char *behind = skip_field(at, end), *stop;
                int r;

                if (!behind)
                        return -EBADMSG;
                /* Files of others end their lines with CR LF. */
                stop = behind > at && (behind == end ||
                                       *behind == '\n') && behind[-1] == '\r' ? behind - 1 : behind;
                r = add_field(row, at, stop);
                if (r < 0)
                        return r;
                if (behind >= end || *behind == '\n') {
                        *p = behind < end ? behind + 1 : end;
                        return 1;
                }
                at = behind + 1;
        }
}

int csv_field_decode(JsonSlice field, Buffer *b) {
        const char *p = field.p, *end = p + field.n;

        if (field.n < 2 || *p != '"')
                return buffer_append(b, p, field.n);
        p++;
        end--;
        while (p < end) {
                const char *q = memchr(p, '"', (size_t) (end - p));
                int r = buffer_append(b, p, (size_t) ((q ? q + 1 : end) - p));

                if (r < 0)
                        return r;
                p = q ? q + 2 : end;
        }
        return 0;
}
