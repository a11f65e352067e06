/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* As with actors, a change is read, made and stored under the revision that was read, and whatever may
 * wait (the source's catalog, the destination's specification) is got before anything is stored.
 * Connection, mapper keys and tags are one transaction.
 *
 * gantry-workflow writes connections as well (next_run, a status that it sets itself), and is told after
 * the commit that one has changed, without waiting: its schedule is computed from what is stored, at the
 * latest at its next start.
 *
 * Deleting leaves the row, as "deprecated", because jobs and statistics refer to it; its secrets go at
 * once. Deleting again changes nothing and is no error. */

#include <stdio.h>

#include "basic/uuid.h"
#include "db/secret-store.h"
#include "db/tag-store.h"
#include "server/body.h"
#include "server/connection-catalog.h"
#include "server/connection-left.h"
#include "server/connection-schedule.h"
#include "server/connection-service.h"
#include "server/edition.h"
#include "server/mapper-secrets.h"
#include "server/out.h"
#include "server/workflow-client.h"

static int get_any(Call *c, const char *id, Role need, Connection **ret) {
        _cleanup_(connection_freep) Connection *found = NULL;
        int r = connection_store_get(c->server->db, id, &found, &c->error);

        if (r == -ENOENT)
                return call_fail(c, r, NULL, "There is no such connection");
        if (r >= 0)
                r = call_require_object(c, found->workspace_id, need, "connection");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(found);
        return 0;
}

int connection_service_get(Call *c, const char *id, Role need, Connection **ret) {
        _cleanup_(connection_freep) Connection *found = NULL;
        int r = get_any(c, id, need, &found);

        if (r < 0)
                return r;
        if (found->status == CONNECTION_DEPRECATED)
                return call_fail(c, -ENOENT, NULL, "There is no such connection");
        *ret = TAKE_PTR(found);
        return 0;
}

/* The revision, and what the config API shows beside what is set: the streams' schemas. Where a connection
 * goes by a newer catalog of its source, its revision stays. */
static int edition_with_schemas(Call *c, const Connection *connection, char ret[static EDITION_MAX]) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *fetch = NULL;
        int r;

        edition_of_revision(connection->revision, ret);
        if (!connection->source_catalog_id)
                return 0;
        r = catalog_fetch_store_get(c->server->db, connection->source_catalog_id, &fetch, &c->error);
        if (r < 0)
                return r;
        edition_add_content(fetch->catalog_hash, ret);
        return 0;
}

static int check_edition(Call *c, const Connection *connection) {
        char edition[EDITION_MAX], with_schemas[EDITION_MAX];
        int r;

        edition_of_revision(connection->revision, edition);
        r = edition_with_schemas(c, connection, with_schemas);
        return r < 0 ? r : edition_check_either(c, edition, with_schemas, "connection");
}

int connection_show_edition_with_schemas(Call *c, const Connection *connection) {
        char edition[EDITION_MAX];
        int r = edition_with_schemas(c, connection, edition);

        return r < 0 ? r : edition_show(c, edition);
}

int connection_show_edition(Call *c, const Connection *connection) {
        char edition[EDITION_MAX];

        edition_of_revision(connection->revision, edition);
        return edition_show(c, edition);
}

int connection_service_list(Call *c, const Listing *l, char *const *tag_ids, ConnectionArray *ret) {
        ConnectionFilter filter = { .workspace_ids = l->workspace_ids, .tag_ids = tag_ids,
                                    .with_catalog = true,
                                    .status = _CONNECTION_STATUS_INVALID };

        return l->none ? 0 : connection_store_list(c->server->db, &filter, &l->options, ret, &c->error);
}

static int bad_value(Call *c, const char *key, const char *value) {
        return call_fail(c, -EINVAL, NULL, "'%s' can't be '%s'", key, value);
}

static int apply_behavior(Call *c, JsonObject *body, Connection *connection) {
        const char *s = NULL;
        int r = body_string(c, body, "nonBreakingSchemaUpdatesBehavior", &s);

        if (r <= 0)
                return r;
        r = streq(s, "disable_connection") ? NON_BREAKING_DISABLE : non_breaking_preference_from_string(s);
        if (r < 0)
                return bad_value(c, "nonBreakingSchemaUpdatesBehavior", s);
        connection->non_breaking_preference = r;
        return 0;
}

/* Turning a connection on or off by hand clears the reason that the suite gave for turning it off. */
/* The config API's; the public one has no word for it. */
static int apply_backfill(Call *c, JsonObject *body, Connection *connection) {
        const char *s = NULL;
        int r = body_string(c, body, "backfillPreference", &s);

        if (r <= 0)
                return r;
        if (!streq(s, "enabled") && !streq(s, "disabled"))
                return bad_value(c, "backfillPreference", s);
        connection->backfill = streq(s, "enabled");
        return 0;
}

