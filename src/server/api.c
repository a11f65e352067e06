/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a request: the HTTP server finds the route, api_prepare() finds out who calls before the
 * body is read, handle() reads the body, the row's handler calls a service, on_complete() answers. A
 * handler knows nothing of status codes or error documents: it returns an errno with a sentence, and what
 * that means is said once, by http_problem_from_errno(). What is our own mistake is logged and told
 * without its reason.
 *
 * The request owns the Call and, while an answer is to come, the Call holds the request: call_later() and
 * its counterpart keep the two balanced. If the client goes meanwhile the answer has no taker, which is
 * fine.
 *
 * Rows are data on purpose: the OpenAPI document is made of the same tables, so that what is served and
 * what is documented can't come apart. */

#include <stdio.h>

#include "basic/log.h"
#include "basic/parse-util.h"
#include "server/api.h"
#include "server/auth.h"
#include "server/routes-access.h"
#include "server/routes-actors.h"
#include "server/routes-config-builder.h"
#include "server/routes-config-jobs.h"
#include "server/routes-config-objects.h"
#include "server/routes-config-schema.h"
#include "server/routes-connections.h"
#include "server/routes-definitions.h"
#include "server/routes-jobs.h"
#include "server/routes-refused.h"
#include "server/routes-streams.h"
#include "server/routes-system.h"
#include "server/routes-tags.h"
#include "server/routes-workspaces.h"

static const ApiTable *const tables[] = {
        &routes_access, &routes_actors, &routes_config_builder, &routes_config_jobs, &routes_config_objects,
        &routes_config_schema, &routes_connections, &routes_definitions, &routes_jobs, &routes_refused,
        &routes_streams, &routes_system, &routes_tags, &routes_workspaces,
};

static const ApiRoute *row_of(const HttpRequest *q) {
        return http_request_route(q)->data;
}

static bool has_body(const char *method) {
        return streq(method, "POST") || streq(method, "PUT") || streq(method, "PATCH");
}

/* The config API's form of an error (KnownExceptionInfo). */
static int reply_config_error(HttpRequest *q, Call *c, HttpProblem problem, const char *detail) {
        _cleanup_out_ Out out = out_object();
        _cleanup_json_ JsonObject *o = NULL;
        JsonObject *errors = json_member(c->problem_data, "errors");
        int r;

        out_string(&out, "message", detail);
        out_string(&out, "exceptionClassName", c->problem_type ?: "io.gantry.KnownException");
        out_value(&out, "exceptionStack", json_object_new_array());
        if (problem == HTTP_PROBLEM_UNPROCESSABLE)
                out_value(&out, "validationErrors", errors ? json_object_get(errors) :
                          json_object_new_array());
        if (problem == HTTP_PROBLEM_NOT_FOUND)
                out_string(&out, "id", http_request_target(q));
        r = out_take(&out, &o);
        return r < 0 ? r : http_reply_json(q, http_problem_status(problem), o);
}

static void reply_failure(HttpRequest *q, Call *c, int r) {
        HttpProblem problem = http_problem_from_errno(r);
        const char *detail = c->error ? c->error->message : NULL;
        int k;

        if (problem == HTTP_PROBLEM_UNEXPECTED) {
                log_warning("%s %s: %s", http_request_method(q), http_request_route(q)->path,
                            error_message(c->error, r));
                detail = "Something went wrong inside, the journal says what";
        }
        if (row_of(q)->flags & API_CONFIG)
                k = reply_config_error(q, c, problem, detail ?: strerror(-r));
        else
                k = http_reply_problem(q, problem, c->problem_type, detail, c->problem_data);
        if (k < 0)
                log_oom();
}

static void on_complete(Call *c, int r, JsonObject *result) {
        HttpRequest *q = c->request;
        unsigned status = row_of(q)->status ?: 200;

        if (http_request_is_answered(q))
                return;
        if (r < 0)
                reply_failure(q, c, r);
        else if ((status == 204 || !result ? http_reply_empty(q, status) : http_reply_json(q, status,
                                                                                           result)) < 0)
                log_oom();
}

static void run(Call *c) {
        _cleanup_json_ JsonObject *result = NULL;
        int r = row_of(c->request)->handler(c, c->request, &result);

        if (r != CALL_LATER)
                on_complete(c, r, result);
}

static int read_body(Call *c, HttpRequest *q) {
        const ApiRoute *row = row_of(q);
        int r;

        if (!has_body(http_request_method(q)) || (row->flags & API_RAW))
                return 0;
        if ((row->flags & API_OPTIONAL_BODY) && http_request_body(q)->len == 0) {
                c->body = json_object_new_object();
                return c->body ? 0 : -ENOMEM;
        }
        r = http_request_json(q, &c->body, &c->error);
        if (r >= 0 && !json_object_is_type(c->body, json_type_object))
                return call_fail(c, -EINVAL, NULL, "The body must be a JSON object");
        return r;
}

static int handle(HttpRequest *q, void *userdata) {
        Call *c = http_request_context(q);
        int r = read_body(c, q);

        daemon_touch(c->server->daemon);
        if (r < 0)
                reply_failure(q, c, r);
        else
                run(c);
        return 0;
}

static void unref_call(void *c) {
        call_unref(c);
}

int api_prepare(HttpRequest *q, void *userdata) {
        Call *c = call_new(userdata);
        int r;

        if (!c)
                return -ENOMEM;
        /* The request owns the call; a call that is answered later holds the request (call_later()). */
        http_request_set_context(q, c, unref_call);
        c->request = q;
        c->retry = run;
        c->complete = on_complete;
        if (row_of(q)->flags & API_ANONYMOUS)
                return 0;
        r = auth_identify(c, http_request_header(q, "Authorization"));
        if (r < 0)
                reply_failure(q, c, r);
        return 0;
}

