/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A change is read, made in memory and stored with the revision that was read: if somebody else has
 * changed it in between, the store says -ESTALE rather than undo that. The actor and its secrets are
 * stored in one transaction; a secret that nothing refers to any more is deleted in the same one.
 *
 * Creating and updating may be CALL_LATER, for the specification of a package that has yet to be
 * installed. Everything before that point only reads, since the call will run again from its top.
 *
 * `version_pin` is the version of a package that the actor was made with. The definition may move on; the
 * actor does when it is asked to (actor_service_upgrade()), since a new version may want other settings. */

#include "basic/uuid.h"
#include "server/actor-service.h"
#include "server/body.h"
#include "server/configuration.h"
#include "server/edition.h"
#include "server/out.h"
#include "server/workspace-service.h"

static int not_found(Call *c, ActorRole role) {
        return call_fail(c, -ENOENT, NULL, "There is no such %s", actor_role_to_string(role));
}

int actor_service_get(Call *c, ActorRole role, const char *id, Role need, Actor **ret) {
        _cleanup_(actor_freep) Actor *a = NULL;
        int r = actor_store_get(c->server->db, id, &a, &c->error);

        if (r == -ENOENT || (r >= 0 && (a->tombstone || a->role != role)))
                return not_found(c, role);
        if (r >= 0)
                r = call_require_object(c, a->workspace_id, need, actor_role_to_string(role));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

int actor_service_list(Call *c, ActorRole role, const Listing *l, ActorArray *ret) {
        ActorFilter filter = { .role = role, .workspace_ids = l->workspace_ids };

        return l->none ? 0 : actor_store_list(c->server->db, &filter, &l->options, ret, &c->error);
}

static int check_edition(Call *c, const Actor *a) {
        char edition[EDITION_MAX];

        edition_of_revision(a->revision, edition);
        return edition_check(c, edition, actor_role_to_string(a->role));
}

int actor_show_edition(Call *c, const Actor *a) {
        char edition[EDITION_MAX];

        edition_of_revision(a->revision, edition);
        return edition_show(c, edition);
}

static int apply(Call *c, JsonObject *body, Actor *a) {
        const char *secret_id = NULL;
        int r = body_name(c, body, &a->name);

        if (r >= 0)
                r = body_string(c, body, "secretId", &secret_id);
        if (r > 0 && *secret_id)
                return call_fail(c, -EDOM, NULL, "'secretId' names what an OAuth consent left, which does not "
                                 "exist here: give the credentials in 'configuration'");
        if (r >= 0)
                r = body_replace_json(c, body, "resourceAllocation", json_type_object,
                                      &a->resource_allocation);
        return r < 0 ? r : 0;
}

/* Stores the actor and its secrets in one transaction. */
static int store(Call *c, Actor *a, const Configuration *configuration, bool is_new) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        usec_t now = server_now(c->server);
        int r;

        r = db_begin_immediate(c->server->db, &transaction, &c->error);
        if (r >= 0)
                r = is_new ? actor_store_insert(c->server->db, a, now, &c->error) :
                             actor_store_update(c->server->db, a, now, &c->error);
        if (r >= 0 && configuration->text)
                r = configuration_store(c, a->id, configuration);
        if (r >= 0)
                r = db_commit(&transaction, &c->error);
        if (r == -ESTALE)
                return call_fail(c, r, NULL, "Somebody else has changed it at the same time");
        if (r >= 0)
                server_announce(c->server);
        return r;
}

static int set_configuration(Call *c, Actor *a, const Definition *d, JsonObject *wanted,
                             Configuration *ret) {
        char *text;
        int r = configuration_prepare(c, d, a->workspace_id, a->id, a->configuration, wanted, ret);

        if (r < 0)
                return r;
        text = strdup(ret->text);
        if (!text)
                return -ENOMEM;
        free(a->configuration);
        a->configuration = text;
        return 0;
}

