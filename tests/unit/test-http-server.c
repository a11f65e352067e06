/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "http/http-head.h"
#include "http/http-server.h"

typedef struct World {
        sd_event *event;
        HttpServer *server;
        char path[64];
        HttpRequest *waiting;
        HttpStream *stream;
        unsigned n_closed;
        unsigned n_handled;
} World;

static int reply_echo(HttpRequest *q, void *userdata) {
        World *w = userdata;
        _cleanup_json_ JsonObject *o = NULL;
        int r = http_request_json(q, &o, http_request_error(q));

        w->n_handled++;
        return r < 0 ? r : http_reply_json(q, 200, o);
}

static int reply_hello(HttpRequest *q, void *userdata) {
        World *w = userdata;

        w->n_handled++;
        return http_reply_text(q, 200, "text/plain", http_request_path_value(q, "name"));
}

static int reply_peer(HttpRequest *q, void *userdata) {
        HttpPeer peer;
        char text[32];
        int r = http_request_peer(q, &peer);

        if (r < 0)
                return r;
        (void) snprintf(text, sizeof(text), "pid %d", (int) peer.pid);
        return http_reply_text(q, 200, "text/plain", text);
}

static int reply_later(HttpRequest *q, void *userdata) {
        World *w = userdata;

        w->waiting = http_request_ref(q);
        return 0;
}

static int reply_never(HttpRequest *q, void *userdata) {
        return 0;
}

static void on_close(void *userdata) {
        World *w = userdata;

        w->n_closed++;
}

static int reply_stream(HttpRequest *q, void *userdata) {
        World *w = userdata;

        return http_stream_begin(q, "text/event-stream", on_close, w, &w->stream);
}

static void on_close_free(void *userdata);

static int reply_freed(HttpRequest *q, void *userdata) {
        World *w = userdata;

        return http_stream_begin(q, "text/event-stream", on_close_free, w, &w->stream);
}

static int prepare(HttpRequest *q, void *userdata) {
        return http_request_route(q)->flags ? error_set(http_request_error(q), -EACCES, "Not you") : 0;
}

static const HttpRoute routes[] = {
        { "POST", "/echo", reply_echo },
        { "POST", "/small", reply_echo, .body_max = 16 },
        { "POST", "/secret", reply_echo, .flags = 1 },
        { "GET", "/hello/{name}", reply_hello },
        { "GET", "/peer", reply_peer },
        { "GET", "/later", reply_later },
        { "GET", "/never", reply_never },
        { "GET", "/stream", reply_stream },
        { "GET", "/freed", reply_freed },
};

static void world_begin(World *w, unsigned head_timeout_sec) {
        HttpServerOptions options = { .routes = routes, .n_routes = ELEMENTSOF(routes), .prepare = prepare,
                                      .userdata = w, .head_timeout_sec = head_timeout_sec };

        *w = (World) {};
        ASSERT_OK(sd_event_new(&w->event));
        options.event = w->event;
        ASSERT_OK(http_server_new(&options, &w->server));
        (void) snprintf(w->path, sizeof(w->path), "/tmp/test-http-%d.sock", (int) getpid());
        ASSERT_OK(http_server_listen(w->server, w->path, NULL));
}

static void world_end(World *w) {
        http_server_free(w->server);
        sd_event_unref(w->event);
        (void) unlink(w->path);
}

static int dial(World *w) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", w->path);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

/* Writes all, turning the loop while the peer's buffer is full. */
static void say(World *w, int fd, const char *p, size_t n) {
        while (n > 0) {
                ssize_t k = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (k < 0 && errno != EAGAIN)
                        return; /* refused on the way; the answer says why */
                if (k > 0) {
                        p += k;
                        n -= (size_t) k;
                }
                ASSERT_OK(sd_event_run(w->event, 1000));
        }
}

/* Until the text comes up in what is read, or to the end of it. */
static void hear(World *w, int fd, const char *until, Buffer *b) {
        for (;;) {
                char *p = buffer_reserve(b, 4096);
                ssize_t k = recv(fd, p, 4096, MSG_DONTWAIT);

                if (k == 0 || (k < 0 && errno != EAGAIN))
                        return;
                if (k > 0) {
                        buffer_commit(b, (size_t) k);
                        if (until && strstr(buffer_string(b), until))
                                return;
                        continue;
                }
                ASSERT_OK(sd_event_run(w->event, 10 * 1000));
        }
}

