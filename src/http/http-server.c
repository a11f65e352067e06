/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libmicrohttpd without a listening socket and without threads: the guard gives it connections, its epoll
 * descriptor and its time-out are sources in our loop.
 *
 * A request's way: head judged (http-accept.c) → on_target() makes it → on_access() without a body:
 * route, length and rights are checked before a byte of the body is taken → on_access() with parts of the
 * body → on_access() at its end: the handler. It answers now, or keeps a reference; then the connection
 * is suspended, which takes it out of libmicrohttpd's time-outs, and the answer resumes it.
 *
 * libmicrohttpd runs only when something calls it. Its epoll descriptor tells of sockets; a resumed
 * connection or one with more in its buffer is no event of any socket, hence the kick, a deferred source
 * that runs it once more. It must not be called from within its own callbacks, and it isn't: these only
 * arm the kick.
 *
 * A refused body is still read up to a limit and dropped, since closing on unread bytes resets the
 * connection and takes the answer along. One that says in its length that it is larger is answered at
 * once, and the client may lose the answer. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/parse-util.h"
#include "http/http-accept.h"
#include "http/http-reply.h"
#include "http/http-internal.h"
#include "shared/stand-in.h"

/* Room for the head that the guard let through, the same again for libmicrohttpd's pointers, and a piece
 * of a body. */
#define CONNECTION_MEMORY (96U * 1024U)
/* Of a path that leads nowhere. */
#define SHOWN_PATH_MAX 200U

