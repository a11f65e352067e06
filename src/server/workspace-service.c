/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Workspaces have no revision; their edition is a hash of what can be changed (edition.h). One that still
 * holds sources, destinations or connections can't be deleted.
 *
 * Everything else belongs to one, so roles are looked up by it and deleting is refused while it holds
 * anything. Regions and organizations are taken only as what there is of them. Lists for a caller who
 * sees a few workspaces are made one by one in the order of his ids, for a caller who sees all by the
 * index. */

#include "basic/strv.h"
#include "basic/uuid.h"
#include "server/body.h"
#include "server/edition.h"
#include "server/organization.h"
#include "server/out.h"
#include "server/workspace-service.h"

/* What the public API tells of a workspace whose notifications nobody has set. */
#define NOTIFICATIONS_DEFAULT                                                                           \
        "{\"failure\":{\"email\":{\"enabled\":false},\"webhook\":{\"enabled\":false}},"                \
        "\"success\":{\"email\":{\"enabled\":false},\"webhook\":{\"enabled\":false}},"                 \
        "\"connectionUpdate\":{\"email\":{\"enabled\":false},\"webhook\":{\"enabled\":false}},"        \
        "\"connectionUpdateActionRequired\":{\"email\":{\"enabled\":false},\"webhook\":{\"enabled\":false}}," \
        "\"syncDisabled\":{\"email\":{\"enabled\":false},\"webhook\":{\"enabled\":false}},"            \
        "\"syncDisabledWarning\":{\"email\":{\"enabled\":false},\"webhook\":{\"enabled\":false}}}"

