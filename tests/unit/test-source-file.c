/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "connectors/source-file/columns.h"
#include "connectors/source-file/csv-reader.h"
#include "connectors/source-file/decompress.h"
#include "connectors/source-file/encoding.h"
#include "connectors/source-file/file-history.h"
#include "connectors/source-file/infer.h"
#include "connectors/source-file/json-reader.h"
#include "connectors/source-file/value-type.h"
#include "unit/test.h"

/* A text as a stream, handed out in pieces. */
typedef struct Text {
        const char *p;
        size_t n, step;
} Text;

static ssize_t read_text(void *userdata, void *p, size_t n, Error **reterr_error) {
        Text *t = userdata;

        n = MIN(n, t->n);
        n = MIN(n, t->step ?: SIZE_MAX);
        memcpy(p, t->p, n);
        t->p += n;
        t->n -= n;
        return (ssize_t) n;
}

/* Reads a CSV and says what was found: cells in <>, quoted ones in «», rows by their line, malformed ones as "!". */
static char *csv_text(const char *text, size_t n, const CsvDialect *dialect, size_t fill) {
        Text source = { text, n, 0 };
        _cleanup_(window_done) Window w;
        _cleanup_(csv_reader_done) CsvReader r;
        Buffer b = {};
        int q;

        window_init(&w, read_text, &source);
        w.fill = fill;
        csv_reader_init(&r, &w, dialect);
        while ((q = csv_reader_next(&r, NULL)) != 0) {
                assert_true(q == 1 || q == -EBADMSG);
                ASSERT_OK(buffer_appendf(&b, "%s%llu:", b.len > 0 ? " " : "", (unsigned long long) r.line));
                if (q < 0)
                        ASSERT_OK(buffer_append_string(&b, "!"));
                for (size_t i = 0; q > 0 && i < r.n_cells; i++)
                        ASSERT_OK(buffer_appendf(&b, r.cells[i].quoted ? "«%.*s»" : "<%.*s>",
                                                 (int) r.cells[i].n,
                                                 r.cells[i].p));
        }
        return buffer_steal_string(&b);
}

static void check_csv(const char *text, const CsvDialect *dialect, const char *expected) {
        static const CsvDialect usual = { .quote = '"' };

        for (size_t fill = 1; fill < 64; fill += 7) {
                _cleanup_free_ char *found = csv_text(text, strlen(text), dialect ?: &usual, fill);

                assert_string_equal(found, expected);
        }
}

TEST(csv_rows_and_line_ends) {
        check_csv("a,b\n1,2\n", NULL, "1:<a><b> 2:<1><2>");
        check_csv("a,b\r\n1,2", NULL, "1:<a><b> 2:<1><2>");
        check_csv("a,b\r1,2\r", NULL, "1:<a><b> 2:<1><2>");
        check_csv("a,b\n\n\r\n1,2\n\n", NULL, "1:<a><b> 4:<1><2>");
        check_csv("a,b,\n,,\n", NULL, "1:<a><b><> 2:<><><>");
        check_csv("", NULL, "");
        check_csv("\n", NULL, "");
        check_csv("one", NULL, "1:<one>");
}

TEST(csv_quotes) {
        check_csv("\"a\"\"b\",\"\"\n", NULL, "1:«a\"b»«»");
        check_csv("\"l1\nl2\r\nl3\",x\ny,z\n", NULL, "1:«l1\nl2\r\nl3»<x> 4:<y><z>");
        check_csv("5\" pipe,x\n", NULL, "1:<5\" pipe><x>");
        check_csv("x,\"\"\"\"\r\n", NULL, "1:<x>«\"»");
        check_csv("\"a\"", NULL, "1:«a»");
        check_csv("'a;b';c\n", &(CsvDialect) { .delimiter = ';', .quote = '\'' }, "1:«a;b»<c>");
        check_csv("\"a\n", &(CsvDialect) { .delimiter = ',' }, "1:<\"a>");
        check_csv("\"a\\\"b\\\\\",c\n", &(CsvDialect) { .delimiter = ',', .quote = '"', .escape = '\\' },
                  "1:«a\"b\\»<c>");
}

