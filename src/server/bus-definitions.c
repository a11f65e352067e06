/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager's methods about connectors: what there is, packages, and a workspace's own definitions.
 *
 * On the bus a connector is written as everywhere at the command line, by its reference; the API's pair of
 * dockerRepository and dockerImageTag is made of it here, so that one service judges both. A package that is
 * to be installed first makes the call run anew (call.h), and with it all that is here. */

#include <stdio.h>

#include "runtime/connector-ref.h"
#include "server/body.h"
#include "server/bus-definitions.h"
#include "server/connector-service.h"
#include "server/definition-service.h"
#include "server/out.h"
#include "server/workspace-service.h"

static int view_definition(const Definition *d, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "id", d->id);
        out_string(&out, "name", d->name);
        out_string(&out, "role", actor_role_to_string(d->role));
        out_string(&out, "connectorType", d->connector_type);
        out_string(&out, "reference", d->reference);
        out_string(&out, "version", d->docker_image_tag);
        out_string(&out, "documentationUrl", d->documentation_url);
        out_string(&out, "network", network_class_to_string(d->network));
        /* Which images the host has is podman's to know. */
        if (d->executor != EXECUTOR_PODMAN)
                out_bool(&out, "installed", connector_service_is_installed(d));
        out_bool(&out, "custom", d->custom);
        out_string(&out, "workspaceId", d->workspace_id);
        return out_take(&out, ret);
}

/* "s role, s workspace, t offset, u limit". */
int bus_list_definitions(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *items = json_object_new_array();
        _cleanup_listing_ Listing l = {};
        DefinitionFilter filter = { .role = _ACTOR_ROLE_INVALID };
        DefinitionArray found = {};
        const char *role;
        int r = sd_bus_message_read(m, "s", &role);

        if (r >= 0 && *role) {
                filter.role = actor_role_from_string(role);
                if (filter.role < 0)
                        return call_fail(c, -EINVAL, NULL, "The role must be source, destination or empty");
        }
        if (r >= 0)
                r = bus_read_listing(c, m, &l);
        if (r < 0)
                return r;
        filter.workspace_id = l.workspace_ids ? l.workspace_ids[0] : NULL;
        r = definition_store_list(c->server->db, &filter, &l.options, &found, &c->error);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = view_definition(found.items[i], &o);
                if (r >= 0)
                        r = out_append(items, o);
        }
        definition_array_done(&found);
        if (r >= 0)
                *ret = TAKE_PTR(items);
        return r;
}

/* "s definition_id": the ConnectorSpecification. */
int bus_get_spec(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        if (r >= 0)
                r = definition_store_get(c->server->db, id, &d, &c->error);
        if (r >= 0)
                r = definition_service_require_spec(c, d);
        return r != 0 ? r : json_parse(d->spec, strlen(d->spec), ret, &c->error);
}

/* "s reference, s workspace": "" is the first workspace. */
int bus_install_connector(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        const char *reference, *workspace;
        bool built = false;
        int r = sd_bus_message_read(m, "ss", &reference, &workspace);

        if (r >= 0)
                r = connector_service_install(c, reference, workspace, &d, &built);
        if (r == 0)
                r = view_definition(d, ret);
        if (r == 0 && built)
                r = json_add(*ret, "builtFromSource", json_object_new_boolean(true));
        return r;
}

int bus_remove_connector(Call *c, sd_bus_message *m, JsonObject **ret) {
        const char *reference;
        int r = sd_bus_message_read(m, "s", &reference);

        return r < 0 ? r : connector_service_remove(c, reference);
}

/* "repository:tag", "repository@digest", "repository:tag@digest"; a colon before the last slash is a
 * port's. */
static int split_image(const char *name, char **ret_repository, char **ret_tag) {
        const char *slash = strrchr(name, '/'), *at = strchr(name, '@');
        const char *colon = strchr(slash ?: name, ':');
        const char *end = colon && (!at || colon < at) ? colon : at;

        if (!end)
                return -EINVAL;
        *ret_repository = strndup(name, (size_t) (end - name));
        *ret_tag = strdup(end + 1);
        return *ret_repository && *ret_tag ? 0 : -ENOMEM;
}

/* What the API calls dockerRepository and dockerImageTag (NULL: none is said). */
static int split_reference(Call *c, const char *text, char **ret_repository, char **ret_tag) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        int r;

        if (connector_service_is_package(text))
                return connector_service_parse(c, text, ret_repository, ret_tag);
        r = connector_ref_parse(text, CONNECTOR_ANY_ROLE, &ref, &c->error);
        if (r < 0)
                return r == -ENOMEM ? r : call_fail(c, -EINVAL, NULL, "%s", error_message(c->error, r));
        if (ref->kind != CONNECTOR_IMAGE || ref->config)
                return call_fail(c, -EINVAL, NULL, "A connector of one's own is a package or an image; '%s' is neither:"
                                 " write pypi:NAME, npm:NAME or image:REPOSITORY:TAG", text);
        r = split_image(ref->name, ret_repository, ret_tag);
        return r != -EINVAL ? r : call_fail(c, r, NULL, "'%s' names no version: write image:REPOSITORY:TAG",
                                            text);
}

/* Whether the last word of a repository begins with `word`, or has it behind a dash (airbyte-source-x). */
static bool is_called(const char *repository, const char *word) {
        const char *slash = strrchr(repository, '/') ?: strchr(repository, ':');
        const char *last = slash ? slash + 1 : repository;

        for (const char *at = strstr(last, word); at; at = strstr(at + 1, word))
                if (at == last || at[-1] == '-')
                        return true;
        return false;
}

