/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "connectors/destination-sqlite/cell.h"
#include "unit/test.h"

static Cell number(const char *token) {
        Cell c = {};

        cell_from_number((JsonSlice) { token, strlen(token) }, &c);
        return c;
}

TEST(integers_of_64_bits_are_integers_and_larger_ones_text) {
        assert_int_equal(number("9223372036854775807").type, CELL_INTEGER);
        assert_true(number("-9223372036854775808").integer == INT64_MIN);
        assert_int_equal(number("9223372036854775808").type, CELL_TEXT);
        /* A double would hold it exactly, but it is an integer. */
        assert_int_equal(number("36893488147419103232").type, CELL_TEXT);
}

TEST(decimals_are_doubles_where_those_say_the_same) {
        static const struct {
                const char *token;
                double value;
        } table[] = {
                { "0.1", 0.1 }, { "-0.25", -0.25 }, { "1e22", 1e22 }, { "1.0", 1.0 }, { "100.50", 100.5 },
                { "0.000123", 0.000123 }, { "1E+5", 1e5 }, { "123456789012345.6", 123456789012345.6 },
                { "0.30000000000000004", 0.30000000000000004 }, { "1.7976931348623157e308", 1.7976931348623157e308 },
                { "2.5e-300", 2.5e-300 }, { "0e5", 0 }, { "1200.0e-2", 12 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Cell c = number(table[i].token);

                assert_int_equal(c.type, CELL_REAL);
                assert_memory_equal(&c.real, &table[i].value, sizeof(double));
        }
}

TEST(decimals_that_no_double_says_stay_text) {
        static const char *const table[] = { "0.10000000000000000555", "3.14159265358979323846", "1e309", "5e-324",
                                             "50000.0000000000000001", "1e999999999999", "0.3000000000000000444",
                                             "123456789.1234567891" };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                assert_int_equal(number(table[i]).type, CELL_TEXT);
}

/* Random doubles printed with 17 digits come back as themselves; one digit more and they must not lie. */
TEST(what_is_stored_as_a_double_prints_as_its_token) {
        uint64_t x = 88172645463325252U;

        for (int i = 0; i < 20000; i++) {
                char token[64], again[64];
                double v;
                Cell c;
                int digits = i % 17;

                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                v = (double) (int64_t) x / (double) (1 + (x >> 33));
                (void) snprintf(token, sizeof(token), "%.*e", digits, v);
                c = number(token);
                if (c.type == CELL_INTEGER)
                        continue;
                assert_int_equal(c.type, CELL_REAL);
                (void) snprintf(again, sizeof(again), "%.*e", digits, c.real);
                assert_string_equal(token, again);
        }
}

static int cell(ColumnKind kind, const char *json, Cell *ret, Buffer *arena) {
        buffer_reset(arena);
        return cell_from_json(kind, (JsonSlice) { json, strlen(json) }, arena, ret);
}

TEST(values_are_cast_or_refused) {
        static const struct {
                ColumnKind kind;
                const char *json;
                int result;
                CellType type;
        } table[] = {
                { COLUMN_INTEGER, "5.0", 1, CELL_INTEGER },   { COLUMN_INTEGER, "5.5", 0, CELL_NULL },
                { COLUMN_INTEGER, "\"7\"", 1, CELL_INTEGER }, { COLUMN_INTEGER, "\"7x\"", 0, CELL_NULL },
                { COLUMN_INTEGER, "\"\"", 0, CELL_NULL },     { COLUMN_INTEGER, "true", 0, CELL_NULL },
                { COLUMN_INTEGER, "1e-3", 0, CELL_NULL },     { COLUMN_INTEGER, "null", 1, CELL_NULL },
                { COLUMN_NUMBER, "\"NaN\"", 1, CELL_TEXT },   { COLUMN_NUMBER, "\"nan\"", 0, CELL_NULL },
                { COLUMN_NUMBER, "\"1 \"", 1, CELL_INTEGER }, { COLUMN_BOOLEAN, "\"false\"", 1, CELL_INTEGER },
                { COLUMN_BOOLEAN, "0", 0, CELL_NULL },        { COLUMN_STRING, "{\"a\":1}", 1, CELL_TEXT },
                { COLUMN_STRING, "1.50", 1, CELL_TEXT },      { COLUMN_OBJECT, "[]", 0, CELL_NULL },
                { COLUMN_ARRAY, "[]", 1, CELL_TEXT },         { COLUMN_JSON, "\"x\"", 1, CELL_TEXT },
                { COLUMN_SCALAR, "false", 1, CELL_INTEGER },  { COLUMN_TIMESTAMP, "17", 0, CELL_NULL },
        };
        _cleanup_buffer_ Buffer arena = {};

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Cell c;

                assert_int_equal(cell(table[i].kind, table[i].json, &c, &arena), table[i].result);
                assert_int_equal(c.type, table[i].type);
        }
}

TEST(texts_are_decoded) {
        _cleanup_buffer_ Buffer arena = {};
        Cell c;

        assert_int_equal(cell(COLUMN_STRING, "\"a\\u0000\\u00e9\\n\"", &c, &arena), 1);
        assert_int_equal(c.n, 5);
        assert_memory_equal(buffer_bytes(&arena) + c.offset, "a\0\xc3\xa9\n", 5);
}

TEST_MAIN()
