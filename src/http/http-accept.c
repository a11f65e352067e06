/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The guard. Bytes of a head are peeked at, never taken: libmicrohttpd reads them again from the socket.
 * Edge-triggered events keep bytes that stay in the socket from waking us again and again.
 *
 * A connection is here until its first head is whole, and costs little: a socket, an event source, no
 * buffer (one is shared, each peek starts anew). The oldest gives way when there are too many, so an
 * attacker who opens connections and says nothing displaces mostly his own. A head that comes byte by byte
 * is judged once for each byte; the deadline and the size of a head bound that.
 *
 * What is refused is answered and closed here. libmicrohttpd sees only heads that have been judged, and
 * one request of each connection, so what the guard has read is what will be read again. */

#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/fd-util.h"
#include "basic/time-util.h"
#include "http/http-accept.h"
#include "http/http-head.h"

#define LISTEN_SOCKETS_MAX 4U
/* Connections taken at one wake-up, so that other events get their turn. */
#define ACCEPT_BATCH 64U

typedef struct Pending Pending;
struct Pending {
        HttpAccept *accept;
        Pending *next, *previous; /* oldest first */
        int fd;
        sd_event_source *io;
        usec_t deadline;
};

struct HttpAccept {
        HttpServer *server;
        sd_event_source *listeners[LISTEN_SOCKETS_MAX];
        int listen_fds[LISTEN_SOCKETS_MAX];
        size_t n_listeners;
        sd_event_source *timer;
        Pending *oldest, *newest;
        unsigned n_pending;
        char head[HTTP_HEAD_MAX];
};

/* Takes the socket out of the list; the caller owns it then. */
static int pending_take(Pending *p) {
        HttpAccept *a = p->accept;
        int fd = p->fd;

        if (p->previous)
                p->previous->next = p->next;
        else
                a->oldest = p->next;
        if (p->next)
                p->next->previous = p->previous;
        else
                a->newest = p->previous;
        a->n_pending--;
        sd_event_source_disable_unref(p->io);
        free(p);
        return fd;
}

/* Tells the client and closes. What has arrived is read first: closing on unread bytes resets the
 * connection, and the client would lose the answer. */
