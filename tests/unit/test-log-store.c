/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "unit/test.h"
#include "workload/log-store.h"

TEST_MAIN()

typedef struct Fixture {
        char root[64], chunk[128];
        char *place;
} Fixture;

static void fixture_done(Fixture *f) {
        ASSERT_OK(remove_tree(f->root));
        free(f->place);
}

static Fixture fixture(void) {
        Fixture f = { .root = "/tmp/test-log-store.XXXXXX" };

        assert_non_null(mkdtemp(f.root));
        f.place = log_place_of_attempt(12, 0);
        assert_string_equal(f.place, "12/0");
        (void) snprintf(f.chunk, sizeof(f.chunk), "%s/12/0/00000001.jsonl.zst", f.root);
        return f;
}

static int append(Fixture *f, const char *lines) {
        ASSERT_OK(log_lines_check(lines, strlen(lines), NULL));
        return log_store_append(f->root, f->place, lines, strlen(lines), 0, NULL);
}

static void assert_read(Fixture *f, uint64_t *cursor, uint32_t max, const char *lines, bool more) {
        _cleanup_(log_read_done) LogRead got = {};

        ASSERT_OK(log_store_read(f->root, f->place, *cursor, max, &got, NULL));
        assert_string_equal(buffer_string(&got.lines), lines);
        assert_int_equal(got.more, more);
        *cursor = got.cursor;
}

#define LINE(t) "{\"t\":" #t ",\"level\":\"INFO\",\"origin\":\"source\",\"message\":\"line " #t "\"}\n"

TEST(what_was_appended_is_read_in_order_and_the_cursor_goes_on) {
        _cleanup_(fixture_done) Fixture f = fixture();
        uint64_t cursor = 0;

        assert_read(&f, &cursor, 10, "", false);
        assert_int_equal(append(&f, LINE(1) LINE(2)), 1);
        assert_int_equal(append(&f, LINE(3)), 1);
        assert_read(&f, &cursor, 1, LINE(1), true);
        assert_read(&f, &cursor, 1, LINE(2), true);
        assert_read(&f, &cursor, 10, LINE(3), false);
        assert_read(&f, &cursor, 10, "", false);
        assert_int_equal(append(&f, LINE(4)), 1);
        assert_read(&f, &cursor, 10, LINE(4), false);
}

TEST(an_upload_that_is_sent_again_is_stored_once) {
        _cleanup_(fixture_done) Fixture f = fixture();
        uint64_t cursor = 0;

        assert_int_equal(append(&f, LINE(1)), 1);
        assert_int_equal(append(&f, LINE(1)), 0);
        assert_int_equal(append(&f, LINE(2)), 1);
        assert_read(&f, &cursor, 10, LINE(1) LINE(2), false);
}

TEST(a_frame_that_a_crash_cut_off_is_overwritten) {
        _cleanup_(fixture_done) Fixture f = fixture();
        struct stat before, after;
        uint64_t cursor = 0;

        assert_int_equal(append(&f, LINE(1)), 1);
        ASSERT_OK(stat(f.chunk, &before));
        assert_int_equal(append(&f, LINE(2)), 1);
        ASSERT_OK(stat(f.chunk, &after));
        for (off_t cut = before.st_size + 1; cut < after.st_size; cut++) {
                cursor = 0;
                ASSERT_OK(truncate(f.chunk, cut));
                assert_read(&f, &cursor, 10, LINE(1), false);
                assert_int_equal(append(&f, LINE(2)), 1);
                assert_read(&f, &cursor, 10, LINE(2), false);
        }
}

TEST(a_frame_whose_bytes_were_changed_fails_the_read) {
        _cleanup_(fixture_done) Fixture f = fixture();
        _cleanup_(log_read_done) LogRead got = {};
        _cleanup_free_ char *content = NULL;
        size_t n;

        assert_int_equal(append(&f, LINE(1)), 1);
        ASSERT_OK(read_file(f.chunk, 4096, &content, &n, NULL));
        content[n - 1] ^= 1;
        ASSERT_OK(write_file_atomic(f.chunk, content, n, 0600, NULL));
        ASSERT_ERROR(log_store_read(f.root, f.place, 0, 10, &got, NULL), EBADMSG);
}

