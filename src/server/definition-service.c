/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A definition is a program that will run here, so making or changing one takes an admin of its
 * workspace. Built-in ones change with the package alone. One without a workspace is everybody's; a
 * custom one is used and seen within its own.
 *
 * The specification is got lazily, at the first source or destination that is made of it: asking takes a
 * run of the connector, which a list of definitions must not cost. Of a package it is stored by exact
 * reference (connector_spec), as each version says it once; of an image it is stored in the definition
 * and dropped with each change of it.
 *
 * An update may be CALL_LATER before anything is stored, as create is: a package is installed first. */

#include <stdio.h>

#include "basic/uuid.h"
#include "db/actor-store.h"
#include "db/spec-store.h"
#include "runtime/connector-ref.h"
#include "server/body.h"
#include "server/connector-service.h"
#include "server/definition-service.h"
#include "server/edition.h"
#include "server/out.h"
#include "server/workflow-client.h"
#include "server/workspace-service.h"

/* A custom one is seen by those who see its workspace. */
static int check_visible(Call *c, ActorRole role, const Definition *d) {
        const char *what = role == ACTOR_SOURCE ? "source definition" : "destination definition";

        if (d->tombstone || d->role != role)
                return call_fail(c, -ENOENT, NULL, "There is no such %s", what);
        return d->custom ? call_require_object(c, d->workspace_id, ROLE_READER, what) : 0;
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
        if (r == -EIO) {
                /* Not our failure but the connector's, or that it may not run here: the caller is told
                 * why. */
                _cleanup_error_ Error *why = TAKE_PTR(c->error);

                r = call_fail(c, -EDOM, NULL, "The connector's specification could not be had: %s",
                              error_message(why, r));
        }
        if (r < 0)
                call_complete(c, r, NULL);
        else
                call_retry(c);
}

/* It was asked before, for whichever source or destination, or is asked now. */
static int require_spec_of_package(Call *c, Definition *d) {
        _cleanup_free_ char *reference = NULL;
        JsonObject *installed = NULL, *spec;
        int r = definition_exact_reference(d, NULL, &reference);

        if (r >= 0)
                r = spec_store_get(c->server->db, reference, &d->spec, NULL);
        if (r != -ENOENT)
                return r;
        r = connector_service_require(c, d->reference, d->docker_image_tag, &installed);
        if (r != 0)
                return r;
        spec = json_member(installed, "spec");
        if (!spec)
                return call_fail(c, -EDOM, NULL, "The connector's specification could not be had: %s",
                                 strempty(json_object_get_string(json_member(installed, "specMessage"))));
        d->spec = json_to_string(spec);
        return d->spec ? 0 : -ENOMEM;
}

/* Of another version than its definition's, which alone can be asked. */
static bool is_pinned_image(const Definition *d) {
        _cleanup_free_ char *exact = NULL;

        return definition_has_versions(d) && d->docker_image_tag &&
                definition_exact_reference(d, d->docker_image_tag, &exact) >= 0 && !streq(exact, d->reference);
}

int definition_service_require_spec(Call *c, Definition *d) {
        if (d->spec)
                return 0;
        if (definition_is_package(d))
                return require_spec_of_package(c, d);
        if (is_pinned_image(d))
                return call_fail(c, -EDOM, NULL,
                                 "What version %s of the connector's image wants is not known any more: upgrade "
                                 "to its definition's version", d->docker_image_tag);
        if (c->data_free)
                c->data_free(c->data);
        c->data_free = free;
        c->data = strdup(d->id);
        if (!c->data)
                return -ENOMEM;
        return workflow_run_spec(c, d->id, on_spec);
}

static int not_found(Call *c) {
        return call_fail(c, -ENOENT, NULL, "There is no such definition in this workspace");
}