TEST(csv_malformed_rows_cost_one_row) {
        check_csv("a,b\n\"x\"y,1\n2,3\n", NULL, "1:<a><b> 2:! 3:<2><3>");
        check_csv("a,b\n\"open,1\n2,3\n", NULL, "1:<a><b> 2:! 3:<2><3>");
        check_csv("\"x\" ,1\n", NULL, "1:!");
}

TEST(csv_delimiter_is_found) {
        check_csv("a;b\n1,5;2\n", NULL, "1:<a><b> 2:<1,5><2>");
        check_csv("a\tb\n1\t2\n", NULL, "1:<a><b> 2:<1><2>");
        check_csv("a|b,c\n1|2\n", NULL, "1:<a><b,c> 2:<1><2>");
        check_csv("\"a;b\",c\n1,2\n", NULL, "1:«a;b»<c> 2:<1><2>");
        check_csv("a b\nc d\n", NULL, "1:<a b> 2:<c d>");
}

/* T35: a quote that never closes must neither eat the file nor cost its square. */
TEST(csv_quote_bomb_is_bounded) {
        size_t n = ROW_BYTES_MAX * 3;
        _cleanup_free_ char *text = malloc(n);
        Text source = { text, n, 0 };
        _cleanup_(window_done) Window w;
        _cleanup_(csv_reader_done) CsvReader r;
        uint64_t good = 0, bad = 0;
        int q;

        assert_non_null(text);
        for (size_t i = 0; i < n; i += 8)
                memcpy(text + i, "abc,def\n", 8);
        text[0] = '"';
        window_init(&w, read_text, &source);
        csv_reader_init(&r, &w, &(CsvDialect) { .quote = '"' });
        while ((q = csv_reader_next(&r, NULL)) != 0)
                *(q > 0 ? &good : &bad) += 1;
        assert_int_equal(bad, 1);
        assert_int_equal(good, n / 8 - 1);
        assert_true(w.buffer.allocated <= 4 * (size_t) ROW_BYTES_MAX);
}

TEST(csv_too_many_columns_is_a_malformed_row) {
        size_t n = 1000001;
        _cleanup_free_ char *text = malloc(n + 4), *found = NULL;

        assert_non_null(text);
        memset(text, ',', n);
        memcpy(text + n, "\na\n", 4);
        found = csv_text(text, n + 3, &(CsvDialect) { .delimiter = ',', .quote = '"' }, 4096);
        assert_string_equal(found, "1:! 2:<a>");
}

static char *json_text(const char *text, bool by_line, const char *pointer, size_t fill, int *ret_end) {
        Text source = { text, strlen(text), 0 };
        _cleanup_strv_ char **keys = NULL;
        _cleanup_(window_done) Window w;
        JsonReader r;
        JsonSlice row;
        Buffer b = {};

        ASSERT_OK(json_pointer_parse(pointer, &keys));
        window_init(&w, read_text, &source);
        w.fill = fill;
        json_reader_init(&r, &w, by_line, keys);
        for (;;) {
                int q = json_reader_next(&r, &row, NULL);

                *ret_end = q;
                if (q == 0 || (q < 0 && q != -EBADMSG))
                        return buffer_steal_string(&b);
                ASSERT_OK(buffer_appendf(&b, "%s%llu:%.*s", b.len > 0 ? " " : "",
                                         (unsigned long long) r.line,
                                         q > 0 ? (int) row.n : 1, q > 0 ? row.p : "!"));
        }
}

static void check_json(const char *text, bool by_line, const char *pointer, const char *expected, int end) {
        for (size_t fill = 1; fill < 64; fill += 7) {
                int found_end;
                _cleanup_free_ char *found = json_text(text, by_line, pointer, fill, &found_end);

                assert_string_equal(found, expected);
                assert_int_equal(found_end, end);
        }
}

