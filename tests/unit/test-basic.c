/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/buffer.h"
#include "basic/hashmap.h"
#include "basic/json-scan.h"
#include "basic/json-write.h"
#include "basic/parse-util.h"
#include "basic/path-util.h"
#include "basic/strv.h"
#include "basic/time-util.h"
#include "basic/utf8.h"
#include "unit/test.h"

TEST_MAIN()

TEST(buffer_keeps_bytes_across_consume_and_growth) {
        _cleanup_buffer_ Buffer b = {};

        for (int i = 0; i < 1000; i++)
                ASSERT_OK(buffer_appendf(&b, "%03d;", i));
        buffer_consume(&b, 4 * 998);
        assert_string_equal(buffer_string(&b), "998;999;");
        buffer_consume(&b, 8);
        assert_int_equal(b.len, 0);
}

/* Where the kernel copies slowly depends on the place within a page; see buffer.c. */
TEST(buffer_reads_go_to_the_middle_of_a_page_whatever_is_left_from_before) {
        enum { CHUNK = 65536, LEFT_MAX = CHUNK / 16 };
        static const size_t left[] = { 0, 1, 100, 4095, LEFT_MAX, LEFT_MAX + 1, 3 * CHUNK, 7 };
        _cleanup_buffer_ Buffer b = {};

        for (size_t i = 0; i < ELEMENTSOF(left); i++) {
                char *to = buffer_reserve_read(&b, CHUNK);

                assert_non_null(to);
                assert_ptr_equal(to, buffer_bytes(&b) + b.len);
                assert_true(buffer_space(&b) >= CHUNK);
                if (i > 0 && left[i - 1] <= LEFT_MAX)
                        assert_int_equal((uintptr_t) to % 4096, 2048);
                for (size_t k = 0; i > 0 && k < left[i - 1]; k++)
                        assert_int_equal(buffer_bytes(&b)[k], 'a' + (int) i - 1);
                memset(to, 'z', CHUNK);
                buffer_commit(&b, CHUNK);
                while (b.len < left[i])
                        ASSERT_OK(buffer_append_char(&b, 'z'));
                buffer_consume(&b, b.len - left[i]);
                memset(buffer_bytes(&b), 'a' + (int) i, b.len);
        }
}

TEST(buffer_takes_nothing_even_when_it_is_new) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_append(&b, "", 0));
        assert_string_equal(buffer_string(&b), "");
}

TEST(hashmap_walks_in_order_of_insertion) {
        _cleanup_hashmap_ Hashmap *h = hashmap_new(NULL);
        size_t i = 0, n = 0;
        void *v;
        char key[32];

        for (intptr_t k = 1; k <= 1000; k++) {
                snprintf(key, sizeof(key), "k%ld", (long) k);
                ASSERT_OK(hashmap_put_string(h, key, (void *) k));
        }
        ASSERT_ERROR(hashmap_put_string(h, "k7", NULL), EEXIST);
        assert_ptr_equal(hashmap_remove(h, "k500", 4), (void *) 500);
        assert_null(hashmap_get_string(h, "k500"));
        assert_ptr_equal(hashmap_get_string(h, "k501"), (void *) 501);
        for (intptr_t last = 0; hashmap_iterate(h, &i, NULL, NULL, &v); last = (intptr_t) v, n++)
                assert_true((intptr_t) v > last);
        assert_int_equal(n, 999);
}

TEST(paths_become_absolute_by_text) {
        _cleanup_free_ char *a = path_absolute("/a/./b//../c/"), *b = path_absolute("/../.."), *c = path_join("/x", "y");

        assert_string_equal(a, "/a/c");
        assert_string_equal(b, "/");
        assert_string_equal(c, "/x/y");
        assert_true(path_is_under("/a/b", "/a"));
        assert_false(path_is_under("/ab", "/a"));
}

TEST(numbers_are_whole_strings_or_errors) {
        uint64_t u;
        int64_t i;

        ASSERT_OK(parse_u64("18446744073709551615", &u));
        ASSERT_ERROR(parse_u64("18446744073709551616", &u), ERANGE);
        ASSERT_ERROR(parse_u64(" 1", &u), EINVAL);
        ASSERT_ERROR(parse_i64("1x", &i), EINVAL);
        ASSERT_OK(parse_bytes("4G", &u));
        assert_true(u == UINT64_C(4) << 30);
        ASSERT_OK(parse_bytes("512 K", &u));
        assert_int_equal(u, 512 * 1024);
        ASSERT_OK(parse_bytes("7", &u));
        assert_int_equal(u, 7);
        ASSERT_OK(parse_bytes("infinity", &u));
        assert_true(u == UINT64_MAX);
        ASSERT_ERROR(parse_bytes("", &u), EINVAL);
        ASSERT_ERROR(parse_bytes("-1", &u), EINVAL);
        ASSERT_ERROR(parse_bytes("1X", &u), EINVAL);
        ASSERT_ERROR(parse_bytes("1GB", &u), EINVAL);
        ASSERT_ERROR(parse_bytes("16E", &u), ERANGE);
}

