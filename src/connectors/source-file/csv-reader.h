/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CSV and TSV as RFC 4180 has them, with the freedoms that files in the wild take: any one-byte delimiter
 * and quote, escapes by doubling or by an escape byte, LF, CRLF or CR line ends, quotes inside unquoted
 * cells. What cannot be read without guessing (text behind a closing quote, a quote that never closes) is
 * a malformed row, never a wrong one. */

#include "connectors/source-file/window.h"

/* More columns than any database takes; a header that has more is an attack or not CSV. */
#define CSV_COLUMNS_MAX 65536U

typedef struct CsvDialect {
        char delimiter; /* 0 = find out from the first lines */
        char quote;     /* 0 = cells are never quoted */
        char escape;    /* 0 = a quote is escaped by doubling it */
} CsvDialect;

typedef struct CsvCell {
        char *p;
        size_t n;
        bool quoted;
} CsvCell;

typedef struct CsvReader {
        Window *window;
        CsvDialect dialect;
        bool cr_ends_line; /* the file has CR line ends only */
        bool started;
        CsvCell *cells;
        size_t n_cells, n_allocated;
        bool has_quotes;
        uint64_t line;     /* where the current row starts */
        size_t row_bytes;  /* length of the current row in the window, to be dropped with the next call */
        uint64_t row_lines;
        const char *problem; /* why the row is malformed, static text */
} CsvReader;

/* `window` stays the caller's. */
void csv_reader_init(CsvReader *r, Window *window, const CsvDialect *dialect);
void csv_reader_done(CsvReader *r);

/* The next row that isn't blank, in r->cells, valid until the next call: 1; 0 at the end; -EBADMSG for a
 * malformed row (r->problem and r->line tell; reading goes on behind it with the next call); other errors
 * are final. */
int csv_reader_next(CsvReader *r, Error **reterr_error);

/* Drops whole lines, whatever they hold. */
int csv_reader_skip_lines(CsvReader *r, uint64_t n, Error **reterr_error);
