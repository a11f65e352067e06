/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A head is taken apart by the same rules that the server's guard has (http-head.c, which has judged it
 * before), and written anew from what was understood. So both ends mean the same by it: nothing that this
 * side has skipped can be read by the other. The framing is ours (a length, Connection: close),
 * hop-by-hop headers end here, also those that the client's Connection header names, and what a client
 * says of addresses and proxies is replaced.
 *
 * Two checks keep strange pages away from a browser that can reach this port. The Host must be one that
 * we have, or a name that its owner lets point to 127.0.0.1 would read the API (DNS rebinding). The
 * Origin of what changes something must be, too, or any page could send a form; where a browser says by
 * Sec-Fetch-Site that it is another site's, that is believed. Loopback names are always among ours. */

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "basic/strv.h"
#include "proxy/proxy-head.h"

/* What concerns this connection alone (RFC 9110, 7.6.1), what frames the message, and what only a proxy may
 * say: ours are written anew. */
static const char *const dropped[] = {
        "connection", "content-length", "expect", "forwarded", "host", "http2-settings", "keep-alive",
        "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
};

static bool name_is(const ProxyHeader *h, const char *name) {
        return strlen(name) == h->n_name && strncasecmp(h->name, name, h->n_name) == 0;
}

static bool value_is(const ProxyHeader *h, const char *value) {
        return strlen(value) == h->n_value && strncasecmp(h->value, value, h->n_value) == 0;
}

const ProxyHeader *proxy_head_find(const ProxyHead *h, const char *name) {
        for (size_t i = 0; i < h->n_headers; i++)
                if (name_is(h->headers + i, name))
                        return h->headers + i;
        return NULL;
}

static int refuse(const char **ret_why, int r, const char *why) {
        *ret_why = why;
        return r;
}

/* The guard has seen that every line is well-formed. */
static void read_header(const char *p, size_t n, ProxyHeader *ret) {
        const char *colon = memchr(p, ':', n), *value = colon + 1, *end = p + n;

        while (value < end && (*value == ' ' || *value == '\t'))
                value++;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
        *ret = (ProxyHeader) { .name = p, .n_name = (size_t) (colon - p), .value = value,
                               .n_value = (size_t) (end - value) };
}

static int read_request_line(const char *p, size_t n, ProxyHead *h, const char **ret_why) {
        const char *space = memchr(p, ' ', n);
        size_t n_method = (size_t) (space - p), n_version = STRLEN(" HTTP/1.1");

        if (n_method >= sizeof(h->method))
                return refuse(ret_why, -EBADMSG, "the method is too long");
        memcpy(h->method, p, n_method);
        h->method[n_method] = 0;
        h->target = space + 1;
        h->n_target = n - n_method - 1 - n_version;
        return 0;
}

static int read_framing(ProxyHead *h, const char **ret_why) {
        const ProxyHeader *length = proxy_head_find(h, "content-length");
        const ProxyHeader *host = proxy_head_find(h, "host"), *expect = proxy_head_find(h, "expect");

        if (proxy_head_find(h, "transfer-encoding"))
                return refuse(ret_why, -EBADMSG, "a body needs a Content-Length here");
        /* At most 18 digits, as the guard has seen: no overflow. */
        for (size_t i = 0; length && i < length->n_value; i++)
                h->n_body = h->n_body * 10 + (uint64_t) (length->value[i] - '0');
        if (h->n_body > PROXY_BODY_MAX)
                return refuse(ret_why, -EFBIG, "the body is too large");
        if (host && host->n_value >= sizeof(h->host))
                return refuse(ret_why, -EBADMSG, "the Host header is too long");
        if (host) {
                memcpy(h->host, host->value, host->n_value);
                h->host[host->n_value] = 0;
        }
        if (strlen(h->host) != (host ? host->n_value : 0))
                return refuse(ret_why, -EBADMSG, "the Host header is malformed");
        h->expects_continue = expect && value_is(expect, "100-continue");
        return 0;
}

int proxy_head_parse(const char *p, size_t n, ProxyHead *ret, const char **ret_why) {
        const char *line = p, *end = p + n;
        bool first = true;
        int r;

        *ret = (ProxyHead) {};
        for (;;) {
                const char *stop = memmem(line, (size_t) (end - line), "\r\n", 2);

                if (!stop)
                        return refuse(ret_why, -EBADMSG, "the head is not whole");
                if (stop == line)
                        break;
                if (first)
                        r = read_request_line(line, (size_t) (stop - line), ret, ret_why);
                else {
                        if (ret->n_headers == HTTP_HEADERS_MAX)
                                return refuse(ret_why, -EBADMSG, "there are too many headers");
                        read_header(line, (size_t) (stop - line), ret->headers + ret->n_headers++);
                        r = 0;
                }
                if (r < 0)
                        return r;
                first = false;
                line = stop + 2;
        }
        ret->n_head = (size_t) (line + 2 - p);
        return read_framing(ret, ret_why);
}