int definition_service_get_custom(Call *c, const char *workspace_id, ActorRole role, bool declarative,
                                  const char *id,
                                  Role need, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int r = call_require(c, workspace_id, need);

        if (r >= 0)
                r = definition_store_get(c->server->db, id, &d, &c->error);
        if (r == -ENOENT)
                return not_found(c);
        if (r < 0)
                return r;
        if (d->tombstone || d->role != role || declarative != !!d->manifest ||
            !streq_ptr(d->workspace_id, workspace_id))
                return not_found(c);
        *ret = TAKE_PTR(d);
        return 0;
}

int definition_service_list(Call *c, ActorRole role, const char *workspace_id, DefinitionArray *ret) {
        DefinitionFilter filter = { .role = role, .workspace_id = workspace_id };
        DefinitionArray all = {};
        int r = workspace_id ? call_require(c, workspace_id, ROLE_READER) : 0;

        if (r >= 0)
                r = definition_store_list(c->server->db, &filter, &(ListOptions) {}, &all, &c->error);
        /* Without a workspace, only what belongs to everybody. */
        for (size_t i = 0; r >= 0 && i < all.n; i++) {
                if (all.items[i]->custom && !workspace_id)
                        continue;
                r = model_array_append((void ***) &ret->items, &ret->n, all.items[i]);
                if (r >= 0)
                        all.items[i] = NULL;
        }
        definition_array_done(&all);
        return r;
}

int definition_service_list_custom(Call *c, const char *workspace_id, ActorRole role, bool declarative,
                                   const Listing *l, DefinitionArray *ret) {
        DefinitionFilter filter = { .role = role, .workspace_id = workspace_id, .custom_only = true };
        _cleanup_(workspace_freep) Workspace *w = NULL;
        uint64_t skip = l->options.offset;
        DefinitionArray all = {};
        int r = workspace_service_get(c, workspace_id, ROLE_READER, &w);

        if (r >= 0)
                r = definition_store_list(c->server->db, &filter, &(ListOptions) {}, &all, &c->error);
        for (size_t i = 0; r >= 0 && i < all.n && ret->n < l->options.limit; i++) {
                if (declarative != !!all.items[i]->manifest)
                        continue;
                if (skip > 0) {
                        skip--;
                        continue;
                }
                r = model_array_append((void ***) &ret->items, &ret->n, all.items[i]);
                if (r >= 0)
                        all.items[i] = NULL;
        }
        definition_array_done(&all);
        return r;
}

static void edition_of(const Definition *o, char ret[static EDITION_MAX]) {
        const char *texts[] = { o->name, o->docker_repository, o->docker_image_tag, o->documentation_url, o->manifest };

        edition_of_texts(texts, ELEMENTSOF(texts), ret);
}

static int check_edition(Call *c, const Definition *o) {
        char edition[EDITION_MAX];

        edition_of(o, edition);
        return edition_check(c, edition, "definition");
}

int definition_show_edition(Call *c, const Definition *o) {
        char edition[EDITION_MAX];

        edition_of(o, edition);
        return edition_show(c, edition);
}

/* As Airbyte has it for its own. */
char *definition_service_type_of(const char *name) {
        const char *last = strrchr(name, '/');
        char *type;

        last = last ? last + 1 : name;
        if (strncmp(last, "airbyte-", STRLEN("airbyte-")) == 0)
                last += STRLEN("airbyte-");
        if (strncmp(last, "source-", STRLEN("source-")) == 0)
                last += STRLEN("source-");
        else if (strncmp(last, "destination-", STRLEN("destination-")) == 0)
                last += STRLEN("destination-");
        type = strdup(last);
        for (char *p = type; p && *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char) (*p | 0x20);
                else if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')))
                        *p = '-';
        return type;
}

/* What an index takes as a version may be a tag or a range, which isn't one. */
static int check_package_version(Call *c, const char *reference, const char *version) {
        Definition d = { .reference = (char *) reference };
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *exact = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        if (!connector_version_is_valid(version))
                return call_fail(c, -EINVAL, NULL, "'dockerImageTag' is not the version of a package");
        r = definition_exact_reference(&d, version, &exact);
        if (r >= 0)
                r = connector_ref_parse(exact, CONNECTOR_ANY_ROLE, &ref, &error);
        return r < 0 && r != -ENOMEM ? call_fail(c, -EINVAL, NULL, "'dockerImageTag': %s", error_message(error, r)) : r;
}

