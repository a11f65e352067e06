/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Definitions of the public API: a workspace's custom ones (/workspaces/{id}/definitions/…) and what
 * there is to choose from (/connector_definitions).
 *
 * Three kinds share one set of handlers; the path says which, and with it whether an answer shows an
 * image or a manifest. Where a specification has to be asked for first the answer comes later (view()
 * gets 1). */

#include "server/api.h"
#include "server/definition-service.h"
#include "server/routes-definitions.h"

static bool is_declarative(HttpRequest *q) {
        return strstr(http_request_route(q)->path, "declarative_sources");
}

static ActorRole role_of(HttpRequest *q) {
        return strstr(http_request_route(q)->path,
                      "/definitions/destinations") ? ACTOR_DESTINATION : ACTOR_SOURCE;
}

static const char *workspace_of(HttpRequest *q) {
        return http_request_path_value(q, "workspaceId");
}

static int view_one(HttpRequest *q, const Definition *d, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "id", d->id);
        out_string(&out, "name", d->name);
        if (is_declarative(q)) {
                out_json(&out, "manifest", d->manifest);
                out_i64(&out, "version", d->manifest_version);
        } else {
                out_string(&out, "dockerRepository", d->docker_repository ?: d->reference);
                out_string(&out, "dockerImageTag", strempty(d->docker_image_tag));
                out_string(&out, "documentationUrl", strempty(d->documentation_url));
        }
        return out_take(&out, ret);
}

/* 1: the answer comes later. */
static int view(Call *c, HttpRequest *q, int r, Definition *d, JsonObject **ret) {
        if (r == 0)
                r = definition_show_edition(c, d);
        if (r == 0)
                r = view_one(q, d, ret);
        definition_free(d);
        return r;
}

static int list(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *data = json_object_new_array();
        _cleanup_listing_ Listing l = {};
        DefinitionArray found = {};
        int r = api_listing(c, q, &l);

        if (r >= 0)
                r = definition_service_list_custom(c, workspace_of(q), role_of(q), is_declarative(q), &l,
                                                   &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = view_one(q, found.items[i], &o);
                if (r >= 0)
                        r = out_append(data, o);
        }
        definition_array_done(&found);
        if (r >= 0)
                return api_page(c, q, &l, data, /* key= */ NULL, ret);
        json_object_put(data);
        return r;
}

static int create(Call *c, HttpRequest *q, JsonObject **ret) {
        Definition *d = NULL;
        int r = definition_service_create(c, workspace_of(q), role_of(q), is_declarative(q), c->body, &d);

        return view(c, q, r, d, ret);
}

static int get(Call *c, HttpRequest *q, JsonObject **ret) {
        Definition *d = NULL;
        int r = definition_service_get_custom(c, workspace_of(q), role_of(q), is_declarative(q),
                                              http_request_path_value(q, "definitionId"), ROLE_READER, &d);

        return view(c, q, r, d, ret);
}

static int update(Call *c, HttpRequest *q, JsonObject **ret) {
        Definition *d = NULL;
        int r = definition_service_update(c, workspace_of(q), role_of(q), is_declarative(q),
                                          http_request_path_value(q, "definitionId"), c->body, &d);

        return view(c, q, r, d, ret);
}

/* Airbyte answers with what it deleted. */
static int delete(Call *c, HttpRequest *q, JsonObject **ret) {
        Definition *d = NULL;
        int r = definition_service_delete(c, workspace_of(q), role_of(q), is_declarative(q),
                                          http_request_path_value(q, "definitionId"), &d);

        return view(c, q, r, d, ret);
}

static int view_connector(const Definition *d, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "id", d->id);
        out_string(&out, "name", d->name);
        out_string(&out, "connectorDefinitionType", actor_role_to_string(d->role));
        out_string(&out, "version", strempty(d->docker_image_tag));
        return out_take(&out, ret);
}

static int list_connectors(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *type = http_request_query(q, "type"), *workspace_id = http_request_query(q,
                                                                                             "workspaceId");
        JsonObject *data = json_object_new_array();
        DefinitionArray found = {};
        int role = type ? actor_role_from_string(type) : -EINVAL;
        int r = role < 0 ? call_fail(c, -EINVAL, NULL, "'type' must be source or destination") :
                           definition_service_list(c, role, workspace_id, &found);

        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = view_connector(found.items[i], &o);
                if (r >= 0)
                        r = out_append(data, o);
        }
        definition_array_done(&found);
        if (r >= 0)
                return api_data(data, ret);
        json_object_put(data);
        return r;
}

#define DEFINITIONS "/api/public/v1/workspaces/{workspaceId}/definitions"
#define PAGE "limit offset"
#define ROWS(path_, one_, many_, tag_)                                                                       \
        { "GET", DEFINITIONS path_, list, .id = "list" one_ "s", .tag = tag_, .response = many_, .query = PAGE }, \
        { "POST", DEFINITIONS path_, create, .id = "create" one_, .tag = tag_,                               \
          .request = "Create" one_ "Request", .response = one_ "Response" },                                 \
        { "GET", DEFINITIONS path_ "/{definitionId}", get, .id = "get" one_, .tag = tag_,                    \
          .response = one_ "Response" },                                                                     \
        { "PUT", DEFINITIONS path_ "/{definitionId}", update, .id = "update" one_, .tag = tag_,              \
          .request = "Update" one_ "Request", .response = one_ "Response" },                                 \
        { "DELETE", DEFINITIONS path_ "/{definitionId}", delete, .id = "delete" one_, .tag = tag_,           \
          .response = one_ "Response" }

static const ApiRoute routes_definitions_rows[] = {
        ROWS("/sources", "Definition", "DefinitionsResponse", "SourceDefinitions"),
        ROWS("/destinations", "Definition", "DefinitionsResponse", "DestinationDefinitions"),
        ROWS("/declarative_sources", "DeclarativeSourceDefinition", "DeclarativeSourceDefinitionsResponse",
             "DeclarativeSourceDefinitions"),
        { "GET", "/api/public/v1/connector_definitions", list_connectors, .id = "listConnectorDefinitions",
          .tag = "ConnectorDefinitions", .response = "ConnectorDefinitionsResponse", .query = "type workspaceId" },
};
API_TABLE(routes_definitions);
