/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"

#include "http/http-head.h"
#include "http/http-problem.h"
#include "http/http-router.h"

static int check(const char *head, size_t n) {
        const char *why = NULL;
        int r = http_head_check(head, n, &why);

        assert_true((r == -EBADMSG) == (why != NULL));
        return r;
}
#define CHECK(head) check(head, sizeof(head) - 1)

TEST(an_ordinary_head_is_good_and_every_part_of_it_asks_for_more) {
        static const char head[] = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-Y:\tz \r\n\r\n";

        for (size_t n = 0; n < (sizeof(head) - 1); n++)
                assert_int_equal(check(head, n), 0);
        assert_int_equal(check(head, sizeof(head) - 1), 1);
        assert_int_equal(CHECK("GET / HTTP/1.0\r\n\r\n"), 1);
        assert_int_equal(CHECK("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next"), 1);
        assert_int_equal(CHECK("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"), 1);
}

TEST(T45_ambiguous_framing_is_refused) {
        static const char *const bad[] = {
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1234567890123456789\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
                "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
                "GET / HTTP/1.1\nHost: a\n\n",
                "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: z\r\n\r\n",
                "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
                "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
                "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /\r\n\r\n",
                "GET / HTTP/0.9\r\n\r\n",
                "GET / HTTP/2.0\r\n\r\n",
                "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
                " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nauthorization: y\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (check(bad[i], strlen(bad[i])) != -EBADMSG)
                        fail_msg("let through: %s", bad[i]);
        assert_int_equal(CHECK("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), -EBADMSG);
        assert_int_equal(CHECK("GET / HTTP/1.1\r\nHost: a\r\nX: a\0"), -EBADMSG);
}

static int parse(const char *target) {
        _cleanup_http_target_ HttpTarget t = {};

        return http_target_parse(target, &t);
}

TEST(a_target_is_taken_apart_and_decoded_once) {
        _cleanup_http_target_ HttpTarget t = {};

        ASSERT_OK(http_target_parse("/a/b%20c/?x=1&y=a%2Bb+c&x=2&z&=", &t));
        assert_int_equal(t.n_segments, 3);
        assert_string_equal(t.segments[1], "b c");
        assert_string_equal(t.segments[2], "");
        assert_int_equal(t.n_parameters, 5);
        assert_string_equal(http_target_get(&t, "x"), "1");
        assert_string_equal(http_target_get(&t, "y"), "a+b c");
        assert_string_equal(http_target_get(&t, "z"), "");
        assert_null(http_target_get(&t, "w"));
}

TEST(T45_paths_that_mean_another_path_are_refused) {
        static const char *const bad[] = {
                "/a/../b", "/a/./b", "/a%2fb", "/a%2Fb", "/%2e%2e/b", "/a%5cb", "/a%00", "/a%", "/a%2", "/a%zz",
                "/a%0a", "/%ff", "/?a=%00", "/?a=%c3", "a", "",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse(bad[i]), -EBADMSG);
        assert_int_equal(parse("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"), 0);
        assert_int_equal(parse("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"), -E2BIG);
}

static int nothing(HttpRequest *q, void *userdata) {
        return 0;
}

static const HttpRoute routes[] = {
        { "GET", "/", nothing },
        { "GET", "/things/{id}", nothing },
        { "DELETE", "/things/{id}", nothing },
        { "GET", "/things/special", nothing },
        { "POST", "/things/{id}/parts/{part}", nothing },
};

static int match(const char *method, const char *target, HttpTarget *t, HttpMatch *m) {
        http_target_done(t);
        ASSERT_OK(http_target_parse(target, t));
        return http_router_match(routes, ELEMENTSOF(routes), method, t, m);
}

TEST(routes_are_found_by_method_and_path) {
        _cleanup_http_target_ HttpTarget t = {};
        HttpMatch m;

        assert_int_equal(match("GET", "/", &t, &m), 0);
        assert_int_equal(match("HEAD", "/things/5", &t, &m), 0);
        assert_string_equal(http_match_value(&m, "id"), "5");
        assert_int_equal(match("GET", "/things/special", &t, &m), 0);
        assert_string_equal(m.route->path, "/things/special");
        assert_int_equal(match("POST", "/things/a/parts/b", &t, &m), 0);
        assert_string_equal(http_match_value(&m, "part"), "b");
        assert_int_equal(match("PUT", "/things/5", &t, &m), -EOPNOTSUPP);
        assert_string_equal(m.allow, "GET, DELETE");
        assert_int_equal(match("GET", "/things", &t, &m), -ENOENT);
        assert_int_equal(match("GET", "/things/", &t, &m), -ENOENT);
        assert_int_equal(match("GET", "//", &t, &m), -ENOENT);
        assert_int_equal(match("GET", "/things/5/", &t, &m), -ENOENT);
}

TEST(problems_have_airbytes_types) {
        _cleanup_json_ JsonObject *o = http_problem_document(HTTP_PROBLEM_NOT_FOUND, NULL, "gone", NULL);
        _cleanup_json_ JsonObject *p = http_problem_document(HTTP_PROBLEM_BAD_REQUEST, "error:cron-validation/x", NULL,
                                                             NULL);

        assert_int_equal(json_object_get_int64(json_member(o, "status")), 404);
        assert_string_equal(json_object_get_string(json_member(o, "type")),
                            "https://reference.airbyte.com/reference/errors#resource-not-found");
        assert_string_equal(json_object_get_string(json_member(p, "title")), "cron-validation/x");
        assert_int_equal(http_problem_status(http_problem_from_errno(-EBUSY)), 409);
        assert_int_equal(http_problem_status(http_problem_from_errno(-ENOSPC)), 507);
        assert_int_equal(http_problem_status(http_problem_from_errno(-ENOMEM)), 500);
}

TEST_MAIN()