/* "pypi:NAME" where an image's name is meant: it is installed before anything is stored. */
static int apply_package(Call *c, JsonObject *body, Definition *d) {
        _cleanup_free_ char *reference = NULL, *version = NULL;
        JsonObject *installed = NULL;
        int r = connector_service_parse(c, d->docker_repository, &reference, &version);

        if (r >= 0 && version)
                r = call_fail(c, -EINVAL, NULL, "The version belongs into 'dockerImageTag'");
        if (r >= 0 && *strempty(d->docker_image_tag))
                r = check_package_version(c, reference, d->docker_image_tag);
        if (r >= 0)
                r = connector_service_require(c, reference, *strempty(d->docker_image_tag) ? d->docker_image_tag : NULL,
                                              &installed);
        if (r != 0)
                return r;
        free(d->reference);
        d->reference = TAKE_PTR(reference);
        return connector_service_apply(c, installed, d);
}

/* A form that is none is 422, so that it is told from a body that is none. */
static int check_image(Call *c, const Definition *d) {
        _cleanup_error_ Error *error = NULL;

        if (!*strempty(d->docker_repository))
                return call_fail(c, -EINVAL, NULL, "The body must have 'dockerRepository'");
        if (!image_repository_is_valid(d->docker_repository))
                return call_fail(c, -EDOM, NULL, "'dockerRepository' is not the name of an image without its tag,"
                                 " as 'airbyte/source-x'");
        if (!*strempty(d->docker_image_tag))
                return call_fail(c, -EDOM, NULL, "'dockerImageTag' must be there: it is a tag, a digest ('sha256:…')"
                                 " or both ('TAG@sha256:…')");
        if (image_version_check(d->docker_image_tag, &error) < 0)
                return call_fail(c, -EDOM, NULL, "'dockerImageTag' %s", error_message(error, -EINVAL));
        return 0;
}

/* The tag is one, a digest ("sha256:…"), or both ("TAG@sha256:…"): an image with a digest is that one for
 * ever. */
static int apply_image(Call *c, JsonObject *body, Definition *d) {
        bool digest;
        int r = body_replace_string(c, body, "dockerRepository", &d->docker_repository);

        if (r >= 0)
                r = body_replace_string(c, body, "dockerImageTag", &d->docker_image_tag);
        if (r >= 0)
                r = body_replace_string(c, body, "documentationUrl", &d->documentation_url);
        if (r < 0)
                return r;
        if (connector_service_is_package(strempty(d->docker_repository)))
                return apply_package(c, body, d);
        r = check_image(c, d);
        if (r < 0)
                return r;
        digest = strncmp(d->docker_image_tag, "sha256:", STRLEN("sha256:")) == 0;
        free(d->reference);
        if (asprintf(&d->reference, "image:%s%s%s", d->docker_repository, digest ? "@" : ":",
                     d->docker_image_tag) < 0) {
                d->reference = NULL;
                return -ENOMEM;
        }
        /* The other version's specification may be another; so may that of a tag which is said again. */
        if (json_member(body, "dockerRepository") || json_member(body, "dockerImageTag"))
                free(TAKE_PTR(d->spec));
        return 0;
}

/* A manifest is stored as it is; what it means is for the connector that runs it. */
static int apply_manifest(Call *c, JsonObject *body, Definition *d) {
        JsonObject *spec, *connection = NULL;
        Out out;
        int r = body_replace_json(c, body, "manifest", json_type_object, &d->manifest);

        if (r == 0)
                return call_fail(c, -EINVAL, NULL, "The body must have 'manifest'");
        if (r < 0)
                return r;
        d->manifest_version++;
        spec = json_member(json_member(body, "manifest"), "spec");
        connection = json_member(spec, "connection_specification");
        out = out_object();
        out_value(&out, "connectionSpecification",
                  connection ? json_object_get(connection) : json_object_new_object());
        r = out_take(&out, &connection);
        if (r < 0)
                return r;
        free(d->spec);
        d->spec = json_to_string(connection);
        json_object_put(connection);
        free(d->reference);
        if (asprintf(&d->reference, "manifest:%s", d->id) < 0)
                d->reference = NULL;
        return d->spec && d->reference ? 0 : -ENOMEM;
}