static void refuse(int fd, HttpProblem problem, const char *why) {
        _cleanup_json_ JsonObject *document = http_problem_document(problem, NULL, why, NULL);
        _cleanup_free_ char *body = document ? json_to_string(document) : NULL;
        _cleanup_buffer_ Buffer b = {};
        char drop[4096];

        for (unsigned i = 0; i < 64 && recv(fd, drop, sizeof(drop), MSG_DONTWAIT) > 0; i++)
                ;
        if (body && buffer_appendf(&b, "HTTP/1.1 %u Refused\r\nContent-Type: application/problem+json\r\n"
                                       "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                                   http_problem_status(problem), strlen(body), body) >= 0)
                (void) send(fd, buffer_bytes(&b), b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void) shutdown(fd, SHUT_WR);
        (void) safe_close(fd);
}

static void hand_over(HttpServer *s, int fd) {
        struct sockaddr_storage address = { .ss_family = AF_UNIX };
        socklen_t n = sizeof(address);

        (void) getpeername(fd, (struct sockaddr *) &address, &n);
        /* An unnamed unix peer has an address of its family alone. */
        if (n < sizeof(sa_family_t))
                n = sizeof(sa_family_t);
        /* Closes the socket when it fails. */
        if (MHD_add_connection(s->daemon, fd, (struct sockaddr *) &address, n) == MHD_YES)
                http_server_kick(s);
}

static int on_head(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Pending *p = userdata;
        HttpAccept *a = p->accept;
        const char *why = NULL;
        ssize_t n = recv(fd, a->head, sizeof(a->head), MSG_PEEK | MSG_DONTWAIT);
        int r;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                (void) safe_close(pending_take(p));
                return 0;
        }
        r = http_head_check(a->head, (size_t) n, &why);
        if (r > 0)
                hand_over(a->server, pending_take(p));
        else if (r < 0)
                refuse(pending_take(p), HTTP_PROBLEM_BAD_REQUEST, why);
        else if ((size_t) n == sizeof(a->head))
                refuse(pending_take(p), HTTP_PROBLEM_HEAD_TOO_LARGE, "the request's head is too large");
        else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                (void) safe_close(pending_take(p));
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t now, void *userdata) {
        HttpAccept *a = userdata;

        while (a->oldest && a->oldest->deadline <= now)
                (void) safe_close(pending_take(a->oldest));
        if (!a->oldest)
                return 0;
        (void) sd_event_source_set_time(source, a->oldest->deadline);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int watch(HttpAccept *a, int fd) {
        unsigned seconds = a->server->options.head_timeout_sec ?: HTTP_HEAD_TIMEOUT_SEC;
        Pending *p = calloc(1, sizeof(*p));
        usec_t now;
        int r;

        if (!p)
                return -ENOMEM;
        r = sd_event_now(a->server->options.event, CLOCK_MONOTONIC, &now);
        if (r >= 0)
                r = sd_event_add_io(a->server->options.event, &p->io, fd, EPOLLIN | EPOLLRDHUP | EPOLLET,
                                    on_head, p);
        if (r < 0) {
                free(p);
                return r;
        }
        if (a->n_pending == HTTP_PENDING_MAX)
                (void) safe_close(pending_take(a->oldest));
        p->accept = a;
        p->fd = fd;
        p->deadline = now + seconds * USEC_PER_SEC;
        p->previous = a->newest;
        if (a->newest)
                a->newest->next = p;
        else
                a->oldest = p;
        a->newest = p;
        if (a->n_pending++ == 0) {
                (void) sd_event_source_set_time(a->timer, p->deadline);
                (void) sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
        }
        return 0;
}

static int on_connection(sd_event_source *source, int listen_fd, uint32_t events, void *userdata) {
        HttpAccept *a = userdata;

        for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd < 0)
                        break; /* none left, or none to be had now; the event comes again */
                if (a->server->n_requests >= HTTP_CONNECTIONS_MAX)
                        refuse(fd, HTTP_PROBLEM_UNAVAILABLE, "too many requests are at work");
                else if (watch(a, fd) < 0)
                        (void) safe_close(fd);
        }
        return 0;
}

int http_accept_new(HttpServer *s, HttpAccept **ret) {
        HttpAccept *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->server = s;
        r = sd_event_add_time(s->options.event, &a->timer, CLOCK_MONOTONIC, 0,
                              /* accuracy= */ USEC_PER_SEC / 10,
                              on_timeout, a);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
        if (r < 0) {
                http_accept_free(a);
                return r;
        }
        *ret = a;
        return 0;
}

HttpAccept *http_accept_free(HttpAccept *a) {
        if (!a)
                return NULL;
        while (a->oldest)
                (void) safe_close(pending_take(a->oldest));
        for (size_t i = 0; i < a->n_listeners; i++) {
                sd_event_source_disable_unref(a->listeners[i]);
                (void) safe_close(a->listen_fds[i]);
        }
        sd_event_source_disable_unref(a->timer);
        free(a);
        return NULL;
}

int http_accept_add_socket(HttpAccept *a, int listen_fd) {
        int r;

        if (a->n_listeners == LISTEN_SOCKETS_MAX)
                return -E2BIG;
        r = fd_set_nonblock(listen_fd, true);
        if (r >= 0)
                r = sd_event_add_io(a->server->options.event, &a->listeners[a->n_listeners], listen_fd,
                                    EPOLLIN,
                                    on_connection, a);
        if (r >= 0)
                a->listen_fds[a->n_listeners++] = listen_fd;
        return r;
}

unsigned http_accept_n_pending(const HttpAccept *a) {
        return a->n_pending;
}
