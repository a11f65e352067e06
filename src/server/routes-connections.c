/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /connections of the public API. */

#include "server/api.h"
#include "server/connection-service.h"
#include "server/routes-connections.h"

static int view(Call *c, int r, Connection *connection, JsonObject **ret) {
        if (r == 0)
                r = connection_show_edition(c, connection);
        if (r == 0)
                r = connection_view(c, connection, ret);
        connection_free(connection);
        return r;
}

static int list(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_listing_ Listing l = {};
        _cleanup_strv_ char **tags = NULL;
        JsonObject *data = json_object_new_array();
        ConnectionArray found = {};
        int r = api_listing(c, q, &l);

        if (r >= 0)
                r = listing_set_after(c, http_request_query(q, "after"), /* numbers= */ false, &l);
        if (r >= 0)
                r = api_query_list(c, q, "tagIds", &tags);
        if (r >= 0)
                r = connection_service_list(c, &l, tags, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = connection_view(c, found.items[i], &o);
                if (r >= 0)
                        r = out_append(data, o);
        }
        connection_array_done(&found);
        if (r >= 0)
                return api_page(c, q, &l, data, "connectionId", ret);
        json_object_put(data);
        return r;
}

static int create(Call *c, HttpRequest *q, JsonObject **ret) {
        Connection *connection = NULL;
        int r = connection_service_create(c, c->body, &connection);

        return view(c, r, connection, ret);
}

static int get(Call *c, HttpRequest *q, JsonObject **ret) {
        Connection *connection = NULL;
        int r = connection_service_get(c, http_request_path_value(q, "connectionId"), ROLE_READER,
                                       &connection);

        return view(c, r, connection, ret);
}

static int patch(Call *c, HttpRequest *q, JsonObject **ret) {
        Connection *connection = NULL;
        int r = connection_service_update(c, http_request_path_value(q, "connectionId"), c->body,
                                          &connection);

        return view(c, r, connection, ret);
}

static int delete(Call *c, HttpRequest *q, JsonObject **ret) {
        return connection_service_delete(c, http_request_path_value(q, "connectionId"));
}

#define CONNECTIONS "/api/public/v1/connections"
#define CONNECTION CONNECTIONS "/{connectionId}"

static const ApiRoute routes_connections_rows[] = {
        { "GET", CONNECTIONS, list, .id = "listConnections", .tag = "Connections",
          .response = "ConnectionsResponse",
          .query = "workspaceIds[] tagIds[] includeDeleted limit offset after" },
        { "POST", CONNECTIONS, create, .id = "createConnection", .tag = "Connections",
          .request = "ConnectionCreateRequest", .response = "ConnectionResponse" },
        { "GET", CONNECTION, get, .id = "getConnection", .tag = "Connections",
          .response = "ConnectionResponse" },
        { "PATCH", CONNECTION, patch, .id = "patchConnection", .tag = "Connections",
          .request = "ConnectionPatchRequest", .response = "ConnectionResponse" },
        { "DELETE", CONNECTION, delete, .status = 204, .id = "deleteConnection", .tag = "Connections" },
};
API_TABLE(routes_connections);
