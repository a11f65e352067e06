/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Members that Airbyte's clients require are always there, with the value that is true of a single
 * organization on one machine where Gantry has no such thing ("auto", an empty list, the workspace's id
 * as customerId).
 *
 * A stream is shown with what the source offered when the connection was made and with what the
 * connection has chosen, side by side; those that weren't chosen are shown as unselected. Keys of mappers
 * and secrets of configurations leave as masks, here as everywhere. */

#include "db/attempt-store.h"
#include "server/config-view.h"
#include "server/configuration.h"
#include "server/job-progress.h"
#include "server/connection-schema.h"
#include "server/mapper-secrets.h"
#include "server/organization.h"
#include "server/out.h"
#include "worker/sync-mode.h"

int config_view_workspace(const Workspace *w, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "workspaceId", w->id);
        out_string(&out, "name", w->name);
        out_string(&out, "slug", w->name);
        out_string(&out, "customerId", w->id);
        out_string(&out, "organizationId", ORGANIZATION_ID);
        out_bool(&out, "initialSetupComplete", true);
        out_string(&out, "defaultGeography", w->data_residency ?: "auto");
        out_bool(&out, "tombstone", w->tombstone);
        return out_take(&out, ret);
}

int config_view_definition(const Definition *d, JsonObject **ret) {
        bool is_source = d->role == ACTOR_SOURCE;
        _cleanup_out_ Out out = out_object();

        out_string(&out, is_source ? "sourceDefinitionId" : "destinationDefinitionId", d->id);
        out_string(&out, "name", d->name);
        out_string(&out, "dockerRepository", d->docker_repository ?: d->reference);
        out_string(&out, "dockerImageTag", strempty(d->docker_image_tag));
        out_string(&out, "documentationUrl", d->documentation_url);
        out_string(&out, "supportLevel", d->custom ? "none" : "certified");
        out_bool(&out, "custom", d->custom);
        return out_take(&out, ret);
}

int config_view_specification(const Definition *d, JsonObject **ret) {
        bool is_source = d->role == ACTOR_SOURCE;
        _cleanup_json_ JsonObject *spec = NULL;
        _cleanup_out_ Out out = out_object();
        int r = json_parse(d->spec, strlen(d->spec), &spec, NULL);

        if (r < 0)
                return r;
        out_string(&out, is_source ? "sourceDefinitionId" : "destinationDefinitionId", d->id);
        out_value(&out, "connectionSpecification", json_object_get(json_member(spec,
                                                                               "connectionSpecification")));
        out_value(&out, "documentationUrl", json_object_get(json_member(spec, "documentationUrl")));
        if (json_member(spec, "supported_destination_sync_modes"))
                out_value(&out, "supportedDestinationSyncModes",
                          json_object_get(json_member(spec, "supported_destination_sync_modes")));
        if (json_member(spec, "advanced_auth"))
                out_value(&out, "advancedAuth", json_object_get(json_member(spec, "advanced_auth")));
        return out_take(&out, ret);
}

int config_view_actor(Call *c, const Actor *a, JsonObject **ret) {
        bool is_source = a->role == ACTOR_SOURCE;
        _cleanup_(definition_freep) Definition *d = NULL;
        JsonObject *configuration = NULL;
        _cleanup_out_ Out out = out_object();
        int r = definition_store_get(c->server->db, a->definition_id, &d, &c->error);

        if (r >= 0)
                r = configuration_mask(a->configuration, &configuration);
        if (r < 0)
                return r;
        out_string(&out, is_source ? "sourceId" : "destinationId", a->id);
        out_string(&out, is_source ? "sourceDefinitionId" : "destinationDefinitionId", a->definition_id);
        out_string(&out, "workspaceId", a->workspace_id);
        out_value(&out, "connectionConfiguration", configuration);
        out_string(&out, "name", a->name);
        out_string(&out, is_source ? "sourceName" : "destinationName", d->name);
        /* It keeps another version than its definition has: there is one to upgrade to. */
        out_bool(&out, "isVersionOverrideApplied",
                 a->version_pin && !streq_ptr(a->version_pin, d->docker_image_tag));
        out_string(&out, "supportState", "supported");
        out_string(&out, "status", "active");
        out_seconds(&out, "createdAt", a->created_at);
        return out_take(&out, ret);
}

