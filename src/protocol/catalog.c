/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Catalogs from JSON and back. Each stream keeps, beside the members that we read, the whole object as it
 * came (`raw`), and writing starts from that: a member of a newer protocol, the order of the members and
 * the form of numbers survive a catalog that only passes through. A member is written again only where
 * its value differs from what came in, so that an absent one does not turn into `false` or an empty list.
 *
 * What a configured stream leaves to the source (cursor, primary key) is filled in while reading.
 * Everybody behind this file may rely on it: an incremental stream without a source-defined cursor has
 * `cursor_field`, a deduplicated one has `primary_key`. */

#include "basic/hashmap.h"
#include "basic/string-table.h"
#include "protocol/catalog.h"

static const char *const sync_mode_table[_SYNC_MODE_MAX] = {
        [SYNC_MODE_FULL_REFRESH] = "full_refresh",
        [SYNC_MODE_INCREMENTAL] = "incremental",
};

static const char *const destination_sync_mode_table[_DESTINATION_SYNC_MODE_MAX] = {
        [DESTINATION_SYNC_MODE_APPEND] = "append",
        [DESTINATION_SYNC_MODE_OVERWRITE] = "overwrite",
        [DESTINATION_SYNC_MODE_APPEND_DEDUP] = "append_dedup",
        [DESTINATION_SYNC_MODE_UPDATE] = "update",
        [DESTINATION_SYNC_MODE_SOFT_DELETE] = "soft_delete",
        [DESTINATION_SYNC_MODE_OVERWRITE_DEDUP] = "overwrite_dedup",
};

DEFINE_STRING_TABLE_LOOKUP(sync_mode, SyncMode)

DEFINE_STRING_TABLE_LOOKUP(destination_sync_mode, DestinationSyncMode)

FieldPath *field_paths_free(FieldPath *paths) {
        for (FieldPath *p = paths; p && *p; p++)
                strv_free(*p);
        free(paths);
        return NULL;
}
DEFINE_CLEANUP(FieldPath, field_paths_free);

size_t field_paths_length(FieldPath *paths) {
        size_t n = 0;

        while (paths && paths[n])
                n++;
        return n;
}

bool field_paths_equal(FieldPath *a, FieldPath *b) {
        size_t n = field_paths_length(a);

        if (n != field_paths_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!strv_equal(a[i], b[i]))
                        return false;
        return true;
}

FieldPath *field_paths_copy(FieldPath *paths) {
        size_t n = field_paths_length(paths);
        _cleanup_(field_paths_freep) FieldPath *copy = calloc(n + 1, sizeof(FieldPath));

        if (!copy)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                copy[i] = strv_copy(paths[i]);
                if (!copy[i])
                        return NULL;
        }
        return TAKE_PTR(copy);
}

void airbyte_stream_done(AirbyteStream *s) {
        free(s->name);
        free(s->namespace);
        json_putp(&s->json_schema);
        strv_free(s->default_cursor_field);
        field_paths_free(s->source_defined_primary_key);
        json_putp(&s->raw);
        *s = (AirbyteStream) {};
}

int airbyte_stream_copy(const AirbyteStream *s, AirbyteStream *ret) {
        _cleanup_(airbyte_stream_done) AirbyteStream copy = {
                .supports_full_refresh = s->supports_full_refresh,
                .supports_incremental = s->supports_incremental,
                .source_defined_cursor = s->source_defined_cursor,
                .is_resumable = s->is_resumable,
                .is_file_based = s->is_file_based,
        };

        copy.name = s->name ? strdup(s->name) : NULL;
        copy.namespace = s->namespace ? strdup(s->namespace) : NULL;
        /* The schema is what mappers and field selection change: it must be the copy's own. */
        copy.json_schema = json_clone(s->json_schema);
        copy.default_cursor_field = s->default_cursor_field ? strv_copy(s->default_cursor_field) : NULL;
        copy.source_defined_primary_key =
                s->source_defined_primary_key ? field_paths_copy(s->source_defined_primary_key) : NULL;
        copy.raw = s->raw ? json_object_get(s->raw) : NULL;
        if (!copy.name != !s->name || !copy.namespace != !s->namespace ||
            !copy.json_schema != !s->json_schema ||
            !copy.default_cursor_field != !s->default_cursor_field ||
            !copy.source_defined_primary_key != !s->source_defined_primary_key)
                return -ENOMEM;
        *ret = copy;
        copy = (AirbyteStream) {};
        return 0;
}