int definition_service_create(Call *c, const char *workspace_id, ActorRole role, bool declarative,
                              JsonObject *body,
                              Definition **ret) {
        _cleanup_(definition_freep) Definition *d = calloc(1, sizeof(*d));
        _cleanup_(workspace_freep) Workspace *w = NULL;
        int r;

        if (!d)
                return -ENOMEM;
        /* An image or manifest is a program that will run here. */
        r = workspace_service_get(c, workspace_id, ROLE_ADMIN, &w);
        if (r < 0)
                return r;
        *d = (Definition) { .role = role, .custom = true, .executor = declarative ? EXECUTOR_SERVICE : EXECUTOR_PODMAN,
                            .network = NETWORK_ANY };
        d->id = uuid7_new_string(c->server->env);
        d->workspace_id = strdup(workspace_id);
        if (!d->id || !d->workspace_id)
                return -ENOMEM;
        r = body_name(c, body, &d->name);
        if (r == 0)
                return call_fail(c, -EINVAL, NULL, "The body must have 'name'");
        if (r >= 0)
                r = declarative ? apply_manifest(c, body, d) : apply_image(c, body, d);
        if (r != 0)
                return r;
        d->connector_type = definition_service_type_of(declarative ? d->name : d->docker_repository);
        if (!d->connector_type)
                return -ENOMEM;
        r = definition_store_insert(c->server->db, d, server_now(c->server), &c->error);
        if (r < 0)
                return r;
        server_announce(c->server);
        *ret = TAKE_PTR(d);
        return 0;
}

int definition_service_update(Call *c, const char *workspace_id, ActorRole role, bool declarative,
                              const char *id,
                              JsonObject *body, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int r = definition_service_get_custom(c, workspace_id, role, declarative, id, ROLE_ADMIN, &d);

        if (r >= 0)
                r = check_edition(c, d);
        if (r >= 0)
                r = body_name(c, body, &d->name);
        if (r >= 0)
                r = declarative ? apply_manifest(c, body, d) : apply_image(c, body, d);
        if (r == 0)
                r = definition_store_update(c->server->db, d, server_now(c->server), &c->error);
        if (r != 0)
                return r;
        server_announce(c->server);
        *ret = TAKE_PTR(d);
        return 0;
}

/* Which one it is, or else that there is one. */
static int refuse_in_use(Call *c, const char *id) {
        ActorFilter filter = { .role = _ACTOR_ROLE_INVALID, .definition_id = id };
        _cleanup_(actor_array_done) ActorArray found = {};
        int r = actor_store_list(c->server->db, &filter, &(ListOptions) { .limit = 1 }, &found, NULL);

        if (r < 0 || found.n == 0)
                return call_fail(c, -EEXIST, NULL, "A source or destination is made of it");
        return call_fail(c, -EEXIST, NULL, "The %s '%s' is made of it", actor_role_to_string(found.items[0]->role),
                         found.items[0]->name);
}

int definition_service_delete(Call *c, const char *workspace_id, ActorRole role, bool declarative,
                              const char *id,
                              Definition **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        int r = definition_service_get_custom(c, workspace_id, role, declarative, id, ROLE_ADMIN, &d);

        if (r >= 0)
                r = check_edition(c, d);
        if (r >= 0)
                r = definition_store_delete(c->server->db, id, server_now(c->server), &c->error);
        if (r == -EBUSY)
                return refuse_in_use(c, id);
        if (r < 0)
                return r;
        server_announce(c->server);
        *ret = TAKE_PTR(d);
        return 0;
}