static int apply_status(Call *c, JsonObject *body, Connection *connection) {
        const char *s = NULL;
        int r = body_string(c, body, "status", &s);

        if (r <= 0)
                return r;
        r = connection_status_from_string(s);
        /* Deleting has a call of its own, and only the suite locks. */
        if (r != CONNECTION_ACTIVE && r != CONNECTION_INACTIVE)
                return bad_value(c, "status", s);
        if (connection->status != (ConnectionStatus) r) {
                free(connection->status_reason);
                connection->status_reason = NULL;
        }
        connection->status = r;
        return 0;
}

static int apply_namespace(Call *c, JsonObject *body, Connection *connection) {
        const char *s = NULL;
        int r = body_string(c, body, "namespaceDefinition", &s);

        if (r > 0) {
                r = namespace_definition_from_string(s);
                if (r < 0)
                        return bad_value(c, "namespaceDefinition", s);
                connection->namespace_definition = r;
        }
        if (r >= 0)
                r = body_replace_string(c, body, "namespaceFormat", &connection->namespace_format);
        if (r >= 0)
                r = body_replace_string(c, body, "prefix", &connection->prefix);
        if (r < 0)
                return r;
        if (connection->namespace_definition == NAMESPACE_CUSTOM_FORMAT &&
            !*strempty(connection->namespace_format))
                return call_fail(c, -EINVAL, NULL, "'namespaceFormat' is needed with a custom format");
        return 0;
}

/* All members but the streams and the tags. */
static int apply(Call *c, JsonObject *body, Connection *connection) {
        int r;

        r = body_name(c, body, &connection->name);
        if (r >= 0)
                r = apply_status(c, body, connection);
        if (r >= 0)
                r = apply_namespace(c, body, connection);
        if (r >= 0)
                r = apply_behavior(c, body, connection);
        if (r >= 0)
                r = apply_backfill(c, body, connection);
        if (r >= 0)
                r = connection_schedule_apply(c, body, connection);
        if (r >= 0)
                r = body_replace_string(c, body, "dataResidency", &connection->data_residency);
        return r < 0 ? r : 0;
}

/* 1 when the streams were given or `always`. */
static int choose_streams(Call *c, JsonObject *body, const Actor *source, const Definition *destination,
                          bool always,
                          Connection *connection, MapperSecrets *secrets) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *fetch = NULL;
        _cleanup_catalog_ Catalog *catalog = NULL;
        _cleanup_json_ JsonObject *chosen = NULL;
        JsonObject *configurations = NULL, *streams = NULL;
        char *text;
        int r;

        r = body_object(c, body, "configurations", &configurations);
        if (r >= 0 && configurations)
                r = body_array(c, configurations, "streams", &streams);
        if (r < 0 || (!always && !streams))
                return r < 0 ? r : 0;
        /* The SDK sends an empty list for "all". */
        if (streams && always && json_object_array_length(streams) == 0)
                streams = NULL;
        r = connection_catalog_source(c, source, &fetch, &catalog);
        if (r != 0)
                return r;
        r = mapper_secrets_restore(c, connection->catalog, streams);
        if (r >= 0)
                r = connection_catalog_choose(c, catalog, destination, streams, &chosen);
        if (r >= 0)
                r = mapper_secrets_seal(c, connection->workspace_id, connection->id, chosen, secrets);
        if (r < 0)
                return r;
        text = json_to_string(chosen);
        if (!text)
                return -ENOMEM;
        free(connection->catalog);
        connection->catalog = text;
        free(connection->source_catalog_id);
        connection->source_catalog_id = TAKE_PTR(fetch->id);
        /* They fit what the source has now, or they would have been refused. */
        connection->breaking_change = false;
        return 0;
}