/* A mebibyte that hardly compresses, in lines. */
static char *noise(unsigned seed, size_t *ret_n) {
        char *p = malloc(LOG_UPLOAD_MAX), *q = p;
        uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

        assert_non_null(p);
        while (q + 1200 < p + LOG_UPLOAD_MAX) {
                q += sprintf(q, "{\"t\":%u,\"level\":\"INFO\",\"message\":\"", seed);
                for (unsigned i = 0; i < 1000; i++) {
                        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                        *q++ = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"[x % 64];
                }
                q += sprintf(q, "\"}\n");
        }
        *ret_n = (size_t) (q - p);
        return p;
}

TEST(files_are_rolled_and_an_attempts_logs_end_with_a_word_about_it) {
        _cleanup_(fixture_done) Fixture f = fixture();
        _cleanup_(log_read_done) LogRead got = {};
        uint64_t cursor = 0, n_read = 0, n_written = 0;
        unsigned i = 0;

        for (int r = 1; r > 0; i++) {
                size_t n;
                _cleanup_free_ char *text = noise(i, &n);

                assert_true(i < 4 * LOG_CHUNKS_MAX);
                ASSERT_OK(r = log_store_append(f.root, f.place, text, n, 77, NULL));
                n_written += r > 0 ? n : 0;
        }
        assert_true(i > LOG_CHUNKS_MAX);
        assert_int_equal(append(&f, LINE(1)), 0);
        do {
                log_read_done(&got);
                ASSERT_OK(log_store_read(f.root, f.place, cursor, UINT32_MAX, &got, NULL));
                cursor = got.cursor;
                n_read += got.lines.len;
                assert_true(got.lines.len <= LOG_READ_BYTES_MAX);
        } while (got.more);
        assert_non_null(strstr(buffer_string(&got.lines), "{\"t\":77,\"level\":\"WARN\""));
        assert_non_null(strstr(buffer_string(&got.lines), "are full"));
        assert_true(n_read > n_written && n_read < n_written + 200);
}

TEST(a_cursor_that_nobody_gave_is_no_error) {
        static const uint64_t cursors[] = { 1, 5, UINT64_MAX, UINT64_MAX >> 1, UINT64_C(1) << 40, UINT64_C(7) << 40 };
        _cleanup_(fixture_done) Fixture f = fixture();

        assert_int_equal(append(&f, LINE(1) LINE(2)), 1);
        for (size_t i = 0; i < ELEMENTSOF(cursors); i++) {
                _cleanup_(log_read_done) LogRead got = {};

                ASSERT_OK(log_store_read(f.root, f.place, cursors[i], 10, &got, NULL));
                if (i < 2)
                        assert_string_equal(buffer_string(&got.lines), LINE(2));
        }
}

TEST(lines_that_are_none_are_refused) {
        static const char *const bad[] = {
                "\n", "x\n", "[]\n", "{}\n", LINE(1) "{\"t\":1}\n",
                "{\"t\":1,\"level\":\"INFO\",\"message\":\"no newline\"}",
                "{\"t\":\"1\",\"level\":\"INFO\",\"message\":\"\"}\n",
                "{\"t\":1,\"level\":\"INFO\",\"message\":\"\xff\"}\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_error_ Error *error = NULL;

                ASSERT_ERROR(log_lines_check(bad[i], strlen(bad[i]), &error), EINVAL);
                assert_non_null(strstr(error_message(error, 0), "ine"));
        }
        assert_int_equal(log_lines_check(LINE(1) LINE(2), strlen(LINE(1) LINE(2)), NULL), 2);
}
