/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The server runs no connector. A check or discover is a workflow's; here the configuration to try is
 * made, and its answer translated. What isn't stored goes to gantry-workflow in clear, in a memfd between
 * two processes of one user, and is sealed there for its one workload.
 *
 * A configuration to try is judged exactly as one that is to be stored, masks and all. It takes an
 * editor, as changing the configuration does, and secrets that stay can't be sent to another place, as
 * there (configuration.c).
 *
 * A discover's answer names a catalog by its id; the catalog itself is read from the database, where the
 * workflow put it before it answered. */

#include "server/actor-run.h"
#include "server/configuration.h"
#include "server/workflow-client.h"

static void on_checked(Call *c, int r, sd_bus_message *reply) {
        _cleanup_json_ JsonObject *result = NULL;
        const char *text;

        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                r = json_parse(text, strlen(text), &result, &c->error);
        call_complete(c, r, result);
}

/* The configuration to try, in clear. */
static int clear_configuration(Call *c, const Actor *a, JsonObject *config, char **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_json_ JsonObject *wanted = NULL, *clear = NULL;
        int r;

        r = definition_store_get_version(c->server->db, a->definition_id, a->version_pin, &d, &c->error);
        if (r >= 0)
                r = configuration_mask(a->configuration, &wanted);
        if (r >= 0)
                r = configuration_merge(wanted, config);
        if (r >= 0)
                r = configuration_try(c, d, a->workspace_id, a->id, a->configuration, wanted, &clear);
        if (r < 0)
                return r;
        *ret = json_to_string(clear);
        return *ret ? 0 : -ENOMEM;
}

int actor_run_check(Call *c, ActorRole role, const char *id, JsonObject *config) {
        _cleanup_(actor_freep) Actor *a = NULL;
        _cleanup_wipe_ char *text = NULL;
        int r;

        /* Trying another configuration is as good as writing one. */
        r = actor_service_get(c, role, id, config ? ROLE_EDITOR : ROLE_RUNNER, &a);
        if (r >= 0 && config)
                r = clear_configuration(c, a, config, &text);
        return r < 0 ? r : workflow_run_check(c, id, text, on_checked);
}

typedef struct Discovery {
        char *source_id;
        DiscoverView view;
        void *userdata;
        void (*userdata_free)(void *);
} Discovery;

static void discovery_free(void *p) {
        Discovery *d = p;

        if (d->userdata_free)
                d->userdata_free(d->userdata);
        free(d->source_id);
        free(d);
}

/* From what the workflow says to the catalog in the database. */
static int load(Call *c, JsonObject *result, Discovery *d, JsonObject **ret) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *fetch = NULL;
        _cleanup_catalog_ Catalog *catalog = NULL;
        _cleanup_(actor_freep) Actor *source = NULL;
        _cleanup_json_ JsonObject *raw = NULL;
        _cleanup_free_ char *text = NULL;
        const char *id = NULL;
        size_t n;
        int r;

        r = json_get_string(result, "catalogId", &id, "The discover's answer", &c->error);
        if (r <= 0)
                return r < 0 ? r : -EIO;
        r = catalog_fetch_store_get(c->server->db, id, &fetch, &c->error);
        if (r >= 0)
                r = catalog_store_get(c->server->db, fetch->catalog_hash, &text, &n, &c->error);
        if (r >= 0)
                r = json_parse(text, n, &raw, &c->error);
        if (r >= 0)
                r = catalog_from_json(raw, &catalog, &c->error);
        if (r >= 0)
                r = actor_store_get(c->server->db, d->source_id, &source, &c->error);
        if (r < 0)
                return r;
        return d->view(c, &(Discovered) { .source = source, .fetch = fetch, .catalog = catalog, .raw = raw },
                       d->userdata, ret);
}

static int read_result(Call *c, sd_bus_message *reply, JsonObject **ret) {
        _cleanup_json_ JsonObject *result = NULL;
        JsonObject *failure, *message;
        const char *text;
        int r = sd_bus_message_read(reply, "s", &text);

        if (r >= 0)
                r = json_parse(text, strlen(text), &result, &c->error);
        if (r < 0)
                return r;
        failure = json_member(result, "failure");
        if (!failure)
                return load(c, result, c->data, ret);
        message = json_member(failure, "externalMessage") ?: json_member(failure, "message");
        return call_fail(c, -EDOM, NULL, "The source's streams could not be discovered: %s",
                         json_object_is_type(message, json_type_string) ? json_object_get_string(message) :
                         "no reason was given");
}

static void on_discovered(Call *c, int r, sd_bus_message *reply) {
        _cleanup_json_ JsonObject *answer = NULL;

        if (r >= 0)
                r = read_result(c, reply, &answer);
        call_complete(c, r, answer);
}

int actor_run_discover(Call *c, const char *source_id, bool ignore_cache, DiscoverView view, void *userdata,
                       void (*userdata_free)(void *)) {
        _cleanup_(actor_freep) Actor *a = NULL;
        Discovery *d = malloc(sizeof(*d));
        int r;

        if (!d) {
                if (userdata_free)
                        userdata_free(userdata);
                return -ENOMEM;
        }
        *d = (Discovery) { .source_id = strdup(source_id), .view = view, .userdata = userdata,
                           .userdata_free = userdata_free };
        if (c->data_free)
                c->data_free(c->data);
        c->data = d;
        c->data_free = discovery_free;
        if (!d->source_id)
                return -ENOMEM;
        r = actor_service_get(c, ACTOR_SOURCE, source_id, ROLE_RUNNER, &a);
        return r < 0 ? r : workflow_run_discover(c, source_id, ignore_cache, on_discovered);
}
