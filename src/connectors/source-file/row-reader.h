/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file as rows, whatever its format: what inference and reading share. */

#include "connectors/source-file/csv-reader.h"
#include "connectors/source-file/file-input.h"
#include "connectors/source-file/json-reader.h"

typedef struct RowReader {
        const FileConfig *config;
        char *url;
        FileInput *input;
        Window window;
        bool is_json;
        CsvReader csv;
        JsonReader json_reader;
        char **array_key; /* where the rows of a JSON file were found */
        char **names;     /* of the columns of a CSV file, unique */
        size_t n_names;
        /* the current row */
        JsonSlice json;
        uint64_t line;
        uint64_t n_short, first_short; /* rows with fewer cells than columns; line of the first */
        char problem[160]; /* of a malformed row */
} RowReader;

/* Opens and reads as far as the header: 1; 0 when a remote file is unchanged (see file_input_open()). A
 * CSV file without any row has no names. */
int row_reader_open(const FileConfig *config, FileEntry *entry, const FileValidators *unless, RowReader *ret,
                    Error **reterr_error);
void row_reader_done(RowReader *r);

/* 1 a row (r->json or r->csv.cells), 0 the end, -EBADMSG a malformed one: r->line and r->problem say
 * where and what, and reading may go on. Everything else is final. */
int row_reader_next(RowReader *r, Error **reterr_error);