TEST(spans_are_read_as_systemd_reads_them) {
        usec_t t;

        ASSERT_OK(parse_span("90", &t));
        assert_int_equal(t, 90 * USEC_PER_SEC);
        ASSERT_OK(parse_span("5ms", &t));
        assert_int_equal(t, 5000);
        ASSERT_OK(parse_span("1h 30min", &t));
        assert_int_equal(t, 5400 * USEC_PER_SEC);
        ASSERT_OK(parse_span("2 weeks 3d", &t));
        assert_int_equal(t, 17 * 86400 * USEC_PER_SEC);
        ASSERT_OK(parse_span("6month", &t));
        assert_int_equal(t, 6 * 2629800 * USEC_PER_SEC);
        ASSERT_OK(parse_span("1M", &t));
        assert_int_equal(t, 2629800 * USEC_PER_SEC);
        ASSERT_OK(parse_span("1m", &t));
        assert_int_equal(t, 60 * USEC_PER_SEC);
        ASSERT_OK(parse_span("infinity", &t));
        assert_true(t == USEC_INFINITY);
        ASSERT_ERROR(parse_span("", &t), EINVAL);
        ASSERT_ERROR(parse_span("d", &t), EINVAL);
        ASSERT_ERROR(parse_span("5 fortnights", &t), EINVAL);
        ASSERT_ERROR(parse_span("-5d", &t), EINVAL);
        ASSERT_ERROR(parse_span("5d,", &t), EINVAL);
        ASSERT_ERROR(parse_span("999999999999y", &t), ERANGE);
}

TEST(terminal_text_carries_no_control_bytes) {
        static const char hostile[] = "a\x1b]52;c;aGk=\x07\xc2\x9b" "31m\xe2\x80\xae\xff\n";
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(utf8_append_printable(&b, hostile, strlen(hostile), false));
        assert_string_equal(buffer_string(&b), "a\\x1b]52;c;aGk=\\x07\\x9b31m\\u202e\\xff\\x0a");
}

TEST(json_strings_are_escaped_and_decoded_back) {
        static const char text[] = "q\" b\\ n\n z\x01 \xf0\x9f\x98\x80";
        _cleanup_buffer_ Buffer b = {}, back = {};

        ASSERT_OK(json_write_string(&b, text, strlen(text)));
        ASSERT_OK(json_string_decode(json_string_inner((JsonSlice) { buffer_bytes(&b), b.len }), &back));
        assert_string_equal(buffer_string(&back), text);
}

TEST(json_members_are_found_behind_escaped_keys_and_the_last_duplicate_wins) {
        static const char text[] = "{\"a\":{\"x\":\"}\"},\"\\u0061\" : [1, {}], \"b\\\"\":null}";
        JsonSlice object = { text, strlen(text) }, v;

        assert_int_equal(json_find_member(object, "a", &v), 1);
        assert_int_equal(v.n, strlen("[1, {}]"));
        assert_int_equal(json_find_member(object, "b\"", &v), 1);
        assert_int_equal(json_slice_type(v), JSON_NULL);
        assert_int_equal(json_find_member(object, "c", &v), 0);
}

TEST(json_depth_is_limited_without_recursion) {
        _cleanup_buffer_ Buffer b = {};

        for (int i = 0; i < 100000; i++)
                ASSERT_OK(buffer_append_char(&b, '['));
        ASSERT_ERROR(json_validate(buffer_bytes(&b), b.len, NULL), ELOOP);
        assert_null(json_skip_value(buffer_bytes(&b), buffer_bytes(&b) + b.len));
}

TEST(numbers_are_written_as_they_are) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_append_char(&b, '{'));
        ASSERT_OK(json_write_member_i64(&b, "min", INT64_MIN));
        ASSERT_OK(json_write_member_i64(&b, "max", INT64_MAX));
        ASSERT_OK(json_write_member_i64(&b, "zero", 0));
        ASSERT_OK(json_write_member_u64(&b, "u", UINT64_MAX));
        assert_string_equal(buffer_string(&b), "{\"min\":-9223372036854775808,\"max\":9223372036854775807,\"zero\":0,"
                                               "\"u\":18446744073709551615");
}

TEST(formatted_text_of_any_length_is_appended_whole) {
        _cleanup_buffer_ Buffer b = {};

        for (int width = 0; width < 600; width += 7) {
                size_t before = b.len;

                ASSERT_OK(buffer_appendf(&b, "%*d|", width, 1));
                assert_int_equal(b.len - before, MAX(width, 1) + 1);
                assert_int_equal(strlen(buffer_string(&b)), b.len);
        }
}
