/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /applications, /permissions, /users and /organizations of the public API.
 *
 * "User" is Airbyte's word for who may call: here each application is one, and each user of this machine
 * that has a permission of his own. There is one organization, with a fixed id, for clients that must
 * name one. A secret is in the answer to its making and in no other. */

#include "basic/strv.h"
#include "server/access-service.h"
#include "server/api.h"
#include "server/organization.h"
#include "server/routes-access.h"

static int list_applications(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();
        JsonObject *list = json_object_new_array();
        ApplicationArray found = {};
        int r = application_service_list(c, &found);

        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = application_view(found.items[i], NULL, &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        application_array_done(&found);
        out_value(&out, "applications", list);
        return r < 0 ? r : out_take(&out, ret);
}

static int create_application(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(application_freep) Application *a = NULL;
        _cleanup_wipe_ char *secret = NULL;
        int r = application_service_create(c, c->body, &a, &secret);

        if (r >= 0)
                r = application_show_edition(c, a);
        return r < 0 ? r : application_view(a, secret, ret);
}

static int get_application(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(application_freep) Application *a = NULL;
        int r = application_service_get(c, http_request_path_value(q, "applicationId"), &a);

        if (r >= 0)
                r = application_show_edition(c, a);
        return r < 0 ? r : application_view(a, NULL, ret);
}

/* Airbyte answers with what it deleted. */
static int delete_application(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(application_freep) Application *a = NULL;
        const char *id = http_request_path_value(q, "applicationId");
        int r = application_service_get(c, id, &a);

        if (r >= 0)
                r = application_service_delete(c, id);
        return r < 0 ? r : application_view(a, NULL, ret);
}

static int view_permission(Call *c, int r, Permission *p, JsonObject **ret) {
        if (r >= 0)
                r = permission_show_edition(c, p);
        if (r >= 0)
                r = permission_view(p, ret);
        permission_free(p);
        return r;
}

static int list_permissions(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *user = http_request_query(q, "userId");
        JsonObject *data = json_object_new_array();
        PermissionArray found = {};
        int r = permission_service_list(c, &found);

        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = permission_view(found.items[i], &o);
                if (r >= 0 && user && !streq(json_object_get_string(json_member(o, "userId")), user))
                        json_object_put(o);
                else if (r >= 0)
                        r = out_append(data, o);
        }
        permission_array_done(&found);
        if (r >= 0)
                return api_data(data, ret);
        json_object_put(data);
        return r;
}

static int create_permission(Call *c, HttpRequest *q, JsonObject **ret) {
        Permission *p = NULL;
        int r = permission_service_create(c, c->body, &p);

        return view_permission(c, r, p, ret);
}

static int get_permission(Call *c, HttpRequest *q, JsonObject **ret) {
        Permission *p = NULL;
        int r = permission_service_get(c, http_request_path_value(q, "permissionId"), &p);

        return view_permission(c, r, p, ret);
}

static int update_permission(Call *c, HttpRequest *q, JsonObject **ret) {
        Permission *p = NULL;
        int r = permission_service_update(c, http_request_path_value(q, "permissionId"), c->body, &p);

        return view_permission(c, r, p, ret);
}

static int delete_permission(Call *c, HttpRequest *q, JsonObject **ret) {
        return permission_service_delete(c, http_request_path_value(q, "permissionId"));
}

static int view_user(const char *id, const char *name, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "id", id);
        out_string(&out, "name", name);
        out_string(&out, "email", "");
        return out_take(&out, ret);
}

static bool has_user(JsonObject *data, const char *id) {
        for (size_t i = 0; i < json_object_array_length(data); i++)
                if (streq(json_object_get_string(json_member(json_object_array_get_idx(data, i), "id")), id))
                        return true;
        return false;
}

