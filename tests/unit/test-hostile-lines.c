/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* T25 and T26: what a broken or hostile connector can write, at sizes where anything that is not linear, or recurses, or
 * keeps what it should drop, does not come to an end. */

#include <sys/resource.h>

#include "basic/json-scan.h"
#include "protocol/record-scanner.h"
#include "shared/json-util.h"
#include "unit/test.h"

TEST_MAIN()

#define MIB (1024U * 1024U)

static size_t peak_rss(void) {
        struct rusage u;

        ASSERT_OK(getrusage(RUSAGE_SELF, &u));
        return (size_t) u.ru_maxrss * 1024;
}

static void feed(LineReader *r, const char *p, size_t n) {
        char *to = line_reader_reserve(r, n);

        assert_non_null(to);
        memcpy(to, p, n);
        line_reader_commit(r, n);
}

static void fill(Buffer *b, const char *piece, size_t times) {
        for (size_t i = 0; i < times; i++)
                ASSERT_OK(buffer_append_string(b, piece));
}

static JsonSlice line_of(const Buffer *b) {
        return (JsonSlice) { buffer_bytes(b), b->len };
}

/* Both readers of JSON say `expected` of the text. */
static void both_say(const Buffer *b, int expected) {
        _cleanup_json_ JsonObject *o = NULL;

        assert_int_equal(json_validate(buffer_bytes(b), b->len, NULL), expected);
        assert_int_equal(json_parse(buffer_bytes(b), b->len, &o, NULL), expected);
}

static void expect_line(LineReader *r, const char *text) {
        JsonSlice line;

        assert_int_equal(line_reader_next(r, &line), 1);
        assert_int_equal(line.n, strlen(text));
        assert_memory_equal(line.p, text, line.n);
}

TEST(T25_a_line_of_1_gib_takes_bounded_memory_and_the_next_is_found) {
        static char chunk[64 * 1024];
        size_t before = peak_rss(), errors = 0;
        JsonSlice line;
        LineReader r;
        int k;

        memset(chunk, 'x', sizeof(chunk));
        line_reader_init(&r, PROTOCOL_LINE_MAX);
        for (size_t i = 0; i < 1024 * (MIB / sizeof(chunk)); i++) {
                feed(&r, chunk, sizeof(chunk));
                while ((k = line_reader_next(&r, &line)) != 0) {
                        assert_int_equal(k, -EMSGSIZE);
                        errors++;
                }
        }
        assert_int_equal(errors, 1);
        feed(&r, "\nnext\n", 6);
        expect_line(&r, "next");
        assert_int_equal(r.n_lines, 2);
        /* The longest line, and once more while its buffer grows; sanitizers keep freed memory for a while. */
        assert_true(peak_rss() - before < 256 * (size_t) MIB);
        line_reader_done(&r);
}

TEST(T25_a_line_may_be_as_long_as_the_limit_and_not_a_byte_longer) {
        for (size_t extra = 0; extra < 2; extra++) {
                _cleanup_buffer_ Buffer b = {};
                JsonSlice line;
                LineReader r;

                fill(&b, "x", PROTOCOL_LINE_MAX - 1 + extra);
                ASSERT_OK(buffer_append_string(&b, "\nnext\n"));
                line_reader_init(&r, PROTOCOL_LINE_MAX);
                feed(&r, buffer_bytes(&b), b.len);
                assert_int_equal(line_reader_next(&r, &line), extra ? -EMSGSIZE : 1);
                expect_line(&r, "next");
                line_reader_done(&r);
        }
}

/* A reader that began each search at the front would look at 3 TiB here. */
TEST(T25_a_line_in_small_pieces_is_searched_once) {
        char piece[64];
        JsonSlice line = {};
        LineReader r;
        size_t n = 0;

        memset(piece, 'x', sizeof(piece));
        line_reader_init(&r, PROTOCOL_LINE_MAX);
        for (; n + sizeof(piece) < PROTOCOL_LINE_MAX; n += sizeof(piece)) {
                feed(&r, piece, sizeof(piece));
                assert_int_equal(line_reader_next(&r, &line), 0);
        }
        feed(&r, "\n", 1);
        assert_int_equal(line_reader_next(&r, &line), 1);
        assert_int_equal(line.n, n);
        line_reader_done(&r);
}