static int find_definition(Call *c, ActorRole role, JsonObject *body, const char *workspace_id,
                           Definition **ret) {
        JsonObject *configuration = NULL;
        const char *definition_id = NULL, *type = NULL;
        int r;

        r = body_string(c, body, "definitionId", &definition_id);
        if (r == 0)
                r = body_string(c, body, role == ACTOR_SOURCE ? "sourceDefinitionId" :
                                "destinationDefinitionId",
                                &definition_id);
        if (r >= 0)
                r = body_need_object(c, body, "configuration", &configuration);
        if (r >= 0)
                r = body_string(c, configuration, role == ACTOR_SOURCE ? "sourceType" : "destinationType",
                                &type);
        return r < 0 ? r : definition_service_find(c, role, definition_id, type, workspace_id, ret);
}

static int new_actor(Call *c, ActorRole role, JsonObject *body, const char *workspace_id,
                     const Definition *d,
                     Actor **ret) {
        _cleanup_(actor_freep) Actor *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->role = role;
        a->id = uuid7_new_string(c->server->env);
        a->workspace_id = strdup(workspace_id);
        a->definition_id = strdup(d->id);
        /* A later version of the definition is for those that are made of it, and for who asks for it (T79). */
        a->version_pin = definition_has_versions(d) && d->docker_image_tag ? strdup(d->docker_image_tag) : NULL;
        if (!a->id || !a->workspace_id || !a->definition_id ||
            (definition_has_versions(d) && d->docker_image_tag && !a->version_pin))
                return -ENOMEM;
        r = apply(c, body, a);
        if (r < 0)
                return r;
        if (!a->name)
                return call_fail(c, -EINVAL, NULL, "The body must have 'name'");
        *ret = TAKE_PTR(a);
        return 0;
}

int actor_service_create(Call *c, ActorRole role, JsonObject *body, Actor **ret) {
        _cleanup_configuration_ Configuration configuration = {};
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(workspace_freep) Workspace *w = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        _cleanup_json_ JsonObject *wanted = NULL;
        const char *workspace_id = NULL;
        int r;

        r = body_need_string(c, body, "workspaceId", &workspace_id);
        if (r >= 0)
                r = workspace_service_get(c, workspace_id, ROLE_EDITOR, &w);
        if (r >= 0)
                r = find_definition(c, role, body, workspace_id, &d);
        if (r >= 0)
                r = new_actor(c, role, body, workspace_id, d, &a);
        if (r >= 0)
                r = definition_service_require_spec(c, d);
        if (r != 0)
                return r;
        wanted = json_clone(json_member(body, "configuration"));
        if (!wanted)
                return -ENOMEM;
        r = set_configuration(c, a, d, wanted, &configuration);
        if (r >= 0)
                r = store(c, a, &configuration, /* is_new= */ true);
        if (r < 0)
                return r;
        return actor_service_get(c, role, a->id, ROLE_READER, ret);
}

/* The configuration that is wanted, with masks for secrets that stay. */
static int wanted_configuration(Call *c, const Actor *a, JsonObject *body, bool replace, JsonObject **ret) {
        _cleanup_json_ JsonObject *whole = NULL;
        JsonObject *given = NULL;
        int r = body_object(c, body, "configuration", &given);

        if (r <= 0)
                return r;
        if (replace)
                whole = json_clone(given);
        else {
                r = configuration_mask(a->configuration, &whole);
                if (r >= 0)
                        r = configuration_merge(whole, given);
        }
        if (r < 0 || !whole)
                return r < 0 ? r : -ENOMEM;
        *ret = TAKE_PTR(whole);
        return 1;
}

int actor_service_update(Call *c, ActorRole role, const char *id, JsonObject *body, bool replace,
                         Actor **ret) {
        _cleanup_configuration_ Configuration configuration = {};
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        _cleanup_json_ JsonObject *wanted = NULL;
        int r;

        r = actor_service_get(c, role, id, ROLE_EDITOR, &a);
        if (r >= 0)
                r = check_edition(c, a);
        if (r >= 0)
                r = definition_store_get_version(c->server->db, a->definition_id, a->version_pin, &d, &c->error);
        if (r >= 0)
                r = apply(c, body, a);
        if (r >= 0)
                r = wanted_configuration(c, a, body, replace, &wanted);
        if (r > 0) {
                r = definition_service_require_spec(c, d);
                if (r != 0)
                        return r;
                r = set_configuration(c, a, d, wanted, &configuration);
        }
        if (r >= 0)
                r = store(c, a, &configuration, /* is_new= */ false);
        if (r < 0)
                return r;
        return actor_service_get(c, role, id, ROLE_READER, ret);
}