/* The name without its port; an address in brackets stays in them. */
static size_t host_length(const char *host) {
        const char *end = host[0] == '[' ? strchr(host, ']') : NULL;

        return end ? (size_t) (end + 1 - host) : strcspn(host, ":");
}

static bool rest_is_port(const char *rest) {
        size_t n;

        if (!*rest)
                return true;
        n = *rest == ':' ? strspn(rest + 1, "0123456789") : 0;
        return n > 0 && n <= 5 && !rest[n + 1];
}

static bool is_loopback(const char *host, size_t n) {
        static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strlen(names[i]) == n && strncasecmp(host, names[i], n) == 0)
                        return true;
        return false;
}

bool proxy_host_is_allowed(const char *host, char *const *allowed) {
        size_t n = host_length(host);

        if (!rest_is_port(host + n))
                return false;
        if (is_loopback(host, n))
                return true;
        STRV_FOREACH(name, allowed)
                if (strlen(*name) == n && strncasecmp(host, *name, n) == 0)
                        return true;
        return false;
}

/* Whatever else serves pages on this machine has these names, too, and another port. A name in Hosts= may have
 * another port outside than we have inside, behind somebody who ends TLS. */
static bool is_other_port_here(const ProxyHead *h, const char *origin) {
        size_t n = host_length(origin);

        return is_loopback(origin, n) && !streq(origin + n, h->host + host_length(h->host));
}

bool proxy_origin_is_allowed(const ProxyHead *h, char *const *allowed) {
        const ProxyHeader *origin = proxy_head_find(h, "origin"), *site = proxy_head_find(h, "sec-fetch-site");
        char host[262];
        size_t skip;

        if (streq(h->method, "GET") || streq(h->method, "HEAD"))
                return true;
        /* Today's browsers say it by themselves; "none" is what the user has done. */
        if (site && !value_is(site, "same-origin") && !value_is(site, "none"))
                return false;
        if (!origin)
                return true;
        skip = origin->n_value > 8 && strncasecmp(origin->value, "https://", 8) == 0 ? 8 :
               origin->n_value > 7 && strncasecmp(origin->value, "http://", 7) == 0 ? 7 : 0;
        /* "null" too: a sandboxed or redirected page is none of ours. */
        if (skip == 0 || origin->n_value - skip >= sizeof(host))
                return false;
        memcpy(host, origin->value + skip, origin->n_value - skip);
        host[origin->n_value - skip] = 0;
        return proxy_host_is_allowed(host, allowed) && !is_other_port_here(h, host);
}

/* Whether the client's Connection header calls it hop-by-hop. */
static bool is_named_by_connection(const ProxyHead *h, const ProxyHeader *header) {
        for (size_t i = 0; i < h->n_headers; i++) {
                const ProxyHeader *c = h->headers + i;
                const char *p = c->value, *end = c->value + c->n_value;

                while (name_is(c, "connection") && p < end) {
                        const char *comma = memchr(p, ',', (size_t) (end - p)) ?: end, *stop = comma;

                        while (p < stop && (*p == ' ' || *p == '\t'))
                                p++;
                        while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t'))
                                stop--;
                        if ((size_t) (stop - p) == header->n_name && strncasecmp(p, header->name, header->n_name) == 0)
                                return true;
                        p = comma + 1;
                }
        }
        return false;
}

static bool is_passed_on(const ProxyHead *h, const ProxyHeader *header) {
        for (size_t i = 0; i < ELEMENTSOF(dropped); i++)
                if (name_is(header, dropped[i]))
                        return false;
        return !is_named_by_connection(h, header);
}

int proxy_head_write(const ProxyHead *h, const char *client_address, Buffer *b) {
        const char *host = *h->host ? h->host : "localhost";
        bool has_body = h->n_body > 0 || proxy_head_find(h, "content-length");
        int r;

        r = buffer_appendf(b, "%s ", h->method);
        if (r >= 0)
                r = buffer_append(b, h->target, h->n_target);
        if (r >= 0)
                r = buffer_appendf(b, " HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Host: %s\r\nX-Forwarded-Proto: http\r\n"
                                   "X-Forwarded-For: %s\r\nConnection: close\r\n", host, host, client_address);
        if (r >= 0 && has_body)
                r = buffer_appendf(b, "Content-Length: %" PRIu64 "\r\n", h->n_body);
        for (size_t i = 0; r >= 0 && i < h->n_headers; i++) {
                const ProxyHeader *header = h->headers + i;

                if (!is_passed_on(h, header))
                        continue;
                r = buffer_append(b, header->name, header->n_name);
                if (r >= 0)
                        r = buffer_append(b, ": ", 2);
                if (r >= 0)
                        r = buffer_append(b, header->value, header->n_value);
                if (r >= 0)
                        r = buffer_append(b, "\r\n", 2);
        }
        return r >= 0 ? buffer_append(b, "\r\n", 2) : r;
}