void configured_stream_done(ConfiguredStream *s) {
        airbyte_stream_done(&s->stream);
        strv_free(s->cursor_field);
        field_paths_free(s->primary_key);
        json_putp(&s->raw);
        *s = (ConfiguredStream) {};
}

Catalog *catalog_free(Catalog *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_streams; i++)
                airbyte_stream_done(&c->streams[i]);
        free(c->streams);
        free(c);
        return NULL;
}

ConfiguredCatalog *configured_catalog_free(ConfiguredCatalog *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_streams; i++)
                configured_stream_done(&c->streams[i]);
        free(c->streams);
        free(c);
        return NULL;
}

/* A copy of a string member. 1, 0 absent, -EINVAL. */
static int get_name(JsonObject *o, const char *key, char **ret, const char *what, Error **reterr_error) {
        const char *s = NULL;
        int r;

        r = json_get_string(o, key, &s, what, reterr_error);
        if (r <= 0)
                return r;
        *ret = strdup(s);
        return *ret ? 1 : -ENOMEM;
}

/* A list of paths, each a list of keys. Empty paths, which some sources write for "no key", are left out. */
static int get_field_paths(JsonObject *o, const char *key, FieldPath **ret, const char *what,
                           Error **reterr_error) {
        _cleanup_(field_paths_freep) FieldPath *paths = NULL;
        JsonObject *array = NULL;
        size_t n = 0;
        int r;

        r = json_get_array(o, key, &array, what, reterr_error);
        if (r <= 0)
                return r;
        paths = calloc(json_object_array_length(array) + 1, sizeof(FieldPath));
        if (!paths)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                JsonObject *path = json_object_array_get_idx(array, i);

                if (!json_object_is_type(path, json_type_array))
                        return error_set(reterr_error, -EINVAL,
                                         "%s: '%s' is not a list of paths, such as [[\"id\"]]",
                                         what, key);
                for (size_t k = 0; k < json_object_array_length(path); k++) {
                        JsonObject *name = json_object_array_get_idx(path, k);

                        if (!json_object_is_type(name, json_type_string))
                                return error_set(reterr_error, -EINVAL,
                                                 "%s: '%s' holds a path with something that is not a string", what,
                                                 key);
                        r = strv_extend(&paths[n], json_object_get_string(name));
                        if (r < 0)
                                return r;
                }
                if (paths[n])
                        n++;
        }
        if (n > 0)
                *ret = TAKE_PTR(paths);
        return 1;
}

/* Modes that we don't know are passed over: a newer protocol may have more. One that we know must be
 * there. */
static int get_supported_modes(JsonObject *o, AirbyteStream *s, const char *what, Error **reterr_error) {
        _cleanup_strv_ char **modes = NULL;
        int r;

        r = json_get_strv(o, "supported_sync_modes", &modes, what, reterr_error);
        if (r < 0)
                return r;
        s->supports_full_refresh = strv_contains(modes, "full_refresh");
        s->supports_incremental = strv_contains(modes, "incremental");
        if (!s->supports_full_refresh && !s->supports_incremental)
                return error_set(reterr_error, -EINVAL,
                                 "%s: 'supported_sync_modes' names neither full_refresh nor incremental", what);
        return 0;
}

/* What errors call a stream: its name where it has one, else its place. */
static char *stream_label(JsonObject *o, size_t i) {
        JsonObject *name = json_member(o, "name"), *namespace = json_member(o, "namespace");
        _cleanup_buffer_ Buffer b = {};
        int r;

        if (!json_object_is_type(name, json_type_string))
                r = buffer_appendf(&b, "Stream number %zu", i + 1);
        else if (json_object_is_type(namespace, json_type_string) &&
                 json_object_get_string_len(namespace) > 0)
                r = buffer_appendf(&b, "Stream '%s' of namespace '%s'", json_object_get_string(name),
                                   json_object_get_string(namespace));
        else
                r = buffer_appendf(&b, "Stream '%s'", json_object_get_string(name));
        return r < 0 ? NULL : buffer_steal_string(&b);
}

/* Members that a source must give are checked here, those that only some modes need in complete_fields().
 */