TEST(json_rows) {
        check_json("[{\"a\":1},\n{\"b\":[1,\"]\"]}]", false, "", "1:{\"a\":1} 2:{\"b\":[1,\"]\"]}", 0);
        check_json(" {\"a\":\"x\\\"}\"} ", false, "", "1:{\"a\":\"x\\\"}\"}", 0);
        check_json("{\"a\":1}\n{\"a\":2}", false, "", "1:{\"a\":1} 2:{\"a\":2}", 0);
        check_json("[]", false, "", "", 0);
        check_json("", false, "", "", 0);
        check_json("[{},5,\"x\",null,{\"a\":tru},{}]", false, "", "1:{} 1:! 1:! 1:! 1:! 1:{}", 0);
}

TEST(json_lines) {
        check_json("{\"a\":1}\r\n\n  {\"b\":2}  \n[1]\n{\"c\":}\n{\"d\":4}", true, "",
                   "1:{\"a\":1} 3:{\"b\":2} 4:! 5:! 6:{\"d\":4}", 0);
}

TEST(json_pointer_descends) {
        check_json("{\"m\":{\"x\":[0]},\"r/s\":{\"t\":[{\"a\":1},{\"a\":2}]},\"z\":[{}]}", false, "/r~1s/t",
                   "1:{\"a\":1} 1:{\"a\":2}", 0);
        check_json("[[],[{\"a\":1}]]", false, "/1", "1:{\"a\":1}", 0);
        check_json("{\"a\":{\"b\":1}}", false, "/a", "1:{\"b\":1}", 0);
        check_json("{\"a\":[]}", false, "/b", "", -EINVAL);
        check_json("{\"\\u0061\":[{}]}", false, "/a", "1:{}", 0);
}

TEST(json_broken_files_are_errors_not_ends) {
        check_json("[{\"a\":1},{\"a\":", false, "", "1:{\"a\":1}", -EINVAL);
        check_json("[{\"a\":1}", false, "", "1:{\"a\":1}", -EINVAL);
        check_json("[{\"a\":1} {\"a\":2}]", false, "", "1:{\"a\":1}", -EINVAL);
        check_json("]", false, "", "", -EINVAL);
        check_json("[{},]", false, "", "1:{}", -EINVAL);
}

static void check_array(const char *text, const char *expected) {
        _cleanup_free_ char *key = NULL;
        Text source = { text, strlen(text), 0 };
        _cleanup_(window_done) Window w;

        window_init(&w, read_text, &source);
        w.fill = 3;
        ASSERT_OK(json_find_array(&w, &key, NULL));
        assert_string_equal(key ?: "-", expected);
}

TEST(json_array_in_an_object_is_found) {
        check_array("{\"639-3\": [ {\"a\":[{}]} ]}", "639-3");
        check_array("{\"n\":1,\"l\":[1,2],\"rows\":[{}],\"o\":{\"x\":[{}]}}", "rows");
        check_array("{\"a\":[{}],\"b\":[{}]}", "-");
        check_array("{\"a\":[]}", "-");
        check_array("[{\"a\":[{}]}]", "-");
        check_array("{\"a\":[{}]} {\"a\":[{}]}", "-");
        check_array("", "-");
}

static void check_kind(const char *text, ValueKind kind) {
        if (text_classify(text, strlen(text)) != kind)
                fail_msg("'%s' is of kind %d, expected %d", text, text_classify(text, strlen(text)), kind);
}

