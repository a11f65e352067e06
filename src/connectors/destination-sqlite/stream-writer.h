/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One stream on its way into its table: rows are gathered and inserted many at a time with a prepared
 * statement. */

#include "connectors/destination-sqlite/cell.h"
#include "connectors/destination-sqlite/registry.h"
#include "connectors/destination-sqlite/table-key.h"
#include "connectors/lib/record-stamp.h"

typedef struct StreamWriter {
        const ConfiguredStream *configured;
        StreamColumns columns;
        StreamTables tables;
        Table *target; /* tables.final or tables.new */
        TableKey key;
        bool sweep;    /* delete markers were written since the last commit */
        ssize_t deleted_field;

        sqlite3_stmt *many, *one;
        unsigned rows_max; /* of `many` */
        unsigned n_rows;
        size_t n_cells; /* a row */
        Cell *cells;    /* NULL while released */
        Buffer arena, changes;
} StreamWriter;

/* Takes the stream's lock for as long as the database is open; -EBUSY when another sync has it. */
int stream_writer_lock(Database *d, const ConfiguredStream *stream, Error **reterr_error);
/* Decides by the stream's generations where its records go, and makes that table ready; in the open
 * transaction. `rows_max`: rows to gather at most. */
int stream_writer_open(StreamWriter *w, Database *d, const ConfiguredStream *stream, const char *separator,
                       unsigned rows_max, Emitter *out, Error **reterr_error);
void stream_writer_done(StreamWriter *w);

/* Gathers a record; 1 when it wants to be flushed now, else 0. */
int stream_writer_add(StreamWriter *w, RecordStamp *stamp, const DestinationRecord *record,
                      Error **reterr_error);
/* Inserts what was gathered, in the open transaction. */
int stream_writer_flush(StreamWriter *w, Database *d, Error **reterr_error);
/* Gives statements and memory back until the next record. Flush first. */
void stream_writer_release(StreamWriter *w);
/* Before a commit, after the flush: delete markers take effect. */
int stream_writer_settle(StreamWriter *w, Database *d, Error **reterr_error);
/* The stream is complete: the table beside becomes the table. */
int stream_writer_finish(StreamWriter *w, Database *d, Error **reterr_error);
