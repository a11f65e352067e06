/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A principal is an application or a user of this machine; Airbyte's API calls both "user" and tells them
 * apart by our id alone ("uid:1000"). A permission gives one principal one role, on one workspace or on
 * all of them; Airbyte's ten types are our four roles in these two scopes, and its organization is the
 * instance.
 *
 * Nothing about rights is kept in a token or in memory: each call looks its role up (call_require()), so
 * that a permission that is taken away counts for the very next call.
 *
 * What a caller may not see it is told not to exist. Only the last admin of the instance can't be taken
 * away, neither deleted nor made less: nobody could give the role back. */

#include <stdio.h>

#include "basic/uuid.h"
#include "secrets/token.h"
#include "server/access-service.h"
#include "server/body.h"
#include "server/configuration.h"
#include "server/edition.h"
#include "server/organization.h"
#include "server/out.h"
#include "server/workspace-service.h"

static bool is_self(const Call *c, PrincipalKind kind, const char *id) {
        return c->kind == kind && streq_ptr(c->principal_id, id);
}

int application_service_list(Call *c, ApplicationArray *ret) {
        int r = call_require(c, NULL, ROLE_ADMIN);

        return r < 0 ? r : application_store_list(c->server->db, &(ListOptions) {}, ret, &c->error);
}

int application_service_get(Call *c, const char *id, Application **ret) {
        _cleanup_(application_freep) Application *a = NULL;
        int r = is_self(c, PRINCIPAL_APPLICATION, id) ? 0 : call_require(c, NULL, ROLE_ADMIN);

        if (r >= 0)
                r = application_store_get(c->server->db, id, &a, &c->error);
        if (r == -ENOENT)
                return call_fail(c, r, NULL, "There is no such application");
        if (r >= 0)
                *ret = TAKE_PTR(a);
        return r;
}

/* Nothing of an application changes: there is one edition. */
static int check_application_edition(Call *c, const Application *a) {
        char edition[EDITION_MAX];

        edition_of_texts((const char *const[]) { a->name }, 1, edition);
        return edition_check(c, edition, "application");
}

int application_show_edition(Call *c, const Application *a) {
        char edition[EDITION_MAX];

        edition_of_texts((const char *const[]) { a->name }, 1, edition);
        return edition_show(c, edition);
}

/* With its role, in one transaction. */
static int store_application(Call *c, Application *a) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_(permission_freep) Permission *p = calloc(1, sizeof(*p));
        usec_t now = server_now(c->server);
        int r;

        if (!p)
                return -ENOMEM;
        p->id = uuid7_new_string(c->server->env);
        p->principal_kind = PRINCIPAL_APPLICATION;
        p->principal_id = strdup(a->id);
        p->role = ROLE_ADMIN;
        if (!p->id || !p->principal_id)
                return -ENOMEM;
        r = db_begin_immediate(c->server->db, &transaction, &c->error);
        if (r >= 0)
                r = application_store_insert(c->server->db, a, now, &c->error);
        if (r >= 0)
                r = permission_store_insert(c->server->db, p, now, &c->error);
        return r < 0 ? r : db_commit(&transaction, &c->error);
}

/* The secret has 256 random bits, so that a plain hash of it is as good as a slow one. */
int application_service_create(Call *c, JsonObject *body, Application **ret, char **ret_secret) {
        _cleanup_(application_freep) Application *a = calloc(1, sizeof(*a));
        char secret[TOKEN_MAX];
        int r = call_require(c, NULL, ROLE_ADMIN);

        if (r < 0)
                return r;
        if (!a)
                return -ENOMEM;
        r = body_name(c, body, &a->name);
        if (r == 0)
                return call_fail(c, -EINVAL, NULL, "The body must have 'name'");
        if (r < 0)
                return r;
        token_generate(secret);
        a->id = uuid7_new_string(c->server->env);
        a->client_id = uuid7_new_string(c->server->env);
        a->secret_hash = (Blob) { malloc(TOKEN_HASH_SIZE), TOKEN_HASH_SIZE };
        a->created_at = server_now(c->server);
        *ret_secret = strdup(secret);
        if (!a->id || !a->client_id || !a->secret_hash.p || !*ret_secret)
                return -ENOMEM;
        token_hash(secret, a->secret_hash.p);
        wipe(secret, sizeof(secret));
        r = store_application(c, a);
        if (r < 0)
                return r;
        server_announce(c->server);
        *ret = TAKE_PTR(a);
        return 0;
}

int application_service_delete(Call *c, const char *id) {
        _cleanup_(application_freep) Application *a = NULL;
        int r = call_require(c, NULL, ROLE_ADMIN);

        if (r >= 0)
                r = application_service_get(c, id, &a);
        if (r >= 0)
                r = check_application_edition(c, a);
        if (r >= 0)
                r = application_store_delete(c->server->db, id, server_now(c->server), &c->error);
        if (r >= 0)
                server_announce(c->server);
        return r;
}

/* Of the one that was made at the installation: all others' secrets are told once, in the answer that makes
 * them. */