TEST(kinds_of_texts) {
        static const char *const integers[] = { "0", "-0", "7", "-12", "9223372036854775807",
                                               "-9223372036854775808" };
        static const char *const numbers[] = { "0.5", "-1.25", "1e5", "1E-7", "0.00012345678901234567",
                                              "1.0" };
        static const char *const strings[] = { "007", "+1", ".5", "1.", "1e", "0x1F", "--1", "-", "1 ", " 1",
                                              "NaN", "inf",
                                               "yes", "tru", "2024-02-30", "2024-13-01", "0000-01-01",
                                                       "2024-1-1",
                                               "2024-01-01T25:00", "2024-01-01T10", "2024-01-01 10:00:60",
                                               "2024-01-01 10:00:00+1", "2024-01-01X10:00" };
        static const char *const times[] = { "2024-01-01 10:00", "2024-01-01T10:00:00.123456789" };
        static const char *const zoned[] = { "2024-01-01T10:00:00Z", "2024-01-01 10:00:00+00",
                                            "2024-01-01T10:00-0530",
                                             "2024-01-01 10:00:00.5 +01:00" };

        for (size_t i = 0; i < ELEMENTSOF(integers); i++)
                check_kind(integers[i], KIND_INTEGER);
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                check_kind(numbers[i], KIND_NUMBER);
        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                check_kind(strings[i], KIND_STRING);
        for (size_t i = 0; i < ELEMENTSOF(times); i++)
                check_kind(times[i], KIND_TIMESTAMP);
        for (size_t i = 0; i < ELEMENTSOF(zoned); i++)
                check_kind(zoned[i], KIND_TIMESTAMP_TZ);
        check_kind("9223372036854775808", KIND_BIG_INTEGER);
        check_kind("-9223372036854775809", KIND_BIG_INTEGER);
        check_kind("1.123456789012345678", KIND_BIG_NUMBER);
        check_kind("1e999999999999", KIND_BIG_NUMBER);
        check_kind("2024-02-29", KIND_DATE);
        check_kind("TRUE", KIND_BOOLEAN);
        check_kind("false", KIND_BOOLEAN);
        check_kind("", KIND_EMPTY);
}

TEST(types_of_columns) {
        assert_int_equal(kind_set_resolve(0), COLUMN_STRING);
        assert_int_equal(kind_set_resolve(1U << KIND_NULL | 1U << KIND_INTEGER), COLUMN_INTEGER);
        assert_int_equal(kind_set_resolve(1U << KIND_NUMBER | 1U << KIND_INTEGER), COLUMN_NUMBER);
        assert_int_equal(kind_set_resolve(1U << KIND_NUMBER | 1U << KIND_BIG_INTEGER), COLUMN_BIG_NUMBER);
        assert_int_equal(kind_set_resolve(1U << KIND_BOOLEAN | 1U << KIND_INTEGER), COLUMN_STRING);
        assert_int_equal(kind_set_resolve(1U << KIND_DATE | 1U << KIND_TIMESTAMP), COLUMN_STRING);
        for (ColumnType t = 0; t < _COLUMN_TYPE_MAX; t++) {
                _cleanup_json_ JsonObject *schema = NULL;

                ASSERT_OK(json_parse(column_type_schema(t), strlen(column_type_schema(t)), &schema, NULL));
                assert_int_equal(column_type_from_schema(schema), t);
                assert_int_equal(column_type_from_string(column_type_to_string(t)), t);
        }
}

static void check_value(ColumnType type, const char *text, const char *expected, bool fits) {
        char to[VALUE_TEXT_MAX(64)], *end;
        bool found_fits = true, valid = true;

        assert_true(strlen(text) <= 64);
        end = value_write_text(to, type, text, strlen(text), &found_fits, &valid);
        assert_true(end <= to + VALUE_TEXT_MAX(strlen(text)));
        *end = '\0';
        assert_string_equal(to, expected);
        assert_int_equal(found_fits, fits);
}

TEST(values_are_written_as_their_columns_type) {
        check_value(COLUMN_INTEGER, "12", "12", true);
        check_value(COLUMN_INTEGER, "1.5", "\"1.5\"", false);
        check_value(COLUMN_INTEGER, "", "null", true);
        check_value(COLUMN_STRING, "", "\"\"", true);
        check_value(COLUMN_NUMBER, "1.50", "1.50", true);
        check_value(COLUMN_BIG_INTEGER, "92233720368547758080", "\"92233720368547758080\"", true);
        check_value(COLUMN_BOOLEAN, "True", "true", true);
        check_value(COLUMN_TIMESTAMP, "2024-01-01 10:00", "\"2024-01-01T10:00:00\"", true);
        check_value(COLUMN_TIMESTAMP_TZ, "2024-01-01 10:00:01.5+01", "\"2024-01-01T10:00:01.5+01:00\"",
                    true);
        check_value(COLUMN_TIMESTAMP_TZ, "2024-01-01t10:00z", "\"2024-01-01T10:00:00Z\"", true);
        check_value(COLUMN_DATE, "x\"\\\n\x01\xff", "\"x\\\"\\\\\\n\\u0001\xef\xbf\xbd\"", false);
}

