/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The config API's calls for workspaces, definitions, sources, destinations and connections, as far as
 * real clients make them. All are POST with a JSON body.
 *
 * Sources and destinations share their handlers: the path says which, and with it the names of members.
 * Requests are translated to the public API's bodies (config-body.c), so that one set of rules judges
 * both; answers have views of their own (config-view.c). The web_backend calls, which are Airbyte's own
 * UI's, are answered as the plain ones. */

#include "basic/strv.h"
#include "server/actor-run.h"
#include "server/api.h"
#include "server/config-body.h"
#include "server/config-view.h"
#include "server/organization.h"
#include "server/routes-config-objects.h"
#include "server/timeline-service.h"

static ActorRole role_of(HttpRequest *q) {
        return strncmp(http_request_route(q)->path, "/api/v1/source", STRLEN("/api/v1/source")) == 0 ?
                ACTOR_SOURCE : ACTOR_DESTINATION;
}

static const char *plural(HttpRequest *q, const char *suffix) {
        bool is_source = role_of(q) == ACTOR_SOURCE;

        if (*suffix)
                return is_source ? "sourceDefinitions" : "destinationDefinitions";
        return is_source ? "sources" : "destinations";
}

/* The id that a body names. */
static int need_actor_id(Call *c, HttpRequest *q, const char **ret) {
        return body_need_string(c, c->body, role_of(q) == ACTOR_SOURCE ? "sourceId" : "destinationId", ret);
}

static int need_definition_id(Call *c, HttpRequest *q, const char **ret) {
        return body_need_string(c, c->body,
                                role_of(q) == ACTOR_SOURCE ? "sourceDefinitionId" : "destinationDefinitionId", ret);
}

/* {KEY: list} */
static int wrap(const char *key, JsonObject *list, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_value(&out, key, list);
        return out_take(&out, ret);
}

/* Everything: the config API's lists of these have no pages. A body may name one workspace. */
static int read_scope(Call *c, const char *key, Listing *l) {
        const char *workspace_id = NULL;
        int r = key ? body_string(c, c->body, key, &workspace_id) : 0;

        if (r < 0)
                return r;
        return listing_set_workspaces(c, workspace_id ? (char *const[]) { (char *) workspace_id, NULL } :
                                      NULL, l);
}

