/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection reads one head, is judged, and then either has its answer in `down` or is connected to the
 * server: `up` and `down` are the two directions, each a buffer that is filled only while it is empty, so
 * that the slower side sets the pace and nothing piles up. What the client sends behind its body is never
 * read. The server says "Connection: close"; where it has closed, the answer is whole. */

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "basic/time-util.h"
#include "proxy/proxy-connection.h"
#include "proxy/proxy-head.h"
#include "proxy/proxy-static.h"

#define HEAD_TIMEOUT_USEC (10 * USEC_PER_SEC)
/* Without a byte of a body, or with an answer that the client doesn't take. Answers may take their time:
 * events come when they come. */
#define STALL_TIMEOUT_USEC (60 * USEC_PER_SEC)
/* A refused client may still be writing: its answer would be lost with a reset. */
#define LINGER_USEC (2 * USEC_PER_SEC)
#define RELAY_SIZE (64U * 1024U)

typedef enum State {
        STATE_HEAD,
        STATE_RELAY,  /* the server is at the other end */
        STATE_ANSWER, /* all of the answer is in `down` */
        STATE_LINGER, /* it is written; what still comes is dropped */
} State;

struct ProxyConnection {
        ProxyServer *server;
        ProxyConnection *next, *previous;
        State state;
        char address[64];
        int client, upstream;
        sd_event_source *client_io, *upstream_io, *timer;
        Buffer in;          /* the head */
        Buffer up, down;
        uint64_t n_body;    /* bytes of the body that have not been read from the client */
        bool upstream_over; /* the answer has been read to its end */
};

ProxyConnection *proxy_connection_free(ProxyConnection *c) {
        if (!c)
                return NULL;
        if (c->previous)
                c->previous->next = c->next;
        else if (c->server->connections == c)
                c->server->connections = c->next;
        if (c->next)
                c->next->previous = c->previous;
        c->server->n_connections--;
        if (c->server->listen)
                (void) sd_event_source_set_enabled(c->server->listen, SD_EVENT_ON);
        c->server->options.touch(c->server->options.userdata);
        sd_event_source_disable_unref(c->client_io);
        sd_event_source_disable_unref(c->upstream_io);
        sd_event_source_disable_unref(c->timer);
        (void) safe_close(c->client);
        (void) safe_close(c->upstream);
        buffer_done(&c->in);
        buffer_done(&c->up);
        buffer_done(&c->down);
        free(c);
        return NULL;
}

