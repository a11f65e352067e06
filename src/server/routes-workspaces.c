/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /workspaces of the public API. */

#include "server/api.h"
#include "server/routes-workspaces.h"
#include "server/workspace-service.h"

static int view(Call *c, Workspace *w, JsonObject **ret) {
        int r = workspace_show_edition(c, w);

        if (r >= 0)
                r = workspace_view(w, ret);
        workspace_free(w);
        return r;
}

static int list(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_listing_ Listing l = {};
        JsonObject *data = json_object_new_array();
        WorkspaceArray found = {};
        int r = api_listing(c, q, &l);

        if (r >= 0)
                r = workspace_service_list(c, &l, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = workspace_view(found.items[i], &o);
                if (r >= 0)
                        r = out_append(data, o);
        }
        workspace_array_done(&found);
        if (r >= 0)
                return api_page(c, q, &l, data, /* key= */ NULL, ret);
        json_object_put(data);
        return r;
}

static int create(Call *c, HttpRequest *q, JsonObject **ret) {
        Workspace *w = NULL;
        int r = workspace_service_create(c, c->body, &w);

        return r < 0 ? r : view(c, w, ret);
}

static int get(Call *c, HttpRequest *q, JsonObject **ret) {
        Workspace *w = NULL;
        int r = workspace_service_get(c, http_request_path_value(q, "workspaceId"), ROLE_READER, &w);

        return r < 0 ? r : view(c, w, ret);
}

static int update(Call *c, HttpRequest *q, JsonObject **ret) {
        Workspace *w = NULL;
        int r = workspace_service_update(c, http_request_path_value(q, "workspaceId"), c->body, &w);

        return r < 0 ? r : view(c, w, ret);
}

static int delete(Call *c, HttpRequest *q, JsonObject **ret) {
        return workspace_service_delete(c, http_request_path_value(q, "workspaceId"));
}

#define WORKSPACES "/api/public/v1/workspaces"
#define WORKSPACE WORKSPACES "/{workspaceId}"

static const ApiRoute routes_workspaces_rows[] = {
        { "GET", WORKSPACES, list, .id = "listWorkspaces", .tag = "Workspaces",
          .response = "WorkspacesResponse",
          .query = "workspaceIds[] includeDeleted limit offset" },
        { "POST", WORKSPACES, create, .id = "createWorkspace", .tag = "Workspaces",
          .request = "WorkspaceCreateRequest",
          .response = "WorkspaceResponse" },
        { "GET", WORKSPACE, get, .id = "getWorkspace", .tag = "Workspaces",
          .response = "WorkspaceResponse" },
        { "PATCH", WORKSPACE, update, .id = "updateWorkspace", .tag = "Workspaces",
          .request = "WorkspaceUpdateRequest",
          .response = "WorkspaceResponse" },
        { "DELETE", WORKSPACE, delete, .status = 204, .id = "deleteWorkspace", .tag = "Workspaces" },
};
API_TABLE(routes_workspaces);
