/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One client and its one request. */

#include "proxy/proxy-server.h"

typedef struct ProxyConnection ProxyConnection;

struct ProxyServer {
        ProxyOptions options;
        sd_event_source *listen;
        int listen_fd;
        ProxyConnection *connections; /* doubly linked */
        unsigned n_connections;
};

/* Takes `fd` over, also when it fails. */
int proxy_connection_new(ProxyServer *s, int fd, const char *address);
ProxyConnection *proxy_connection_free(ProxyConnection *c);
