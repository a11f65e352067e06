/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What Airbyte's API has and Gantry hasn't: 501, so that a client learns it isn't a mistake in the
 * address. */

#include "server/api.h"
#include "server/routes-refused.h"

static int refuse(Call *c, HttpRequest *q, JsonObject **ret) {
        return call_fail(c, -ENOSYS, NULL, "Gantry does not have this");
}

#define V1 "/api/public/v1"
#define REFUSED(method_, path_) { method_, V1 path_, refuse, API_RAW | API_HIDDEN }
#define REFUSED_ITEM(path_) \
        REFUSED("GET", path_), REFUSED("PATCH", path_), REFUSED("PUT", path_), REFUSED("DELETE", path_)
#define REFUSED_LIST(path_) REFUSED("GET", path_), REFUSED("POST", path_)

static const ApiRoute routes_refused_rows[] = {
        REFUSED("POST", "/sources/initiateOAuth"),
        REFUSED("GET", "/oauth/callback"),
        REFUSED("PUT", "/workspaces/{workspaceId}/oauthCredentials"),
        REFUSED("DELETE", "/workspaces/{workspaceId}/oauthCredentials/{actorType}/{name}"),
        REFUSED("PUT", "/organizations/{organizationId}/oauthCredentials"),
        REFUSED("DELETE", "/organizations/{organizationId}/oauthCredentials/{actorType}/{name}"),
        REFUSED_LIST("/groups"),
        REFUSED_ITEM("/groups/{groupId}"),
        REFUSED_LIST("/groups/{groupId}/members"),
        REFUSED("DELETE", "/groups/{groupId}/members/{userId}"),
        REFUSED_LIST("/groups/{groupId}/permissions"),
        REFUSED("DELETE", "/groups/{groupId}/permissions/{permissionId}"),
        REFUSED_LIST("/regions"),
        REFUSED_ITEM("/regions/{regionId}"),
        REFUSED_LIST("/dataplanes"),
        REFUSED_ITEM("/dataplanes/{dataplaneId}"),
        REFUSED("POST", "/embedded/widget_token"),
        REFUSED("POST", "/embedded/scoped_token"),
        REFUSED("GET", "/embedded/organizations"),
};
API_TABLE(routes_refused);
