/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "proxy/proxy-head.h"
#include "unit/test.h"

TEST_MAIN()

static int parse(const char *text, ProxyHead *ret) {
        const char *why = NULL;
        int r = http_head_check(text, strlen(text), &why);

        assert_int_not_equal(r, 0);
        return r < 0 ? r : proxy_head_parse(text, strlen(text), ret, &why);
}

static char *rewrite(const char *text) {
        _cleanup_buffer_ Buffer b = {};
        ProxyHead h;

        ASSERT_OK(parse(text, &h));
        ASSERT_OK(proxy_head_write(&h, "127.0.0.1", &b));
        return buffer_steal_string(&b);
}

TEST(a_request_is_written_anew) {
        _cleanup_free_ char *s = rewrite("POST /api/x?y=1 HTTP/1.1\r\nHost: localhost:8000\r\nContent-Length: 2\r\n"
                                         "Authorization: Bearer t\r\nX-Thing:  a b \r\n\r\n{}");

        assert_string_equal(s, "POST /api/x?y=1 HTTP/1.1\r\nHost: localhost:8000\r\nX-Forwarded-Host: localhost:8000\r\n"
                               "X-Forwarded-Proto: http\r\nX-Forwarded-For: 127.0.0.1\r\nConnection: close\r\n"
                               "Content-Length: 2\r\nAuthorization: Bearer t\r\nX-Thing: a b\r\n\r\n");
}

TEST(hop_by_hop_headers_and_forged_ones_stay_here) {
        _cleanup_free_ char *s = rewrite("GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, X-Secret-Hop\r\n"
                                         "X-Secret-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nTE: trailers\r\n"
                                         "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nForwarded: for=x\r\n"
                                         "Via: x\r\nAccept: */*\r\n\r\n");

        assert_string_equal(s, "GET /api HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: localhost\r\n"
                               "X-Forwarded-Proto: http\r\nX-Forwarded-For: 127.0.0.1\r\nConnection: close\r\n"
                               "Accept: */*\r\n\r\n");
}

TEST(bodies_have_a_length_and_a_limit) {
        ProxyHead h;

        ASSERT_ERROR(parse("POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", &h), EBADMSG);
        ASSERT_ERROR(parse("POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 33554433\r\n\r\n", &h), EFBIG);
        ASSERT_ERROR(parse("POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n", &h), EFBIG);
        ASSERT_OK(parse("POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 33554432\r\nExpect: 100-Continue\r\n\r\n", &h));
        assert_int_equal(h.n_body, 33554432);
        assert_true(h.expects_continue);
}

TEST(only_our_names_are_hosts) {
        static char *const allowed[] = { (char *) "gantry.example.org", NULL };
        static const char *const good[] = { "localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000",
                                            "gantry.example.org", "Gantry.Example.Org:443" };
        static const char *const bad[] = { "", "evil.example", "localhost.evil.example", "localhost:", "localhost:80x",
                                           "localhost:123456", "127.0.0.1.nip.io", "127.0.0.2", "[::1", "[::1]x", "[::2]",
                                           "evil@localhost", "localhost@evil", "example.org", ":8000" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(proxy_host_is_allowed(good[i], allowed));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(proxy_host_is_allowed(bad[i], allowed));
        assert_false(proxy_host_is_allowed("gantry.example.org", NULL));
}

static bool origin(const char *method, const char *value) {
        _cleanup_buffer_ Buffer b = {};
        ProxyHead h;

        ASSERT_OK(buffer_appendf(&b, "%s /api HTTP/1.1\r\nHost: localhost:8000\r\nOrigin: %s\r\n\r\n", method, value));
        ASSERT_OK(parse(buffer_string(&b), &h));
        return proxy_origin_is_allowed(&h, NULL);
}

TEST(a_page_of_another_site_changes_nothing) {
        ProxyHead h;

        assert_true(origin("POST", "http://localhost:8000"));
        assert_true(origin("DELETE", "https://127.0.0.1:8000"));
        /* Another program's page on this machine. */
        assert_false(origin("DELETE", "https://127.0.0.1"));
        assert_false(origin("POST", "http://localhost:3000"));
        assert_false(origin("POST", "http://evil.example"));
        assert_false(origin("PATCH", "null"));
        assert_false(origin("POST", "file://localhost"));
        assert_false(origin("POST", "http://localhost.evil.example"));
        assert_true(origin("GET", "http://evil.example"));
        ASSERT_OK(parse("POST /api HTTP/1.1\r\nHost: localhost\r\n\r\n", &h));
        assert_true(proxy_origin_is_allowed(&h, NULL));
        /* A name outside has the port that whoever ends TLS there has. */
        ASSERT_OK(parse("POST /api HTTP/1.1\r\nHost: gantry.example.org\r\nOrigin: https://gantry.example.org:8443\r\n\r\n",
                        &h));
        assert_true(proxy_origin_is_allowed(&h, (char *[]) { (char *) "gantry.example.org", NULL }));
        ASSERT_OK(parse("POST /api HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n", &h));
        assert_false(proxy_origin_is_allowed(&h, NULL));
        ASSERT_OK(parse("POST /api HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\r\n", &h));
        assert_true(proxy_origin_is_allowed(&h, NULL));
}
