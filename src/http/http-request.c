/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A request belongs to its connection and to whoever wants to answer it later, counted. The two ends are
 * independent: the client may go while a bus call is under way (`connection` is NULL then and the answer
 * goes nowhere), and a handler may drop its reference without having answered. The second is noticed when
 * the connection's own reference is the only one left, and answered 500, so that no client waits for
 * nobody.
 *
 * Headers are libmicrohttpd's memory and gone with the connection; path, query and body are the request's
 * own. */

#include <strings.h>
#include <sys/socket.h>

#include "http/http-reply.h"
#include "http/http-internal.h"

HttpRequest *http_request_new(HttpServer *s, struct MHD_Connection *c, const char *target) {
        HttpRequest *q = calloc(1, sizeof(*q));

        if (!q)
                return NULL;
        q->raw_target = strdup(target);
        if (!q->raw_target) {
                free(q);
                return NULL;
        }
        q->n_ref = 1;
        q->server = s;
        q->connection = c;
        q->next = s->requests;
        if (q->next)
                q->next->previous = q;
        s->requests = q;
        s->n_requests++;
        return q;
}

void http_request_gone(HttpRequest *q) {
        HttpServer *s = q->server;

        q->connection = NULL;
        q->server = NULL;
        if (q->previous)
                q->previous->next = q->next;
        else
                s->requests = q->next;
        if (q->next)
                q->next->previous = q->previous;
        s->n_requests--;
        if (q->stream)
                http_stream_gone(q->stream);
        http_request_unref(q);
}

HttpRequest *http_request_ref(HttpRequest *q) {
        q->n_ref++;
        return q;
}

HttpRequest *http_request_unref(HttpRequest *q) {
        assert(q->n_ref > 0);
        q->n_ref--;
        /* The connection's own reference is the last one, and nobody is left to answer. */
        if (q->n_ref == 1 && q->connection && q->suspended && !http_request_is_answered(q))
                (void) http_reply_error(q, -EIO, NULL);
        if (q->n_ref > 0)
                return NULL;
        if (q->context_destroy)
                q->context_destroy(q->context);
        if (q->response)
                MHD_destroy_response(q->response);
        for (size_t i = 0; i < q->n_headers; i++) {
                free(q->headers[i].name);
                free(q->headers[i].value);
        }
        buffer_done(&q->body);
        http_target_done(&q->target);
        error_free(q->error);
        free(q->raw_target);
        free(q);
        return NULL;
}

const char *http_request_method(const HttpRequest *q) {
        return q->method;
}

const char *http_request_target(const HttpRequest *q) {
        return q->raw_target;
}

const HttpRoute *http_request_route(const HttpRequest *q) {
        return q->match.route;
}

const HttpTarget *http_request_parameters(const HttpRequest *q) {
        return &q->target;
}

const char *http_request_path_value(const HttpRequest *q, const char *name) {
        return http_match_value(&q->match, name);
}

const char *http_request_query(const HttpRequest *q, const char *name) {
        return http_target_get(&q->target, name);
}

const char *http_request_header(const HttpRequest *q, const char *name) {
        return q->connection ? MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name) : NULL;
}

const Buffer *http_request_body(const HttpRequest *q) {
        return &q->body;
}

/* "; charset=utf-8", quoted or not, or other parameters. */
static bool parameters_are_utf8(const char *p) {
        const char *charset = strcasestr(p, "charset=");

        if (!charset)
                return true;
        charset += STRLEN("charset=");
        charset += *charset == '"';
        return strncasecmp(charset, "utf-8", 5) == 0;
}

bool http_request_has_type(const HttpRequest *q, const char *media_type) {
        const char *value = http_request_header(q, MHD_HTTP_HEADER_CONTENT_TYPE);
        size_t n = strlen(media_type);

        return value && strncasecmp(value, media_type, n) == 0 && (!value[n] || strchr("; \t", value[n])) &&
                parameters_are_utf8(value + n);
}

int http_request_json(HttpRequest *q, JsonObject **ret, Error **reterr_error) {
        if (http_request_header(q, MHD_HTTP_HEADER_CONTENT_TYPE) && !http_request_has_type(q,
                                                                                           "application/json"))
                return error_set(reterr_error, -EPROTOTYPE, "The body must be application/json");
        if (q->body.len == 0)
                return error_set(reterr_error, -EBADMSG, "The body is empty, it must be JSON");
        return json_parse(buffer_bytes(&q->body), q->body.len, ret, reterr_error);
}

int http_request_peer(const HttpRequest *q, HttpPeer *ret) {
        const union MHD_ConnectionInfo *info;
        struct ucred credentials;
        socklen_t n = sizeof(credentials);
        int domain;

        if (!q->connection)
                return -ENOTCONN;
        info = MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (!info)
                return -ENOTCONN;
        if (getsockopt(info->connect_fd, SOL_SOCKET, SO_DOMAIN, &domain,
                       &(socklen_t) { sizeof(domain) }) < 0)
                return -errno;
        if (domain != AF_UNIX)
                return -EAFNOSUPPORT;
        if (getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n) < 0)
                return -errno;
        *ret = (HttpPeer) { .pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid };
        return 0;
}

void http_request_set_context(HttpRequest *q, void *context, void (*destroy)(void *)) {
        assert(!q->context);
        q->context = context;
        q->context_destroy = destroy;
}

void *http_request_context(const HttpRequest *q) {
        return q->context;
}

Error **http_request_error(HttpRequest *q) {
        return &q->error;
}
