/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A package becomes a connector in two steps that can't be one transaction: it is installed by the
 * launcher, then its definition is stored here. The order is this one, so that a definition never names
 * what isn't there; a crash between the two leaves an installed package without a definition, and
 * installing it again finds it and goes on.
 *
 * Removing is the reverse: refused while a source or destination uses that version, then the launcher
 * removes, then own definitions go that have nothing else. One that came along stays; it would install
 * the package again when asked for.
 *
 * The call that waits for an installation runs anew when it is there; what was installed is kept in the
 * call (`Installed`), since without a version only the answer says which one it was. */

#include "basic/uuid.h"
#include "db/actor-store.h"
#include "runtime/connector-store.h"
#include "server/connector-service.h"
#include "server/definition-service.h"
#include "server/workflow-client.h"
#include "server/workspace-service.h"

/* What a package gets that nobody has said more of. */
#define LIMITS "{\"memoryMax\":2147483648,\"tasksMax\":128}"
#define NAMES_MAX 5U

bool connector_service_is_package(const char *repository) {
        Definition d = { .reference = (char *) repository };

        return definition_is_package(&d);
}

int connector_service_parse(Call *c, const char *text, char **ret_reference, char **ret_version) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *version = NULL;
        int r = connector_ref_parse(text, CONNECTOR_ANY_ROLE, &ref, &c->error);

        if (r < 0)
                return r == -ENOMEM ? r : call_fail(c, -EINVAL, NULL, "%s", error_message(c->error, r));
        if ((ref->kind != CONNECTOR_PYPI && ref->kind != CONNECTOR_NPM) || ref->config)
                return call_fail(c, -EINVAL, NULL, "'%s' is nothing to install: write pypi:NAME or npm:NAME", text);
        version = TAKE_PTR(ref->version);
        *ret_reference = connector_ref_to_string(ref);
        if (!*ret_reference)
                return -ENOMEM;
        *ret_version = TAKE_PTR(version);
        return 0;
}

/* ---- Installing ---- */

/* What the call waited for. */
typedef struct Installed {
        char *wanted; /* exact reference, or without a version */
        JsonObject *result;
} Installed;

static void installed_free(void *p) {
        Installed *i = p;

        if (!i)
                return;
        free(i->wanted);
        json_object_put(i->result);
        free(i);
}

static void on_installed(Call *c, int r, sd_bus_message *reply) {
        _cleanup_free_ char *text = NULL;
        Installed *i = c->data;
        size_t n;

        if (r >= 0)
                r = workflow_read_memfd(reply, &text, &n);
        if (r >= 0)
                r = json_parse(text, n, &i->result, &c->error);
        if (r == -EIO) {
                _cleanup_error_ Error *why = TAKE_PTR(c->error);

                /* Not our failure: the index, the network, the package. */
                r = call_fail(c, -EDOM, NULL, "%s", error_message(why, r));
        }
        if (r < 0)
                call_complete(c, r, NULL);
        else
                call_retry(c);
}

static int exact(const char *reference, const char *version, char **ret) {
        Definition d = { .reference = (char *) reference };

        return definition_exact_reference(&d, version, ret);
}

int connector_service_require(Call *c, const char *reference, const char *version, JsonObject **ret) {
        _cleanup_free_ char *wanted = NULL;
        Installed *i = c->data_free == installed_free ? c->data : NULL;
        int r = exact(reference, version, &wanted);

        if (r < 0)
                return r;
        if (i && i->result && streq(i->wanted, wanted)) {
                *ret = i->result;
                return 0;
        }
        i = calloc(1, sizeof(*i));
        if (!i)
                return -ENOMEM;
        i->wanted = TAKE_PTR(wanted);
        if (c->data_free)
                c->data_free(c->data);
        c->data = i;
        c->data_free = installed_free;
        return workflow_run_install(c, i->wanted, on_installed);
}

int connector_service_apply(Call *c, JsonObject *installed, Definition *d) {
        const char *version = json_object_get_string(json_member(installed, "version"));
        JsonObject *spec = json_member(installed, "spec");

        if (!version)
                return call_fail(c, -EPROTO, NULL, "What was installed has no version");
        free(d->docker_image_tag);
        free(d->spec);
        d->docker_image_tag = strdup(version);
        d->spec = spec ? json_to_string(spec) : NULL;
        d->executor = EXECUTOR_SERVICE;
        return d->docker_image_tag && (d->spec || !spec) ? 0 : -ENOMEM;
}

/* ---- The definition of a package ---- */