static int view_sync_modes(const AirbyteStream *s, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        int r = list ? 0 : -ENOMEM;

        if (r >= 0 && s->supports_full_refresh)
                r = out_append(list, json_object_new_string("full_refresh"));
        if (r >= 0 && s->supports_incremental)
                r = out_append(list, json_object_new_string("incremental"));
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

static int view_stream(const AirbyteStream *s, JsonObject **ret) {
        JsonObject *modes = NULL;
        _cleanup_out_ Out out = out_object();
        int r = view_sync_modes(s, &modes);

        out_string(&out, "name", s->name);
        out_string(&out, "namespace", s->namespace);
        out_value(&out, "jsonSchema", json_object_get(s->json_schema));
        out_value(&out, "supportedSyncModes", modes);
        out_bool(&out, "sourceDefinedCursor", s->source_defined_cursor);
        out_value(&out, "defaultCursorField", field_path_to_json(s->default_cursor_field));
        out_value(&out, "sourceDefinedPrimaryKey", field_paths_to_json(s->source_defined_primary_key));
        out_bool(&out, "isResumable", s->is_resumable);
        return r < 0 ? r : out_take(&out, ret);
}

static int view_config(const AirbyteStream *s, JsonObject *configured, JsonObject **ret) {
        JsonObject *mode = json_member(configured, "syncMode"), *selected = json_member(configured,
                                                                                        "selectedFields");
        PublicSyncMode m = json_object_is_type(mode, json_type_string) ?
                public_sync_mode_from_string(json_object_get_string(mode)) : PUBLIC_FULL_REFRESH_OVERWRITE;
        _cleanup_out_ Out out = out_object();

        if (m < 0)
                m = PUBLIC_FULL_REFRESH_OVERWRITE;
        out_bool(&out, "selected", configured);
        out_string(&out, "aliasName", s->name);
        out_string(&out, "syncMode", sync_mode_to_string(public_sync_mode_source(m)));
        out_string(&out, "destinationSyncMode",
                   destination_sync_mode_to_string(public_sync_mode_destination(m)));
        out_value(&out, "cursorField", json_member(configured, "cursorField") ?
                  json_object_get(json_member(configured,
                                              "cursorField")) : field_path_to_json(s->default_cursor_field));
        out_value(&out, "primaryKey", json_member(configured, "primaryKey") ?
                  json_object_get(json_member(configured, "primaryKey")) :
                  field_paths_to_json(s->source_defined_primary_key));
        out_bool(&out, "fieldSelectionEnabled", selected && json_object_array_length(selected) > 0);
        out_value(&out, "selectedFields", selected ? json_object_get(selected) : json_object_new_array());
        if (json_member(configured, "mappers"))
                out_value(&out, "mappers", json_object_get(json_member(configured, "mappers")));
        return out_take(&out, ret);
}

static JsonObject *find_configured(JsonObject *streams, const AirbyteStream *s) {
        for (size_t i = 0; streams && i < json_object_array_length(streams); i++) {
                JsonObject *o = json_object_array_get_idx(streams, i), *namespace = json_member(o,
                                                                                                "namespace");

                if (streq(json_object_get_string(json_member(o, "name")), s->name) &&
                    streq(namespace ? json_object_get_string(namespace) : "", strempty(s->namespace)))
                        return o;
        }
        return NULL;
}

int config_view_catalog(const Catalog *catalog, JsonObject *configured, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        JsonObject *streams = json_member(configured, "streams");
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < catalog->n_streams; i++) {
                const AirbyteStream *s = catalog->streams + i;
                JsonObject *stream = NULL, *config = NULL, *both = NULL;
                Out out = out_object();

                r = view_stream(s, &stream);
                if (r >= 0)
                        r = view_config(s, find_configured(streams, s), &config);
                out_value(&out, "stream", stream);
                out_value(&out, "config", config);
                if (r >= 0)
                        r = out_take(&out, &both);
                else
                        out_done(&out);
                if (r >= 0)
                        r = out_append(list, both);
        }
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        return *ret ? json_add(*ret, "streams", TAKE_PTR(list)) : -ENOMEM;
}