static void check_names(size_t n, const char *const *cells, const char *const *expected) {
        CsvCell list[8];
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < n; i++)
                list[i] = (CsvCell) { .p = (char *) cells[i], .n = strlen(cells[i]) };
        ASSERT_OK(header_names(list, n, true, &names));
        for (size_t i = 0; i < n; i++)
                assert_string_equal(names[i], expected[i]);
}

TEST(header_names_are_unique) {
        check_names(6, (const char *const[]) { " a ", "a", "a_2", "", "a", "_ab_source_file_url" },
                    (const char *const[]) { "a", "a_2", "a_2_2", "column_4", "a_3",
                                           "_ab_source_file_url_2" });
}

static char *decode(const char *name, const char *text, size_t n, size_t step) {
        Text source = { text, n, step };
        _cleanup_(encoding_freep) Encoding *e = NULL;
        Buffer b = {};
        ssize_t got;

        ASSERT_OK(encoding_new(name, read_text, &source, &e, NULL));
        do {
                char *to = buffer_reserve(&b, 32);

                assert_non_null(to);
                got = encoding_read(e, to, 32, NULL);
                ASSERT_OK(got);
                buffer_commit(&b, (size_t) got);
        } while (got > 0);
        return buffer_steal_string(&b);
}

static void check_decode(const char *name, const char *text, size_t n, const char *expected) {
        for (size_t step = 1; step < 9; step++) {
                _cleanup_free_ char *found = decode(name, text, n, step);

                assert_string_equal(found, expected);
        }
}

TEST(encodings_become_utf8) {
        check_decode("utf-8", "\xef\xbb\xbf" "a\xc3\xa9", 6, "aé");
        check_decode("utf-8", "ab", 2, "ab");
        check_decode("latin-1", "\xe9\xff", 2, "éÿ");
        check_decode("windows-1252", "\x80\x81x", 3, "€\xef\xbf\xbdx");
        check_decode("utf-16le", "a\0\xe9\0\x3d\xd8\x00\xde", 8, "aé😀");
        check_decode("utf-16be", "\0a\0\xe9", 4, "aé");
        check_decode("utf-8", "\xff\xfe" "a\0b\0", 6, "ab");
        check_decode("utf-16", "\xfe\xff\0a", 4, "a");
        check_decode("utf-16le", "a\0b", 3, "a\xef\xbf\xbd");
        check_decode("utf-8", "", 0, "");
}

TEST(unknown_encodings_are_refused) {
        Encoding *e = NULL;

        ASSERT_ERROR(encoding_new("klingon", read_text, NULL, &e, NULL), EINVAL);
        ASSERT_ERROR(encoding_new("UTF-16//IGNORE", read_text, NULL, &e, NULL), EINVAL);
}

TEST(history_round_trips_and_is_bounded) {
        _cleanup_(file_history_done) FileHistory h = {}, again = {};
        _cleanup_buffer_ Buffer b = {};
        FileEntry entry = { .size = 5 };
        char name[32];

        entry.url = name;
        ASSERT_OK(file_history_parse(NULL, 0, &h, NULL));
        for (unsigned i = 0; i < HISTORY_MAX + 10; i++) {
                (void) snprintf(name, sizeof(name), "f%u", i);
                entry.modified = 1700000000000000 + i;
                ASSERT_OK(file_history_put(&h, &entry, (FileValidators) {}));
        }
        ASSERT_OK(file_history_append(&h, &b));
        ASSERT_OK(file_history_parse(buffer_bytes(&b), b.len, &again, NULL));
        assert_int_equal(file_history_size(&again), HISTORY_MAX);
        assert_int_equal(again.cursor, entry.modified);
        assert_true(file_history_has(&again, &entry));
        entry.size = 6; /* the same time, another size */
        assert_false(file_history_has(&again, &entry));
        /* What left the history counts as read. */
        (void) snprintf(name, sizeof(name), "f3");
        entry.modified = 1700000000000003;
        assert_true(file_history_has(&again, &entry));
        (void) snprintf(name, sizeof(name), "new");
        entry.modified = 1700000000000000 + HISTORY_MAX + 9;
        assert_false(file_history_has(&again, &entry));
}

