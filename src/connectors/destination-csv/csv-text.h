/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CSV as RFC 4180 has it, with a line feed at the end of a record. An empty field is null, a quoted empty
 * one ("") the empty text. */

#include "basic/json-scan.h"

/* Appends a field, quoted where it must be. `neutralize`: with an apostrophe before what looks like a
 * formula (T36). */
int csv_append_field(Buffer *b, const char *p, size_t n, bool neutralize);

/* One record of a file: its fields as they stand, quotes included. */
typedef struct CsvRow {
        JsonSlice *fields;
        size_t n, allocated;
} CsvRow;

void csv_row_done(CsvRow *row);
/* Reads the record at *p and moves behind it. 1, 0 at the end, -EBADMSG when a quote isn't closed. */
int csv_row_next(CsvRow *row, const char **p, const char *end);
/* Appends what a field says, its quotes taken off. */
int csv_field_decode(JsonSlice field, Buffer *b);