TEST(T25_each_broken_line_is_refused_and_those_around_it_are_read) {
        static const char text[] =
                "{\"type\":\"STATE\",\"state\":{\"n\":1}}\r\n"
                "\n"
                "\0\0\0\n"
                "{\"type\":\"STATE\",\"state\":{\"a\0b\":1}}\n"
                "{\"type\":\"REC{\"type\":\"STATE\",\"state\":{}}\n" /* two writers at once */
                "ORD\",\"record\":{}}\n"
                "{\"type\":\"STATE\",\"state\":{\"n\":2}}\n"
                "\xff\xfe{\n"
                "{\"type\":\"STATE\",\"state\":{\"t\":\"\xff\xc0\xaf\"}}\n"
                "{\"type\":\"STATE\",\"state\":{\"n\":3}";
        static const int expected[] = { 0, -EBADMSG, -EBADMSG, 0, -EBADMSG, -EBADMSG, 0, -EBADMSG, 0, -EBADMSG };
        static const int valid[] = { 0, -EBADMSG, -EBADMSG, -EBADMSG, -EBADMSG, -EBADMSG, 0, -EBADMSG, -EILSEQ, -EBADMSG };
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
        JsonSlice line = {};
        LineReader r;
        Envelope e;
        size_t i = 0;

        line_reader_init(&r, PROTOCOL_LINE_MAX);
        feed(&r, text, sizeof(text) - 1);
        for (; i < ELEMENTSOF(expected); i++) {
                assert_int_equal(i + 1 < ELEMENTSOF(expected) ? line_reader_next(&r, &line) : line_reader_rest(&r, &line), 1);
                assert_int_equal(record_scanner_scan(s, line, &e), expected[i]);
                /* The envelope is all that is looked at here; who reads the payload sees the rest. */
                assert_int_equal(json_validate(line.p, line.n, NULL), valid[i]);
        }
        assert_int_equal(line_reader_rest(&r, &line), 0);
        assert_int_equal(r.n_lines, i);
        line_reader_done(&r);
}

TEST(T26_a_million_open_brackets_are_too_deep_at_once) {
        _cleanup_buffer_ Buffer b = {}, line = {};
        Envelope e;

        fill(&b, "[", 1000000);
        both_say(&b, -ELOOP);
        ASSERT_OK(buffer_append_string(&line, "{\"type\":\"STATE\",\"state\":{\"a\":"));
        ASSERT_OK(buffer_append(&line, buffer_bytes(&b), b.len));
        ASSERT_ERROR(envelope_parse(line_of(&line), &e), EBADMSG);
        fill(&line, "]", 1000000);
        ASSERT_OK(buffer_append_string(&line, "}}"));
        ASSERT_ERROR(envelope_parse(line_of(&line), &e), EBADMSG);
        both_say(&line, -ELOOP);
}

TEST(T26_a_million_keys_are_walked_once) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_buffer_ Buffer b = {};
        JsonSlice v;
        Envelope e;

        ASSERT_OK(buffer_append_string(&b, "{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"emitted_at\":1,\"data\":{"));
        for (int i = 0; i < 1000000; i++)
                ASSERT_OK(buffer_appendf(&b, "\"k%d\":%d,", i, i));
        ASSERT_OK(buffer_append_string(&b, "\"k7\":\"last\"}}}"));
        ASSERT_OK(envelope_parse(line_of(&b), &e));
        assert_int_equal(json_find_member(e.data, "k7", &v), 1);
        assert_memory_equal(v.p, "\"last\"", v.n);
        ASSERT_OK(json_parse(e.data.p, e.data.n, &o, NULL));
        assert_int_equal(json_object_object_length(o), 1000000);
        assert_string_equal(json_object_get_string(json_member(o, "k7")), "last");
}

