/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The server has checked an entry against the catalog of its day before it stored it. Here it is read again, maybe
 * years later and against another catalog: what isn't there any more is passed over, what was left out is the
 * source's own, and whether the whole can still be done is the plan's question. */

#include "worker/stream-selection.h"

void sync_mode_wish_done(SyncModeWish *w) {
        strv_free(w->cursor_field);
        field_paths_free(w->primary_key);
}

static int read_path(JsonObject *array, const char *what, FieldPath *ret, Error **reterr_error) {
        _cleanup_strv_ char **path = NULL;

        if (!json_object_is_type(array, json_type_array))
                return error_set(reterr_error, -EINVAL, "%s is not a list", what);
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                JsonObject *part = json_object_array_get_idx(array, i);

                if (!json_object_is_type(part, json_type_string))
                        return error_set(reterr_error, -EINVAL, "%s is not a list of names", what);
                if (strv_extend(&path, json_object_get_string(part)) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(path);
        return 0;
}

static int read_primary_key(JsonObject *array, FieldPath **ret, Error **reterr_error) {
        size_t n = json_object_array_length(array);
        FieldPath *paths;
        int r = 0;

        if (n == 0)
                return 0;
        paths = calloc(n + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = read_path(json_object_array_get_idx(array, i), "primaryKey", paths + i, reterr_error);
        if (r < 0) {
                field_paths_free(paths);
                return r;
        }
        *ret = paths;
        return 0;
}

int sync_mode_wish_from_json(JsonObject *o, SyncModeWish *ret, Error **reterr_error) {
        JsonObject *cursor = NULL, *key = NULL;
        const char *mode = NULL;
        int r;

        ret->mode = _PUBLIC_SYNC_MODE_INVALID;
        if ((r = json_get_string(o, "syncMode", &mode, "The selection", reterr_error)) < 0 ||
            (r = json_get_array(o, "cursorField", &cursor, "The selection", reterr_error)) < 0 ||
            (r = json_get_array(o, "primaryKey", &key, "The selection", reterr_error)) < 0)
                return r;
        if (mode) {
                ret->mode = public_sync_mode_from_string(mode);
                if (ret->mode < 0)
                        return error_set(reterr_error, -EINVAL, "'%s' is no sync mode", mode);
        }
        r = 0;
        if (cursor && json_object_array_length(cursor) > 0)
                r = read_path(cursor, "cursorField", &ret->cursor_field, reterr_error);
        if (r >= 0 && key)
                r = read_primary_key(key, &ret->primary_key, reterr_error);
        return r;
}

int stream_selection_fields(JsonObject *o, char ***ret, Error **reterr_error) {
        _cleanup_strv_ char **selected = NULL;
        JsonObject *fields = NULL;
        int r;

        r = json_get_array(o, "selectedFields", &fields, "The selection", reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; r > 0 && i < json_object_array_length(fields); i++) {
                _cleanup_strv_ char **path = NULL;
                int k;

                k = read_path(json_member(json_object_array_get_idx(fields, i), "fieldPath"), "fieldPath", &path,
                              reterr_error);
                if (k >= 0 && path)
                        k = strv_extend(&selected, path[0]);
                if (k < 0)
                        return k;
        }
        *ret = TAKE_PTR(selected);
        return 0;
}

int stream_selection_name(JsonObject *o, const char **ret_namespace, const char **ret_name, Error **reterr_error) {
        int r;

        *ret_namespace = *ret_name = NULL;
        r = json_get_string(o, "name", ret_name, "The stream", reterr_error);
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "A stream has no 'name'");
        if (r < 0)
                return r;
        return json_get_string(o, "namespace", ret_namespace, "The stream", reterr_error);
}

bool stream_selection_is_everything(JsonObject *configurations) {
        JsonObject *streams = json_member(configurations, "streams");

        return !streams || (json_object_is_type(streams, json_type_array) && json_object_array_length(streams) == 0);
}

static int configure(JsonObject *o, const AirbyteStream *stream, ConfiguredStream *ret, Error **reterr_error) {
        _cleanup_(sync_mode_wish_done) SyncModeWish wish = {};
        _cleanup_(configured_stream_done) ConfiguredStream s = {};
        FieldPath *key;
        FieldPath cursor;
        int r;

        r = sync_mode_wish_from_json(o, &wish, reterr_error);
        if (r < 0)
                return r;
        s.stream.name = strdup(stream->name);
        s.stream.namespace = stream->namespace ? strdup(stream->namespace) : NULL;
        if (!s.stream.name || !s.stream.namespace != !stream->namespace)
                return -ENOMEM;
        if (wish.mode >= 0) {
                s.sync_mode = public_sync_mode_source(wish.mode);
                s.destination_sync_mode = public_sync_mode_destination(wish.mode);
        }
        cursor = wish.cursor_field ?: stream->default_cursor_field;
        key = wish.primary_key ?: stream->source_defined_primary_key;
        s.cursor_field = cursor ? strv_copy(cursor) : NULL;
        s.primary_key = key ? field_paths_copy(key) : NULL;
        if (!s.cursor_field != !cursor || !s.primary_key != !key)
                return -ENOMEM;
        *ret = s;
        s = (ConfiguredStream) {};
        return 0;
}

int stream_selection_configure(JsonObject *configurations, const Catalog *catalog, ConfiguredCatalog **ret,
                               Error **reterr_error) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = calloc(1, sizeof(*c));
        JsonObject *streams = NULL;
        size_t n;
        int r;

        r = c ? json_get_array(configurations, "streams", &streams, "The selection", reterr_error) : -ENOMEM;
        if (r < 0)
                return r;
        n = streams ? json_object_array_length(streams) : 0;
        c->streams = calloc(n + 1, sizeof(*c->streams));
        if (!c->streams)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                JsonObject *o = json_object_array_get_idx(streams, i);
                const char *namespace, *name;
                const AirbyteStream *stream;

                r = stream_selection_name(o, &namespace, &name, reterr_error);
                if (r < 0)
                        return r;
                stream = catalog_find(catalog, namespace, name);
                if (!stream)
                        continue;
                r = configure(o, stream, c->streams + c->n_streams, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "Stream '%s'", name);
                c->n_streams++;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

/* NULL from the function that made the value is want of memory. */
static int add_made(JsonObject *o, const char *key, JsonObject *value) {
        return value ? json_add(o, key, value) : -ENOMEM;
}

int stream_selection_from_configured(const ConfiguredStream *s, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        r = o ? json_add_string(o, "name", s->stream.name) : -ENOMEM;
        if (r >= 0 && s->stream.namespace)
                r = json_add_string(o, "namespace", s->stream.namespace);
        if (r >= 0)
                r = json_add_string(o, "syncMode", public_sync_mode_to_string(public_sync_mode_of(
                                                           s->sync_mode, s->destination_sync_mode)));
        if (r >= 0)
                r = add_made(o, "cursorField", field_path_to_json(s->cursor_field));
        if (r >= 0)
                r = add_made(o, "primaryKey", field_paths_to_json(s->primary_key));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
