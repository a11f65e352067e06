/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Types of columns out of values: a pass over the sample, which by default is everything. */

#include "connectors/source-file/columns.h"
#include "connectors/source-file/row-reader.h"

/* A cell that stands for null: nothing between two delimiters, or one of the configured words, without
 * quotes. */
bool cell_is_null(const FileConfig *config, const CsvCell *cell);

/* The column that a JSON key means, or -ENOENT. `hint` is the number that it probably has. */
ssize_t json_key_column(const Columns *columns, JsonSlice key, size_t hint);

/* The kind of a JSON value. Strings are texts unless they are dates in exactly the form that we would
 * write. */
ValueKind json_value_kind(JsonSlice value);

/* Called every few thousand rows; a negative return ends the work with it. May be NULL. */
typedef int (*InferTick)(void *userdata);

/* Adds what the rows of a file hold to `columns`, at most `config->infer_rows` of them (0 = all).
 * Malformed rows are passed over: reading reports them. */
int infer_rows(RowReader *r, Columns *columns, InferTick tick, void *userdata, Error **reterr_error);

/* Puts the configured types over the columns, adding those that are not there. */
int columns_apply_config(Columns *columns, const FileConfig *config);
