/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client's request as the proxy reads it, and as it writes it anew for the server: nothing is passed on as
 * it came. One connection carries one request. Pure. */

#include "basic/buffer.h"
#include "http/http-head.h"

/* Bodies beyond this are refused here (the largest that any route takes). */
#define PROXY_BODY_MAX (32U * 1024U * 1024U)

typedef struct ProxyHeader {
        const char *name, *value; /* not NUL-terminated */
        size_t n_name, n_value;
} ProxyHeader;

typedef struct ProxyHead {
        char method[20];
        const char *target;
        size_t n_target;
        ProxyHeader headers[HTTP_HEADERS_MAX];
        size_t n_headers;
        char host[262];   /* the Host header, checked; empty where HTTP/1.0 gave none */
        uint64_t n_body;
        bool expects_continue;
        size_t n_head;    /* bytes of the head */
} ProxyHead;

/* Takes a head apart that http_head_check() calls whole; it borrows from `p`. -EBADMSG: it can't be passed
 * on, `*ret_why` (static) says why; -EFBIG: its body is too large. */
int proxy_head_parse(const char *p, size_t n, ProxyHead *ret, const char **ret_why);

/* Whether a Host header (or the host of an Origin) names us: the loopback's names and `allowed`, with any
 * port. Without this a page of anybody's whose name resolves to 127.0.0.1 could read the API. */
bool proxy_host_is_allowed(const char *host, char *const *allowed);
/* Whether a request that changes something comes from a page of ours, or from no page. */
bool proxy_origin_is_allowed(const ProxyHead *h, char *const *allowed);

/* The header's value as it came; NULL: not there. */
const ProxyHeader *proxy_head_find(const ProxyHead *h, const char *name);

/* Appends the request for the server: our own framing, no hop-by-hop headers, no word of who forwarded it
 * but ours. */
int proxy_head_write(const ProxyHead *h, const char *client_address, Buffer *b);