int api_make_routes(HttpRoute **ret, size_t *ret_n) {
        HttpRoute *routes;
        size_t n = 0, k = 0;

        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                n += tables[i]->n;
        routes = calloc(n, sizeof(*routes));
        if (!routes)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                for (size_t j = 0; j < tables[i]->n; j++) {
                        const ApiRoute *row = tables[i]->routes + j;

                        routes[k++] = (HttpRoute) { .method = row->method, .path = row->path,
                                                    .handler = handle,
                                                    .flags = row->flags, .body_max = row->body_max, .data = row };
                }
        *ret = routes;
        *ret_n = n;
        return 0;
}

int api_query_list(Call *c, HttpRequest *q, const char *name, char ***ret) {
        const HttpTarget *t = http_request_parameters(q);
        _cleanup_strv_ char **l = NULL;

        for (size_t i = 0; i < t->n_parameters; i++) {
                _cleanup_strv_ char **parts = NULL;

                if (!streq(t->parameters[i].name, name))
                        continue;
                parts = strv_split(t->parameters[i].value, ",");
                if (!parts)
                        return -ENOMEM;
                STRV_FOREACH(p, parts)
                        if (**p && strv_extend(&l, *p) < 0)
                                return -ENOMEM;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

int api_query_bool(Call *c, HttpRequest *q, const char *name, bool *ret) {
        const char *s = http_request_query(q, name);

        if (!s)
                return 0;
        if (parse_boolean(s, ret) < 0)
                return call_fail(c, -EINVAL, NULL, "'%s' must be true or false", name);
        return 1;
}

int api_listing(Call *c, HttpRequest *q, Listing *ret) {
        _cleanup_strv_ char **wanted = NULL;
        int r;

        r = listing_set_page(c, http_request_query(q, "limit"), http_request_query(q, "offset"), ret);
        if (r >= 0)
                r = api_query_list(c, q, "workspaceIds", &wanted);
        if (r >= 0)
                r = listing_set_workspaces(c, wanted, ret);
        if (r >= 0)
                r = api_query_bool(c, q, "includeDeleted", &ret->options.include_deleted);
        return r < 0 ? r : 0;
}

static int append_encoded(Buffer *b, const char *s) {
        int r = 0;

        for (; *s && r >= 0; s++)
                r = (*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') ||
                                strchr("-._~", *s) ?
                        buffer_append_char(b, *s) : buffer_appendf(b, "%%%02X",
                                                                   (unsigned) (unsigned char) *s);
        return r;
}

/* The same list from another offset on, or behind a row. The proxy in front says how it was reached.
 * Without it these headers are the client's own, and so is the link. */
static int append_url(Buffer *b, HttpRequest *q, size_t limit, uint64_t offset, const char *after) {
        const HttpTarget *t = http_request_parameters(q);
        const char *scheme = http_request_header(q, "X-Forwarded-Proto"), *target = http_request_target(q);
        const char *host = http_request_header(q, "X-Forwarded-Host") ?: http_request_header(q, "Host");
        int r;

        r = buffer_appendf(b, "%s://%s%.*s?limit=%zu&offset=%llu", scheme && streq(scheme, "https") ?
                           "https" : "http",
                           host ?: "localhost", (int) strcspn(target,
                                                              "?"), target, limit, (unsigned long long) offset);
        if (r >= 0 && after)
                r = buffer_append_string(b, "&after=");
        if (r >= 0 && after)
                r = append_encoded(b, after);
        for (size_t i = 0; r >= 0 && i < t->n_parameters; i++) {
                if (streq(t->parameters[i].name, "limit") || streq(t->parameters[i].name, "offset") ||
                    streq(t->parameters[i].name, "after"))
                        continue;
                r = buffer_append_char(b, '&');
                if (r >= 0)
                        r = append_encoded(b, t->parameters[i].name);
                if (r >= 0)
                        r = buffer_append_char(b, '=');
                if (r >= 0)
                        r = append_encoded(b, t->parameters[i].value);
        }
        return r;
}

static const char *key_of_last(JsonObject *data, const char *key) {
        size_t n = json_object_array_length(data);
        JsonObject *value = key && n > 0 ? json_member(json_object_array_get_idx(data, n - 1), key) : NULL;

        return value ? json_object_get_string(value) : NULL;
}

int api_page(Call *c, HttpRequest *q, const Listing *l, JsonObject *data, const char *key, JsonObject **ret) {
        _cleanup_buffer_ Buffer previous = {}, next = {};
        _cleanup_out_ Out out = out_object();
        size_t limit = l->options.limit;
        uint64_t offset = l->options.offset + l->passed;
        int r = 0;

        /* As Airbyte has it: a next page is promised whenever this one has anything. The offset is there for
         * those who read it. */
        if (json_object_array_length(data) > 0)
                r = append_url(&next, q, limit, offset + limit, key_of_last(data, key));
        if (r >= 0 && offset > 0)
                r = append_url(&previous, q, limit, offset > limit ? offset - limit : 0, NULL);
        if (r < 0) {
                json_object_put(data);
                return r;
        }
        out_value(&out, "data", data);
        out_string(&out, "previous", buffer_string(&previous));
        out_string(&out, "next", buffer_string(&next));
        return out_take(&out, ret);
}

int api_data(JsonObject *data, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_value(&out, "data", data);
        return out_take(&out, ret);
}