static int airbyte_stream_from_json(JsonObject *o, const char *what, AirbyteStream *ret,
                                    Error **reterr_error) {
        _cleanup_(airbyte_stream_done) AirbyteStream s = {};
        JsonObject *schema = NULL;
        int r;

        r = get_name(o, "name", &s.name, what, reterr_error);
        if (r < 0)
                return r;
        if (r == 0 || !*s.name)
                return error_set(reterr_error, -EINVAL, "%s: 'name' is missing", what);
        if ((r = get_name(o, "namespace", &s.namespace, what, reterr_error)) < 0 ||
            (r = json_get_object(o, "json_schema", &schema, what, reterr_error)) < 0 ||
            (r = get_supported_modes(o, &s, what, reterr_error)) < 0 ||
            (r = json_get_bool(o, "source_defined_cursor", &s.source_defined_cursor, what,
                               reterr_error)) < 0 ||
            (r = json_get_strv(o, "default_cursor_field", &s.default_cursor_field, what,
                               reterr_error)) < 0 ||
            (r = get_field_paths(o, "source_defined_primary_key", &s.source_defined_primary_key, what,
                                 reterr_error)) < 0 ||
            (r = json_get_bool(o, "is_resumable", &s.is_resumable, what, reterr_error)) < 0 ||
            (r = json_get_bool(o, "is_file_based", &s.is_file_based, what, reterr_error)) < 0)
                return r;
        if (!schema)
                return error_set(reterr_error, -EINVAL, "%s: 'json_schema' is missing", what);
        s.json_schema = json_object_get(schema);
        s.raw = json_object_get(o);
        *ret = s;
        s = (AirbyteStream) {};
        return 0;
}

/* A mode that we do not know is an error here, unlike in `supported_sync_modes`: it was chosen, so
 * something must be done. */
static int get_mode(JsonObject *o, const char *key, int (*from_string)(const char *s), int *ret,
                    const char *what,
                    Error **reterr_error) {
        const char *word = NULL;
        int r;

        r = json_get_string(o, key, &word, what, reterr_error);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "%s: '%s' is missing", what, key);
        *ret = from_string(word);
        if (*ret < 0)
                return error_set(reterr_error, -EINVAL,
                                 "%s: '%s' is '%s', which is not a mode of the protocol", what,
                                 key, word);
        return 0;
}

static int sync_mode_number(const char *s) {
        return (int) sync_mode_from_string(s);
}

static int destination_sync_mode_number(const char *s) {
        return (int) destination_sync_mode_from_string(s);
}

static bool is_dedup(DestinationSyncMode m) {
        return m == DESTINATION_SYNC_MODE_APPEND_DEDUP || m == DESTINATION_SYNC_MODE_OVERWRITE_DEDUP;
}

/* Cursor and key: where the person named none, the source's own are filled in, so that readers look in
 * one place. */
static int complete_fields(ConfiguredStream *s, const char *what, Error **reterr_error) {
        if (s->sync_mode == SYNC_MODE_INCREMENTAL && !s->cursor_field) {
                if (s->stream.default_cursor_field) {
                        s->cursor_field = strv_copy(s->stream.default_cursor_field);
                        if (!s->cursor_field)
                                return -ENOMEM;
                } else if (!s->stream.source_defined_cursor)
                        return error_set(reterr_error, -EINVAL,
                                         "%s: 'cursor_field' is missing, and sync mode incremental needs one", what);
        }
        if (is_dedup(s->destination_sync_mode) && !s->primary_key) {
                if (!s->stream.source_defined_primary_key)
                        return error_set(reterr_error, -EINVAL,
                                         "%s: 'primary_key' is missing, and destination sync mode %s needs one", what,
                                         destination_sync_mode_to_string(s->destination_sync_mode));
                s->primary_key = field_paths_copy(s->stream.source_defined_primary_key);
                if (!s->primary_key)
                        return -ENOMEM;
        }
        return 0;
}

/* The three ids come together; a platform without refreshes sends none of them, or null. */
static int get_generation(JsonObject *o, ConfiguredStream *s, const char *what, Error **reterr_error) {
        int r;

        r = json_get_i64(o, "generation_id", &s->generation_id, what, reterr_error);
        if (r < 0)
                return r;
        s->has_generation = r > 0;
        r = json_get_i64(o, "minimum_generation_id", &s->minimum_generation_id, what, reterr_error);
        if (r < 0)
                return r;
        r = json_get_i64(o, "sync_id", &s->sync_id, what, reterr_error);
        return r < 0 ? r : 0;
}

