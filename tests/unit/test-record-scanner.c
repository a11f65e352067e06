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

#define RECORD(stream, data, at) \
        "{\"type\":\"RECORD\",\"record\":{\"stream\":\"" stream "\",\"data\":" data ",\"emitted_at\":" at "}}"

static bool same_slice(JsonSlice a, JsonSlice b) {
        return a.p == b.p && a.n == b.n;
}

/* The scanner and the walker must say the same of a line. Returns the shape that the scanner saw. */
static unsigned scan_and_compare(RecordScanner *s, const char *p, size_t n) {
        Envelope fast = {}, slow = {};
        JsonSlice line = { p, n };
        int a = record_scanner_scan(s, line, &fast), b = envelope_parse(line, &slow);

        if (a != b)
                fail_msg("scanner says %d, walker %d: %.*s", a, b, (int) n, p);
        if (a < 0)
                return 0;
        assert_int_equal(fast.type, slow.type);
        assert_true(same_slice(fast.line, slow.line) && same_slice(fast.payload, slow.payload) &&
                    same_slice(fast.stream, slow.stream) && same_slice(fast.namespace, slow.namespace) &&
                    same_slice(fast.data, slow.data) && same_slice(fast.emitted_at, slow.emitted_at) &&
                    same_slice(fast.meta, slow.meta));
        assert_int_equal(slow.shape, 0);
        return fast.shape;
}

static unsigned scan_text(RecordScanner *s, const char *text) {
        return scan_and_compare(s, text, strlen(text));
}

TEST(lines_of_one_form_share_a_shape_and_others_do_not) {
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
        unsigned users, orders, meta;

        assert_int_equal(scan_text(s, RECORD("users", "{\"a\":1}", "1700000000000")), 0);
        users = scan_text(s, RECORD("users", "{\"a\":2}", "1700000000001"));
        assert_true(users > 0 && users < RECORD_SHAPES_MAX);
        assert_int_equal(scan_text(s, RECORD("users", "{}", "5")), users);
        assert_int_equal(scan_text(s, RECORD("users", "{\"b\":{\"c\":\"}\\\"\"}}", "0")), users);
        scan_text(s, RECORD("orders", "{}", "1"));
        orders = scan_text(s, RECORD("orders", "{}", "2"));
        assert_true(orders > 0 && orders != users);
        scan_text(s, RECORD("orders", "{}", "2,\"meta\":{}"));
        meta = scan_text(s, RECORD("orders", "{}", "2,\"meta\":{}"));
        assert_true(meta > 0 && meta != users && meta != orders);
        for (int i = 0; i < 100; i++) {
                assert_int_equal(scan_text(s, RECORD("orders", "{\"n\":[{}]}", "1700000000000")), orders);
                assert_int_equal(scan_text(s, RECORD("users", "{\"n\":[{}]}", "1700000000000")), users);
                assert_int_equal(scan_text(s, RECORD("orders", "{}", "17,\"meta\":{}")), meta);
        }
}

TEST(the_fast_path_knows_a_line_that_only_looks_like_the_last) {
        static const char *const lines[] = {
                RECORD("u", "{\"a\":\"x}", "1"),
                RECORD("u", "{\"a\":\"x}\\", "1"),
                RECORD("u", "{\"a\":1}", "01"),
                RECORD("u", "{\"a\":1}", "-1"),
                RECORD("u", "{\"a\":1}", "1.5"),
                RECORD("u", "{\"a\":1}", ""),
                RECORD("u", "{\"a\":1}", "12345678901234567890"),
                RECORD("u", "{\"a\":1}", "1}"),
                RECORD("u", "{\"a\":1}", "1 "),
                RECORD("u", "{\"a\":1},\"data\":{\"b\":2}", "1"),
                RECORD("u", "{\"a\":1},\"stream\":\"v\"", "1"),
                RECORD("u", "{\"a\":\"},\\\"emitted_at\\\":1}}\"}", "1"),
                RECORD("u", "[]", "1"),
                RECORD("u", "{]", "1"),
                RECORD("u", "null", "1"),
                RECORD("u", "{\\\"a\":1}", "1"),
        };
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                assert_true(scan_text(s, RECORD("u", "{\"a\":1}", "1")) > 0 || i == 0);
                assert_true(scan_text(s, RECORD("u", "{\"a\":1}", "1")) > 0);
                scan_text(s, lines[i]);
        }
}

TEST(data_is_as_deep_for_the_fast_path_as_for_the_walker) {
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();

        scan_text(s, RECORD("u", "{}", "1"));
        assert_true(scan_text(s, RECORD("u", "{}", "1")) > 0);
        for (unsigned depth = JSON_DEPTH_MAX - 3; depth <= JSON_DEPTH_MAX + 1; depth++) {
                _cleanup_buffer_ Buffer b = {};

                ASSERT_OK(buffer_append_string(&b, "{\"type\":\"RECORD\",\"record\":{\"stream\":\"u\",\"data\":{\"a\":"));
                for (unsigned i = 1; i < depth; i++)
                        ASSERT_OK(buffer_append_char(&b, '['));
                for (unsigned i = 1; i < depth; i++)
                        ASSERT_OK(buffer_append_char(&b, ']'));
                ASSERT_OK(buffer_append_string(&b, "},\"emitted_at\":1}}"));
                scan_and_compare(s, buffer_bytes(&b), b.len);
        }
}