static void set_timeout(ProxyConnection *c, usec_t after) {
        if (after == USEC_INFINITY) {
                (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(c->timer, after);
        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

/* Which side we wait for, and for how long. */
static void update(ProxyConnection *c) {
        bool want_body = c->state == STATE_RELAY && c->n_body > 0 && c->up.len == 0;
        bool read_client = c->state == STATE_HEAD || c->state == STATE_LINGER || want_body;
        bool read_upstream = c->state == STATE_RELAY && c->down.len == 0 && !c->upstream_over;
        /* Only where nothing else of the client's is waited for: it may close its side behind its body. */
        bool watch_end = c->state == STATE_RELAY && c->n_body == 0;

        (void) sd_event_source_set_io_events(c->client_io, (read_client ? EPOLLIN : 0) |
                                                           (watch_end ? EPOLLRDHUP : 0) |
                                                           (c->down.len > 0 ? EPOLLOUT : 0));
        if (c->upstream_io)
                (void) sd_event_source_set_io_events(c->upstream_io, (read_upstream ? EPOLLIN : 0) |
                                                                     (c->up.len > 0 ? EPOLLOUT : 0));
        if (c->state == STATE_RELAY || c->state == STATE_ANSWER)
                set_timeout(c, want_body || c->down.len > 0 ? STALL_TIMEOUT_USEC : USEC_INFINITY);
}

/* --- bytes --- */

/* 1: something was read; 0: not now; -ENODATA: the end. */
static int fill(int fd, Buffer *b, uint64_t max) {
        size_t want = (size_t) MIN((uint64_t) RELAY_SIZE, max);
        char *p = buffer_reserve(b, want);
        ssize_t n;

        if (!p)
                return -ENOMEM;
        n = recv(fd, p, want, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        buffer_commit(b, (size_t) n);
        return n == 0 ? -ENODATA : 1;
}

static int drain(int fd, Buffer *b) {
        while (b->len > 0) {
                ssize_t n = send(fd, buffer_bytes(b), b->len, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                buffer_consume(b, (size_t) n);
        }
        return 0;
}

/* --- answers of our own --- */

static int answer_problem(ProxyConnection *c, unsigned status, const char *title, const char *detail) {
        c->state = STATE_ANSWER;
        buffer_reset(&c->down);
        return proxy_answer_problem(status, title, detail, &c->down);
}

static bool starts_with(const ProxyHead *h, const char *prefix) {
        size_t n = strlen(prefix);

        /* The path itself, or something below it, or with a query. */
        return h->n_target >= n && memcmp(h->target, prefix, n) == 0 &&
                (h->n_target == n || h->target[n] == '/' || h->target[n] == '?');
}

static int answer_file(ProxyConnection *c, const ProxyHead *h) {
        bool head_only = streq(h->method, "HEAD");

        if (!head_only && !streq(h->method, "GET"))
                return answer_problem(c, 405, "Method Not Allowed", "Files can only be read");
        c->state = STATE_ANSWER;
        return proxy_static_answer(c->server->options.web_fd, h->target, h->n_target, head_only, &c->down);
}

/* --- the server --- */

static int on_upstream(sd_event_source *s, int fd, uint32_t events, void *userdata);

/* A unix socket connects at once, or not at all: systemd listens even while the server sleeps. */
static int connect_upstream(ProxyConnection *c) {
        union {
                struct sockaddr sa;
                struct sockaddr_un un;
        } address = { .un = { .sun_family = AF_UNIX } };
        const char *path = c->server->options.server_path;

        if (strlen(path) >= sizeof(address.un.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.un.sun_path, path, strlen(path) + 1);
        c->upstream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (c->upstream < 0)
                return -errno;
        if (connect(c->upstream, &address.sa, sizeof(address.un)) < 0)
                return -errno;
        return sd_event_add_io(c->server->options.event, &c->upstream_io, c->upstream, 0, on_upstream, c);
}

static int begin_relay(ProxyConnection *c, const ProxyHead *h) {
        size_t n_early = (size_t) MIN((uint64_t) (c->in.len - h->n_head), h->n_body);
        int r;

        r = connect_upstream(c);
        if (r < 0) {
                log_warning_errno(r, "Failed to reach the server at '%s'", c->server->options.server_path);
                return answer_problem(c, 503, "Service Unavailable", "The server can't be reached now");
        }
        c->state = STATE_RELAY;
        c->n_body = h->n_body - n_early;
        r = proxy_head_write(h, c->address, &c->up);
        if (r >= 0)
                r = buffer_append(&c->up, buffer_bytes(&c->in) + h->n_head, n_early);
        if (r >= 0 && h->expects_continue && c->n_body > 0)
                r = buffer_append_string(&c->down, "HTTP/1.1 100 Continue\r\n\r\n");
        return r;
}

/* The head is whole: what becomes of the request. */
static int judge(ProxyConnection *c) {
        char *const *hosts = c->server->options.hosts;
        const char *why = NULL;
        ProxyHead h;
        int r;

        r = proxy_head_parse(buffer_bytes(&c->in), c->in.len, &h, &why);
        if (r == -EFBIG)
                return answer_problem(c, 413, "Content Too Large", why);
        if (r < 0)
                return answer_problem(c, 400, "Bad Request", why);
        if (!*h.host || !proxy_host_is_allowed(h.host, hosts))
                return answer_problem(c, 403, "Forbidden",
                                      "This host name is not one of ours (gantry.conf, [Web] Hosts=)");
        if (!proxy_origin_is_allowed(&h, hosts))
                return answer_problem(c, 403, "Forbidden", "A page of another site may not change anything here");
        if (!starts_with(&h, "/api") && !starts_with(&h, "/metrics"))
                return answer_file(c, &h);
        return begin_relay(c, &h);
}

static int read_head(ProxyConnection *c) {
        const char *why = NULL;
        int r;

        r = fill(c->client, &c->in, HTTP_HEAD_MAX);
        if (r <= 0)
                return r;
        r = http_head_check(buffer_bytes(&c->in), c->in.len, &why);
        if (r < 0)
                return answer_problem(c, 400, "Bad Request", why);
        return r > 0 ? judge(c) : 0;
}

/* --- the loop --- */

static int linger(ProxyConnection *c) {
        c->state = STATE_LINGER;
        (void) shutdown(c->client, SHUT_WR);
        set_timeout(c, LINGER_USEC);
        return 0;
}

/* After something has happened: writes what can be written, and sees whether it is over. */
static int step(ProxyConnection *c) {
        int r = 0;

        if (c->upstream >= 0 && c->up.len > 0) {
                r = drain(c->upstream, &c->up);
                /* The server may answer before it has read all, and close: its answer is what counts. */
                if (r == -EPIPE || r == -ECONNRESET) {
                        buffer_reset(&c->up);
                        c->n_body = 0;
                        r = 0;
                }
        }
        if (r >= 0 && c->down.len > 0)
                r = drain(c->client, &c->down);
        if (r < 0)
                return r;
        if (c->down.len == 0 && (c->state == STATE_ANSWER || (c->state == STATE_RELAY && c->upstream_over)))
                r = linger(c);
        update(c);
        return r;
}

static int finish(ProxyConnection *c, int r) {
        if (r >= 0)
                r = step(c);
        if (r < 0)
                (void) proxy_connection_free(c);
        return 0;
}

static int read_body(ProxyConnection *c) {
        size_t before = c->up.len;
        int r = fill(c->client, &c->up, c->n_body);

        if (r > 0)
                c->n_body -= c->up.len - before;
        return r;
}

static int drop_bytes(ProxyConnection *c) {
        buffer_reset(&c->in);
        return fill(c->client, &c->in, RELAY_SIZE);
}

static int on_client(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        ProxyConnection *c = userdata;
        int r = 0;

        if (events & EPOLLIN) {
                if (c->state == STATE_HEAD)
                        r = read_head(c);
                else if (c->state == STATE_LINGER)
                        r = drop_bytes(c);
                else if (c->state == STATE_RELAY && c->n_body > 0 && c->up.len == 0)
                        r = read_body(c);
        }
        /* Who closes before the answer is there has gone; an event stream would else go on for nobody. */
        if (r >= 0 && (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)))
                r = -ECONNRESET;
        return finish(c, r);
}

static int on_upstream(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        ProxyConnection *c = userdata;
        int r = 0;

        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && c->down.len == 0 && !c->upstream_over) {
                r = fill(c->upstream, &c->down, RELAY_SIZE);
                if (r == -ENODATA || r == -ECONNRESET) {
                        c->upstream_over = true;
                        c->upstream_io = sd_event_source_disable_unref(c->upstream_io);
                        r = 0;
                }
        }
        return finish(c, r);
}

static int on_timeout(sd_event_source *s, uint64_t now, void *userdata) {
        ProxyConnection *c = userdata;

        if (c->state == STATE_HEAD && c->in.len > 0)
                return finish(c, answer_problem(c, 408, "Request Timeout", "The request's head did not come"));
        (void) proxy_connection_free(c);
        return 0;
}

int proxy_connection_new(ProxyServer *s, int fd, const char *address) {
        ProxyConnection *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                (void) safe_close(fd);
                return -ENOMEM;
        }
        *c = (ProxyConnection) { .server = s, .client = fd, .upstream = -EBADF, .next = s->connections };
        if (c->next)
                c->next->previous = c;
        s->connections = c;
        s->n_connections++;
        (void) snprintf(c->address, sizeof(c->address), "%s", address);
        r = sd_event_add_io(s->options.event, &c->client_io, fd, EPOLLIN, on_client, c);
        if (r >= 0)
                r = sd_event_add_time_relative(s->options.event, &c->timer, CLOCK_MONOTONIC, HEAD_TIMEOUT_USEC,
                                               /* accuracy= */ USEC_PER_SEC / 10, on_timeout, c);
        if (r < 0)
                (void) proxy_connection_free(c);
        return r;
}
