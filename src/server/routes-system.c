/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Health, the root, tokens, metrics, events, and the OpenAPI document. */

#include "basic/parse-util.h"
#include "db/metadata-store.h"
#include "server/api.h"
#include "server/auth.h"
#include "server/event-feed.h"
#include "server/metrics.h"
#include "server/openapi.h"
#include "server/routes-system.h"

static int get_health(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_free_ char *version = NULL;

        if (metadata_get(c->server->db, METADATA_VERSION, &version, NULL) < 0)
                return http_reply_text(q, 503, "text/plain", "The database cannot be read");
        return http_reply_text(q, 200, "text/plain", "Successful operation");
}

static int get_root(Call *c, HttpRequest *q, JsonObject **ret) {
        int r = http_reply_add_header(q, "Location", "/api/public/v1/openapi.json");

        return r < 0 ? r : http_reply_empty(q, 302);
}

/* JSON, or the form that the SDK posts. The grant type may be missing, and is spelled in two ways. */
static int post_token(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_http_target_ HttpTarget form = {};
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_free_ char *token = NULL;
        _cleanup_out_ Out out = out_object();
        const Buffer *b = http_request_body(q);
        const char *id = NULL, *secret = NULL;
        int r;

        if (http_request_has_type(q, "application/x-www-form-urlencoded")) {
                r = http_target_add_query(&form, buffer_bytes(b), b->len);
                id = http_target_get(&form, "client_id");
                secret = http_target_get(&form, "client_secret");
        } else {
                r = http_request_json(q, &body, &c->error);
                if (r >= 0)
                        r = body_string(c, body, "client_id", &id);
                if (r >= 0)
                        r = body_string(c, body, "client_secret", &secret);
        }
        if (r < 0)
                return r;
        if (!id || !secret)
                return call_fail(c, -EINVAL, NULL, "'client_id' and 'client_secret' are needed");
        r = auth_issue_token(c, id, secret, &token);
        if (r < 0)
                return r;
        out_string(&out, "access_token", token);
        out_string(&out, "token_type", "Bearer");
        out_i64(&out, "expires_in", TOKEN_LIFETIME_SEC);
        return out_take(&out, ret);
}

static int get_openapi(Call *c, HttpRequest *q, JsonObject **ret) {
        return openapi_document(c->server->routes, c->server->n_routes, ret);
}

/* Figures name all connections: for those who may read the whole instance. */
static int get_metrics(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_buffer_ Buffer b = {};
        int r = call_require(c, NULL, ROLE_READER);

        if (r >= 0)
                r = metrics_write(c->server, &b);
        return r < 0 ? r : http_reply_buffer(q, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}

static int get_events(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *last = http_request_header(q, "Last-Event-ID") ?: http_request_query(q, "lastEventId");
        int64_t since = -1;

        if (last && *last && (parse_i64(last, &since) < 0 || since < 0))
                return call_fail(c, -EINVAL, NULL, "Last-Event-ID must be the id of an event");
        return event_feed_subscribe(c->server->feed, c, since);
}

#define TOKEN_FLAGS (API_ANONYMOUS | API_RAW)

static const ApiRoute routes_system_rows[] = {
        { "GET", "/api/public/v1", get_root, API_ANONYMOUS | API_HIDDEN },
        { "GET", "/api/public/v1/", get_root, API_ANONYMOUS | API_HIDDEN },
        { "GET", "/api/public/v1/health", get_health, API_ANONYMOUS, .id = "getHealthCheck",
          .tag = "Health" },
        { "GET", "/api/v1/health", get_health, API_ANONYMOUS | API_HIDDEN },
        { "GET", "/api/public/v1/openapi.json", get_openapi, API_ANONYMOUS | API_HIDDEN },
        { "GET", "/metrics", get_metrics, API_HIDDEN },
        { "GET", "/api/v1/events", get_events, API_HIDDEN },
        { "POST", "/api/public/v1/applications/token", post_token, TOKEN_FLAGS, .id = "createAccessToken",
          .tag = "Applications", .request = "ApplicationTokenRequest", .response = "ApplicationTokenResponse" },
        /* What old clients and a base URL with a slash at its end make of it. */
        { "POST", "/api/public/v1/v1/applications/token", post_token, TOKEN_FLAGS | API_HIDDEN },
        { "POST", "/api/v1/applications/token", post_token, TOKEN_FLAGS | API_HIDDEN },
};
API_TABLE(routes_system);
