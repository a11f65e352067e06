/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fetch/fetch-head.h"
#include "fetch/fetch.h"
#include "unit/test.h"

static void head_done(FetchHead *h) {
        fetch_head_done(h);
}

/* Feeds lines; the result of the last one. */
static int feed(FetchHead *h, const char *const *lines) {
        int r = 0;

        for (; *lines; lines++) {
                r = fetch_head_line(h, *lines, strlen(*lines));
                if (r < 0)
                        return r;
        }
        return r;
}

TEST(heads_are_read) {
        static const char *const lines[] = { "HTTP/1.1 206 Partial Content\r\n", "ETag:  \"x\" \r\n",
                                            "content-LENGTH: 42\r\n",
                                             "Content-Range: bytes 100-141/142\r\n", "Retry-After: 7\r\n",
                                             "Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\n",
                                                     "No colon\r\n", "\r\n", NULL };
        _cleanup_(head_done) FetchHead h = {};

        fetch_head_done(&h);
        assert_int_equal(feed(&h, lines), 1);
        assert_int_equal(h.status, 206);
        assert_string_equal(h.etag, "\"x\"");
        assert_int_equal(h.content_length, 42);
        assert_int_equal(h.range_start, 100);
        assert_int_equal(h.retry_after, 7);
        assert_non_null(h.last_modified);
}

TEST(interim_answers_are_forgotten) {
        static const char *const lines[] = { "HTTP/1.1 103 Early Hints\r\n", "ETag: \"old\"\r\n", "\r\n",
                                            "HTTP/2 200 \r\n",
                                             "\r\n", NULL };
        _cleanup_(head_done) FetchHead h = {};

        fetch_head_done(&h);
        assert_int_equal(feed(&h, lines), 1);
        assert_int_equal(h.status, 200);
        assert_null(h.etag);
        assert_int_equal(h.content_length, -1);
        assert_int_equal(h.retry_after, -1);
}

TEST(broken_heads_are_errors) {
        static const char *const status[] = { "HTTP/1.1 2x0 OK\r\n", NULL }, *const none[] =
                { "HTTP/1.1\r\n", NULL };
        static const char *const length[] = { "HTTP/1.1 200 OK\r\n", "Content-Length: ten\r\n", NULL };
        _cleanup_(head_done) FetchHead h = {};

        fetch_head_done(&h);
        ASSERT_ERROR(feed(&h, status), EPROTO);
        fetch_head_done(&h);
        ASSERT_ERROR(feed(&h, none), EPROTO);
        fetch_head_done(&h);
        ASSERT_ERROR(feed(&h, length), EPROTO);
}

TEST(urls_are_shown_without_secrets) {
        _cleanup_free_ char *a = fetch_shown_url("https://user:pw@host:8443/in/a.csv?token=x"), *b =
                fetch_shown_url("://");

        assert_string_equal(a, "https://host:8443/in/a.csv");
        assert_string_equal(b, "the URL");
        assert_true(fetch_is_url("HTTPS://x"));
        assert_false(fetch_is_url("ftp://x"));
}

TEST_MAIN()