static int configured_stream_from_json(JsonObject *o, size_t i, ConfiguredStream *ret,
                                       Error **reterr_error) {
        _cleanup_(configured_stream_done) ConfiguredStream s = {};
        _cleanup_free_ char *what = NULL;
        JsonObject *stream = json_member(o, "stream");
        int r, sync_mode, destination_sync_mode;

        what = stream_label(stream, i);
        if (!what)
                return -ENOMEM;
        if (!json_object_is_type(stream, json_type_object))
                return error_set(reterr_error, -EINVAL, "%s: 'stream' is missing or not an object", what);
        if ((r = airbyte_stream_from_json(stream, what, &s.stream, reterr_error)) < 0 ||
            (r = get_mode(o, "sync_mode", sync_mode_number, &sync_mode, what, reterr_error)) < 0 ||
            (r = get_mode(o, "destination_sync_mode", destination_sync_mode_number, &destination_sync_mode, what,
                          reterr_error)) < 0 ||
            (r = json_get_strv(o, "cursor_field", &s.cursor_field, what, reterr_error)) < 0 ||
            (r = get_field_paths(o, "primary_key", &s.primary_key, what, reterr_error)) < 0 ||
            (r = json_get_bool(o, "include_files", &s.include_files, what, reterr_error)) < 0 ||
            (r = get_generation(o, &s, what, reterr_error)) < 0)
                return r;
        s.sync_mode = (SyncMode) sync_mode;
        s.destination_sync_mode = (DestinationSyncMode) destination_sync_mode;
        r = complete_fields(&s, what, reterr_error);
        if (r < 0)
                return r;
        s.raw = json_object_get(o);
        *ret = s;
        s = (ConfiguredStream) {};
        return 0;
}

/* Namespace and name as one key; NULL and "" are the same namespace. */
static int check_unique(Hashmap *seen, const AirbyteStream *s, Error **reterr_error) {
        _cleanup_buffer_ Buffer key = {};
        int r;

        r = buffer_append(&key, strempty(s->namespace), strlen(strempty(s->namespace)) + 1);
        if (r >= 0)
                r = buffer_append_string(&key, s->name);
        if (r < 0)
                return r;
        r = hashmap_put(seen, buffer_bytes(&key), key.len, NULL);
        if (r == -EEXIST)
                return error_set(reterr_error, -EINVAL, "Stream '%s'%s%s%s is in the catalog twice", s->name,
                                 s->namespace ? " of namespace '" : "", strempty(s->namespace),
                                 s->namespace ? "'" : "");
        return r;
}

static int get_streams(JsonObject *o, JsonObject **ret, Error **reterr_error) {
        int r;

        if (!json_object_is_type(o, json_type_object))
                return error_set(reterr_error, -EINVAL, "Catalog: not an object");
        r = json_get_array(o, "streams", ret, "Catalog", reterr_error);
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "Catalog: 'streams' is missing");
        return r;
}

