/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/mman.h>
#include <unistd.h>

#include "basic/json-scan.h"
#include "basic/json-skip.h"
#include "unit/test.h"

TEST_MAIN()

/* Reproducible and good enough to mix test data. */
static uint32_t next_random(uint64_t *state) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) (*state >> 33);
}

static int validate(const char *s) {
        return json_validate(s, strlen(s), NULL);
}

static size_t skipped(const char *s) {
        const char *behind = json_skip_value(s, s + strlen(s));

        return behind ? (size_t) (behind - s) : 0;
}

/* Text whose last byte is the last of a page, with nothing behind it: reading on is a fault. */
static char *at_page_end(size_t n, char **ret_map, size_t *ret_size) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), size = (n + page - 1) / page * page + page;
        char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(map, MAP_FAILED);
        ASSERT_OK(mprotect(map + size - page, page, PROT_NONE));
        *ret_map = map;
        *ret_size = size;
        return map + size - page - n;
}

TEST(both_ways_to_skip_a_container_agree_on_any_bytes_and_read_nothing_behind_the_end) {
        static const char alphabet[] = "{}[]\"\"\"\\\\,: ab1{}[]\"\nyzxyzxyzxyzxyzxyzxyzxyz";
        uint64_t seed = 1;
        char *map;
        size_t size, ended = 0, ended_in_line = 0;
        char *text = at_page_end(1024, &map, &size);

        for (unsigned round = 0; round < 200000; round++) {
                size_t n = 1 + next_random(&seed) % (round % 8 == 0 ? 1024 : 200);
                unsigned plain = next_random(&seed) % 8, depth_max = 1 + next_random(&seed) % 12;
                char *p = text + 1024 - n;
                const char *a, *b, *newline;

                p[0] = next_random(&seed) % 2 ? '{' : '[';
                for (size_t i = 1; i < n; i++)
                        p[i] = next_random(&seed) % 8 < plain ? 'x' : alphabet[next_random(&seed) % strlen(alphabet)];
                a = json_skip_container(p, p + n, depth_max);
                b = json_skip_container_portable(p, p + n, depth_max);
                assert_ptr_equal(a, b);
                ended += a != NULL;
                newline = memchr(p, '\n', n);
                a = json_skip_container_in_line(p, p + n, depth_max);
                b = json_skip_container_portable(p, newline ?: p + n, depth_max);
                assert_ptr_equal(a, b);
                ended_in_line += a != NULL;
        }
        assert_true(ended > 1000 && ended < 199000);
        assert_true(ended_in_line > 1000 && ended_in_line < ended);
        munmap(map, size);
}

TEST(a_container_ends_at_its_own_bracket_wherever_that_falls) {
        for (size_t pad = 0; pad < 200; pad++) {
                _cleanup_buffer_ Buffer b = {};
                size_t n;

                ASSERT_OK(buffer_append_string(&b, "{\"a\":[{\"k\\\\\":\"}\\\"]"));
                for (size_t i = 0; i < pad; i++)
                        ASSERT_OK(buffer_append_char(&b, i % 7 == 3 ? '}' : 'x'));
                ASSERT_OK(buffer_append_string(&b, "\\\\\"}]}"));
                n = b.len;
                ASSERT_OK(buffer_append_string(&b, ",\"behind\":{}}"));
                for (size_t cut = 0; cut <= b.len; cut++) {
                        const char *p = buffer_bytes(&b), *behind = cut ? json_skip_value(p, p + cut) : NULL;

                        if (cut < n)
                                assert_null(behind);
                        else
                                assert_ptr_equal(behind, p + n);
                }
        }
}

TEST(values_end_where_they_end) {
        assert_int_equal(skipped("12,"), 2);
        assert_int_equal(skipped("true}"), 4);
        assert_int_equal(skipped("\"a\\\"b\" "), 6);
        assert_int_equal(skipped("{}{}"), 2);
        assert_int_equal(skipped("[[],{}]"), 7);
        assert_int_equal(skipped("\"a"), 0);
        assert_int_equal(skipped("\"a\\"), 0);
        assert_int_equal(skipped("\"a\\\""), 0);
        assert_int_equal(skipped("{]"), 0);
        assert_int_equal(skipped("[1,2"), 0);
        assert_int_equal(skipped(",1"), 0);
        assert_int_equal(skipped("{\\\"a\":1}"), 0);
}

TEST(depth_is_counted_up_to_the_limit_and_no_further) {
        for (unsigned depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
                _cleanup_buffer_ Buffer b = {};
                const char *p;

                for (unsigned i = 0; i < depth; i++)
                        ASSERT_OK(buffer_append_char(&b, '['));
                for (unsigned i = 0; i < depth; i++)
                        ASSERT_OK(buffer_append_char(&b, ']'));
                p = buffer_bytes(&b);
                if (depth <= JSON_DEPTH_MAX) {
                        ASSERT_OK(json_validate(p, b.len, NULL));
                        assert_ptr_equal(json_skip_value(p, p + b.len), p + b.len);
                } else {
                        ASSERT_ERROR(json_validate(p, b.len, NULL), ELOOP);
                        assert_null(json_skip_value(p, p + b.len));
                }
                /* The same from inside of it. */
                assert_int_equal(json_validate_inside(p + 2, b.len - 4, 2), json_validate(p, b.len, NULL));
        }
}

