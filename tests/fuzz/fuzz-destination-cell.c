/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A JSON value for a column of each kind: stored exactly, or not at all. */

#include "basic/decimal.h"
#include "connectors/destination-sqlite/cell.h"
#include "fuzz/fuzz.h"

static void check_number(JsonSlice token) {
        Decimal exact, stored;
        char text[64];
        Cell c = {};

        cell_from_number(token, &c);
        FUZZ_CHECK(decimal_parse(token.p, token.n, &exact) == 0);
        if (c.type == CELL_INTEGER) {
                int n = snprintf(text, sizeof(text), "%lld", (long long) c.integer);

                FUZZ_CHECK(decimal_parse(text, (size_t) n, &stored) == 0 && decimal_compare(&exact, &stored) == 0);
        } else if (c.type == CELL_REAL) {
                char *copy = strndup(token.p, token.n);

                FUZZ_CHECK(copy && strtod(copy, NULL) == c.real);
                free(copy);
        } else
                FUZZ_CHECK(c.type == CELL_TEXT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *start = json_skip_space((const char *) data, (const char *) data + size), *behind;
        _cleanup_buffer_ Buffer arena = {};
        JsonSlice value;

        if (size == 0 || json_validate((const char *) data, size, NULL) < 0)
                return 0;
        behind = json_skip_value(start, (const char *) data + size);
        value = (JsonSlice) { start, (size_t) (behind - start) };
        for (ColumnKind kind = 0; kind < _COLUMN_KIND_MAX; kind++) {
                Cell c = {};
                int r = cell_from_json(kind, value, &arena, &c);

                FUZZ_CHECK(r == 0 || r == 1);
                if (r == 0)
                        FUZZ_CHECK(c.type == CELL_NULL);
                else if (c.type == CELL_TEXT)
                        FUZZ_CHECK(c.offset <= arena.len && c.n <= arena.len - c.offset);
        }
        if (json_slice_type(value) == JSON_NUMBER)
                check_number(value);
        return 0;
}