/* `catalog` NULL: the one that the connection goes by. */
static int view_sync_catalog(Call *c, const Connection *connection, const Catalog *catalog, JsonObject **ret) {
        _cleanup_catalog_ Catalog *own = NULL;
        _cleanup_json_ JsonObject *configured = NULL;
        int r = catalog ? 0 : connection_schema_base(c, connection, &own);

        if (r == -ENOENT) {
                error_free(TAKE_PTR(c->error));
                return json_parse("{\"streams\":[]}", 14, ret, NULL);
        }
        if (r >= 0 && connection->catalog)
                r = json_parse(connection->catalog, strlen(connection->catalog), &configured, NULL);
        if (r >= 0)
                r = mapper_secrets_mask(configured);
        return r < 0 ? r : config_view_catalog(catalog ?: own, configured, ret);
}

static void view_schedule(const Connection *connection, Out *out) {
        Out data = out_object();
        JsonObject *o = NULL;

        out_string(out, "scheduleType", schedule_type_to_string(connection->schedule_type));
        if (connection->schedule_type == SCHEDULE_MANUAL) {
                out_done(&data);
                return;
        }
        out_json(&data, connection->schedule_type == SCHEDULE_CRON ? "cron" : "basicSchedule",
                 connection->schedule_data);
        if (out_take(&data, &o) >= 0)
                out_value(out, "scheduleData", o);
        if (connection->schedule_type == SCHEDULE_BASIC)
                out_json(out, "schedule", connection->schedule_data);
}

int config_view_connection(Call *c, const Connection *connection, const Catalog *found, JsonObject **ret) {
        JsonObject *catalog = NULL, *tags = NULL, *public = NULL;
        _cleanup_out_ Out out = out_object();
        int r = view_sync_catalog(c, connection, found, &catalog);

        if (r >= 0)
                r = connection_view(c, connection, &public);
        if (r < 0) {
                json_object_put(catalog);
                return r;
        }
        tags = json_object_get(json_member(public, "tags"));
        json_object_put(public);
        out_string(&out, "connectionId", connection->id);
        out_string(&out, "name", connection->name);
        out_string(&out, "namespaceDefinition", connection->namespace_definition == NAMESPACE_CUSTOM_FORMAT ?
                   "customformat" : namespace_definition_to_string(connection->namespace_definition));
        out_string(&out, "namespaceFormat", connection->namespace_format);
        out_string(&out, "prefix", strempty(connection->prefix));
        out_string(&out, "sourceId", connection->source_id);
        out_string(&out, "destinationId", connection->destination_id);
        out_string(&out, "workspaceId", connection->workspace_id);
        out_value(&out, "operationIds", json_object_new_array());
        out_value(&out, "syncCatalog", catalog);
        view_schedule(connection, &out);
        out_string(&out, "status", connection_status_to_string(connection->status));
        out_string(&out, "statusReason", connection->status_reason);
        out_string(&out, "sourceCatalogId", connection->source_catalog_id);
        out_string(&out, "geography", connection->data_residency ?: "auto");
        out_bool(&out, "breakingChange", connection->breaking_change);
        out_bool(&out, "notifySchemaChanges", connection->notify_schema_changes);
        out_bool(&out, "notifySchemaChangesByEmail", connection->notify_schema_changes_by_email);
        out_string(&out, "nonBreakingChangesPreference",
                   non_breaking_preference_to_string(connection->non_breaking_preference));
        out_string(&out, "backfillPreference", connection->backfill ? "enabled" : "disabled");
        out_seconds(&out, "createdAt", connection->created_at);
        out_value(&out, "tags", tags);
        return out_take(&out, ret);
}