TEST(T26_scanner_and_tree_agree_on_duplicate_and_escaped_types) {
        static const struct {
                const char *line, *type;
        } cases[] = {
                { "{\"type\":\"LOG\",\"type\":\"STATE\",\"state\":{},\"log\":{}}", "STATE" },
                { "{\"type\":\"STATE\",\"state\":{},\"log\":{},\"t\\u0079pe\":\"LOG\"}", "LOG" },
                { "{\"state\":{},\"log\":{},\"\\u0074\\u0079\\u0070\\u0065\":\"\\u004c\\u004f\\u0047\"}", "LOG" },
                { "{\"state\":{},\"log\":{},\"type\":\"STATE\"}", "STATE" },
                { "{\"type\\u0000\":\"LOG\",\"state\":{},\"log\":{},\"type\":\"STATE\"}", "STATE" },
                { "{\"state\":{},\"log\":{},\"type\":\"STATE\",\"type \":\"LOG\"}", "STATE" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_json_ JsonObject *o = NULL;
                Envelope e;

                ASSERT_OK(envelope_parse((JsonSlice) { cases[i].line, strlen(cases[i].line) }, &e));
                assert_string_equal(message_type_to_string(e.type), cases[i].type);
                ASSERT_OK(json_parse(cases[i].line, strlen(cases[i].line), &o, NULL));
                assert_string_equal(json_object_get_string(json_member(o, "type")), cases[i].type);
        }
}

TEST(T26_numbers_of_any_size_keep_their_text) {
        _cleanup_buffer_ Buffer digits = {}, line = {};
        Envelope e;

        fill(&digits, "1234567890", MIB);
        ASSERT_OK(buffer_append_string(&line, "{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{\"a\":1e999999999,\"b\":"));
        ASSERT_OK(buffer_append(&line, buffer_bytes(&digits), digits.len));
        ASSERT_OK(buffer_append_string(&line, "},\"emitted_at\":1}}"));
        for (int round = 0; round < 3; round++) {
                _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
                JsonSlice v;

                ASSERT_OK(record_scanner_scan(s, line_of(&line), &e));
                assert_int_equal(json_find_member(e.data, "a", &v), 1);
                assert_memory_equal(v.p, "1e999999999", v.n);
                assert_int_equal(json_find_member(e.data, "b", &v), 1);
                assert_int_equal(v.n, digits.len);
        }
        {
                _cleanup_json_ JsonObject *o = NULL;
                _cleanup_buffer_ Buffer out = {};

                ASSERT_OK(json_parse(e.data.p, e.data.n, &o, NULL));
                ASSERT_OK(json_append(&out, o));
                assert_int_equal(out.len, e.data.n);
                assert_memory_equal(buffer_bytes(&out), e.data.p, out.len);
        }
}

TEST(T26_an_endless_emitted_at_is_read_to_its_end) {
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
        _cleanup_buffer_ Buffer line = {};
        Envelope e;

        ASSERT_OK(buffer_append_string(&line, "{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{},\"emitted_at\":1"));
        fill(&line, "0123456789", MIB);
        ASSERT_OK(buffer_append_string(&line, "}}"));
        for (int round = 0; round < 3; round++) {
                ASSERT_OK(record_scanner_scan(s, line_of(&line), &e));
                assert_int_equal(e.emitted_at.n, 10U * MIB + 1);
        }
}

/* Each backslash begins an escape; a reader that looked back over the run for each would not end. */
TEST(T26_a_string_of_backslashes_is_read_once) {
        _cleanup_buffer_ Buffer b = {};
        Envelope e;

        ASSERT_OK(buffer_append_string(&b, "{\"type\":\"STATE\",\"state\":{\"a\":\""));
        fill(&b, "\\\\", 4 * MIB);
        ASSERT_OK(buffer_append_string(&b, "\\\"\"}}"));
        ASSERT_OK(envelope_parse(line_of(&b), &e));
        both_say(&b, 0);
        fill(&b, "\\\"", 1);
        ASSERT_ERROR(envelope_parse(line_of(&b), &e), EBADMSG);
        both_say(&b, -EBADMSG);
}