/* By its name, as connectors are called; others must say. */
static int choose_role(Call *c, const char *role, const char *repository, ActorRole *ret) {
        bool source = is_called(repository, "source-"), destination = is_called(repository, "destination-");

        if (*role) {
                *ret = actor_role_from_string(role);
                if (*ret < 0)
                        return call_fail(c, -EINVAL, NULL, "The role must be source, destination or empty");
                return 0;
        }
        if (source == destination)
                return call_fail(c, -EINVAL, NULL, "Whether '%s' is a source or a destination must be said",
                                 repository);
        *ret = source ? ACTOR_SOURCE : ACTOR_DESTINATION;
        return 0;
}

/* The body lacks what the reference says, and may lack the name: the last word of the repository. */
static int complete_definition(Call *c, const char *repository, const char *tag, JsonObject *body) {
        const char *word = strrchr(repository, '/') ?: strchr(repository, ':');
        int r = json_add_string(body, "dockerRepository", repository);

        if (r >= 0 && tag)
                r = json_add_string(body, "dockerImageTag", tag);
        if (r >= 0 && !json_member(body, "name"))
                r = json_add_string(body, "name", word ? word + 1 : repository);
        return r;
}

static int choose_workspace(Call *c, JsonObject *body, char **ret) {
        _cleanup_(workspace_freep) Workspace *w = NULL;
        const char *id = NULL;
        int r = body_string(c, body, "workspaceId", &id);

        if (r == 0)
                r = workspace_service_default(c, &w);
        if (r < 0)
                return r;
        *ret = strdup(id ?: w->id);
        return *ret ? 0 : -ENOMEM;
}

/* The API takes two of one name; who then says this name would be asked which one. */
static int refuse_taken(Call *c, const char *workspace_id, ActorRole role, const char *name) {
        DefinitionFilter filter = { .role = role, .workspace_id = workspace_id };
        _cleanup_(definition_array_done) DefinitionArray all = {};
        int r = definition_store_list(c->server->db, &filter, &(ListOptions) {}, &all, &c->error);

        for (size_t i = 0; r >= 0 && i < all.n; i++)
                if (streq(all.items[i]->name, name))
                        return call_fail(c, -EEXIST, NULL, "There is a %s connector '%s' already",
                                         actor_role_to_string(role), name);
        return r;
}

/* "s role, s reference, h json". */
int bus_create_definition(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_free_ char *repository = NULL, *tag = NULL, *workspace_id = NULL;
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_json_ JsonObject *body = NULL;
        const char *role_name, *reference;
        ActorRole role = _ACTOR_ROLE_INVALID;
        int r = sd_bus_message_read(m, "ss", &role_name, &reference);

        if (r >= 0)
                r = bus_read_memfd(c, m, &body);
        if (r >= 0 && !body)
                r = (body = json_object_new_object()) ? 0 : -ENOMEM;
        if (r >= 0)
                r = split_reference(c, reference, &repository, &tag);
        if (r >= 0)
                r = choose_role(c, role_name, repository, &role);
        if (r >= 0)
                r = complete_definition(c, repository, tag, body);
        if (r >= 0)
                r = choose_workspace(c, body, &workspace_id);
        if (r >= 0)
                r = refuse_taken(c, workspace_id, role,
                                 strempty(json_object_get_string(json_member(body, "name"))));
        if (r < 0)
                return r;
        r = definition_service_create(c, workspace_id, role, /* declarative= */ false, body, &d);
        return r != 0 ? r : view_definition(d, ret);
}

/* One's own; what came along can't be changed. */
static int get_own(Call *c, const char *id, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int r = definition_store_get(c->server->db, id, &d, &c->error);

        if (r == -ENOENT || (r >= 0 && d->tombstone))
                return call_fail(c, -ENOENT, NULL, "There is no connector '%s'", id);
        if (r < 0)
                return r;
        if (!d->custom)
                return call_fail(c, -EEXIST, NULL, "The connector '%s' comes with Gantry: it is changed and removed"
                                 " with its Debian package", d->name);
        *ret = TAKE_PTR(d);
        return 0;
}

/* "s id, h json". */
int bus_update_definition(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *before = NULL, *d = NULL;
        _cleanup_json_ JsonObject *body = NULL;
        const char *id, *name = NULL;
        int r = sd_bus_message_read(m, "s", &id);

        if (r >= 0)
                r = bus_read_memfd(c, m, &body);
        if (r >= 0 && !body)
                r = call_fail(c, -EINVAL, NULL, "The memfd is empty");
        if (r >= 0)
                r = get_own(c, id, &before);
        if (r >= 0)
                name = json_object_get_string(json_member(body, "name"));
        if (r >= 0 && name && !streq(name, before->name))
                r = refuse_taken(c, before->workspace_id, before->role, name);
        if (r < 0)
                return r;
        r = definition_service_update(c, before->workspace_id, before->role, !!before->manifest, id, body,
                                      &d);
        return r != 0 ? r : view_definition(d, ret);
}

/* "s id". */
int bus_delete_definition(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *before = NULL, *d = NULL;
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        if (r >= 0)
                r = get_own(c, id, &before);
        if (r < 0)
                return r;
        return definition_service_delete(c, before->workspace_id, before->role, !!before->manifest, id, &d);
}