static void arm_timer(HttpServer *s) {
        MHD_UNSIGNED_LONG_LONG msec;

        if (MHD_get_timeout(s->daemon, &msec) != MHD_YES) {
                (void) sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
                return;
        }
        /* More lies ready than one round reads. A timer would be late by its accuracy each time. */
        if (msec == 0) {
                (void) sd_event_source_set_enabled(s->kick, SD_EVENT_ONESHOT);
                return;
        }
        (void) sd_event_source_set_time_relative(s->timer, msec * USEC_PER_MSEC);
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static void run(HttpServer *s) {
        (void) MHD_run(s->daemon);
        arm_timer(s);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        run(userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t now, void *userdata) {
        run(userdata);
        return 0;
}

static int on_kick(sd_event_source *source, void *userdata) {
        run(userdata);
        return 0;
}

void http_server_kick(HttpServer *s) {
        (void) sd_event_source_set_enabled(s->kick, SD_EVENT_ONESHOT);
}

void http_request_resume(HttpRequest *q) {
        if (!q->connection || !q->suspended)
                return;
        q->suspended = false;
        MHD_resume_connection(q->connection);
        http_server_kick(q->server);
}

static usec_t now_monotonic(HttpServer *s) {
        usec_t now = 0;

        (void) sd_event_now(s->options.event, CLOCK_MONOTONIC, &now);
        return now;
}

static void *on_target(void *userdata, const char *target, struct MHD_Connection *c) {
        return http_request_new(userdata, c, target);
}

/* Paths and queries are taken apart by http-target.c, not by libmicrohttpd. */
static size_t on_unescape(void *userdata, struct MHD_Connection *c, char *s) {
        return strlen(s);
}

/* Whether the body may come: its length, the route, what the program says. */
static int check_head(HttpRequest *q) {
        HttpServer *s = q->server;
        const char *length = http_request_header(q, MHD_HTTP_HEADER_CONTENT_LENGTH);
        uint64_t n = 0;
        int r;

        r = http_target_parse(q->raw_target, &q->target);
        if (r < 0)
                return error_set(&q->error, r, "The path or query cannot be read");
        r = http_router_match(s->options.routes, s->options.n_routes, q->method, &q->target, &q->match);
        if (r == -EOPNOTSUPP) {
                r = http_reply_add_header(q, MHD_HTTP_HEADER_ALLOW, q->match.allow);
                if (r >= 0)
                        r = http_reply_problem(q, HTTP_PROBLEM_METHOD_NOT_ALLOWED, NULL, NULL, NULL);
                return r;
        }
        if (r < 0)
                return error_set(&q->error, r, "There is nothing at '%.*s'",
                                 (int) MIN(strcspn(q->raw_target, "?"), SHOWN_PATH_MAX), q->raw_target);
        if (length && (parse_u64(length, &n) < 0 || n > (q->match.route->body_max ?: HTTP_BODY_MAX))) {
                q->n_dropped = n > HTTP_DRAIN_MAX ? SIZE_MAX : 0;
                return error_set(&q->error, -EFBIG, "The body is larger than %zu bytes",
                                 q->match.route->body_max ?: (size_t) HTTP_BODY_MAX);
        }
        return s->options.prepare ? s->options.prepare(q, s->options.userdata) : 0;
}

static enum MHD_Result start(HttpRequest *q, const char *method) {
        int r;

        q->started = true;
        q->body_deadline = now_monotonic(q->server) + HTTP_BODY_TIMEOUT_SEC * USEC_PER_SEC;
        (void) snprintf(q->method, sizeof(q->method), "%s", method);
        r = check_head(q);
        if (r < 0 && !http_request_is_answered(q) && http_reply_error(q, r, q->error) < 0)
                return MHD_NO;
        q->refused = http_request_is_answered(q);
        if (!q->refused || q->n_dropped != SIZE_MAX)
                return MHD_YES;
        q->queued = true;
        return MHD_queue_response(q->connection, q->status, q->response);
}

/* A part of the body. A chunked body's length isn't known before: one that grows too long, or comes too
 * slowly on the whole, ends the connection. */
static enum MHD_Result take_body(HttpRequest *q, const char *p, size_t n) {
        if (now_monotonic(q->server) > q->body_deadline)
                return MHD_NO;
        if (q->refused) {
                q->n_dropped += n;
                return q->n_dropped > HTTP_DRAIN_MAX ? MHD_NO : MHD_YES;
        }
        if (n > (q->match.route->body_max ?: HTTP_BODY_MAX) - q->body.len) {
                q->refused = true;
                buffer_done(&q->body);
                q->body = (Buffer) {};
                return http_reply_error(q, -EFBIG, NULL) < 0 ? MHD_NO : MHD_YES;
        }
        return buffer_append(&q->body, p, n) < 0 ? MHD_NO : MHD_YES;
}

static enum MHD_Result dispatch(HttpRequest *q) {
        int r = 0;

        /* What the handlers work with may have gone already. */
        if (!http_request_is_answered(q) && q->server->closing && http_reply_error(q, -EAGAIN, NULL) < 0)
                return MHD_NO;
        if (!http_request_is_answered(q) && !q->dispatched) {
                q->dispatched = true;
                r = q->match.route->handler(q, q->server->options.userdata);
                if (r < 0 && !http_request_is_answered(q) && http_reply_error(q, r, q->error) < 0)
                        return MHD_NO;
                /* Nobody is left who could answer. */
                if (!http_request_is_answered(q) && q->n_ref == 1 && http_reply_error(q, -EIO, NULL) < 0)
                        return MHD_NO;
        }
        if (q->queued)
                return MHD_YES;
        if (http_request_is_answered(q)) {
                q->queued = true;
                return MHD_queue_response(q->connection, q->status, q->response);
        }
        q->suspended = true;
        MHD_suspend_connection(q->connection);
        return MHD_YES;
}

static enum MHD_Result on_access(void *userdata, struct MHD_Connection *c, const char *url,
                                 const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **request) {
        HttpRequest *q = *request;

        if (!q)
                return MHD_NO;
        if (!q->started)
                return start(q, method);
        if (*upload_size > 0) {
                enum MHD_Result result = take_body(q, upload, *upload_size);

                *upload_size = 0;
                return result;
        }
        return dispatch(q);
}

static void on_completed(void *userdata, struct MHD_Connection *c, void **request,
                         enum MHD_RequestTerminationCode why) {
        if (*request)
                http_request_gone(*request);
        *request = NULL;
}

static int start_daemon(HttpServer *s) {
        const union MHD_DaemonInfo *info;
        int r;

        s->daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, /* port= */ 0,
                /* apc= */ NULL, NULL, on_access, s,
                MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX,
                MHD_OPTION_CONNECTION_TIMEOUT, HTTP_STALL_TIMEOUT_SEC,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
                MHD_OPTION_STRICT_FOR_CLIENT, 1,
                MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
                MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL,
                MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                MHD_OPTION_END);
        if (!s->daemon)
                return -EIO;
        info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info || info->epoll_fd < 0)
                return -EIO;
        r = sd_event_add_io(s->options.event, &s->io, info->epoll_fd, EPOLLIN, on_io, s);
        if (r >= 0)
                r = sd_event_add_time(s->options.event, &s->timer, CLOCK_MONOTONIC, 0,
                                      /* accuracy= */ USEC_PER_SEC / 10, on_timer, s);
        if (r >= 0)
                r = sd_event_add_defer(s->options.event, &s->kick, on_kick, s);
        return r;
}