TEST(history_takes_a_bare_cursor_and_refuses_nonsense) {
        static const char bare[] = "{\"_ab_source_file_last_modified\":\"9999-12-31T23:59:59Z\"}";
        static const char wrong[] = "{\"_ab_source_file_last_modified\":\"yesterday\"}";
        _cleanup_(file_history_done) FileHistory h = {};
        FileEntry entry = { .url = (char *) "x", .modified = 1700000000000000, .size = 1 };

        ASSERT_OK(file_history_parse(bare, strlen(bare), &h, NULL));
        assert_true(file_history_has(&h, &entry));
        file_history_done(&h);
        ASSERT_ERROR(file_history_parse(wrong, strlen(wrong), &h, NULL), EINVAL);
        ASSERT_ERROR(file_history_parse("[]", 2, &h, NULL), EINVAL);
        ASSERT_ERROR(file_history_parse("{", 1, &h, NULL), EBADMSG);
}

TEST(times_are_parsed) {
        int64_t t;

        ASSERT_OK(parse_rfc3339("1970-01-01T00:00:00Z", &t));
        assert_int_equal(t, 0);
        ASSERT_OK(parse_rfc3339("2026-01-02T03:04:05.000007Z", &t));
        assert_int_equal(t, INT64_C(1767323045000007));
        ASSERT_OK(parse_rfc3339("2026-01-02T04:04:05+01:00", &t));
        assert_int_equal(t, INT64_C(1767323045000000));
        ASSERT_OK(parse_rfc3339("0001-01-01T00:00:00Z", &t));
        assert_int_equal(t, INT64_C(-62135596800000000));
        ASSERT_ERROR(parse_rfc3339("2026-01-02", &t), EINVAL);
}

static int decompress_all(FileCompression kind, const void *p, size_t n, const FileConfig *limits,
                          uint64_t *ret_total,
                          uint8_t *ret_first) {
        _cleanup_(decompressor_freep) Decompressor *d = NULL;
        Text source = { p, n, 7 };
        uint8_t to[65536];
        ssize_t got;

        *ret_total = 0;
        ASSERT_OK(decompressor_new(kind, read_text, &source, limits, &d));
        while ((got = decompressor_read(d, to, sizeof(to), NULL)) > 0) {
                if (*ret_total == 0)
                        *ret_first = to[0];
                *ret_total += (uint64_t) got;
        }
        return (int) got;
}

/* printf x | gzip -n */
static const char gzip_x[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\0\0\x83\x16\xdc\x8c\x01\0\0\0";

TEST(gzip_members_follow_each_other) {
        static const FileConfig limits = {};
        char two[2 * (sizeof(gzip_x) - 1) + 4];
        uint64_t total;
        uint8_t first = 0;
        size_t n = sizeof(gzip_x) - 1;

        memcpy(two, gzip_x, n);
        memcpy(two + n, gzip_x, n);
        memset(two + 2 * n, 0, 4);
        assert_int_equal(decompress_all(FILE_COMPRESSION_AUTO, two, 2 * n + 4, &limits, &total, &first), 0);
        assert_int_equal(total, 2);
        assert_int_equal(first, 'x');
        for (size_t cut = 4; cut < n; cut++)
                assert_int_equal(decompress_all(FILE_COMPRESSION_GZIP, two, cut, &limits, &total, &first),
                                 -EBADMSG);
        two[2 * n] = 'z';
        assert_int_equal(decompress_all(FILE_COMPRESSION_AUTO, two, 2 * n + 1, &limits, &total, &first),
                         -EBADMSG);
        assert_int_equal(decompress_all(FILE_COMPRESSION_AUTO, "plain", 5, &limits, &total, &first), 0);
        assert_int_equal(total, 5);
        assert_int_equal(decompress_all(FILE_COMPRESSION_AUTO, "", 0, &limits, &total, &first), 0);
}

TEST_MAIN()