int application_service_credentials(Call *c, char **ret_client_id, char **ret_secret) {
        ApplicationArray all = {};
        int r = application_store_list(c->server->db, &(ListOptions) {}, &all, &c->error);
        Application *found = NULL;

        for (size_t i = 0; r >= 0 && i < all.n && !found; i++)
                if (all.items[i]->sealed_secret.n > 0)
                        found = all.items[i];
        if (r >= 0 && !found)
                r = call_fail(c, -ENOENT, NULL,
                              "The application that the installation made was deleted: make another one");
        if (r >= 0) {
                size_t n;

                r = sealing_open(c->server->keys, &(SealingPlace) { "application", found->id, "" },
                                 found->sealed_secret.p, found->sealed_secret.n, ret_secret, &n, &c->error);
        }
        if (r >= 0) {
                *ret_client_id = strdup(found->client_id);
                r = *ret_client_id ? 0 : -ENOMEM;
        }
        application_array_done(&all);
        return r;
}

int application_view(const Application *a, const char *secret, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "id", a->id);
        out_string(&out, "name", a->name);
        out_string(&out, "clientId", a->client_id);
        out_string(&out, "clientSecret", secret ?: SECRET_MASK);
        out_seconds(&out, "createdAt", a->created_at);
        return out_take(&out, ret);
}

/* Airbyte's names for our four roles. */
static const struct {
        const char *name;
        Role role;
        bool of_workspace;
} permission_types[] = {
        { "instance_admin", ROLE_ADMIN, false },       { "organization_admin", ROLE_ADMIN, false },
        { "organization_editor", ROLE_EDITOR, false }, { "organization_runner", ROLE_RUNNER, false },
        { "organization_reader", ROLE_READER, false }, { "workspace_admin", ROLE_ADMIN, true },
        { "workspace_owner", ROLE_ADMIN, true },       { "workspace_editor", ROLE_EDITOR, true },
        { "workspace_runner", ROLE_RUNNER, true },     { "workspace_reader", ROLE_READER, true },
};

int permission_service_list(Call *c, PermissionArray *ret) {
        int r = call_require(c, NULL, ROLE_ADMIN);

        if (r == -EACCES) {
                error_free(TAKE_PTR(c->error));
                return permission_store_list_of(c->server->db, c->kind, c->principal_id, ret, &c->error);
        }
        return r < 0 ? r : permission_store_list(c->server->db, &(ListOptions) {}, ret, &c->error);
}

int permission_service_get(Call *c, const char *id, Permission **ret) {
        _cleanup_(permission_freep) Permission *p = NULL;
        int r = permission_store_get(c->server->db, id, &p, &c->error);

        if (r == -ENOENT)
                return call_fail(c, r, NULL, "There is no such permission");
        if (r >= 0 && !is_self(c, p->principal_kind, p->principal_id))
                r = call_require(c, p->workspace_id, ROLE_ADMIN);
        if (r == -EACCES)
                return call_fail(c, -ENOENT, NULL, "There is no such permission");
        if (r >= 0)
                *ret = TAKE_PTR(p);
        return r;
}

static int read_type(Call *c, JsonObject *body, Role *ret, bool *ret_of_workspace) {
        const char *type = NULL;
        int r = body_need_string(c, body, "permissionType", &type);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(permission_types); i++)
                if (streq(permission_types[i].name, type)) {
                        *ret = permission_types[i].role;
                        *ret_of_workspace = permission_types[i].of_workspace;
                        return 0;
                }
        return call_fail(c, -EINVAL, NULL, "There is no permission type '%s'", type);
}

/* A principal as the API's user: "uid:1000", or an application's id. */
static int read_principal(Call *c, JsonObject *body, Permission *p) {
        _cleanup_(application_freep) Application *a = NULL;
        const char *user = NULL;
        int r = body_need_string(c, body, "userId", &user);

        if (r < 0)
                return r;
        p->principal_kind = strncmp(user, "uid:", 4) == 0 ? PRINCIPAL_UID : PRINCIPAL_APPLICATION;
        if (p->principal_kind == PRINCIPAL_UID && (!user[4] || strspn(user + 4,
                                                                      "0123456789") != strlen(user + 4)))
                return call_fail(c, -EINVAL, NULL, "'%s' is not a user", user);
        if (p->principal_kind == PRINCIPAL_APPLICATION) {
                r = application_store_get(c->server->db, user, &a, &c->error);
                if (r == -ENOENT)
                        return call_fail(c, -EINVAL, NULL, "There is no user '%s'", user);
                if (r < 0)
                        return r;
        }
        p->principal_id = strdup(p->principal_kind == PRINCIPAL_UID ? user + 4 : user);
        return p->principal_id ? 0 : -ENOMEM;
}