int catalog_from_json(JsonObject *o, Catalog **ret, Error **reterr_error) {
        _cleanup_catalog_ Catalog *c = calloc(1, sizeof(Catalog));
        _cleanup_hashmap_ Hashmap *seen = hashmap_new(NULL);
        JsonObject *streams = NULL;
        size_t n;
        int r;

        if (!c || !seen)
                return -ENOMEM;
        r = get_streams(o, &streams, reterr_error);
        if (r < 0)
                return r;
        n = json_object_array_length(streams);
        c->streams = calloc(n + 1, sizeof(AirbyteStream));
        if (!c->streams)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                JsonObject *stream = json_object_array_get_idx(streams, i);
                _cleanup_free_ char *what = stream_label(stream, i);

                if (!what)
                        return -ENOMEM;
                if (!json_object_is_type(stream, json_type_object))
                        return error_set(reterr_error, -EINVAL, "%s: not an object", what);
                r = airbyte_stream_from_json(stream, what, &c->streams[i], reterr_error);
                if (r < 0)
                        return r;
                c->n_streams++;
                r = check_unique(seen, &c->streams[i], reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

int configured_catalog_from_json(JsonObject *o, ConfiguredCatalog **ret, Error **reterr_error) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = calloc(1, sizeof(ConfiguredCatalog));
        _cleanup_hashmap_ Hashmap *seen = hashmap_new(NULL);
        JsonObject *streams = NULL;
        size_t n;
        int r;

        if (!c || !seen)
                return -ENOMEM;
        r = get_streams(o, &streams, reterr_error);
        if (r < 0)
                return r;
        n = json_object_array_length(streams);
        c->streams = calloc(n + 1, sizeof(ConfiguredStream));
        if (!c->streams)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                r = configured_stream_from_json(json_object_array_get_idx(streams, i), i, &c->streams[i],
                                                reterr_error);
                if (r < 0)
                        return r;
                c->n_streams++;
                r = check_unique(seen, &c->streams[i].stream, reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

int configured_catalog_from_file(const char *path, ConfiguredCatalog **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = json_parse_file(path, CATALOG_FILE_MAX, &o, reterr_error);
        if (r < 0)
                return r;
        r = configured_catalog_from_json(o, ret, reterr_error);
        return r < 0 ? error_prefix(reterr_error, r, "'%s'", path) : r;
}

/* A new object with all members of `raw`, which are shared, not copied: those that we know are replaced
 * afterwards. */
static JsonObject *object_from_raw(JsonObject *raw) {
        _cleanup_json_ JsonObject *o = json_object_new_object();

        if (!o || !raw)
                return TAKE_PTR(o);
        json_object_object_foreach(raw, key, value)
                if (json_add(o, key, json_object_get(value)) < 0)
                        return NULL;
        return TAKE_PTR(o);
}

/* The setters leave a member alone that says the same already, in whatever form (null, absent, false,
 * []), so that what came in goes out as it came. */
static int set_text(JsonObject *o, const char *key, const char *value) {
        JsonObject *old = json_member(o, key);

        if (!value) {
                if (old)
                        json_object_object_del(o, key);
                return 0;
        }
        if (json_object_is_type(old, json_type_string) && streq(json_object_get_string(old), value))
                return 0;
        return json_add_string(o, key, value);
}

static int set_bool(JsonObject *o, const char *key, bool value) {
        JsonObject *old = json_member(o, key);
        bool was = json_object_is_type(old, json_type_boolean) && json_object_get_boolean(old);
        JsonObject *v;

        if (was == value)
                return 0;
        v = json_object_new_boolean(value);
        return v ? json_add(o, key, v) : -ENOMEM;
}

static int set_i64(JsonObject *o, const char *key, int64_t value) {
        JsonObject *v = json_object_new_int64(value);

        return v ? json_add(o, key, v) : -ENOMEM;
}

static int add_text(JsonObject *array, const char *value) {
        JsonObject *v = json_object_new_string(value);

        if (v && json_object_array_add(array, v) >= 0)
                return 0;
        json_object_put(v);
        return -ENOMEM;
}

JsonObject *field_path_to_json(FieldPath path) {
        _cleanup_json_ JsonObject *array = json_object_new_array();

        STRV_FOREACH(key, path)
                if (!array || add_text(array, *key) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

static int set_path(JsonObject *o, const char *key, FieldPath path) {
        JsonObject *old = json_member(o, key), *array;
        bool was_empty = !json_object_is_type(old, json_type_array) || json_object_array_length(old) == 0;

        if (!path && was_empty)
                return 0;
        array = field_path_to_json(path);
        return array ? json_add(o, key, array) : -ENOMEM;
}

JsonObject *field_paths_to_json(FieldPath *paths) {
        _cleanup_json_ JsonObject *array = json_object_new_array();

        for (FieldPath *p = paths; array && p && *p; p++) {
                JsonObject *path = field_path_to_json(*p);

                if (!path || json_object_array_add(array, path) < 0) {
                        json_object_put(path);
                        return NULL;
                }
        }
        return TAKE_PTR(array);
}

static int set_paths(JsonObject *o, const char *key, FieldPath *paths) {
        JsonObject *old = json_member(o, key), *array;
        bool was_empty = !json_object_is_type(old, json_type_array) || json_object_array_length(old) == 0;

        if (!paths && was_empty)
                return 0;
        array = field_paths_to_json(paths);
        return array ? json_add(o, key, array) : -ENOMEM;
}

static int set_supported_modes(JsonObject *o, const AirbyteStream *s) {
        _cleanup_json_ JsonObject *array = NULL;

        if (json_member(o, "supported_sync_modes"))
                return 0;
        array = json_object_new_array();
        if (!array || (s->supports_full_refresh && add_text(array, "full_refresh") < 0) ||
            (s->supports_incremental && add_text(array, "incremental") < 0))
                return -ENOMEM;
        return json_add(o, "supported_sync_modes", TAKE_PTR(array));
}

static int airbyte_stream_to_json(const void *stream, JsonObject **ret) {
        const AirbyteStream *s = stream;
        _cleanup_json_ JsonObject *o = object_from_raw(s->raw);
        int r;

        if (!o)
                return -ENOMEM;
        if ((r = set_text(o, "name", s->name)) < 0 || (r = set_text(o, "namespace", s->namespace)) < 0 ||
            (r = json_add(o, "json_schema", json_object_get(s->json_schema))) < 0 ||
            (r = set_supported_modes(o, s)) < 0 ||
            (r = set_bool(o, "source_defined_cursor", s->source_defined_cursor)) < 0 ||
            (r = set_path(o, "default_cursor_field", s->default_cursor_field)) < 0 ||
            (r = set_paths(o, "source_defined_primary_key", s->source_defined_primary_key)) < 0 ||
            (r = set_bool(o, "is_resumable", s->is_resumable)) < 0 ||
            (r = set_bool(o, "is_file_based", s->is_file_based)) < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

static int configured_stream_to_json(const void *configured, JsonObject **ret) {
        const ConfiguredStream *s = configured;
        _cleanup_json_ JsonObject *o = object_from_raw(s->raw);
        JsonObject *stream;
        int r;

        if (!o)
                return -ENOMEM;
        r = airbyte_stream_to_json(&s->stream, &stream);
        if (r < 0)
                return r;
        if ((r = json_add(o, "stream", stream)) < 0 ||
            (r = set_text(o, "sync_mode", sync_mode_to_string(s->sync_mode))) < 0 ||
            (r = set_text(o, "destination_sync_mode",
                          destination_sync_mode_to_string(s->destination_sync_mode))) < 0 ||
            (r = set_path(o, "cursor_field", s->cursor_field)) < 0 ||
            (r = set_paths(o, "primary_key", s->primary_key)) < 0 ||
            (r = set_bool(o, "include_files", s->include_files)) < 0)
                return r;
        if (s->has_generation &&
            ((r = set_i64(o, "generation_id", s->generation_id)) < 0 ||
             (r = set_i64(o, "minimum_generation_id", s->minimum_generation_id)) < 0 ||
             (r = set_i64(o, "sync_id", s->sync_id)) < 0))
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

/* `{"streams": []}`; the array stays the object's. */
static int new_catalog_object(JsonObject **ret, JsonObject **ret_streams) {
        _cleanup_json_ JsonObject *o = json_object_new_object();

        *ret_streams = json_object_new_array();
        if (!o || !*ret_streams) {
                json_object_put(*ret_streams);
                return -ENOMEM;
        }
        if (json_add(o, "streams", *ret_streams) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(o);
        return 0;
}

/* Takes `o` over even on failure. */
static int add_element(JsonObject *array, JsonObject *o) {
        if (json_object_array_add(array, o) < 0) {
                json_object_put(o);
                return -ENOMEM;
        }
        return 0;
}

/* The object of a catalog with `n` streams of `size` bytes each, which `to_json` writes. */
static int streams_to_json(const void *streams, size_t n, size_t size,
                           int (*to_json)(const void *stream, JsonObject **ret), JsonObject **ret) {
        _cleanup_json_ JsonObject *o = NULL;
        JsonObject *array, *stream;
        int r;

        r = new_catalog_object(&o, &array);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = to_json((const char *) streams + i * size, &stream);
                if (r >= 0)
                        r = add_element(array, stream);
        }
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r < 0 ? r : 0;
}

int catalog_to_json(const Catalog *c, JsonObject **ret) {
        return streams_to_json(c->streams, c->n_streams, sizeof(c->streams[0]), airbyte_stream_to_json, ret);
}

int configured_catalog_to_json(const ConfiguredCatalog *c, JsonObject **ret) {
        return streams_to_json(c->streams, c->n_streams, sizeof(c->streams[0]), configured_stream_to_json, ret);
}

static bool stream_is(const AirbyteStream *s, const char *namespace, const char *name) {
        return streq(s->name, name) && streq(strempty(s->namespace), strempty(namespace));
}

int stream_key_make(const char *namespace, const char *name, Buffer *b) {
        int r;

        buffer_reset(b);
        r = buffer_append_string(b, strempty(namespace));
        if (r >= 0)
                r = buffer_append_char(b, '\0'); /* neither name has one in it */
        return r >= 0 ? buffer_append_string(b, name) : r;
}

const AirbyteStream *catalog_find(const Catalog *c, const char *namespace, const char *name) {
        for (size_t i = 0; i < c->n_streams; i++)
                if (stream_is(&c->streams[i], namespace, name))
                        return &c->streams[i];
        return NULL;
}

const ConfiguredStream *configured_catalog_find(const ConfiguredCatalog *c, const char *namespace,
                                                const char *name) {
        for (size_t i = 0; i < c->n_streams; i++)
                if (stream_is(&c->streams[i].stream, namespace, name))
                        return &c->streams[i];
        return NULL;
}