int http_server_new(const HttpServerOptions *options, HttpServer **ret) {
        _cleanup_(http_server_freep) HttpServer *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->options = *options;
        r = start_daemon(s);
        if (r >= 0)
                r = http_accept_new(s, &s->accept);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

HttpServer *http_server_free(HttpServer *s) {
        if (!s)
                return NULL;
        s->closing = true;
        http_accept_free(s->accept);
        /* libmicrohttpd can't be stopped while it has suspended connections. */
        for (HttpRequest *q = s->requests; q; q = q->next) {
                if (q->stream)
                        http_stream_end(q->stream);
                else if (!http_request_is_answered(q))
                        (void) http_reply_error(q, -EAGAIN, NULL);
                http_request_resume(q);
        }
        if (s->daemon) {
                (void) MHD_run(s->daemon);
                MHD_stop_daemon(s->daemon);
        }
        while (s->requests)
                http_request_gone(s->requests);
        sd_event_source_disable_unref(s->io);
        sd_event_source_disable_unref(s->timer);
        sd_event_source_disable_unref(s->kick);
        free(s);
        return NULL;
}

int http_server_add_socket(HttpServer *s, int listen_fd) {
        return http_accept_add_socket(s->accept, listen_fd);
}

unsigned http_server_n_connections(const HttpServer *s) {
        return s->n_requests + http_accept_n_pending(s->accept);
}

bool http_server_has_clients(void *userdata) {
        return http_server_n_connections(userdata) > 0;
}

int http_refuse(HttpRequest *q, void *userdata) {
        const Error *fault = userdata;

        return error_set(http_request_error(q), stand_in_error(fault->code), "%s", fault->message);
}

static int parse_address(const char *where, struct sockaddr_storage *ret, socklen_t *ret_n,
                         Error **reterr_error) {
        struct sockaddr_un *un = (struct sockaddr_un *) ret;
        struct sockaddr_in *in = (struct sockaddr_in *) ret;
        uint64_t port;

        *ret = (struct sockaddr_storage) {};
        if (*where == '/') {
                if (strlen(where) >= sizeof(un->sun_path))
                        return error_set(reterr_error, -ENAMETOOLONG, "The socket path '%s' is too long",
                                         where);
                un->sun_family = AF_UNIX;
                memcpy(un->sun_path, where, strlen(where) + 1);
                *ret_n = sizeof(*un);
                return 0;
        }
        if (strncmp(where, "127.0.0.1:", 10) != 0 || parse_u64(where + 10, &port) < 0 || port > UINT16_MAX)
                return error_set(reterr_error, -EINVAL, "'%s' is neither /PATH nor 127.0.0.1:PORT", where);
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t) port);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *ret_n = sizeof(*in);
        return 0;
}

int http_server_listen(HttpServer *s, const char *where, Error **reterr_error) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_storage address;
        struct stat st;
        socklen_t n = 0;
        int r, one = 1;

        r = parse_address(where, &address, &n, reterr_error);
        if (r < 0)
                return r;
        /* A socket that an earlier run left behind; nothing else is removed. */
        if (address.ss_family == AF_UNIX && lstat(where, &st) >= 0 && S_ISSOCK(st.st_mode))
                (void) unlink(where);
        fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return error_set_errno(reterr_error, -errno, "Failed to make a socket");
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *) &address, n) < 0 || listen(fd, SOMAXCONN) < 0)
                return error_set_errno(reterr_error, -errno, "Failed to listen on '%s'", where);
        r = http_server_add_socket(s, fd);
        if (r < 0)
                return r;
        (void) TAKE_FD(fd);
        return 0;
}
