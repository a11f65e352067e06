/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /sources and /destinations of the public API: the same calls for both. */

#include "server/actor-service.h"
#include "server/api.h"
#include "server/routes-actors.h"

static ActorRole role_of(HttpRequest *q) {
        return strstr(http_request_route(q)->path, "/sources") ? ACTOR_SOURCE : ACTOR_DESTINATION;
}

static const char *id_of(HttpRequest *q) {
        return http_request_path_value(q, role_of(q) == ACTOR_SOURCE ? "sourceId" : "destinationId");
}

static int view(Call *c, int r, Actor *a, JsonObject **ret) {
        if (r == 0)
                r = actor_show_edition(c, a);
        if (r == 0)
                r = actor_view(c, a, ret);
        actor_free(a);
        return r;
}

static int list(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_listing_ Listing l = {};
        JsonObject *data = json_object_new_array();
        ActorArray found = {};
        int r = api_listing(c, q, &l);

        if (r >= 0)
                r = listing_set_after(c, http_request_query(q, "after"), /* numbers= */ false, &l);
        if (r >= 0)
                r = actor_service_list(c, role_of(q), &l, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = actor_view(c, found.items[i], &o);
                if (r >= 0)
                        r = out_append(data, o);
        }
        actor_array_done(&found);
        if (r >= 0)
                return api_page(c, q, &l, data, role_of(q) == ACTOR_SOURCE ? "sourceId" : "destinationId", ret);
        json_object_put(data);
        return r;
}

static int create(Call *c, HttpRequest *q, JsonObject **ret) {
        Actor *a = NULL;
        int r = actor_service_create(c, role_of(q), c->body, &a);

        return view(c, r, a, ret);
}

static int get(Call *c, HttpRequest *q, JsonObject **ret) {
        Actor *a = NULL;
        int r = actor_service_get(c, role_of(q), id_of(q), ROLE_READER, &a);

        return view(c, r, a, ret);
}

static int patch(Call *c, HttpRequest *q, JsonObject **ret) {
        Actor *a = NULL;
        int r = actor_service_update(c, role_of(q), id_of(q), c->body, /* replace= */ false, &a);

        return view(c, r, a, ret);
}

static int put(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *configuration;
        const char *name;
        Actor *a = NULL;
        int r;

        r = body_need_string(c, c->body, "name", &name);
        if (r >= 0)
                r = body_need_object(c, c->body, "configuration", &configuration);
        if (r >= 0)
                r = actor_service_update(c, role_of(q), id_of(q), c->body, /* replace= */ true, &a);
        return view(c, r, a, ret);
}

static int delete(Call *c, HttpRequest *q, JsonObject **ret) {
        return actor_service_delete(c, role_of(q), id_of(q));
}

#define SOURCES "/api/public/v1/sources"
#define SOURCE SOURCES "/{sourceId}"
#define DESTINATIONS "/api/public/v1/destinations"
#define DESTINATION DESTINATIONS "/{destinationId}"
#define LIST_QUERY "workspaceIds[] includeDeleted limit offset after"

static const ApiRoute routes_actors_rows[] = {
        { "GET", SOURCES, list, .id = "listSources", .tag = "Sources", .response = "SourcesResponse",
          .query = LIST_QUERY },
        { "POST", SOURCES, create, .id = "createSource", .tag = "Sources", .request = "SourceCreateRequest",
          .response = "SourceResponse" },
        { "GET", SOURCE, get, .id = "getSource", .tag = "Sources", .response = "SourceResponse" },
        { "PATCH", SOURCE, patch, .id = "patchSource", .tag = "Sources", .request = "SourcePatchRequest",
          .response = "SourceResponse" },
        { "PUT", SOURCE, put, .id = "putSource", .tag = "Sources", .request = "SourcePutRequest",
          .response = "SourceResponse" },
        { "DELETE", SOURCE, delete, .status = 204, .id = "deleteSource", .tag = "Sources" },
        { "GET", DESTINATIONS, list, .id = "listDestinations", .tag = "Destinations",
          .response = "DestinationsResponse",
          .query = LIST_QUERY },
        { "POST", DESTINATIONS, create, .id = "createDestination", .tag = "Destinations",
          .request = "DestinationCreateRequest", .response = "DestinationResponse" },
        { "GET", DESTINATION, get, .id = "getDestination", .tag = "Destinations",
          .response = "DestinationResponse" },
        { "PATCH", DESTINATION, patch, .id = "patchDestination", .tag = "Destinations",
          .request = "DestinationPatchRequest", .response = "DestinationResponse" },
        { "PUT", DESTINATION, put, .id = "putDestination", .tag = "Destinations",
          .request = "DestinationPutRequest",
          .response = "DestinationResponse" },
        { "DELETE", DESTINATION, delete, .status = 204, .id = "deleteDestination", .tag = "Destinations" },
};
API_TABLE(routes_actors);