static char *exchange(World *w, const char *request, size_t n) {
        _cleanup_close_ int fd = dial(w);
        Buffer b = {};

        say(w, fd, request, n);
        hear(w, fd, NULL, &b);
        return buffer_steal_string(&b);
}
#define EXCHANGE(w, request) exchange(w, request, (sizeof(request) - 1))

static bool starts_with(const char *s, const char *prefix) {
        return s && strncmp(s, prefix, strlen(prefix)) == 0;
}
#define ASSERT_STATUS(answer, code)                                                             \
        do {                                                                                    \
                if (!starts_with(answer, "HTTP/1.1 " code " "))                                 \
                        fail_msg("not " code ": %s", answer);                                   \
        } while (0)

TEST(requests_are_answered_and_the_connection_closed) {
        World w;

        world_begin(&w, 0);
        _cleanup_free_ char *hello = EXCHANGE(&w, "GET /hello/you%20all HTTP/1.1\r\nHost: a\r\n\r\n");
        ASSERT_STATUS(hello, "200");
        assert_non_null(strstr(hello, "Connection: close\r\n"));
        assert_non_null(strstr(hello, "\r\n\r\nyou all"));
        _cleanup_free_ char *echo = EXCHANGE(&w, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n{\"a\": 1}");
        assert_non_null(strstr(echo, "\r\n\r\n{\"a\":1}"));
        _cleanup_free_ char *chunked = EXCHANGE(&w, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                    "3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n");
        assert_non_null(strstr(chunked, "\r\n\r\n[1,2]"));
        _cleanup_free_ char *peer = EXCHANGE(&w, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n");
        char pid[32];
        (void) snprintf(pid, sizeof(pid), "pid %d", (int) getpid());
        assert_non_null(strstr(peer, pid));
        world_end(&w);
}

TEST(what_is_wrong_is_told_as_a_problem) {
        static const struct { const char *request, *answer; } cases[] = {
                { "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 " },
                { "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 " },
                { "GET /hello/%2e%2e HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 " },
                { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n{", "HTTP/1.1 400 " },
                { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 400 " },
                { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 415 " },
                { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json; charset=utf-7\r\n"
                  "Content-Length: 2\r\n\r\n{}", "HTTP/1.1 415 " },
                { "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n12345678901234567", "HTTP/1.1 413 " },
                { "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n12345678901234567\r\n0\r\n\r\n",
                  "HTTP/1.1 413 " },
                { "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", "HTTP/1.1 413 " },
                { "POST /secret HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 403 " },
                { "GET /never HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 500 " },
                { "GET / HTTP/1.1\nHost: a\n\n", "HTTP/1.1 400 " },
        };
        World w;

        world_begin(&w, 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *answer = exchange(&w, cases[i].request, strlen(cases[i].request));

                if (!starts_with(answer, cases[i].answer))
                        fail_msg("%s was answered %s", cases[i].request, answer);
                assert_non_null(strstr(answer, "application/problem+json"));
        }
        world_end(&w);
}

TEST(T45_what_follows_a_request_is_never_a_request) {
        World w;

        world_begin(&w, 0);
        _cleanup_free_ char *answer = EXCHANGE(&w, "GET /hello/one HTTP/1.1\r\nHost: a\r\n\r\n"
                                                   "GET /hello/two HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_non_null(strstr(answer, "one"));
        assert_null(strstr(answer, "two"));
        assert_int_equal(w.n_handled, 1);
        world_end(&w);
}

TEST(T45_a_head_that_never_ends_is_cut_off) {
        World w;
        _cleanup_buffer_ Buffer b = {};

        world_begin(&w, /* head_timeout_sec= */ 1);
        _cleanup_close_ int fd = dial(&w);
        say(&w, fd, "GET / HT", 8);
        hear(&w, fd, NULL, &b);
        assert_int_equal(b.len, 0);
        assert_int_equal(http_server_n_connections(w.server), 0);
        world_end(&w);

        world_begin(&w, 0);
        _cleanup_close_ int big = dial(&w);
        _cleanup_free_ char *head = calloc(1, HTTP_HEAD_MAX + 1);
        memset(head, 'x', HTTP_HEAD_MAX);
        memcpy(head, "GET /", 5);
        say(&w, big, head, HTTP_HEAD_MAX);
        hear(&w, big, NULL, &b);
        assert_true(starts_with(buffer_string(&b), "HTTP/1.1 431 "));
        world_end(&w);
}

TEST(a_head_may_come_byte_by_byte) {
        static const char request[] = "GET /hello/slow HTTP/1.1\r\nHost: a\r\n\r\n";
        World w;
        _cleanup_buffer_ Buffer b = {};

        world_begin(&w, 0);
        _cleanup_close_ int fd = dial(&w);
        for (size_t i = 0; i < (sizeof(request) - 1); i++)
                say(&w, fd, request + i, 1);
        hear(&w, fd, NULL, &b);
        assert_non_null(strstr(buffer_string(&b), "\r\n\r\nslow"));
        world_end(&w);
}

TEST(an_answer_may_come_later_and_a_client_may_go_before_it) {
        static const char request[] = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";
        World w;
        _cleanup_buffer_ Buffer b = {};

        world_begin(&w, 0);
        for (unsigned round = 0; round < 2; round++) {
                int fd = dial(&w);

                say(&w, fd, request, (sizeof(request) - 1));
                while (!w.waiting)
                        ASSERT_OK(sd_event_run(w.event, 10 * 1000));
                if (round == 1)
                        fd = safe_close(fd);
                ASSERT_OK(http_reply_text(w.waiting, 200, "text/plain", "at last"));
                w.waiting = http_request_unref(w.waiting);
                if (round == 0) {
                        hear(&w, fd, NULL, &b);
                        assert_non_null(strstr(buffer_string(&b), "at last"));
                        fd = safe_close(fd);
                } else
                        while (http_server_n_connections(w.server) > 0)
                                ASSERT_OK(sd_event_run(w.event, 10 * 1000));
        }
        world_end(&w);
}

TEST(a_stream_is_written_bit_by_bit_and_hears_of_its_readers_end) {
        static const char request[] = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";
        World w;
        _cleanup_buffer_ Buffer b = {};

        world_begin(&w, 0);
        int fd = dial(&w);
        say(&w, fd, request, (sizeof(request) - 1));
        hear(&w, fd, "\r\n\r\n", &b);
        ASSERT_OK(http_stream_write(w.stream, "first", 5));
        hear(&w, fd, "first", &b);
        ASSERT_OK(http_stream_write(w.stream, "second", 6));
        hear(&w, fd, "second", &b);
        fd = safe_close(fd);
        while (w.n_closed == 0) {
                (void) http_stream_write(w.stream, "third", 5);
                ASSERT_OK(sd_event_run(w.event, 10 * 1000));
        }
        assert_int_equal(http_stream_write(w.stream, "x", 1), -EPIPE);
        w.stream = http_stream_free(w.stream);

        fd = dial(&w);
        say(&w, fd, request, (sizeof(request) - 1));
        hear(&w, fd, "\r\n\r\n", &b);
        ASSERT_OK(http_stream_write(w.stream, "fourth", 6));
        w.stream = http_stream_free(w.stream);
        hear(&w, fd, NULL, &b);
        assert_non_null(strstr(buffer_string(&b), "fourth"));
        fd = safe_close(fd);
        assert_int_equal(w.n_closed, 1);
        world_end(&w);
}

static void on_close_free(void *userdata) {
        World *w = userdata;

        w->stream = http_stream_free(w->stream);
        w->n_closed++;
}

TEST(a_stream_may_be_freed_when_its_reader_has_gone) {
        static const char request[] = "GET /freed HTTP/1.1\r\nHost: a\r\n\r\n";
        World w;
        _cleanup_buffer_ Buffer b = {};

        world_begin(&w, 0);
        int fd = dial(&w);
        say(&w, fd, request, sizeof(request) - 1);
        hear(&w, fd, "\r\n\r\n", &b);
        fd = safe_close(fd);
        while (w.n_closed == 0) {
                if (w.stream)
                        (void) http_stream_write(w.stream, "third", 5);
                ASSERT_OK(sd_event_run(w.event, 10 * 1000));
        }
        assert_null(w.stream);
        world_end(&w);
}

TEST(a_server_that_ends_answers_what_is_open) {
        static const char request[] = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";
        World w;
        _cleanup_buffer_ Buffer b = {};

        world_begin(&w, 0);
        _cleanup_close_ int fd = dial(&w);
        say(&w, fd, request, (sizeof(request) - 1));
        while (!w.waiting)
                ASSERT_OK(sd_event_run(w.event, 10 * 1000));
        world_end(&w);
        char *p = buffer_reserve(&b, 4096);
        ssize_t n = recv(fd, p, 4095, 0);
        assert_true(n > 0);
        p[n] = 0;
        assert_true(starts_with(p, "HTTP/1.1 503 "));
        http_request_unref(w.waiting);
}

TEST_MAIN()
