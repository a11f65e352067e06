/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One JSON value as what SQLite stores. Numbers keep their value exactly: INTEGER where they fit 64 bits,
 * REAL where the double says the same decimal, else the number's own text. */

#include "connectors/lib/stream-columns.h"

typedef enum CellType {
        CELL_ABSENT, /* the record has no such field; stored as NULL */
        CELL_NULL,
        CELL_INTEGER,
        CELL_REAL,
        CELL_TEXT,
} CellType;

typedef struct Cell {
        CellType type;
        uint32_t n; /* of the text */
        union {
                int64_t integer;
                double real;
                size_t offset; /* of the text in the arena */
        };
} Cell;

/* Makes the cell for a column of `kind`; text is appended to `arena`. `value` is valid JSON. 1 stored, 0
 * the value is not of the column's type (the cell is NULL then), negative errno. */
int cell_from_json(ColumnKind kind, JsonSlice value, Buffer *arena, Cell *ret);

/* A number token. Exported for its unit test. */
void cell_from_number(JsonSlice token, Cell *ret);