/* Reproducible and good enough to mix test data. */
static uint32_t next_random(uint64_t *state) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) (*state >> 33);
}

TEST(scanner_and_walker_agree_on_lines_that_were_damaged) {
        static const char *const forms[] = {
                RECORD("users", "{\"id\":1,\"t\":\"some text\"}", "1700000000000"),
                RECORD("users", "{\"id\":1,\"t\":{\"x\":[1,\"]\\\"\"]}}", "1700000000000"),
                RECORD("orders", "{}", "17,\"meta\":{\"changes\":[]}"),
                "{\"record\":{\"emitted_at\":12,\"namespace\":\"n\",\"stream\":\"a\",\"data\":{\"k\":null}},\"type\":\"RECORD\"}",
                "{\"type\": \"RECORD\", \"record\": {\"stream\": \"a\", \"emitted_at\": 12, \"data\": {\"k\": null}}}\r",
                "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\"}}",
        };
        static const char bytes[] = "{}[]\"\\,:0 1x";
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
        uint64_t seed = 7;
        size_t known = 0;

        for (unsigned round = 0; round < 200000; round++) {
                const char *form = forms[next_random(&seed) % ELEMENTSOF(forms)];
                size_t n = strlen(form), at;
                char line[256];

                memcpy(line, form, n);
                for (unsigned k = next_random(&seed) % 4; k > 0; k--) {
                        at = next_random(&seed) % n;
                        switch (next_random(&seed) % 3) {
                        case 0: /* another byte */
                                line[at] = bytes[next_random(&seed) % strlen(bytes)];
                                break;
                        case 1: /* a byte less */
                                memmove(line + at, line + at + 1, n - at - 1);
                                n--;
                                break;
                        case 2: /* one more */
                                memmove(line + at + 1, line + at, n - at);
                                line[at] = bytes[next_random(&seed) % strlen(bytes)];
                                n++;
                        }
                }
                known += scan_and_compare(s, line, n) > 0;
        }
        assert_true(known > 20000);
}

/* The plain way to the next line and what it is. */
static int expect_next(JsonSlice *text, size_t max, Envelope *ret) {
        const char *newline = memchr(text->p, '\n', text->n);
        JsonSlice line = { text->p, newline ? (size_t) (newline - text->p) : 0 };
        int r;

        if (!newline)
                return 0;
        text->p += line.n + 1;
        text->n -= line.n + 1;
        if (line.n >= max)
                return -EMSGSIZE;
        r = envelope_parse(line, ret);
        ret->line = line;
        return r < 0 ? r : 1;
}

TEST(a_line_is_found_and_recognised_in_one_walk_as_in_two) {
        static const char text[] =
                RECORD("u", "{\"a\":1}", "1") "\n" RECORD("u", "{\"a\":2}", "2") "\n"
                RECORD("u", "{\"a\":3}", "3") "\n" RECORD("u", "{\"a\":\n3}", "3") "\n"
                RECORD("u", "{\"a\":\"\n\"}", "3") "\n" RECORD("u", "{\"a\":5}", "5") "\n\n"
                RECORD("u", "{\"a\":6}", "6") "\n" RECORD("u", "{\"a\":7}", "7") "\n"
                RECORD("u", "{\"a\":8}", "8") " \n" RECORD("u", "{\"a\":9}", "9") "\n"
                RECORD("u", "{\"a\":10}", "10") "\n"
                RECORD("u", "{\"a\":\"a line that is too long, longer than all the others are\"}", "11") "\n"
                RECORD("u", "{\"a\":12}", "12") "\n" RECORD("u", "{\"a\":{}}", "13") "\n"
                RECORD("v", "{}", "14") "\n" RECORD("v", "{}", "15") "\n"
                RECORD("u", "{}", "16") "\n" RECORD("u", "{}", "17");
        enum { MAX = 100 };

        for (size_t piece = 1; piece <= sizeof(text); piece++) {
                _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
                JsonSlice rest = { text, strlen(text) };
                unsigned n = 0, n_recognised = 0;
                LineReader reader;

                line_reader_init(&reader, MAX);
                for (size_t at = 0; at < strlen(text); at += piece) {
                        size_t k = MIN(piece, strlen(text) - at);
                        Envelope e = {}, expected = {};
                        int r;

                        memcpy(line_reader_reserve(&reader, k), text + at, k);
                        line_reader_commit(&reader, k);
                        while ((r = record_scanner_next(s, &reader, &e)) != 0) {
                                assert_int_equal(r, expect_next(&rest, MAX, &expected));
                                assert_int_equal(reader.n_lines, ++n);
                                if (r == -EMSGSIZE)
                                        continue;
                                assert_int_equal(e.line.n, expected.line.n);
                                assert_memory_equal(e.line.p, expected.line.p, e.line.n);
                                assert_int_equal(e.data.n, r > 0 ? expected.data.n : 0);
                                assert_memory_equal(e.emitted_at.p, expected.emitted_at.p, e.emitted_at.n);
                                n_recognised += r > 0 && e.shape > 0;
                                e = expected = (Envelope) {};
                        }
                }
                assert_int_equal(n, 20);
                assert_int_equal(n_recognised, 11);
                line_reader_done(&reader);
        }
}

