/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocol/record-scanner.h"
#include "unit/test.h"

TEST_MAIN()

static void feed(LineReader *r, const char *s, size_t n) {
        char *to = line_reader_reserve(r, n);

        assert_non_null(to);
        memcpy(to, s, n);
        line_reader_commit(r, n);
}

static void assert_slice(JsonSlice s, const char *text) {
        assert_int_equal(s.n, strlen(text));
        assert_memory_equal(s.p, text, s.n);
}

static int parse(const char *text, Envelope *ret) {
        return envelope_parse((JsonSlice) { text, strlen(text) }, ret);
}

TEST(lines_are_found_whatever_the_pieces) {
        static const char text[] = "one\n\ntwo\r\nthree";
        LineReader r;
        JsonSlice line;

        for (size_t piece = 1; piece < sizeof(text); piece++) {
                static const char *const expected[] = { "one", "", "two\r" };
                size_t k = 0;

                line_reader_init(&r, 100);
                for (size_t i = 0; i < strlen(text); i += piece) {
                        feed(&r, text + i, MIN(piece, strlen(text) - i));
                        while (line_reader_next(&r, &line) > 0)
                                assert_slice(line, expected[k++]);
                }
                assert_int_equal(k, 3);
                assert_int_equal(line_reader_rest(&r, &line), 1);
                assert_slice(line, "three");
                assert_int_equal(line_reader_rest(&r, &line), 0);
                assert_int_equal(r.n_lines, 4);
                line_reader_done(&r);
        }
}

TEST(a_line_that_is_too_long_is_dropped_and_the_next_is_found) {
        LineReader r;
        JsonSlice line;

        line_reader_init(&r, 8);
        feed(&r, "1234567\n12345678\nok\n123456789012", 32);
        assert_int_equal(line_reader_next(&r, &line), 1);
        assert_slice(line, "1234567");
        ASSERT_ERROR(line_reader_next(&r, &line), EMSGSIZE);
        assert_int_equal(line_reader_next(&r, &line), 1);
        assert_slice(line, "ok");
        ASSERT_ERROR(line_reader_next(&r, &line), EMSGSIZE);
        assert_int_equal(line_reader_next(&r, &line), 0);
        feed(&r, "34\nend", 6);
        assert_int_equal(line_reader_next(&r, &line), 0);
        assert_int_equal(line_reader_rest(&r, &line), 1);
        assert_slice(line, "end");
        assert_int_equal(r.n_lines, 5);
        line_reader_done(&r);
}

TEST(an_envelope_is_found_in_any_order_of_keys) {
        Envelope e;

        ASSERT_OK(parse("{\"type\":\"RECORD\",\"record\":{\"stream\":\"u\",\"data\":{\"a\":1},\"emitted_at\":17}}", &e));
        assert_int_equal(e.type, MESSAGE_RECORD);
        assert_slice(e.stream, "u");
        assert_slice(e.data, "{\"a\":1}");
        assert_slice(e.emitted_at, "17");
        assert_null(e.namespace.p);
        assert_null(e.meta.p);

        ASSERT_OK(parse(" { \"record\" : {\"emitted_at\" : 17 , \"meta\":{\"changes\":[]}, \"x\":[], \"data\":{}, "
                        "\"namespace\":\"n\\\"\", \"stream\":\"u\" } , \"type\" : \"RECORD\" } \r", &e));
        assert_slice(e.namespace, "n\\\"");
        assert_slice(e.meta, "{\"changes\":[]}");
        assert_slice(e.data, "{}");

        ASSERT_OK(parse("{\"\\u0074ype\":\"ST\\u0041TE\",\"stat\\u0065\":{}}", &e));
        assert_int_equal(e.type, MESSAGE_STATE);
        assert_slice(e.payload, "{}");
}

TEST(of_duplicate_keys_the_last_one_counts) {
        Envelope e;

        ASSERT_OK(parse("{\"type\":\"RECORD\",\"state\":{\"a\":1},\"type\":\"STATE\",\"state\":{\"b\":1}}", &e));
        assert_int_equal(e.type, MESSAGE_STATE);
        assert_slice(e.payload, "{\"b\":1}");
        ASSERT_OK(parse("{\"type\":\"RECORD\",\"record\":{\"stream\":\"u\",\"data\":{},\"data\":{\"b\":2},\"emitted_at\":1,"
                        "\"str\\u0065am\":\"v\",\"namespace\":\"x\",\"namespace\":null}}", &e));
        assert_slice(e.stream, "v");
        assert_slice(e.data, "{\"b\":2}");
        assert_null(e.namespace.p);
}

TEST(what_is_no_message_says_so) {
        Envelope e;

        ASSERT_ERROR(parse("", &e), EBADMSG);
        ASSERT_ERROR(parse("hello", &e), EBADMSG);
        ASSERT_ERROR(parse("[]", &e), EBADMSG);
        ASSERT_ERROR(parse("\xef\xbb\xbf{\"type\":\"LOG\",\"log\":{}}", &e), EBADMSG);
        ASSERT_ERROR(parse("{\"type\":\"LOG\",\"log\":{}}x", &e), EBADMSG);
        ASSERT_ERROR(parse("{\"type\":\"LOG\",\"log\":{}", &e), EBADMSG);
        ASSERT_ERROR(parse("{}", &e), ENOMSG);
        ASSERT_ERROR(parse("{\"type\":\"WHAT\",\"what\":{}}", &e), ENOMSG);
        ASSERT_ERROR(parse("{\"type\":\"LOG\"}", &e), ENOMSG);
        ASSERT_ERROR(parse("{\"type\":\"LOG\",\"log\":null}", &e), ENOMSG);
        ASSERT_ERROR(parse("{\"type\":7,\"log\":{}}", &e), ENOMSG);
        ASSERT_ERROR(parse("{\"type\":\"RECORD\",\"record\":{}}", &e), EBADMSG);
        ASSERT_ERROR(parse("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":[],\"emitted_at\":1}}", &e), EBADMSG);
        ASSERT_ERROR(parse("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{},\"emitted_at\":01}}", &e), EBADMSG);
        ASSERT_ERROR(parse("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{},\"emitted_at\":1,\"meta\":[]}}", &e),
                     EBADMSG);
}