typedef struct Wanted {
        const char *reference, *version, *workspace_id;
} Wanted;

/* The workspace's own goes before one that came along. */
static int find_definition(Call *c, const Wanted *w, Definition **ret) {
        DefinitionFilter filter = { .role = _ACTOR_ROLE_INVALID, .workspace_id = w->workspace_id };
        DefinitionArray all = {};
        Definition *found = NULL;
        int r = definition_store_list(c->server->db, &filter, &(ListOptions) {}, &all, &c->error);

        for (size_t i = 0; r >= 0 && i < all.n; i++) {
                Definition *d = all.items[i];

                if (!streq(d->reference, w->reference) || (found && !d->custom) ||
                    /* What came along has its version. */
                    (!d->custom && w->version && !streq_ptr(d->docker_image_tag, w->version)))
                        continue;
                definition_free(found);
                found = d;
                all.items[i] = NULL;
        }
        definition_array_done(&all);
        if (r >= 0)
                *ret = found;
        return r;
}

static ActorRole role_of(const char *reference) {
        return strstr(reference, "destination-") ? ACTOR_DESTINATION : ACTOR_SOURCE;
}

/* "pypi:airbyte-source-x" is called airbyte-source-x and is of the type "x". */
static int new_definition(Call *c, const Wanted *w, Definition **ret) {
        _cleanup_(definition_freep) Definition *d = calloc(1, sizeof(*d));
        const char *name = strchr(w->reference, ':') + 1;

        if (!d)
                return -ENOMEM;
        *d = (Definition) { .custom = true, .network = NETWORK_ANY, .role = role_of(w->reference),
                            .id = uuid7_new_string(c->server->env), .workspace_id = strdup(w->workspace_id),
                            .reference = strdup(w->reference), .docker_repository = strdup(w->reference),
                            .name = strdup(name), .connector_type = definition_service_type_of(name),
                            .limits = strdup(LIMITS) };
        if (!d->id || !d->workspace_id || !d->reference || !d->docker_repository || !d->name || !d->connector_type ||
            !d->limits)
                return -ENOMEM;
        *ret = TAKE_PTR(d);
        return 0;
}

static int store(Call *c, Definition *d, bool is_new) {
        usec_t now = server_now(c->server);
        int r = is_new ? definition_store_insert(c->server->db, d, now, &c->error)
                       : definition_store_update(c->server->db, d, now, &c->error);

        if (r >= 0)
                server_announce(c->server);
        return r;
}

int connector_service_install(Call *c, const char *text, const char *workspace_id, Definition **ret,
                              bool *ret_built) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(workspace_freep) Workspace *w = NULL;
        _cleanup_free_ char *reference = NULL, *version = NULL;
        JsonObject *installed = NULL;
        Wanted wanted;
        bool is_new;
        int r;

        r = connector_service_parse(c, text, &reference, &version);
        if (r >= 0)
                r = workspace_id && *workspace_id ? workspace_service_get(c, workspace_id, ROLE_ADMIN, &w)
                                                  : workspace_service_default(c, &w);
        if (r < 0)
                return r;
        wanted = (Wanted) { reference, version, w->id };
        r = find_definition(c, &wanted, &d);
        /* What came along has a version that was tried; one's own goes on to the newest. */
        if (!version && d && !d->custom && d->docker_image_tag) {
                version = strdup(d->docker_image_tag);
                if (!version)
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = connector_service_require(c, reference, version, &installed);
        if (r != 0)
                return r;
        is_new = !d;
        if (is_new)
                r = new_definition(c, &wanted, &d);
        if (r >= 0)
                r = connector_service_apply(c, installed, d);
        if (r >= 0)
                r = store(c, d, is_new);
        if (r < 0)
                return r;
        *ret_built = json_object_get_boolean(json_member(installed, "builtFromSource"));
        *ret = TAKE_PTR(d);
        return 0;
}

/* ---- Removing ---- */

static int list_users(Call *c, const char *definition_id, const char *tag, const char *version, Buffer *b,
                      size_t *n_users) {
        ActorFilter filter = { .role = _ACTOR_ROLE_INVALID, .definition_id = definition_id };
        ActorArray found = {};
        int r = actor_store_list(c->server->db, &filter, &(ListOptions) {}, &found, &c->error);

        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                const Actor *a = found.items[i];

                if (!streq_ptr(a->version_pin ?: tag, version))
                        continue;
                if ((*n_users)++ < NAMES_MAX)
                        r = buffer_appendf(b, "%s%s '%s'", *n_users > 1 ? ", " : "", actor_role_to_string(a->role),
                                           a->name);
        }
        actor_array_done(&found);
        return r;
}