int config_view_job(const Job *j, JsonObject **ret) {
        _cleanup_out_ Out out = out_object(), stats = out_object();
        JsonObject *o = NULL;
        int r;

        out_i64(&out, "id", j->id);
        out_string(&out, "configType", j->type == JOB_RESET ? "reset_connection" :
                   job_type_to_string(j->type));
        out_string(&out, "configId", j->connection_id);
        out_value(&out, "enabledStreams", json_object_new_array());
        out_seconds(&out, "createdAt", j->created_at);
        out_seconds(&out, "updatedAt", j->updated_at);
        out_seconds(&out, "startedAt", j->started_at);
        out_string(&out, "status", job_status_to_string(j->status));
        out_i64(&stats, "recordsCommitted", j->records_committed);
        out_i64(&stats, "bytesCommitted", j->bytes_committed);
        r = out_take(&stats, &o);
        out_value(&out, "aggregatedStats", o);
        return r < 0 ? r : out_take(&out, ret);
}

static int view_attempt(Call *c, Attempt *a, JsonObject **ret) {
        _cleanup_json_ JsonObject *told = job_progress_add_attempt(c->server, a);
        _cleanup_out_ Out out = out_object(), stats = out_object();
        JsonObject *o = NULL, *streams = NULL;
        int r = told ? job_progress_view(told, JOB_PROGRESS_NESTED, &streams) : 0;

        if (r < 0)
                return r;

        out_i64(&out, "id", a->number);
        out_string(&out, "status", attempt_status_to_string(a->status));
        out_seconds(&out, "createdAt", a->created_at);
        out_seconds(&out, "updatedAt", a->updated_at);
        out_seconds(&out, "endedAt", a->ended_at);
        out_i64(&out, "bytesSynced", a->bytes_committed);
        out_i64(&out, "recordsSynced", a->records_committed);
        out_json(&out, "failureSummary", a->failure);
        out_i64(&stats, "recordsEmitted", a->records_emitted);
        out_i64(&stats, "bytesEmitted", a->bytes_emitted);
        out_i64(&stats, "recordsCommitted", a->records_committed);
        out_i64(&stats, "bytesCommitted", a->bytes_committed);
        r = out_take(&stats, &o);
        out_value(&out, "totalStats", o);
        if (streams)
                out_value(&out, "streamStats", streams);
        return r < 0 ? r : out_take(&out, ret);
}

/* "level message" of each line, as old clients print them. */
static int view_lines(JsonObject *lines, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && lines && i < json_object_array_length(lines); i++) {
                JsonObject *line = json_object_array_get_idx(lines, i);
                JsonObject *message = json_member(line, "message");

                if (json_object_is_type(message, json_type_string))
                        r = out_append(list, json_object_get(message));
        }
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        return *ret ? json_add(*ret, "logLines", TAKE_PTR(list)) : -ENOMEM;
}

int config_view_attempts(Call *c, const Job *j, JsonObject *last_lines, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        AttemptArray attempts = {};
        int r = attempt_store_list(c->server->db, j->id, &attempts, &c->error);

        for (size_t i = 0; r >= 0 && i < attempts.n; i++) {
                JsonObject *attempt = NULL, *logs = NULL, *both = NULL;
                Out out = out_object();

                r = view_attempt(c, attempts.items[i], &attempt);
                if (r >= 0)
                        r = view_lines(i + 1 == attempts.n ? last_lines : NULL, &logs);
                out_value(&out, "attempt", attempt);
                out_string(&out, "logType", "formatted");
                out_value(&out, "logs", logs);
                if (r >= 0)
                        r = out_take(&out, &both);
                else
                        out_done(&out);
                if (r >= 0)
                        r = out_append(list, both);
        }
        attempt_array_done(&attempts);
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}