TEST(the_grammar_of_rfc_8259_is_kept) {
        static const char *const good[] = { "0", "-0", "1e5", "-1.5E+10", "\"\"", " [1 , 2]\r\n\t", "{\"a\":{}}", "null",
                                            "\"\\u0000\"", "\"\\ud800\"", "\"\x7f\"", "1e999999999" };
        static const char *const bad[] = { "", " ", "01", "1.", ".5", "+1", "-", "1e", "1e+", "tru", "truex", "[1,]", "[,1]",
                                           "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "[1 2]", "\"\\x\"", "\"\\u12\"",
                                           "\"\n\"", "\"\t\"", "[1]]", "{}}", "'a'", "NaN", "\xef\xbb\xbf{}", "[\"a", "[1" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (validate(good[i]) < 0)
                        fail_msg("'%s' is refused", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (validate(bad[i]) != -EBADMSG)
                        fail_msg("'%s' gives %d", bad[i], validate(bad[i]));
        ASSERT_ERROR(validate("\"\xff\""), EILSEQ);
        ASSERT_ERROR(validate("\"\xc0\xaf\""), EILSEQ);
        ASSERT_ERROR(validate("\"\xed\xa0\x80\""), EILSEQ);
        ASSERT_OK(validate("\"\xe2\x82\xac \xf0\x9f\x98\x80 and sixteen and more bytes of plain text\""));
}

TEST(the_first_bad_byte_is_named) {
        static const char text[] = "{\"a\":\"0123456789abcdef0123456789abcdef\x01\"}";
        size_t at = 0;

        ASSERT_ERROR(json_validate(text, strlen(text), &at), EBADMSG);
        assert_int_equal(at, 38);
}

TEST(strings_are_validated_at_every_length_and_place) {
        char text[100];

        for (size_t n = 0; n < 80; n++)
                for (size_t at = 0; at <= n; at++) {
                        memset(text, 'x', sizeof(text));
                        text[0] = '"';
                        text[n + 1] = '"';
                        ASSERT_OK(json_validate(text, n + 2, NULL));
                        if (at == n)
                                continue;
                        text[at + 1] = 0x1f;
                        ASSERT_ERROR(json_validate(text, n + 2, NULL), EBADMSG);
                        text[at + 1] = (char) 0x80;
                        ASSERT_ERROR(json_validate(text, n + 2, NULL), EILSEQ);
                        text[at + 1] = '"';
                        ASSERT_ERROR(json_validate(text, n + 2, NULL), EBADMSG);
                        assert_ptr_equal(json_skip_string(text, text + n + 2), text + at + 2);
                }
}

TEST(escapes_decode_to_the_text_they_stand_for) {
        static const char escaped[] = "\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\ud800x\\udc00";
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(json_string_decode((JsonSlice) { escaped, strlen(escaped) }, &b));
        assert_string_equal(buffer_string(&b), "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbdx\xef\xbf\xbd");
        ASSERT_ERROR(json_string_decode((JsonSlice) { "\\", 1 }, &b), EBADMSG);
        ASSERT_ERROR(json_string_decode((JsonSlice) { "\\u004", 5 }, &b), EBADMSG);
        ASSERT_ERROR(json_string_decode((JsonSlice) { "\\q", 2 }, &b), EBADMSG);
        assert_true(json_key_equal((JsonSlice) { "\\u0074ype", 9 }, "type", 4));
        assert_false(json_key_equal((JsonSlice) { "\\u0074yp", 8 }, "type", 4));
        assert_false(json_key_equal((JsonSlice) { "\\u0074ypes", 10 }, "type", 4));
}

TEST(a_nul_in_a_string_survives_decoding) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(json_string_decode((JsonSlice) { "a\\u0000b", 8 }, &b));
        assert_int_equal(b.len, 3);
        assert_memory_equal(buffer_bytes(&b), "a\0b", 3);
}

TEST(integers_are_exact_or_refused) {
        int64_t i;

        ASSERT_OK(json_parse_i64((JsonSlice) { "-9223372036854775808", 20 }, &i));
        assert_true(i == INT64_MIN);
        ASSERT_OK(json_parse_i64((JsonSlice) { "9223372036854775807", 19 }, &i));
        assert_true(i == INT64_MAX);
        ASSERT_ERROR(json_parse_i64((JsonSlice) { "9223372036854775808", 19 }, &i), ERANGE);
        ASSERT_ERROR(json_parse_i64((JsonSlice) { "1.0", 3 }, &i), EINVAL);
        ASSERT_ERROR(json_parse_i64((JsonSlice) { "-", 1 }, &i), EINVAL);
        ASSERT_ERROR(json_parse_i64((JsonSlice) { "", 0 }, &i), EINVAL);
}