/* Comes from a connector, which is hostile until proven otherwise: masks and settings stay those that are
 * stored, and only values that the specification marks as secret are taken. The comparison with what is
 * stored, in clear, keeps a connector that reports the same token after each run from making new secrets. */
int actor_service_rotate(Call *c, const char *id, JsonObject *config) {
        _cleanup_configuration_ Configuration configuration = {};
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        _cleanup_json_ JsonObject *wanted = NULL;
        int r;

        if (!config)
                return call_fail(c, -EINVAL, NULL, "The memfd is empty");
        r = actor_store_get(c->server->db, id, &a, &c->error);
        if (r >= 0 && a->tombstone)
                r = not_found(c, a->role);
        if (r >= 0)
                r = definition_store_get_version(c->server->db, a->definition_id, a->version_pin, &d, &c->error);
        if (r >= 0)
                r = configuration_take_secrets(c, d, id, a->configuration, config, &wanted);
        if (r >= 0)
                r = set_configuration(c, a, d, wanted, &configuration);
        return r < 0 ? r : store(c, a, &configuration, /* is_new= */ false);
}

int actor_service_upgrade(Call *c, ActorRole role, const char *id) {
        _cleanup_configuration_ Configuration configuration = {};
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        int r;

        r = actor_service_get(c, role, id, ROLE_EDITOR, &a);
        if (r >= 0)
                r = definition_store_get(c->server->db, a->definition_id, &d, &c->error);
        if (r < 0 || !definition_has_versions(d) || streq_ptr(a->version_pin, d->docker_image_tag))
                return r;
        r = definition_service_require_spec(c, d);
        if (r != 0)
                return r;
        free(a->version_pin);
        a->version_pin = d->docker_image_tag ? strdup(d->docker_image_tag) : NULL;
        if (d->docker_image_tag && !a->version_pin)
                return -ENOMEM;
        return store(c, a, &configuration, /* is_new= */ false);
}

int actor_service_delete(Call *c, ActorRole role, const char *id) {
        _cleanup_(actor_freep) Actor *a = NULL;
        int r;

        r = actor_service_get(c, role, id, ROLE_EDITOR, &a);
        if (r >= 0)
                r = check_edition(c, a);
        if (r >= 0)
                r = actor_store_delete(c->server->db, id, server_now(c->server), &c->error);
        if (r == -EBUSY)
                return -EEXIST; /* the store names the connection */
        if (r >= 0)
                server_announce(c->server);
        return r;
}

int actor_view(Call *c, const Actor *a, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_out_ Out out = out_object();
        JsonObject *configuration = NULL;
        bool is_source = a->role == ACTOR_SOURCE;
        int r;

        r = definition_store_get_version(c->server->db, a->definition_id, a->version_pin, &d, &c->error);
        if (r >= 0)
                r = configuration_mask(a->configuration, &configuration);
        /* Airbyte's SDK (1.0.1) can't read a destination whose configuration doesn't say this. */
        if (r >= 0 && !is_source)
                r = json_add_string(configuration, "destinationType", d->connector_type);
        if (r < 0) {
                json_object_put(configuration);
                return r;
        }
        out_string(&out, is_source ? "sourceId" : "destinationId", a->id);
        out_string(&out, "name", a->name);
        out_string(&out, is_source ? "sourceType" : "destinationType", d->connector_type);
        out_string(&out, "definitionId", a->definition_id);
        out_string(&out, "workspaceId", a->workspace_id);
        out_value(&out, "configuration", configuration);
        out_seconds(&out, "createdAt", a->created_at);
        out_json(&out, "resourceAllocation", a->resource_allocation);
        return out_take(&out, ret);
}