/* [{"tagId"…}] or ["id"…]. 1: they were given. */
static int read_tags(Call *c, JsonObject *body, char ***ret) {
        _cleanup_strv_ char **ids = NULL;
        JsonObject *tags = NULL;
        int r = body_array(c, body, "tags", &tags);

        if (r <= 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(tags); i++) {
                JsonObject *item = json_object_array_get_idx(tags, i);
                JsonObject *id = json_object_is_type(item, json_type_object) ?
                        json_member(item, "tagId") : item;

                if (!json_object_is_type(id, json_type_string))
                        return call_fail(c, -EINVAL, NULL, "'tags' must be a list of tags with 'tagId'");
                r = strv_extend(&ids, json_object_get_string(id));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(ids);
        return 1;
}

/* `before`: the selection that was stored, of one that isn't new. */
static int store(Call *c, Connection *connection, const MapperSecrets *secrets, JsonObject *body, bool is_new,
                 const char *before) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_strv_ char **tags = NULL;
        usec_t now = server_now(c->server);
        int r, given = read_tags(c, body, &tags);

        if (given < 0)
                return given;
        r = db_begin_immediate(c->server->db, &transaction, &c->error);
        if (r >= 0)
                r = is_new ? connection_store_insert(c->server->db, connection, now, &c->error) :
                             connection_store_update(c->server->db, connection, now, &c->error);
        if (r >= 0 && !is_new && !streq_ptr(before, connection->catalog))
                r = connection_owe_left(c, connection, before);
        if (r >= 0)
                r = mapper_secrets_store(c, connection->id, secrets);
        if (r >= 0 && given > 0)
                r = tag_store_set_of_connection(c->server->db, connection->id, tags, now, &c->error);
        if (r == -ENOENT && given > 0)
                return call_fail(c, -EINVAL, NULL, "There is no such tag in this workspace");
        if (r >= 0)
                r = db_commit(&transaction, &c->error);
        if (r == -ESTALE)
                return call_fail(c, r, NULL, "Somebody else has changed the connection at the same time");
        if (r < 0)
                return r;
        server_announce(c->server);
        workflow_connection_changed(c->server, connection->id);
        return 0;
}

/* Both ends, and the destination's definition with its specification; may be CALL_LATER. */
static int get_ends(Call *c, const char *source_id, const char *destination_id, Actor **ret_source,
                    Actor **ret_destination, Definition **ret_definition) {
        _cleanup_(actor_freep) Actor *source = NULL, *destination = NULL;
        _cleanup_(definition_freep) Definition *d = NULL;
        int r;

        r = actor_service_get(c, ACTOR_SOURCE, source_id, ROLE_READER, &source);
        if (r >= 0)
                r = actor_service_get(c, ACTOR_DESTINATION, destination_id, ROLE_READER, &destination);
        if (r >= 0 && !streq(source->workspace_id, destination->workspace_id))
                r = call_fail(c, -EINVAL, NULL, "Source and destination are in different workspaces");
        if (r >= 0)
                r = definition_store_get_version(c->server->db, destination->definition_id,
                                                 destination->version_pin, &d, &c->error);
        if (r >= 0)
                r = definition_service_require_spec(c, d);
        if (r != 0)
                return r;
        *ret_source = TAKE_PTR(source);
        *ret_destination = TAKE_PTR(destination);
        *ret_definition = TAKE_PTR(d);
        return 0;
}

static int new_connection(Call *c, const Actor *source, const Actor *destination, Connection **ret) {
        _cleanup_(connection_freep) Connection *connection = calloc(1, sizeof(*connection));

        if (!connection)
                return -ENOMEM;
        connection->id = uuid7_new_string(c->server->env);
        connection->workspace_id = strdup(source->workspace_id);
        connection->source_id = strdup(source->id);
        connection->destination_id = strdup(destination->id);
        connection->data_residency = strdup("auto");
        /* Airbyte's own words for a connection that nobody has named. */
        if (asprintf(&connection->name, "%s → %s", source->name, destination->name) < 0)
                connection->name = NULL;
        connection->namespace_definition = NAMESPACE_DESTINATION;
        if (!connection->id || !connection->workspace_id || !connection->source_id ||
            !connection->destination_id ||
            !connection->data_residency || !connection->name)
                return -ENOMEM;
        *ret = TAKE_PTR(connection);
        return 0;
}

int connection_service_create(Call *c, JsonObject *body, Connection **ret) {
        _cleanup_(actor_freep) Actor *source = NULL, *destination = NULL;
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_mapper_secrets_ MapperSecrets secrets = {};
        const char *source_id = NULL, *destination_id = NULL;
        int r;

        r = body_need_string(c, body, "sourceId", &source_id);
        if (r >= 0)
                r = body_need_string(c, body, "destinationId", &destination_id);
        if (r >= 0)
                r = get_ends(c, source_id, destination_id, &source, &destination, &d);
        if (r != 0)
                return r;
        r = call_require(c, source->workspace_id, ROLE_EDITOR);
        if (r >= 0)
                r = new_connection(c, source, destination, &connection);
        if (r >= 0)
                r = apply(c, body, connection);
        if (r >= 0)
                r = choose_streams(c, body, source, d, /* always= */ true, connection, &secrets);
        if (r != 0)
                return r;
        r = store(c, connection, &secrets, body, /* is_new= */ true, NULL);
        return r < 0 ? r : connection_service_get(c, connection->id, ROLE_READER, ret);
}