/* Once, and only who is asked for by `ids`, if any are, and has one of `emails`: nobody here has one. */
static int add_user(Call *c, HttpRequest *q, const char *id, const char *name, JsonObject *data) {
        _cleanup_strv_ char **ids = NULL, **emails = NULL;
        JsonObject *o = NULL;
        int r = api_query_list(c, q, "ids", &ids);

        if (r >= 0)
                r = api_query_list(c, q, "emails", &emails);
        if (r < 0 || (ids && !strv_contains(ids, id)) || emails || has_user(data, id))
                return r;
        r = view_user(id, name, &o);
        return r < 0 ? r : out_append(data, o);
}

/* Users are the applications and, with a permission of their own, users of this machine. */
static int list_users(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *data = json_object_new_array();
        PermissionArray permissions = {};
        ApplicationArray applications = {};
        int r = application_service_list(c, &applications);

        for (size_t i = 0; r >= 0 && i < applications.n; i++)
                r = add_user(c, q, applications.items[i]->id, applications.items[i]->name, data);
        if (r >= 0)
                r = permission_service_list(c, &permissions);
        for (size_t i = 0; r >= 0 && i < permissions.n; i++) {
                _cleanup_json_ JsonObject *p = NULL;
                const char *id;

                if (permissions.items[i]->principal_kind != PRINCIPAL_UID)
                        continue;
                r = permission_view(permissions.items[i], &p);
                id = json_object_get_string(json_member(p, "userId"));
                if (r >= 0)
                        r = add_user(c, q, id, id, data);
        }
        application_array_done(&applications);
        permission_array_done(&permissions);
        if (r >= 0)
                return api_data(data, ret);
        json_object_put(data);
        return r;
}

static int list_organizations(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();
        JsonObject *data = json_object_new_array(), *o = NULL;
        int r;

        out_string(&out, "organizationId", ORGANIZATION_ID);
        out_string(&out, "organizationName", ORGANIZATION_NAME);
        out_string(&out, "email", "");
        r = out_take(&out, &o);
        if (r >= 0)
                r = out_append(data, o);
        if (r >= 0)
                return api_data(data, ret);
        json_object_put(data);
        return r;
}

#define V1 "/api/public/v1"

static const ApiRoute routes_access_rows[] = {
        { "GET", V1 "/applications", list_applications, .id = "listApplications", .tag = "Applications",
          .response = "ApplicationReadList" },
        { "POST", V1 "/applications", create_application, .id = "createApplication", .tag = "Applications",
          .request = "ApplicationCreate", .response = "ApplicationRead" },
        { "GET", V1 "/applications/{applicationId}", get_application, .id = "getApplication",
          .tag = "Applications",
          .response = "ApplicationRead" },
        { "DELETE", V1 "/applications/{applicationId}", delete_application, .id = "deleteApplication",
          .tag = "Applications", .response = "ApplicationRead" },
        { "GET", V1 "/permissions", list_permissions, .id = "listPermissions", .tag = "Permissions",
          .response = "PermissionsResponse", .query = "userId organizationId" },
        { "POST", V1 "/permissions", create_permission, .id = "createPermission", .tag = "Permissions",
          .request = "PermissionCreateRequest", .response = "PermissionResponse" },
        { "GET", V1 "/permissions/{permissionId}", get_permission, .id = "getPermission",
          .tag = "Permissions",
          .response = "PermissionResponse" },
        { "PATCH", V1 "/permissions/{permissionId}", update_permission, .id = "updatePermission",
          .tag = "Permissions",
          .request = "PermissionUpdateRequest", .response = "PermissionResponse" },
        { "DELETE", V1 "/permissions/{permissionId}", delete_permission, .status = 204,
          .id = "deletePermission",
          .tag = "Permissions" },
        { "GET", V1 "/users", list_users, .id = "listUsers", .tag = "Users", .response = "UsersResponse",
          .query = "organizationId ids[] emails[]" },
        { "GET", V1 "/organizations", list_organizations, .id = "listOrganizations", .tag = "Organizations",
          .response = "OrganizationsResponse" },
};
API_TABLE(routes_access);
