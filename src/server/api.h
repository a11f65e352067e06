/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The HTTP face: tables of routes, one per file routes-NAME.c, whose rows say what a call needs and how
 * the OpenAPI document shows it. A row's handler reads the request, calls a service, and gives back JSON.
 * */

#include "server/body.h"
#include "server/list-service.h"
#include "server/out.h"

typedef struct ApiRoute ApiRoute;

/* 0: `*ret` (may be NULL) is the answer; CALL_LATER; negative errno. */
typedef int (*ApiHandler)(Call *c, HttpRequest *q, JsonObject **ret);

typedef enum ApiFlags {
        API_ANONYMOUS = 1 << 0,     /* no credentials */
        API_RAW = 1 << 1,           /* the handler reads the body and answers by itself */
        API_CONFIG = 1 << 2,        /* of the config API: errors have its form */
        API_OPTIONAL_BODY = 1 << 3, /* no body is as good as {} */
        API_HIDDEN = 1 << 4,        /* an alias that the OpenAPI document doesn't show */
} ApiFlags;

struct ApiRoute {
        const char *method, *path;
        ApiHandler handler;
        unsigned flags;
        unsigned status;      /* of success; 0 = 200 */
        const char *id;       /* operationId */
        const char *tag;
        const char *request;  /* names of schemas; NULL = none */
        const char *response;
        const char *description; /* of an operation that does not explain itself; NULL = none */
        const char *query;    /* names of query parameters, space-separated; those that end in [] repeat */
        size_t body_max;      /* 0 = HTTP_BODY_MAX */
};

typedef struct ApiTable {
        const ApiRoute *routes;
        size_t n;
} ApiTable;
#define API_TABLE(name) const ApiTable name = { name##_rows, ELEMENTSOF(name##_rows) }

/* All tables as routes of the HTTP server; route->data is the row. */
int api_make_routes(HttpRoute **ret, size_t *ret_n);
/* The HTTP server's prepare hook: who asks, and may that be. `userdata` is the Server. */
int api_prepare(HttpRequest *q, void *userdata);

/* Query parameters. A list may be given by repeating it and by commas. */
int api_query_list(Call *c, HttpRequest *q, const char *name, char ***ret);
int api_query_bool(Call *c, HttpRequest *q, const char *name, bool *ret);
/* limit, offset and workspaceIds. */
int api_listing(Call *c, HttpRequest *q, Listing *ret);
/* {"data": […], "previous": URL or "", "next": URL or ""}. Takes `data` over, also on failure. `key` is the
 * member of a row that listing_set_after() takes: then the next page costs what the first one does. NULL: the
 * list has no such thing. */
int api_page(Call *c, HttpRequest *q, const Listing *l, JsonObject *data, const char *key, JsonObject **ret);
/* {"data": […]}, likewise. */
int api_data(JsonObject *data, JsonObject **ret);
