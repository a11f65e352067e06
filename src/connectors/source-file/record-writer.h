/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Rows as records: the hot path. What is the same for all records of a file is made once, a record is one
 * run of copying into the emitter's buffer. */

#include "connectors/lib/emitter.h"
#include "connectors/source-file/columns.h"
#include "connectors/source-file/row-reader.h"

typedef struct RecordWriter {
        const FileConfig *config;
        EmitterStream *stream;
        const Columns *columns;
        Buffer suffix;  /* `"_ab_source_file_…":…}` or `}` */
        size_t *map;    /* CSV: column number of each cell; SIZE_MAX = not in the catalog */
        char **prefixes; /* CSV: `"name":` of each cell */
        size_t n_map, fixed_room;
        Buffer scratch;
        uint64_t n_bytes;    /* of data written */
        uint64_t n_misfits;  /* values that were not of their column's type and went out as text */
        uint64_t n_replaced; /* rows with bytes that are not UTF-8 */
        uint64_t first_misfit, first_replaced; /* their lines */
        size_t misfit_column;
} RecordWriter;

/* For one file. `stream` and `columns` stay the caller's. */
int record_writer_init(RecordWriter *w, const FileConfig *config, EmitterStream *stream,
                       const Columns *columns,
                       const FileEntry *entry);
void record_writer_done(RecordWriter *w);

/* Emits the reader's current row. -EMSGSIZE when it is too large for a record; nothing has been emitted
 * then. */
int record_writer_write(RecordWriter *w, const RowReader *r);
