/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "server/definition-service.h"
#include "server/workflow-client.h"

/* A custom one is seen by those who see its workspace. */
static int check_visible(Call *c, ActorRole role, const Definition *d) {
        if (d->tombstone || d->role != role)
                return call_fail(c, -ENOENT, NULL, "There is no such %s definition",
                                 actor_role_to_string(role));
        return d->custom ? call_require(c, d->workspace_id, ROLE_READER) : 0;
}

int definition_service_get(Call *c, ActorRole role, const char *id, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int r = definition_store_get(c->server->db, id, &d, &c->error);

        if (r == -ENOENT)
                return call_fail(c, r, NULL, "There is no such %s definition", actor_role_to_string(role));
        if (r >= 0)
                r = check_visible(c, role, d);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

int definition_service_find(Call *c, ActorRole role, const char *definition_id, const char *connector_type,
                            const char *workspace_id, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int r;

        if (!definition_id && !connector_type)
                return call_fail(c, -EINVAL, NULL,
                                 "The body must have 'definitionId' or 'configuration.%sType'",
                                 actor_role_to_string(role));
        if (definition_id)
                r = definition_service_get(c, role, definition_id, &d);
        else
                r = definition_store_get_by_type(c->server->db, role, connector_type, workspace_id, &d,
                                                 &c->error);
        if (r == -ENOENT)
                return call_fail(c, -EINVAL, NULL, "There is no %s connector '%s'",
                                 actor_role_to_string(role),
                                 definition_id ?: connector_type);
        if (r < 0)
                return r;
        if (d->custom && !streq_ptr(d->workspace_id, workspace_id))
                return call_fail(c, -EINVAL, NULL, "The connector definition belongs to another workspace");
        *ret = TAKE_PTR(d);
        return 0;
}

static void on_spec(Call *c, int r, sd_bus_message *reply) {
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ JsonObject *spec = NULL;
        size_t n;

        if (r >= 0)
                r = workflow_read_memfd(reply, &text, &n);
        if (r >= 0)
                r = json_parse(text, n, &spec, &c->error);
        if (r >= 0)
                r = definition_store_set_spec(c->server->db, c->data, text, server_now(c->server),
                                              &c->error);
        if (r < 0)
                call_complete(c, r, NULL);
        else
                call_retry(c);
}

int definition_service_require_spec(Call *c, const Definition *d) {
        if (d->spec)
                return 0;
        if (!c->data) {
                c->data = strdup(d->id);
                c->data_free = free;
        }
        if (!c->data)
                return -ENOMEM;
        return workflow_run_spec(c, d->id, on_spec);
}
