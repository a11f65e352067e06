/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections are taken while there is room for them, and wait in the kernel's queue else: the listening
 * socket is switched off at the limit and on by whichever connection ends. Nothing is refused for want of
 * room, since a browser would show that as an error of the page. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "proxy/proxy-connection.h"

#define ACCEPT_BATCH 16U

typedef union Address {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
} Address;

static void format_address(const Address *a, char *ret, size_t n) {
        const char *r = NULL;

        if (a->sa.sa_family == AF_INET)
                r = inet_ntop(AF_INET, &a->in.sin_addr, ret, (socklen_t) n);
        else if (a->sa.sa_family == AF_INET6)
                r = inet_ntop(AF_INET6, &a->in6.sin6_addr, ret, (socklen_t) n);
        if (!r)
                (void) snprintf(ret, n, "unknown");
}

static int on_listen(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        ProxyServer *s = userdata;

        for (unsigned i = 0; i < ACCEPT_BATCH && s->n_connections < PROXY_CONNECTIONS_MAX; i++) {
                char text[64];
                Address address = {};
                socklen_t n = sizeof(address);
                int client = accept4(fd, &address.sa, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (client < 0)
                        return 0;
                s->options.touch(s->options.userdata);
                format_address(&address, text, sizeof(text));
                if (proxy_connection_new(s, client, text) < 0)
                        log_warning("A connection can't be served: out of memory");
        }
        /* Those that come now wait in the socket's queue. */
        if (s->n_connections >= PROXY_CONNECTIONS_MAX)
                (void) sd_event_source_set_enabled(s->listen, SD_EVENT_OFF);
        return 0;
}

int proxy_server_new(const ProxyOptions *options, ProxyServer **ret) {
        ProxyServer *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        *s = (ProxyServer) { .options = *options, .listen_fd = -EBADF };
        *ret = s;
        return 0;
}

ProxyServer *proxy_server_free(ProxyServer *s) {
        if (!s)
                return NULL;
        while (s->connections)
                (void) proxy_connection_free(s->connections);
        sd_event_source_disable_unref(s->listen);
        (void) safe_close(s->listen_fd);
        free(s);
        return NULL;
}

int proxy_server_add_socket(ProxyServer *s, int listen_fd) {
        int r;

        s->listen_fd = listen_fd;
        r = fd_set_nonblock(listen_fd, true);
        if (r < 0)
                return r;
        return sd_event_add_io(s->options.event, &s->listen, listen_fd, EPOLLIN, on_listen, s);
}

unsigned proxy_server_n_connections(const ProxyServer *s) {
        return s->n_connections;
}