int connection_service_update(Call *c, const char *id, JsonObject *body, Connection **ret) {
        _cleanup_(actor_freep) Actor *source = NULL, *destination = NULL;
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_mapper_secrets_ MapperSecrets secrets = {};
        _cleanup_free_ char *before = NULL;
        int r;

        r = connection_service_get(c, id, ROLE_EDITOR, &connection);
        if (r >= 0)
                r = check_edition(c, connection);
        if (r < 0)
                return r;
        /* A sync may move it on meanwhile: only new streams name a catalog. */
        free(TAKE_PTR(connection->source_catalog_id));
        before = connection->catalog ? strdup(connection->catalog) : NULL;
        if (!before != !connection->catalog)
                return -ENOMEM;
        r = apply(c, body, connection);
        if (r >= 0)
                r = get_ends(c, connection->source_id, connection->destination_id, &source, &destination,
                             &d);
        if (r == 0)
                r = choose_streams(c, body, source, d, /* always= */ false, connection, &secrets);
        if (r != 0)
                return r;
        r = store(c, connection, &secrets, body, /* is_new= */ false, before);
        return r < 0 ? r : connection_service_get(c, id, ROLE_READER, ret);
}

int connection_service_delete(Call *c, const char *id) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        /* gantry-workflow writes it, too: what was looked at is what is deleted. */
        r = db_begin_immediate(c->server->db, &transaction, &c->error);
        if (r >= 0)
                r = get_any(c, id, ROLE_EDITOR, &connection);
        if (r >= 0)
                r = check_edition(c, connection);
        if (r >= 0)
                r = connection_store_delete(c->server->db, id, server_now(c->server), &c->error);
        if (r >= 0)
                r = secret_store_delete_of_owner(c->server->db, id, NULL, &c->error);
        if (r >= 0)
                r = db_commit(&transaction, &c->error);
        if (r < 0)
                return r;
        server_announce(c->server);
        workflow_connection_changed(c->server, id);
        return 0;
}

static int view_tags(Call *c, const char *id, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        TagArray tags = {};
        int r = tag_store_list_of_connection(c->server->db, id, &tags, &c->error);

        for (size_t i = 0; r >= 0 && i < tags.n; i++) {
                Out out = out_object();
                JsonObject *tag = NULL;

                out_string(&out, "tagId", tags.items[i]->id);
                out_string(&out, "name", tags.items[i]->name);
                out_string(&out, "color", tags.items[i]->color);
                out_string(&out, "workspaceId", tags.items[i]->workspace_id);
                r = out_take(&out, &tag);
                if (r >= 0)
                        r = out_append(list, tag);
        }
        tag_array_done(&tags);
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

static int view_configurations(const Connection *connection, JsonObject **ret) {
        const char *text = connection->catalog ?: "{\"streams\":[]}";
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = json_parse(text, strlen(text), &o, NULL);
        if (r >= 0)
                r = mapper_secrets_mask(o);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

int connection_view(Call *c, const Connection *connection, JsonObject **ret) {
        _cleanup_json_ JsonObject *schedule = NULL, *tags = NULL, *configurations = NULL;
        _cleanup_out_ Out out = out_object();
        int r = connection_schedule_view(connection, &schedule);

        if (r >= 0)
                r = view_tags(c, connection->id, &tags);
        if (r >= 0)
                r = view_configurations(connection, &configurations);
        if (r < 0)
                return r;
        out_string(&out, "connectionId", connection->id);
        out_string(&out, "name", connection->name);
        out_string(&out, "sourceId", connection->source_id);
        out_string(&out, "destinationId", connection->destination_id);
        out_string(&out, "workspaceId", connection->workspace_id);
        out_string(&out, "status", connection_status_to_string(connection->status));
        out_string(&out, "statusReason", connection->status_reason);
        out_value(&out, "schedule", TAKE_PTR(schedule));
        out_string(&out, "dataResidency", connection->data_residency ?: "auto");
        out_value(&out, "configurations", TAKE_PTR(configurations));
        out_string(&out, "namespaceDefinition",
                   namespace_definition_to_string(connection->namespace_definition));
        out_string(&out, "namespaceFormat", connection->namespace_format);
        out_string(&out, "prefix", connection->prefix);
        out_string(&out, "nonBreakingSchemaUpdatesBehavior",
                   connection->non_breaking_preference == NON_BREAKING_DISABLE ? "disable_connection" :
                   non_breaking_preference_to_string(connection->non_breaking_preference));
        out_seconds(&out, "createdAt", connection->created_at);
        out_value(&out, "tags", TAKE_PTR(tags));
        return out_take(&out, ret);
}
