/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the configuration API (contracts of Airbyte's own user interface, not of its public API) says
 * about a source's schema. Both answers may have to wait for a connector that runs, so nothing that was
 * read before is used after: what is handed over is a copy of the connection's id, and the connection is
 * read again, with the caller's rights looked at again, since it may have changed or be gone.
 *
 * A refreshed catalog always asks the source itself, never the cache; the answer's catalogId and
 * sourceCatalogId are then what was found, not what the connection was saved with. Without connectionId
 * there is nothing to differ from, and breakingChange is false. */

#include "server/actor-run.h"
#include "server/body.h"
#include "server/config-view.h"
#include "server/connection-schema.h"
#include "server/out.h"
#include "server/routes-config-schema.h"

/* {"catalogDiff", "breakingChange", "connectionStatus"} of a connection whose source has been asked. */
static int add_difference(Call *c, const Connection *connection, const Catalog *found, JsonObject *o) {
        JsonObject *diff = NULL;
        bool breaking = false;
        int r;

        r = connection_schema_compare(c, connection, found, &diff, &breaking);
        if (r >= 0)
                r = json_add(o, "catalogDiff", diff);
        if (r >= 0)
                r = json_add(o, "breakingChange", json_object_new_boolean(breaking));
        return r < 0 ? r : json_add_string(o, "connectionStatus", connection_status_to_string(connection->status));
}

/* Airbyte's clients look at whether it has succeeded; a discover that failed is an error here. */
static int view_job(const Discovered *d, JsonObject **ret) {
        _cleanup_out_ Out out = out_object(), logs = out_object();
        JsonObject *o = NULL;
        int r;

        out_string(&out, "id", d->fetch->id);
        out_string(&out, "configType", "discover_schema");
        out_string(&out, "configId", d->source->id);
        out_seconds(&out, "createdAt", d->fetch->created_at);
        out_seconds(&out, "endedAt", d->fetch->created_at);
        out_bool(&out, "succeeded", true);
        out_value(&logs, "logLines", json_object_new_array());
        r = out_take(&logs, &o);
        out_value(&out, "logs", o);
        return r < 0 ? r : out_take(&out, ret);
}

/* `userdata`: the connection's id or NULL. */
static int view_discovered(Call *c, const Discovered *d, void *userdata, JsonObject **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        JsonObject *catalog = NULL, *job = NULL;
        _cleanup_out_ Out out = out_object();
        int r;

        r = config_view_catalog(d->catalog, NULL, &catalog);
        out_value(&out, "catalog", catalog);
        if (r >= 0)
                r = view_job(d, &job);
        out_value(&out, "jobInfo", job);
        out_string(&out, "catalogId", d->fetch->id);
        out_bool(&out, "breakingChange", false);
        if (r >= 0)
                r = out_take(&out, &o);
        if (r >= 0 && userdata)
                r = connection_service_get(c, userdata, ROLE_READER, &connection);
        if (r >= 0 && connection)
                r = add_difference(c, connection, d->catalog, o);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int copy_id(const char *id, char **ret) {
        *ret = id ? strdup(id) : NULL;
        return id && !*ret ? -ENOMEM : 0;
}

/* With "connectionId" also how the connection differs from what was found. */
static int discover(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        const char *id, *connection_id = NULL;
        bool ignore_cache = false;
        char *copy = NULL;
        int r = body_need_string(c, c->body, "sourceId", &id);

        if (r >= 0)
                r = body_bool(c, c->body, "disable_cache", &ignore_cache);
        if (r >= 0)
                r = body_string(c, c->body, "connectionId", &connection_id);
        if (r > 0)
                r = connection_service_get(c, connection_id, ROLE_READER, &connection);
        if (r >= 0 && connection && !streq(connection->source_id, id))
                r = call_fail(c, -EINVAL, NULL, "The connection has another source");
        if (r >= 0)
                r = copy_id(connection_id, &copy);
        return r < 0 ? r : actor_run_discover(c, id, ignore_cache, view_discovered, copy, free);
}

/* What the web_backend's answers have beyond the connection. */
static int add_change(Call *c, const Connection *connection, JsonObject *o) {
        const char *change;
        int r = connection_schema_change(c, connection, &change);

        if (r >= 0)
                r = json_add_string(o, "schemaChange", change);
        if (r >= 0 && connection->source_catalog_id)
                r = json_add_string(o, "catalogId", connection->source_catalog_id);
        return r;
}

/* The streams that the source has now, with what is configured of them: to be changed and sent back. */
static int view_refreshed(Call *c, const Discovered *d, void *userdata, JsonObject **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = connection_service_get(c, userdata, ROLE_READER, &connection);
        if (r >= 0)
                r = config_view_connection(c, connection, d->catalog, &o);
        if (r >= 0)
                r = add_change(c, connection, o);
        if (r >= 0)
                r = add_difference(c, connection, d->catalog, o);
        if (r >= 0)
                r = json_add_string(o, "catalogId", d->fetch->id);
        if (r >= 0)
                r = json_add_string(o, "sourceCatalogId", d->fetch->id);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int get_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        bool refresh = false;
        char *copy = NULL;
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        if (r >= 0)
                r = body_bool(c, c->body, "withRefreshedCatalog", &refresh);
        if (r >= 0)
                r = connection_service_get(c, id, ROLE_READER, &connection);
        if (r >= 0 && refresh)
                r = copy_id(id, &copy);
        if (r >= 0 && refresh)
                return actor_run_discover(c, connection->source_id, /* ignore_cache= */ true, view_refreshed, copy,
                                          free);
        if (r >= 0)
                r = connection_show_edition_with_schemas(c, connection);
        if (r >= 0)
                r = config_view_connection(c, connection, NULL, &o);
        if (r >= 0)
                r = add_change(c, connection, o);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

#define ROW(path_, handler_) { "POST", "/api/v1/" path_, handler_, API_CONFIG | API_OPTIONAL_BODY | API_HIDDEN }

static const ApiRoute routes_config_schema_rows[] = {
        ROW("sources/discover_schema", discover),
        ROW("web_backend/connections/get", get_connection),
};
API_TABLE(routes_config_schema);
