/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An HTTP server in an sd-event loop: libmicrohttpd behind the framing guard of http-head.h.
 *
 * Each accepted connection is watched by the guard until its first head is whole (bytes are looked at
 * without taking them); only a good one is handed to libmicrohttpd. One connection carries one request:
 * `Connection: close` is in every answer, so that nothing behind a request's end is ever read as another
 * request, whatever framing it claims. A client that needs many requests opens many connections; on a
 * loopback or unix socket that costs microseconds. */

#include <systemd/sd-event.h>

#include "http/http-request.h"

/* A head must be whole after this time, a body after HTTP_BODY_TIMEOUT_SEC of not more than
 * HTTP_STALL_TIMEOUT_SEC without a byte: ten times what a slow but honest client needs. */
#define HTTP_HEAD_TIMEOUT_SEC 10U
#define HTTP_STALL_TIMEOUT_SEC 30U
#define HTTP_BODY_TIMEOUT_SEC 300U
/* Connections whose head isn't whole yet: the oldest gives way. */
#define HTTP_PENDING_MAX 256U
/* Requests at work, streams included. */
#define HTTP_CONNECTIONS_MAX 512U

typedef struct HttpServer HttpServer;

typedef struct HttpServerOptions {
        sd_event *event;
        const HttpRoute *routes;
        size_t n_routes;
        /* Called when the head is known and a route found, before the body is read. A negative errno
         * refuses, as a handler's would; so does an answer. NULL: none. */
        HttpHandler prepare;
        void *userdata;           /* of prepare and of all handlers */
        unsigned head_timeout_sec; /* 0 = HTTP_HEAD_TIMEOUT_SEC; shorter ones are for tests */
} HttpServerOptions;

int http_server_new(const HttpServerOptions *options, HttpServer **ret);
/* Answers what is still open with 503. */
HttpServer *http_server_free(HttpServer *s);
DEFINE_CLEANUP(HttpServer, http_server_free);

/* Takes a listening socket over, an activated one or one's own; it is never shut down, only closed. */
int http_server_add_socket(HttpServer *s, int listen_fd);
/* Listens on `where`, for development and tests: "/path" or "127.0.0.1:port" (loopback only). */
int http_server_listen(HttpServer *s, const char *where, Error **reterr_error);

/* Connections that wait or are being answered. */
unsigned http_server_n_connections(const HttpServer *s);

/* For a daemon that stands in (shared/stand-in.h). A `prepare` that refuses all with the Error that `userdata`
 * is: a full disk is 507, all else 503; clients may try again. */
int http_refuse(HttpRequest *q, void *userdata);
/* Whether the HttpServer that `userdata` is has connections. */
bool http_server_has_clients(void *userdata);