int workspace_service_get(Call *c, const char *id, Role role, Workspace **ret) {
        _cleanup_(workspace_freep) Workspace *w = NULL;
        int r;

        r = workspace_store_get(c->server->db, id, &w, &c->error);
        if (r == -ENOENT || (r >= 0 && w->tombstone))
                return call_fail(c, -ENOENT, NULL, "There is no such workspace");
        if (r >= 0)
                r = call_require(c, id, role);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

int workspace_service_default(Call *c, Workspace **ret) {
        int r = workspace_store_get_default(c->server->db, ret, &c->error);

        return r == -ENOENT ? call_fail(c, -ENOENT, NULL, "There is no workspace") : r;
}

int workspace_service_list(Call *c, const Listing *l, WorkspaceArray *ret) {
        uint64_t skip = l->options.offset;
        int r;

        if (l->none)
                return 0;
        if (!l->workspace_ids)
                return workspace_store_list(c->server->db, &l->options, ret, &c->error);
        STRV_FOREACH(id, l->workspace_ids) {
                Workspace *w = NULL;

                r = workspace_store_get(c->server->db, *id, &w, &c->error);
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                if (w->tombstone || skip > 0 || ret->n >= l->options.limit) {
                        skip -= !w->tombstone && skip > 0;
                        workspace_free(w);
                        continue;
                }
                r = model_array_append((void ***) &ret->items, &ret->n, w);
                if (r < 0) {
                        workspace_free(w);
                        return r;
                }
        }
        return 0;
}

/* Each of the events has e-mail and webhook, as far as they are given. */
static int check_notifications(Call *c, JsonObject *notifications) {
        json_object_object_foreach(notifications, event, value) {
                JsonObject *webhook = NULL, *email = NULL;
                const char *url = NULL;
                bool enabled = false;
                int r;

                if (!json_object_is_type(value, json_type_object))
                        return call_fail(c, -EINVAL, NULL, "'notifications.%s' must be an object", event);
                r = json_get_object(value, "webhook", &webhook, event, &c->error);
                if (r >= 0)
                        r = json_get_object(value, "email", &email, event, &c->error);
                if (r >= 0 && email)
                        r = json_get_bool(email, "enabled", &enabled, event, &c->error);
                if (r >= 0 && webhook)
                        r = json_get_bool(webhook, "enabled", &enabled, event, &c->error);
                if (r >= 0 && webhook)
                        r = json_get_string(webhook, "url", &url, event, &c->error);
                if (r < 0)
                        return r;
                if (url && *url && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
                        return call_fail(c, -EINVAL, NULL,
                                         "'notifications.%s.webhook.url' is not an http or https URL",
                                         event);
        }
        return 0;
}

/* What is null was left out. */
static void drop_nulls(JsonObject *o) {
        json_object_object_foreach(o, key, value) {
                if (!value)
                        json_object_object_del(o, key);
                else if (json_object_is_type(value, json_type_object))
                        drop_nulls(value);
        }
}

/* There is one organization and no region but this machine: what asks for others is not taken silently. */
static int check_place(Call *c, JsonObject *body) {
        const char *organization = NULL, *region = NULL;
        int r = body_string(c, body, "organizationId", &organization);

        if (r > 0 && !streq(organization, ORGANIZATION_ID))
                return call_fail(c, -EINVAL, NULL, "'organizationId' names no organization");
        if (r >= 0)
                r = body_string(c, body, "regionId", &region);
        if (r > 0 && *region)
                return call_fail(c, -EDOM, NULL, "'regionId' names no region: there are none here");
        return r < 0 ? r : 0;
}

static void edition_of(const Workspace *o, char ret[static EDITION_MAX]) {
        const char *texts[] = { o->name, o->notifications };

        edition_of_texts(texts, ELEMENTSOF(texts), ret);
}

static int check_edition(Call *c, const Workspace *o) {
        char edition[EDITION_MAX];

        edition_of(o, edition);
        return edition_check(c, edition, "workspace");
}

int workspace_show_edition(Call *c, const Workspace *o) {
        char edition[EDITION_MAX];

        edition_of(o, edition);
        return edition_show(c, edition);
}

static int apply(Call *c, JsonObject *body, Workspace *w) {
        JsonObject *notifications = NULL;
        int r;

        r = check_place(c, body);
        if (r >= 0)
                r = body_name(c, body, &w->name);
        if (r >= 0)
                r = body_object(c, body, "notifications", &notifications);
        if (r > 0) {
                drop_nulls(notifications);
                r = check_notifications(c, notifications);
        }
        if (r >= 0)
                r = body_replace_json(c, body, "notifications", json_type_object, &w->notifications);
        return r < 0 ? r : 0;
}

int workspace_service_create(Call *c, JsonObject *body, Workspace **ret) {
        _cleanup_(workspace_freep) Workspace *w = calloc(1, sizeof(*w));
        int r;

        r = call_require(c, NULL, ROLE_ADMIN);
        if (r < 0)
                return r;
        if (!w)
                return -ENOMEM;
        r = apply(c, body, w);
        if (r < 0)
                return r;
        if (!w->name)
                return call_fail(c, -EINVAL, NULL, "The body must have 'name'");
        w->id = uuid7_new_string(c->server->env);
        w->data_residency = strdup("auto");
        if (!w->id || !w->data_residency)
                return -ENOMEM;
        r = workspace_store_insert(c->server->db, w, server_now(c->server), &c->error);
        if (r < 0)
                return r;
        server_announce(c->server);
        *ret = TAKE_PTR(w);
        return 0;
}

int workspace_service_update(Call *c, const char *id, JsonObject *body, Workspace **ret) {
        _cleanup_(workspace_freep) Workspace *w = NULL;
        int r;

        r = workspace_service_get(c, id, ROLE_ADMIN, &w);
        if (r >= 0)
                r = check_edition(c, w);
        if (r >= 0)
                r = apply(c, body, w);
        if (r >= 0)
                r = workspace_store_update(c->server->db, w, server_now(c->server), &c->error);
        if (r < 0)
                return r;
        server_announce(c->server);
        *ret = TAKE_PTR(w);
        return 0;
}

int workspace_service_delete(Call *c, const char *id) {
        _cleanup_(workspace_freep) Workspace *w = NULL;
        int r;

        r = workspace_service_get(c, id, ROLE_ADMIN, &w);
        if (r >= 0)
                r = check_edition(c, w);
        if (r >= 0)
                r = workspace_store_delete(c->server->db, id, server_now(c->server), &c->error);
        if (r == -EBUSY)
                return call_fail(c, -EEXIST, NULL, "The workspace has sources, destinations or connections");
        if (r >= 0)
                server_announce(c->server);
        return r;
}

int workspace_view(const Workspace *w, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "workspaceId", w->id);
        out_string(&out, "name", w->name);
        out_string(&out, "dataResidency", w->data_residency ?: "auto");
        out_json(&out, "notifications", w->notifications ?: NOTIFICATIONS_DEFAULT);
        return out_take(&out, ret);
}
