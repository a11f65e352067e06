/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this directory share. */

#include <microhttpd.h>

#include "basic/time-util.h"
#include "http/http-server.h"

/* More of a body than this is not even read to be polite to its sender. */
#define HTTP_DRAIN_MAX (8U * 1024U * 1024U)

typedef struct HttpAccept HttpAccept;

struct HttpServer {
        HttpServerOptions options;
        struct MHD_Daemon *daemon;
        sd_event_source *io, *timer, *kick;
        HttpAccept *accept;
        HttpRequest *requests; /* that libmicrohttpd has, doubly linked */
        unsigned n_requests;
        bool closing; /* no handler is called any more */
};

struct HttpRequest {
        unsigned n_ref;
        HttpServer *server;                /* NULL once the server has gone */
        struct MHD_Connection *connection; /* NULL once libmicrohttpd is through with it */
        HttpRequest *next, *previous;

        char *raw_target;
        char method[24];
        HttpTarget target;
        HttpMatch match;
        Buffer body;
        usec_t body_deadline;
        bool started;    /* the head has been looked at */
        bool dispatched; /* the handler has run */
        bool suspended;
        bool refused;    /* before the body: what comes of it is dropped */
        size_t n_dropped;

        void *context;
        void (*context_destroy)(void *);
        Error *error;

        struct { char *name, *value; } headers[8];
        size_t n_headers;
        struct MHD_Response *response;
        unsigned status;
        bool queued;
        HttpStream *stream;
};

/* http-server.c: have libmicrohttpd look again. */
void http_server_kick(HttpServer *s);
/* Goes on with a request whose answer is there, or has more. */
void http_request_resume(HttpRequest *q);

/* http-request.c */
HttpRequest *http_request_new(HttpServer *s, struct MHD_Connection *c, const char *target);
/* libmicrohttpd is through with it: gives up the connection's reference. */
void http_request_gone(HttpRequest *q);
