/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <float.h>

#include "connectors/source-sqlite/sqlite-state.h"
#include "connectors/source-sqlite/sqlite-value.h"
#include "unit/test.h"

static sqlite3_stmt *row_of(sqlite3 *db, const char *sql) {
        sqlite3_stmt *s = NULL;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        return s;
}

static void check_value(const char *sql, SqliteType type, const char *expected, int fits) {
        _cleanup_db_ sqlite3 *db = NULL;
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        _cleanup_buffer_ Buffer b = {};

        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        s = row_of(db, sql);
        assert_int_equal(sqlite_value_write(&b, type, s, 0), fits);
        assert_string_equal(buffer_string(&b), expected);
}

TEST(values_keep_what_they_are) {
        check_value("SELECT 9223372036854775807", SQLITE_TYPE_INTEGER, "9223372036854775807", 1);
        check_value("SELECT -9223372036854775807 - 1", SQLITE_TYPE_INTEGER, "-9223372036854775808", 1);
        check_value("SELECT 7", SQLITE_TYPE_STRING, "\"7\"", 1);
        check_value("SELECT 'x'", SQLITE_TYPE_INTEGER, "\"x\"", 0);
        check_value("SELECT 1", SQLITE_TYPE_BOOLEAN, "true", 1);
        check_value("SELECT 2", SQLITE_TYPE_BOOLEAN, "2", 0);
        check_value("SELECT 0.1", SQLITE_TYPE_NUMBER, "0.1", 1);
        check_value("SELECT 3.0", SQLITE_TYPE_NUMBER, "3.0", 1);
        check_value("SELECT 9e999", SQLITE_TYPE_NUMBER, "\"Infinity\"", 0);
        check_value("SELECT -9e999", SQLITE_TYPE_STRING, "\"-Infinity\"", 1);
        check_value("SELECT x'00ff10'", SQLITE_TYPE_BASE64, "\"AP8Q\"", 1);
        check_value("SELECT NULL", SQLITE_TYPE_INTEGER, "null", 1);
        check_value("SELECT CAST(x'61ff62' AS TEXT)", SQLITE_TYPE_STRING, "\"a\xef\xbf\xbd" "b\"", 1);
        check_value("SELECT 'a' || char(0) || 'b'", SQLITE_TYPE_STRING, "\"a\\u0000b\"", 1);
}

/* A cursor must come back as the very value that it was. */
TEST(state_values_round_trip) {
        static const char *const values[] = {
                "NULL", "1", "-9223372036854775807", "0.1", "1e300", "'text'", "'a' || char(0) || 'b'",
                        "x''", "x'0001ff'",
                "CAST(x'61ff62' AS TEXT)", "''", "9e999",
        };
        _cleanup_db_ sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                _cleanup_stmt_ sqlite3_stmt *s = NULL, *again = NULL;
                _cleanup_json_ JsonObject *o = NULL;
                _cleanup_buffer_ Buffer sql = {}, saved = {};

                ASSERT_OK(buffer_appendf(&sql, "SELECT %s", values[i]));
                s = row_of(db, buffer_string(&sql));
                ASSERT_OK(sqlite_value_write_state(&saved, s, 0));
                ASSERT_OK(json_parse(buffer_bytes(&saved), saved.len, &o, NULL));
                buffer_reset(&sql);
                ASSERT_OK(buffer_appendf(&sql, "SELECT ?1 IS %s AND typeof(?1) = typeof(%s)", values[i],
                                         values[i]));
                assert_int_equal(sqlite3_prepare_v2(db, buffer_string(&sql), -1, &again, NULL), SQLITE_OK);
                ASSERT_OK(sqlite_value_bind(again, 1, o));
                assert_int_equal(sqlite3_step(again), SQLITE_ROW);
                if (!sqlite3_column_int(again, 0))
                        fail_msg("%s came back different: %s", values[i], buffer_string(&saved));
        }
}

TEST(reals_are_the_shortest_exact_text) {
        static const double values[] = { 0.1, 1.0 / 3, 1e21, 5e-324, DBL_MAX, -0.0, 123456789.125, 0.3 };
        char text[REAL_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                (void) real_format(values[i], text);
                assert_true(strtod(text, NULL) == values[i]);
        }
        (void) real_format(0.1, text);
        assert_string_equal(text, "0.1");
}

TEST(base64_round_trips) {
        static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
                                               { "foo", "Zm9v" },
                                                { "foobar", "Zm9vYmFy" } };

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                _cleanup_buffer_ Buffer to = {}, back = {};

                ASSERT_OK(base64_append(&to, pairs[i][0], strlen(pairs[i][0])));
                assert_string_equal(buffer_string(&to), pairs[i][1]);
                ASSERT_OK(base64_decode(pairs[i][1], strlen(pairs[i][1]), &back));
                assert_string_equal(buffer_string(&back), pairs[i][0]);
        }
        for (size_t i = 0; i < 3; i++) {
                static const char *const bad[] = { "Zg=", "Z===", "Zg=\n" };
                _cleanup_buffer_ Buffer b = {};

                ASSERT_ERROR(base64_decode(bad[i], strlen(bad[i]), &b), EINVAL);
        }
}

TEST(groups_do_not_depend_on_order_but_on_content) {
        RowGroup a = {}, b = {}, c = {};

        row_group_add(&a, "row one", 7);
        row_group_add(&a, "row two, longer", 15);
        row_group_add(&b, "row two, longer", 15);
        row_group_add(&b, "row one", 7);
        row_group_add(&c, "row one", 7);
        row_group_add(&c, "row two, longeR", 15);
        assert_true(row_group_equal(&a, &b));
        assert_false(row_group_equal(&a, &c));
}

TEST(states_round_trip_and_other_cursors_are_none) {
        RowGroup at = { 3, UINT64_MAX }, nulls = { 1, 5 };
        _cleanup_(sqlite_state_done) SqliteState s = {};
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(sqlite_state_append(&b, "up \"d", "\"2024\"", &at, &nulls));
        ASSERT_OK(sqlite_state_parse(buffer_bytes(&b), b.len, "up \"d", &s, NULL));
        assert_true(s.has_cursor);
        assert_true(row_group_equal(&s.at_cursor, &at));
        assert_true(row_group_equal(&s.nulls, &nulls));
        assert_string_equal(json_object_get_string(s.cursor), "2024");
        sqlite_state_done(&s);
        ASSERT_OK(sqlite_state_parse(buffer_bytes(&b), b.len, "other", &s, NULL));
        assert_false(s.has_cursor);
        sqlite_state_done(&s);
        ASSERT_ERROR(sqlite_state_parse("[1]", 3, "x", &s, NULL), EINVAL);
        ASSERT_OK(sqlite_state_parse("{}", 2, "x", &s, NULL));
        assert_false(s.has_cursor);
}

TEST_MAIN()
