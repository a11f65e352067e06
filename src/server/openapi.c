/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths, parameters and answers are made of the tables of routes, schemas come from openapi-schemas.json;
 * a row only names them. Rows that are hidden (aliases, refusals) or of the config API are left out.
 *
 * The document is built when it is asked for, and nothing in it is written twice: a route that is served
 * can't be missing, and a member can't be documented in two ways. Types of parameters go by their names,
 * which mean the same everywhere. */

#include <stdio.h>

#include "server/api.h"
#include "server/openapi.h"

#define BASE "/api/public/v1"

/* openapi-schemas.json */
extern const char text_openapi_schemas[];

/* {"$ref": "#/components/schemas/NAME"} under application/json. */
static int content(const char *media_type, const char *schema, JsonObject **ret) {
        _cleanup_free_ char *reference = NULL;
        Out ref = out_object(), media = out_object(), out = out_object();
        JsonObject *o = NULL;
        int r;

        if (asprintf(&reference, "#/components/schemas/%s", schema) < 0)
                return -ENOMEM;
        out_string(&ref, "$ref", reference);
        r = out_take(&ref, &o);
        out_value(&media, "schema", o);
        if (r >= 0)
                r = out_take(&media, &o);
        else
                out_done(&media);
        out_value(&out, media_type, r < 0 ? NULL : o);
        if (r < 0) {
                out_done(&out);
                return r;
        }
        return out_take(&out, ret);
}

static int parameter(const char *name, size_t n, const char *in, JsonObject **ret) {
        bool repeats = n > 2 && name[n - 2] == '[' && name[n - 1] == ']';
        _cleanup_free_ char *text = strndup(name, repeats ? n - 2 : n);
        _cleanup_json_ JsonObject *schema = NULL;
        const char *type = "{\"type\":\"string\"}";
        Out out;
        int r;

        if (!text)
                return -ENOMEM;
        if (repeats)
                type = "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}";
        else if (streq(text, "limit"))
                type = "{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":20}";
        else if (streq(text, "offset"))
                type = "{\"type\":\"integer\",\"minimum\":0,\"default\":0}";
        else if (streq(text, "includeDeleted") || streq(text, "ignoreCache"))
                type = "{\"type\":\"boolean\",\"default\":false}";
        else if (streq(text, "If-Match"))
                /* The default is that of no header: whatever is stored. */
                type = "{\"type\":\"string\",\"pattern\":\"^([*]|\\\"[0-9a-f]{1,20}\\\")$\",\"default\":\"*\"}";
        else if (streq(text, "jobId"))
                type = "{\"type\":\"integer\",\"format\":\"int64\"}";
        r = json_parse(type, strlen(type), &schema, NULL);
        if (r < 0)
                return r;
        out = out_object();
        out_string(&out, "name", text);
        out_string(&out, "in", in);
        out_bool(&out, "required", streq(in, "path"));
        out_value(&out, "schema", TAKE_PTR(schema));
        return out_take(&out, ret);
}

/* What changes an object that has an ETag; see edition.h. */
static bool heeds_edition(const ApiRoute *row) {
        return (streq(row->method, "PATCH") || streq(row->method, "PUT") || streq(row->method, "DELETE")) &&
               !(row->flags & API_HIDDEN) && !streq_ptr(row->tag, "Jobs");
}

static int parameters(const ApiRoute *row, JsonObject *list) {
        int r = 0;

        for (const char *p = strchr(row->path, '{'); r >= 0 && p; p = strchr(p + 1, '{')) {
                JsonObject *o = NULL;

                r = parameter(p + 1, strcspn(p + 1, "}"), "path", &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        for (const char *p = row->query; r >= 0 && p && *p;) {
                size_t n = strcspn(p, " ");
                JsonObject *o = NULL;

                r = parameter(p, n, "query", &o);
                if (r >= 0)
                        r = out_append(list, o);
                p += n + strspn(p + n, " ");
        }
        if (r >= 0 && heeds_edition(row)) {
                JsonObject *o = NULL;

                r = parameter("If-Match", STRLEN("If-Match"), "header", &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        return r;
}

static int response(const char *description, const char *media_type, const char *schema, JsonObject **ret) {
        Out out = out_object();
        JsonObject *o = NULL;
        int r = schema ? content(media_type, schema, &o) : 0;

        out_string(&out, "description", description);
        if (o)
                out_value(&out, "content", o);
        if (r < 0) {
                out_done(&out);
                return r;
        }
        return out_take(&out, ret);
}

static int responses(const ApiRoute *row, JsonObject **ret) {
        JsonObject *good = NULL, *problem = NULL;
        Out out = out_object();
        char status[16];
        int r;

        (void) snprintf(status, sizeof(status), "%u", row->status ?: 200);
        r = response("Done", "application/json", row->response, &good);
        if (r >= 0)
                r = response("A problem (RFC 9457)", "application/problem+json", "Problem", &problem);
        out_value(&out, status, good);
        out_value(&out, "default", problem);
        if (r < 0) {
                out_done(&out);
                return r;
        }
        return out_take(&out, ret);
}

static int operation(const ApiRoute *row, JsonObject **ret) {
        JsonObject *list = json_object_new_array(), *answers = NULL, *body = NULL;
        Out out = out_object(), request = out_object();
        int r = parameters(row, list);

        if (r >= 0)
                r = responses(row, &answers);
        if (r >= 0 && row->request)
                r = content("application/json", row->request, &body);
        out_string(&out, "operationId", row->id);
        if (row->description)
                out_string(&out, "description", row->description);
        if (row->tag) {
                JsonObject *tags = json_object_new_array();

                if (r >= 0)
                        r = out_append(tags, json_object_new_string(row->tag));
                out_value(&out, "tags", tags);
        }
        out_value(&out, "parameters", list);
        if (body) {
                JsonObject *o = NULL;

                out_bool(&request, "required", true);
                out_value(&request, "content", body);
                if (r >= 0)
                        r = out_take(&request, &o);
                out_value(&out, "requestBody", o);
        }
        out_done(&request);
        if (row->flags & API_ANONYMOUS)
                out_value(&out, "security", json_object_new_array());
        out_value(&out, "responses", answers);
        if (r < 0) {
                out_done(&out);
                return r;
        }
        return out_take(&out, ret);
}

static int add_path(JsonObject *paths, const ApiRoute *row) {
        const char *path = row->path + STRLEN(BASE);
        JsonObject *item = json_member(paths, path), *o = NULL;
        char method[8] = {};
        int r;

        for (size_t i = 0; row->method[i] && i + 1 < sizeof(method); i++)
                method[i] = (char) (row->method[i] | 0x20);
        if (!item) {
                item = json_object_new_object();
                r = item ? json_add(paths, path, item) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        r = operation(row, &o);
        return r < 0 ? r : json_add(item, method, o);
}

int openapi_document(const HttpRoute *routes, size_t n_routes, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = NULL, *paths = json_object_new_object();
        int r = json_parse(text_openapi_schemas, strlen(text_openapi_schemas), &o, NULL);

        for (size_t i = 0; r >= 0 && i < n_routes; i++) {
                const ApiRoute *row = routes[i].data;

                if (!(row->flags & (API_HIDDEN | API_CONFIG)) && strncmp(row->path, BASE, STRLEN(BASE)) == 0)
                        r = add_path(paths, row);
        }
        if (r >= 0)
                r = json_add(o, "paths", TAKE_PTR(paths));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
