/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One stream in its CSV file: the header, which only grows, and the records. */

#include "connectors/destination-csv/csv-text.h"
#include "connectors/lib/record-stamp.h"
#include "connectors/lib/stream-columns.h"
#include "connectors/lib/target-file.h"

typedef struct CsvCell {
        size_t offset, n; /* in the arena; n == 0 is null */
} CsvCell;

typedef struct CsvStream {
        StreamColumns columns;
        bool neutralize;
        char **header;     /* the file's columns, strv */
        size_t n_header;
        size_t meta_at[4]; /* where our four columns are in the file */
        size_t *column_at; /* where each declared column is */
        CsvCell *cells;    /* of one record, in the file's order */
        Buffer arena, scratch;
} CsvStream;

extern const TargetFormat csv_format; /* its userdata is a CsvStream */

int csv_stream_init(CsvStream *s, const AirbyteStream *stream, bool neutralize, Error **reterr_error);
void csv_stream_done(CsvStream *s);
/* Appends the record to the file's buffer. */
int csv_stream_write(CsvStream *s, TargetFile *f, RecordStamp *stamp, const DestinationRecord *record);