/* What a run covers must be what as many calls of record_scanner_next() would have found. */
static unsigned check_run(const RecordRun *run, JsonSlice *rest, size_t max, unsigned shape, RecordScanner *judge) {
        const char *p = run->lines.p;
        uint64_t n_data = 0;

        for (uint64_t i = 0; i < run->n; i++) {
                Envelope expected = {}, e = {};

                assert_int_equal(expect_next(rest, max, &expected), 1);
                assert_memory_equal(p, expected.line.p, expected.line.n + 1);
                ASSERT_OK(record_scanner_scan(judge, expected.line, &e));
                assert_int_equal(e.shape, shape);
                p += expected.line.n + 1;
                n_data += expected.data.n;
        }
        assert_ptr_equal(p, run->lines.p + run->lines.n);
        assert_int_equal(n_data, run->n_data);
        return (unsigned) run->n;
}

TEST(a_run_is_the_lines_of_one_form_and_ends_with_them) {
        static const char text[] =
                RECORD("u", "{\"a\":1}", "1") "\n" RECORD("u", "{\"a\":2}", "2") "\n"
                RECORD("u", "{\"a\":3}", "3") "\n" RECORD("u", "{\"a\":{\"b\":[\"}\"]}}", "4") "\n"
                RECORD("u", "{\"a\":\"\\\"\"}", "5") "\n" RECORD("u", "{}", "6") "\n"
                "{\"type\":\"STATE\",\"state\":{}}\n"
                RECORD("u", "{\"a\":7}", "7") "\n" RECORD("u", "{\"a\":8}", "8") "\n"
                RECORD("u", "{\"a\":8,\"why\":\"this one is too long for the reader, by some bytes\"}", "8") "\n"
                RECORD("u", "{\"a\":9}", "9") "\n" RECORD("u", "{\"a\":10}", "10") "\n"
                RECORD("v", "{\"a\":1}", "1") "\n" RECORD("v", "{\"a\":1}", "1") "\n"
                RECORD("v", "{\"a\":\"\n\"}", "2") "\n" RECORD("v", "{\"a\":1}", "3") "\n"
                RECORD("v", "{\"a\":1}", "4") "\n" RECORD("v", "{\"a\":1}", "5") "\n" RECORD("v", "{}", "6");
        enum { MAX = 100, LINES = 19 };

        for (uint64_t run_max = 1; run_max <= 4; run_max++)
                for (size_t piece = 1; piece <= sizeof(text); piece++) {
                        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
                        JsonSlice rest = { text, strlen(text) };
                        unsigned n = 0, n_in_runs = 0;
                        LineReader reader;

                        line_reader_init(&reader, MAX);
                        for (size_t at = 0; at < strlen(text); at += piece) {
                                size_t k = MIN(piece, strlen(text) - at);
                                Envelope e = {}, expected = {};
                                RecordRun run;
                                int r;

                                feed(&reader, text + at, k);
                                while ((r = record_scanner_next(s, &reader, &e)) != 0) {
                                        assert_int_equal(r, expect_next(&rest, MAX, &expected));
                                        n++;
                                        if (r > 0 && e.type == MESSAGE_RECORD &&
                                            record_scanner_run(s, &reader, run_max, &run)) {
                                                assert_in_range(run.n, 1, run_max);
                                                n_in_runs += check_run(&run, &rest, MAX, e.shape, s);
                                                n += (unsigned) run.n;
                                        }
                                        assert_int_equal(reader.n_lines, n);
                                }
                        }
                        assert_int_equal(n, LINES);
                        /* All at once: u's 4 to 6, 8 and 10, v's 4 and 5 follow a line that was recognised. */
                        if (piece == sizeof(text) && run_max == 4)
                                assert_int_equal(n_in_runs, 7);
                        line_reader_done(&reader);
                }
}

TEST(many_streams_in_any_order_are_recognised) {
        enum { N = 2000 };
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
        unsigned shapes[N] = {};
        uint64_t seed = 3;
        size_t known = 0;

        for (unsigned round = 0; round < 40000; round++) {
                unsigned i = round < 2 * N ? round / 2 : next_random(&seed) % N, shape;
                char line[256];
                int n = snprintf(line, sizeof(line), RECORD("stream_%u", "{\"a\":%u}", "17"), i, round);

                shape = scan_and_compare(s, line, (size_t) n);
                known += shape > 0;
                if (shape > 0 && shapes[i] > 0)
                        assert_int_equal(shape, shapes[i]);
                shapes[i] = shape > 0 ? shape : shapes[i];
        }
        assert_true(known > 37000);
}