static int list_workspaces(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *list = json_object_new_array();
        _cleanup_listing_ Listing l = { .options.limit = LIST_LIMIT_MAX };
        WorkspaceArray found = {};
        int r = read_scope(c, NULL, &l);

        if (r >= 0)
                r = workspace_service_list(c, &l, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = config_view_workspace(found.items[i], &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        workspace_array_done(&found);
        if (r >= 0)
                return wrap("workspaces", list, ret);
        json_object_put(list);
        return r;
}

static int get_workspace(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(workspace_freep) Workspace *w = NULL;
        const char *id;
        int r = body_need_string(c, c->body, "workspaceId", &id);

        if (r >= 0)
                r = workspace_service_get(c, id, ROLE_READER, &w);
        return r < 0 ? r : config_view_workspace(w, ret);
}

static int get_organization(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "organizationId", ORGANIZATION_ID);
        out_string(&out, "organizationName", ORGANIZATION_NAME);
        out_bool(&out, "sso", false);
        return out_take(&out, ret);
}

static int list_definitions(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *list = json_object_new_array();
        const char *workspace_id = NULL;
        DefinitionArray found = {};
        int r = body_string(c, c->body, "workspaceId", &workspace_id);

        if (r >= 0)
                r = definition_service_list(c, role_of(q), workspace_id, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = config_view_definition(found.items[i], &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        definition_array_done(&found);
        if (r >= 0)
                return wrap(plural(q, "Definitions"), list, ret);
        json_object_put(list);
        return r;
}

static int view_definition(Call *c, int r, Definition *d, JsonObject **ret) {
        if (r == 0)
                r = definition_show_edition(c, d);
        if (r == 0)
                r = config_view_definition(d, ret);
        definition_free(d);
        return r;
}

static int get_definition(Call *c, HttpRequest *q, JsonObject **ret) {
        Definition *d = NULL;
        const char *id;
        int r = need_definition_id(c, q, &id);

        if (r >= 0)
                r = definition_service_get(c, role_of(q), id, &d);
        return view_definition(c, r, d, ret);
}

/* As far as the workspace sees it: all that came along, and its own. */
static int get_for_workspace(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *id, *workspace_id = NULL;
        Definition *d = NULL;
        int r = need_definition_id(c, q, &id);

        if (r >= 0)
                r = body_need_string(c, c->body, "workspaceId", &workspace_id);
        if (r >= 0)
                r = call_require(c, workspace_id, ROLE_READER);
        if (r >= 0)
                r = definition_service_get(c, role_of(q), id, &d);
        if (r >= 0 && d->custom && !streq_ptr(d->workspace_id, workspace_id))
                r = call_fail(c, -ENOENT, NULL, "There is no such definition in this workspace");
        return view_definition(c, r, d, ret);
}

/* The custom one that a body names, which may name its workspace, too. */
static int need_custom(Call *c, HttpRequest *q, JsonObject *body, Definition **ret) {
        const char *key = role_of(q) == ACTOR_SOURCE ? "sourceDefinitionId" : "destinationDefinitionId", *id, *within;
        _cleanup_(definition_freep) Definition *d = NULL;
        int r = body_need_string(c, body, key, &id);

        if (r >= 0)
                r = body_string(c, c->body, "workspaceId", &within);
        if (r > 0)
                r = call_require(c, within, ROLE_READER);
        else
                within = NULL;
        if (r >= 0)
                r = definition_service_get(c, role_of(q), id, &d);
        if (r < 0)
                return r;
        if (!d->custom)
                return call_fail(c, -EINVAL, NULL, "This definition came with Gantry and changes with it");
        if (within && !streq_ptr(d->workspace_id, within))
                return call_fail(c, -ENOENT, NULL, "There is no such definition in this workspace");
        *ret = TAKE_PTR(d);
        return 0;
}

static const char *custom_key(HttpRequest *q) {
        return role_of(q) == ACTOR_SOURCE ? "sourceDefinition" : "destinationDefinition";
}

/* A package is installed before the answer. */
static int create_definition(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *workspace_id;
        JsonObject *body = NULL;
        Definition *d = NULL;
        int r = body_need_string(c, c->body, "workspaceId", &workspace_id);

        if (r >= 0)
                r = body_need_object(c, c->body, custom_key(q), &body);
        if (r >= 0)
                r = definition_service_create(c, workspace_id, role_of(q), /* declarative= */ false, body, &d);
        return view_definition(c, r, d, ret);
}

static int update_from(Call *c, HttpRequest *q, JsonObject *body, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *old = NULL;
        Definition *d = NULL;
        int r = need_custom(c, q, body, &old);

        if (r >= 0)
                r = definition_service_update(c, old->workspace_id, role_of(q), /* declarative= */ false, old->id,
                                              body, &d);
        return view_definition(c, r, d, ret);
}

static int update_definition(Call *c, HttpRequest *q, JsonObject **ret) {
        return update_from(c, q, c->body, ret);
}

/* Airbyte's form of before 0.40: the workspace beside what is updated. */
static int update_custom(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *body = NULL;
        int r = body_need_object(c, c->body, custom_key(q), &body);

        return r < 0 ? r : update_from(c, q, body, ret);
}

static int delete_definition(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *old = NULL, *d = NULL;
        int r = need_custom(c, q, c->body, &old);

        return r < 0 ? r : definition_service_delete(c, old->workspace_id, role_of(q), /* declarative= */ false,
                                                     old->id, &d);
}

static int get_specification(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        const char *id;
        int r = need_definition_id(c, q, &id);

        if (r >= 0)
                r = definition_service_get(c, role_of(q), id, &d);
        if (r >= 0)
                r = definition_service_require_spec(c, d);
        return r != 0 ? r : config_view_specification(d, ret);
}

static int view_actor(Call *c, int r, Actor *a, JsonObject **ret) {
        if (r == 0)
                r = actor_show_edition(c, a);
        if (r == 0)
                r = config_view_actor(c, a, ret);
        actor_free(a);
        return r;
}

static int list_actors(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *list = json_object_new_array();
        _cleanup_listing_ Listing l = { .options.limit = LIST_LIMIT_MAX };
        ActorArray found = {};
        int r = read_scope(c, "workspaceId", &l);

        if (r >= 0)
                r = actor_service_list(c, role_of(q), &l, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = config_view_actor(c, found.items[i], &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        actor_array_done(&found);
        if (r >= 0)
                return wrap(plural(q, ""), list, ret);
        json_object_put(list);
        return r;
}

static int get_actor(Call *c, HttpRequest *q, JsonObject **ret) {
        Actor *a = NULL;
        const char *id;
        int r = need_actor_id(c, q, &id);

        if (r >= 0)
                r = actor_service_get(c, role_of(q), id, ROLE_READER, &a);
        return view_actor(c, r, a, ret);
}

static int create_actor(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        Actor *a = NULL;
        int r = config_to_public_actor(c, role_of(q), c->body, &body);

        if (r >= 0)
                r = actor_service_create(c, role_of(q), body, &a);
        return view_actor(c, r, a, ret);
}

static int update_actor(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        Actor *a = NULL;
        const char *id;
        int r = need_actor_id(c, q, &id);

        if (r >= 0)
                r = config_to_public_actor(c, role_of(q), c->body, &body);
        if (r >= 0)
                r = actor_service_update(c, role_of(q), id, body, /* replace= */ true, &a);
        return view_actor(c, r, a, ret);
}

static int delete_actor(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *id;
        int r = need_actor_id(c, q, &id);

        return r < 0 ? r : actor_service_delete(c, role_of(q), id);
}

static int check_actor(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *id;
        int r = need_actor_id(c, q, &id);

        return r < 0 ? r : actor_run_check(c, role_of(q), id, NULL);
}

/* What a form does before it saves: nothing of the body is kept. */
static int check_for_update(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *config;
        const char *id;
        int r = need_actor_id(c, q, &id);

        if (r >= 0)
                r = body_need_object(c, c->body, "connectionConfiguration", &config);
        return r < 0 ? r : actor_run_check(c, role_of(q), id, config);
}

/* Airbyte's: from the version that it was made with to the one that its definition has. */
static int upgrade_actor(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *id;
        int r = need_actor_id(c, q, &id);

        return r < 0 ? r : actor_service_upgrade(c, role_of(q), id);
}

static int view_connection(Call *c, int r, Connection *connection, JsonObject **ret) {
        if (r == 0)
                r = connection_show_edition_with_schemas(c, connection);
        if (r == 0)
                r = config_view_connection(c, connection, NULL, ret);
        connection_free(connection);
        return r;
}

static int list_connections(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *list = json_object_new_array();
        _cleanup_listing_ Listing l = { .options.limit = LIST_LIMIT_MAX };
        ConnectionArray found = {};
        int r = read_scope(c, "workspaceId", &l);

        if (r >= 0)
                r = connection_service_list(c, &l, NULL, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = config_view_connection(c, found.items[i], NULL, &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        connection_array_done(&found);
        if (r >= 0)
                return wrap("connections", list, ret);
        json_object_put(list);
        return r;
}

static int get_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        Connection *connection = NULL;
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        if (r >= 0)
                r = connection_service_get(c, id, ROLE_READER, &connection);
        return view_connection(c, r, connection, ret);
}

static int create_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        Connection *connection = NULL;
        int r = config_to_public_connection(c, c->body, &body);

        if (r >= 0)
                r = connection_service_create(c, body, &connection);
        return view_connection(c, r, connection, ret);
}

static int update_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        Connection *connection = NULL;
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        if (r >= 0)
                r = config_to_public_connection(c, c->body, &body);
        if (r >= 0)
                r = connection_service_update(c, id, body, &connection);
        return view_connection(c, r, connection, ret);
}

static int delete_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        return r < 0 ? r : connection_service_delete(c, id);
}

static int list_events(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *list = json_object_new_array();
        _cleanup_strv_ char **types = NULL;
        ListOptions options = {};
        const char *id;
        int r = list ? body_need_string(c, c->body, "connectionId", &id) : -ENOMEM;

        if (r >= 0)
                r = body_strv(c, c->body, "eventTypes", &types);
        if (r >= 0)
                r = body_page(c, c->body, &options);
        if (r >= 0)
                r = timeline_service_list(c, id, types, &options, list);
        if (r >= 0)
                return wrap("events", list, ret);
        json_object_put(list);
        return r;
}

/* What ran after a sync in older versions; there is none of it here, but older clients ask. */
static int list_operations(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        if (r >= 0)
                r = connection_service_get(c, id, ROLE_READER, &connection);
        return r < 0 ? r : wrap("operations", json_object_new_array(), ret);
}

#define ROW(path_, handler_) { "POST", "/api/v1/" path_, handler_, API_CONFIG | API_OPTIONAL_BODY | API_HIDDEN }
#define ROW_204(path_, handler_) \
        { "POST", "/api/v1/" path_, handler_, API_CONFIG | API_OPTIONAL_BODY | API_HIDDEN, .status = 204 }
#define ROWS_ACTOR(name_)                                                                                \
        ROW(name_ "s/list", list_actors), ROW(name_ "s/get", get_actor), ROW(name_ "s/create", create_actor), \
        ROW(name_ "s/update", update_actor), ROW_204(name_ "s/delete", delete_actor),                    \
        ROW_204(name_ "s/upgrade_version", upgrade_actor),                                           \
        ROW(name_ "s/check_connection", check_actor),                                                    \
        ROW(name_ "s/check_connection_for_update", check_for_update),                                    \
        ROW(name_ "_definitions/list", list_definitions),                                                \
        ROW(name_ "_definitions/list_latest", list_definitions),                                         \
        ROW(name_ "_definitions/list_for_workspace", list_definitions),                                  \
        ROW(name_ "_definitions/create_custom", create_definition),                                     \
        ROW(name_ "_definitions/update", update_definition),                                            \
        ROW(name_ "_definitions/update_custom", update_custom),                                          \
        ROW_204(name_ "_definitions/delete", delete_definition),                                         \
        ROW_204(name_ "_definitions/delete_custom", delete_definition),                                  \
        ROW(name_ "_definitions/get", get_definition),                                                   \
        ROW(name_ "_definitions/get_for_workspace", get_for_workspace),                                  \
        ROW(name_ "_definition_specifications/get", get_specification)

static const ApiRoute routes_config_objects_rows[] = {
        ROW("workspaces/list", list_workspaces),
        ROW("workspaces/list_by_organization_id", list_workspaces),
        ROW("workspaces/get", get_workspace),
        ROW("workspaces/get_organization_info", get_organization),
        ROW("organizations/get_organization_info", get_organization),
        ROWS_ACTOR("source"),
        ROWS_ACTOR("destination"),
        ROW("connections/list", list_connections),
        ROW("connections/get", get_connection),
        ROW("connections/create", create_connection),
        ROW("connections/update", update_connection),
        ROW_204("connections/delete", delete_connection),
        ROW("connections/events/list", list_events),
        ROW("operations/list", list_operations),
        ROW("web_backend/connections/list", list_connections),
        ROW("web_backend/connections/create", create_connection),
        ROW("web_backend/connections/update", update_connection),
};
API_TABLE(routes_config_objects);
