/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which handler answers a method and a path. Routes are one static table of a program; a path is literal
 * segments and {parameters}. */

#include "http/http-target.h"

#define HTTP_BODY_MAX (1024U * 1024U)
#define HTTP_BODY_LARGE_MAX (32U * 1024U * 1024U)
#define HTTP_ROUTE_PARAMETERS_MAX 4U

typedef struct HttpRequest HttpRequest;

/* Answers now (http_reply_…), or keeps a reference and answers later, and returns 0. A negative errno is
 * answered as a problem document, with the sentence of the request's error (http_request_error). */
typedef int (*HttpHandler)(HttpRequest *q, void *userdata);

typedef struct HttpRoute {
        const char *method;
        const char *path;
        HttpHandler handler;
        unsigned flags;    /* the program's own */
        size_t body_max;   /* 0 = HTTP_BODY_MAX */
        const void *data;  /* the program's own */
} HttpRoute;

typedef struct HttpMatch {
        const HttpRoute *route;
        const char *values[HTTP_ROUTE_PARAMETERS_MAX]; /* in the order of the pattern; borrowed from the target */
        char allow[64];                                /* for 405: the methods that the path knows */
} HttpMatch;

/* 0 and the route; -ENOENT: no such path; -EOPNOTSUPP: another method, `ret->allow` is set. A literal
 * segment wins over a parameter. HEAD finds what GET does. */
int http_router_match(const HttpRoute *routes, size_t n_routes, const char *method, const HttpTarget *target,
                      HttpMatch *ret);

/* The value of {name}, which the pattern must have. */
const char *http_match_value(const HttpMatch *m, const char *name);
