/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /streams of the public API: what a source offers and how it can be moved.
 *
 * A discover may have to run for this, so nearly every answer comes later; what the destination can do is
 * read before, and waits with it (Wish). A mode is shown when it can be chosen, keys and cursors left
 * aside: those are the client's to name. */

#include "server/actor-run.h"
#include "server/api.h"
#include "server/routes-streams.h"
#include "worker/sync-mode.h"

typedef struct Wish {
        ConnectorSpec *destination; /* NULL: what any destination can do */
} Wish;

static void wish_free(void *p) {
        Wish *w = p;

        connector_spec_free(w->destination);
        free(w);
}

/* A mode is possible when it can be chosen for this stream as it is; of dedup without a source's key the
 * user can give one. */
static bool is_possible(const AirbyteStream *s, const ConnectorSpec *destination, PublicSyncMode mode) {
        SyncMode from = public_sync_mode_source(mode);
        DestinationSyncMode to = public_sync_mode_destination(mode);

        if (from == SYNC_MODE_INCREMENTAL ? !s->supports_incremental : !s->supports_full_refresh)
                return false;
        if (!destination || !destination->lists_destination_sync_modes)
                return to == DESTINATION_SYNC_MODE_APPEND || to == DESTINATION_SYNC_MODE_OVERWRITE ||
                        (!destination && to == DESTINATION_SYNC_MODE_APPEND_DEDUP);
        return destination->supported_destination_sync_modes[to];
}

static int view_modes(const AirbyteStream *s, const ConnectorSpec *destination, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        int r = list ? 0 : -ENOMEM;

        for (PublicSyncMode m = 0; r >= 0 && m < _PUBLIC_SYNC_MODE_MAX; m++)
                if (is_possible(s, destination, m))
                        r = out_append(list, json_object_new_string(public_sync_mode_to_string(m)));
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

/* Top-level fields, each as a path. */
static int view_fields(const AirbyteStream *s, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        JsonObject *properties = json_member(s->json_schema, "properties");
        int r = list ? 0 : -ENOMEM;

        if (r < 0 || !json_object_is_type(properties, json_type_object)) {
                if (r >= 0)
                        *ret = TAKE_PTR(list);
                return r;
        }
        json_object_object_foreach(properties, key, value) {
                JsonObject *path = json_object_new_array();

                (void) value;
                r = out_append(path, json_object_new_string(key));
                if (r >= 0)
                        r = out_append(list, TAKE_PTR(path));
                json_object_put(path);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

static int view_stream(const AirbyteStream *s, const ConnectorSpec *destination, JsonObject **ret) {
        JsonObject *modes = NULL, *properties = NULL;
        _cleanup_out_ Out out = out_object();
        int r = view_modes(s, destination, &modes);

        if (r >= 0)
                r = view_fields(s, &properties);
        out_string(&out, "streamName", s->name);
        /* Airbyte's spelling. */
        out_string(&out, "streamnamespace", s->namespace);
        out_value(&out, "syncModes", modes);
        out_value(&out, "defaultCursorField", field_path_to_json(s->default_cursor_field));
        out_bool(&out, "sourceDefinedCursorField", s->source_defined_cursor);
        out_value(&out, "sourceDefinedPrimaryKey", field_paths_to_json(s->source_defined_primary_key));
        out_value(&out, "propertyFields", properties);
        return r < 0 ? r : out_take(&out, ret);
}

static int view(Call *c, const Discovered *d, void *userdata, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        Wish *w = userdata;
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < d->catalog->n_streams; i++) {
                JsonObject *o = NULL;

                r = view_stream(d->catalog->streams + i, w->destination, &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

/* May be CALL_LATER. */
static int read_destination(Call *c, const char *id, ConnectorSpec **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        int r = actor_service_get(c, ACTOR_DESTINATION, id, ROLE_READER, &a);

        if (r >= 0)
                r = definition_store_get_version(c->server->db, a->definition_id, a->version_pin, &d, &c->error);
        if (r >= 0)
                r = definition_service_require_spec(c, d);
        if (r != 0)
                return r;
        return connector_spec_from_text(d->spec, ret, &c->error);
}

static int list(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *source_id = http_request_query(q, "sourceId");
        const char *destination_id = http_request_query(q, "destinationId");
        bool ignore_cache = false;
        Wish *w;
        int r = api_query_bool(c, q, "ignoreCache", &ignore_cache);

        if (r < 0)
                return r;
        if (!source_id)
                return call_fail(c, -EINVAL, NULL, "'sourceId' is needed");
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        r = destination_id ? read_destination(c, destination_id, &w->destination) : 0;
        if (r != 0) {
                wish_free(w);
                return r;
        }
        return actor_run_discover(c, source_id, ignore_cache, view, w, wish_free);
}

static const ApiRoute routes_streams_rows[] = {
        { "GET", "/api/public/v1/streams", list, .id = "getStreamProperties", .tag = "Streams",
          .response = "StreamPropertiesResponse", .query = "sourceId destinationId ignoreCache" },
};
API_TABLE(routes_streams);