static int read_scope(Call *c, JsonObject *body, bool of_workspace, Permission *p) {
        _cleanup_(workspace_freep) Workspace *w = NULL;
        const char *workspace_id = NULL, *organization_id = NULL;
        int r;

        r = body_string(c, body, "workspaceId", &workspace_id);
        if (r >= 0)
                r = body_string(c, body, "organizationId", &organization_id);
        if (r < 0)
                return r;
        if (of_workspace != !!workspace_id)
                return call_fail(c, -EINVAL, NULL, of_workspace ? "'workspaceId' is needed" :
                                                                  "'workspaceId' doesn't go with this permission type");
        if (organization_id && !streq(organization_id, ORGANIZATION_ID))
                return call_fail(c, -EINVAL, NULL, "There is no such organization");
        if (!of_workspace)
                return call_require(c, NULL, ROLE_ADMIN);
        r = workspace_service_get(c, workspace_id, ROLE_ADMIN, &w);
        if (r < 0)
                return r;
        p->workspace_id = strdup(workspace_id);
        return p->workspace_id ? 0 : -ENOMEM;
}

int permission_service_create(Call *c, JsonObject *body, Permission **ret) {
        _cleanup_(permission_freep) Permission *p = calloc(1, sizeof(*p));
        bool of_workspace;
        int r;

        if (!p)
                return -ENOMEM;
        r = read_type(c, body, &p->role, &of_workspace);
        if (r >= 0)
                r = read_scope(c, body, of_workspace, p);
        if (r >= 0)
                r = read_principal(c, body, p);
        if (r < 0)
                return r;
        p->id = uuid7_new_string(c->server->env);
        if (!p->id)
                return -ENOMEM;
        r = permission_store_insert(c->server->db, p, server_now(c->server), &c->error);
        if (r == -EEXIST)
                return call_fail(c, r, NULL, "The user has a permission there already");
        if (r < 0)
                return r;
        server_announce(c->server);
        *ret = TAKE_PTR(p);
        return 0;
}

/* Nobody can take the instance from its last admin, who would be missed at once. */
static int check_last_admin(Call *c, const Permission *p) {
        PermissionArray all = {};
        size_t admins = 0;
        int r;

        if (p->workspace_id || p->role != ROLE_ADMIN)
                return 0;
        r = permission_store_list(c->server->db, &(ListOptions) {}, &all, &c->error);
        for (size_t i = 0; r >= 0 && i < all.n; i++)
                admins += !all.items[i]->workspace_id && all.items[i]->role == ROLE_ADMIN;
        permission_array_done(&all);
        if (r >= 0 && admins < 2)
                return call_fail(c, -EEXIST, NULL, "This is the last administrator of the instance");
        return r;
}

static int check_permission_edition(Call *c, const Permission *p) {
        char edition[EDITION_MAX];

        edition_of_texts((const char *const[]) { role_to_string(p->role) }, 1, edition);
        return edition_check(c, edition, "permission");
}

int permission_show_edition(Call *c, const Permission *p) {
        char edition[EDITION_MAX];

        edition_of_texts((const char *const[]) { role_to_string(p->role) }, 1, edition);
        return edition_show(c, edition);
}

int permission_service_update(Call *c, const char *id, JsonObject *body, Permission **ret) {
        _cleanup_(permission_freep) Permission *p = NULL;
        bool of_workspace;
        Role role;
        int r;

        r = permission_service_get(c, id, &p);
        if (r >= 0)
                r = call_require(c, p->workspace_id, ROLE_ADMIN);
        if (r >= 0)
                r = check_permission_edition(c, p);
        if (r >= 0)
                r = read_type(c, body, &role, &of_workspace);
        if (r >= 0 && of_workspace != !!p->workspace_id)
                r = call_fail(c, -EINVAL, NULL, "A permission stays with its workspace or organization");
        if (r >= 0 && role != ROLE_ADMIN)
                r = check_last_admin(c, p);
        if (r >= 0)
                r = permission_store_set_role(c->server->db, id, role, server_now(c->server), &c->error);
        if (r < 0)
                return r;
        server_announce(c->server);
        return permission_service_get(c, id, ret);
}

int permission_service_delete(Call *c, const char *id) {
        _cleanup_(permission_freep) Permission *p = NULL;
        int r;

        r = permission_service_get(c, id, &p);
        if (r >= 0)
                r = call_require(c, p->workspace_id, ROLE_ADMIN);
        if (r >= 0)
                r = check_permission_edition(c, p);
        if (r >= 0)
                r = check_last_admin(c, p);
        if (r >= 0)
                r = permission_store_delete(c->server->db, id, server_now(c->server), &c->error);
        if (r >= 0)
                server_announce(c->server);
        return r;
}

int permission_view(const Permission *p, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();
        _cleanup_free_ char *user = NULL, *type = NULL;

        if (asprintf(&user, "%s%s", p->principal_kind == PRINCIPAL_UID ? "uid:" : "", p->principal_id) < 0 ||
            asprintf(&type, "%s_%s", p->workspace_id ? "workspace" : "organization",
                     role_to_string(p->role)) < 0)
                return -ENOMEM;
        out_string(&out, "permissionId", p->id);
        out_string(&out, "permissionType", type);
        out_string(&out, "userId", user);
        out_string(&out, "workspaceId", p->workspace_id);
        if (!p->workspace_id)
                out_string(&out, "organizationId", ORGANIZATION_ID);
        out_string(&out, "scope", p->workspace_id ? "workspace" : "organization");
        out_string(&out, "scopeId", p->workspace_id ?: ORGANIZATION_ID);
        return out_take(&out, ret);
}