static int refuse_if_used(Call *c, const char *reference, const char *version) {
        DefinitionFilter filter = { .role = _ACTOR_ROLE_INVALID };
        DefinitionArray all = {};
        _cleanup_buffer_ Buffer b = {};
        size_t n = 0;
        int r = definition_store_list(c->server->db, &filter, &(ListOptions) {}, &all, &c->error);

        for (size_t i = 0; r >= 0 && i < all.n; i++)
                if (streq(all.items[i]->reference, reference))
                        r = list_users(c, all.items[i]->id, all.items[i]->docker_image_tag, version, &b, &n);
        definition_array_done(&all);
        if (r < 0 || n == 0)
                return r;
        return call_fail(c, -EEXIST, NULL, "Version %s of %s is used by %s%s", version, reference,
                         strempty(buffer_string(&b)), n > NAMES_MAX ? " and others" : "");
}

/* Own definitions of what is gone go with it, unless something of them is left. */
static int forget_definitions(Call *c, const char *reference, const char *version) {
        DefinitionFilter filter = { .role = _ACTOR_ROLE_INVALID, .custom_only = true };
        DefinitionArray all = {};
        int r = definition_store_list(c->server->db, &filter, &(ListOptions) {}, &all, &c->error);

        for (size_t i = 0; r >= 0 && i < all.n; i++) {
                if (!streq(all.items[i]->reference, reference) || !streq_ptr(all.items[i]->docker_image_tag, version))
                        continue;
                r = definition_store_delete(c->server->db, all.items[i]->id, server_now(c->server), NULL);
                r = r == -EBUSY ? 0 : r;
        }
        definition_array_done(&all);
        server_announce(c->server);
        return r;
}

static void on_removed(Call *c, int r, sd_bus_message *reply) {
        _cleanup_free_ char *reference = NULL, *version = NULL;

        if (r >= 0)
                r = connector_service_parse(c, c->data, &reference, &version);
        if (r >= 0)
                r = forget_definitions(c, reference, version);
        call_complete(c, r, NULL);
}

/* What was never installed can't be removed; each kind has its own way to go. */
static int refuse_other_kind(Call *c, const ConnectorRef *ref, const char *text) {
        switch (ref->kind) {
        case CONNECTOR_PYPI:
        case CONNECTOR_NPM:
                return 0;
        case CONNECTOR_NATIVE:
                return call_fail(c, -EEXIST, NULL, "'%s' comes with Gantry and can't be removed by itself: it is part"
                                 " of the Debian package gantry-connectors", text);
        case CONNECTOR_IMAGE:
                return call_fail(c, -EEXIST, NULL, "'%s' is an image: remove its definition by the name or id that"
                                 " 'gantryctl connector list' shows, and the image with podman", text);
        default:
                return call_fail(c, -EINVAL, NULL, "'%s' is nothing that was installed: write pypi:NAME==VERSION or"
                                 " npm:NAME@VERSION", text);
        }
}

int connector_service_remove(Call *c, const char *text) {
        _cleanup_(installed_connector_freep) InstalledConnector *there = NULL;
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *reference = NULL, *version = NULL;
        int r = connector_ref_parse(text, CONNECTOR_ANY_ROLE, &ref, &c->error);

        if (r < 0)
                return r == -ENOMEM ? r : call_fail(c, -EINVAL, NULL, "%s", error_message(c->error, r));
        r = refuse_other_kind(c, ref, text);
        if (r >= 0)
                r = connector_service_parse(c, text, &reference, &version);
        if (r >= 0)
                r = connector_store_find(ref, &there, NULL);
        if (r == -ENOENT)
                return call_fail(c, r, NULL, "'%s' is not installed", text);
        if (r >= 0)
                r = refuse_if_used(c, reference, there->version);
        if (r < 0)
                return r;
        if (c->data_free)
                c->data_free(c->data);
        c->data = strdup(there->reference);
        c->data_free = free;
        return c->data ? launcher_remove_connector(c, c->data, on_removed) : -ENOMEM;
}

bool connector_service_is_installed(const Definition *d) {
        _cleanup_(installed_connector_freep) InstalledConnector *there = NULL;
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *text = NULL;

        if (!definition_is_package(d))
                return true;
        return definition_exact_reference(d, NULL, &text) >= 0 &&
                connector_ref_parse(text, CONNECTOR_ANY_ROLE, &ref, NULL) >= 0 &&
                connector_store_find(ref, &there, NULL) >= 0;
}
