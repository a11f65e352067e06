/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The proxy: takes connections, answers files by itself, and relays what is below /api and /metrics to
 * gantry-server's socket. It holds no database, no secret and no session. */

#include <systemd/sd-event.h>

#include "basic/error.h"

#define PROXY_CONNECTIONS_MAX 512U

typedef struct ProxyServer ProxyServer;

typedef struct ProxyOptions {
        sd_event *event;
        const char *server_path; /* gantry-server's socket */
        int web_fd;              /* the UI's directory; negative: not installed */
        char *const *hosts;      /* allowed beside the loopback's names; borrowed */
        void (*touch)(void *userdata);
        void *userdata;
} ProxyOptions;

int proxy_server_new(const ProxyOptions *options, ProxyServer **ret);
ProxyServer *proxy_server_free(ProxyServer *s);
DEFINE_CLEANUP(ProxyServer, proxy_server_free);

/* Takes a listening socket over. */
int proxy_server_add_socket(ProxyServer *s, int listen_fd);
unsigned proxy_server_n_connections(const ProxyServer *s);
