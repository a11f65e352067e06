/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The destination's catalog is made from a copy of the source's, stream by stream and in the same order:
 * selection, mappers, then the new name. The order matters: selection and mappers speak of the source's
 * fields, and their errors name the stream as the source does. At the end two streams must not have one
 * target; which two collide is told by their old names.
 *
 * The copy has a schema of its own, and all else that the source said of a stream (`raw`) is shared. */

#include <ctype.h>
#include <stdio.h>

#include "basic/hashmap.h"
#include "worker/sync-catalog.h"

#define SOURCE_NAMESPACE_VARIABLE "${SOURCE_NAMESPACE}"

int configured_stream_copy(const ConfiguredStream *s, ConfiguredStream *ret) {
        _cleanup_(configured_stream_done) ConfiguredStream copy = {
                .sync_mode = s->sync_mode,
                .destination_sync_mode = s->destination_sync_mode,
                .include_files = s->include_files,
                .has_generation = s->has_generation,
                .generation_id = s->generation_id,
                .minimum_generation_id = s->minimum_generation_id,
                .sync_id = s->sync_id,
        };
        int r;

        r = airbyte_stream_copy(&s->stream, &copy.stream);
        if (r < 0)
                return r;
        copy.cursor_field = s->cursor_field ? strv_copy(s->cursor_field) : NULL;
        copy.primary_key = s->primary_key ? field_paths_copy(s->primary_key) : NULL;
        copy.raw = s->raw ? json_object_get(s->raw) : NULL;
        if (!copy.cursor_field != !s->cursor_field || !copy.primary_key != !s->primary_key)
                return -ENOMEM;
        *ret = copy;
        copy = (ConfiguredStream) {};
        return 0;
}

static bool is_blank(const char *s) {
        while (isspace((unsigned char) *s))
                s++;
        return !*s;
}

/* Puts the source's namespace (nothing, where it has none) in for the variable. */
static int format_namespace(const char *format, const char *source, char **ret) {
        _cleanup_buffer_ Buffer b = {};
        const char *p = strempty(format);
        int r = 0;

        for (;;) {
                const char *at = strstr(p, SOURCE_NAMESPACE_VARIABLE);

                r = buffer_append(&b, p, at ? (size_t) (at - p) : strlen(p));
                if (r < 0)
                        return r;
                if (!at)
                        break;
                r = buffer_append_string(&b, strempty(source));
                if (r < 0)
                        return r;
                p = at + STRLEN(SOURCE_NAMESPACE_VARIABLE);
        }
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}

/* `ret` is NULL for the destination's own default. */
static int destination_namespace(NamespaceDefinition definition, const char *format, const char *source,
                                 char **ret) {
        _cleanup_free_ char *namespace = NULL;
        int r = 0;

        if (definition == NAMESPACE_CUSTOM_FORMAT)
                r = format_namespace(format, source, &namespace);
        else if (definition == NAMESPACE_SOURCE && source)
                r = (namespace = strdup(source)) ? 0 : -ENOMEM;
        if (r < 0)
                return r;
        *ret = namespace && !is_blank(namespace) ? TAKE_PTR(namespace) : NULL;
        return 0;
}

static int rename_stream(AirbyteStream *s, NamespaceDefinition definition, const char *format,
                         const char *prefix) {
        char *name = NULL, *namespace = NULL;
        int r;

        r = destination_namespace(definition, format, s->namespace, &namespace);
        if (r < 0)
                return r;
        if (asprintf(&name, "%s%s", strempty(prefix), s->name) < 0) {
                free(namespace);
                return -ENOMEM;
        }
        free(s->name);
        free(s->namespace);
        s->name = name;
        s->namespace = namespace;
        return 0;
}

static int check_selected(const ConfiguredStream *s, char *const *selected, Error **reterr_error) {
        const JsonObject *properties = json_member(s->stream.json_schema, "properties");

        STRV_FOREACH(f, selected)
                if (properties && !json_object_object_get_ex(properties, *f, NULL))
                        return error_set(reterr_error, -ENOENT,
                                         "Stream '%s': field '%s' is selected but not in the schema",
                                         s->stream.name, *f);
        /* The destination cannot order or deduplicate by a field that it does not get. */
        if (s->cursor_field && s->cursor_field[0] && !strv_contains(selected, s->cursor_field[0]))
                return error_set(reterr_error, -EINVAL,
                                 "Stream '%s': the field selection leaves out '%s', its cursor",
                                 s->stream.name, s->cursor_field[0]);
        for (FieldPath *p = s->primary_key; p && *p; p++)
                if (!strv_contains(selected, (*p)[0]))
                        return error_set(reterr_error, -EINVAL,
                                         "Stream '%s': the field selection leaves out '%s' of its primary key",
                                         s->stream.name, (*p)[0]);
        return 0;
}

/* Takes the fields that are not selected out of the schema. The schema is the copy's own. */
static int select_in_schema(AirbyteStream *s, char *const *selected) {
        JsonObject *properties = json_member(s->json_schema, "properties"),
                   *required = json_member(s->json_schema, "required");
        _cleanup_json_ JsonObject *kept = json_object_new_object(), *kept_required = json_object_new_array();
        int r;

        if (!kept || !kept_required)
                return -ENOMEM;
        if (json_object_is_type(properties, json_type_object)) {
                json_object_object_foreach(properties, key, value) {
                        r = strv_contains(selected, key) ? json_add(kept, key, json_object_get(value)) : 0;
                        if (r < 0)
                                return r;
                }
                r = json_add(s->json_schema, "properties", TAKE_PTR(kept));
                if (r < 0)
                        return r;
        }
        if (!json_object_is_type(required, json_type_array))
                return 0;
        for (size_t i = 0; i < json_object_array_length(required); i++) {
                JsonObject *v = json_object_array_get_idx(required, i);

                if (!json_object_is_type(v, json_type_string) || !strv_contains(selected,
                        json_object_get_string(v)))
                        continue;
                if (json_object_array_add(kept_required, json_object_get(v)) < 0) {
                        json_object_put(v);
                        return -ENOMEM;
                }
        }
        return json_add(s->json_schema, "required", TAKE_PTR(kept_required));
}

/* What the source declares of fields that are gone would name something that the destination never sees. */
static void drop_stale_declarations(AirbyteStream *s, char *const *selected) {
        if (s->default_cursor_field && !strv_contains(selected, s->default_cursor_field[0]))
                s->default_cursor_field = strv_free(s->default_cursor_field);
        for (FieldPath *p = s->source_defined_primary_key; p && *p; p++)
                if (!strv_contains(selected, (*p)[0])) {
                        s->source_defined_primary_key = field_paths_free(s->source_defined_primary_key);
                        return;
                }
}

static int select_fields(ConfiguredStream *s, char *const *selected, Error **reterr_error) {
        int r;

        r = check_selected(s, selected, reterr_error);
        if (r < 0)
                return r;
        r = select_in_schema(&s->stream, selected);
        if (r < 0)
                return r;
        drop_stale_declarations(&s->stream, selected);
        return 0;
}

static int append_label(Buffer *b, const AirbyteStream *s) {
        if (s->namespace && *s->namespace)
                return buffer_appendf(b, "'%s.%s'", s->namespace, s->name);
        return buffer_appendf(b, "'%s'", s->name);
}

static int collision(const AirbyteStream *a, const AirbyteStream *b, const AirbyteStream *target,
                     Error **reterr_error) {
        _cleanup_buffer_ Buffer text = {};

        if (append_label(&text, a) < 0 || buffer_append_string(&text, " and ") < 0 || append_label(&text, b) < 0 ||
            buffer_append_string(&text, " would both be written to ") < 0 || append_label(&text,
                    target) < 0 ||
            !buffer_string(&text))
                return -ENOMEM;
        return error_set(reterr_error, -EEXIST, "Streams %s: keep the namespaces apart or leave one out",
                         buffer_string(&text));
}

/* Remembers where stream `i` goes; -EEXIST when another one goes there. */
static int claim_name(Hashmap *taken, const ConfiguredCatalog *source, const ConfiguredCatalog *destination, size_t i,
                      Error **reterr_error) {
        const AirbyteStream *s = &destination->streams[i].stream;
        _cleanup_buffer_ Buffer key = {};
        const AirbyteStream *other;
        int r;

        r = buffer_append(&key, strempty(s->namespace), strlen(strempty(s->namespace)) + 1);
        if (r >= 0)
                r = buffer_append_string(&key, s->name);
        if (r < 0)
                return r;
        other = hashmap_get(taken, buffer_bytes(&key), key.len);
        if (other)
                return collision(other, &source->streams[i].stream, s, reterr_error);
        return hashmap_put(taken, buffer_bytes(&key), key.len, &source->streams[i].stream);
}

/* A destination would look for the files of a source's sandbox in its own, where they aren't. Whether a
 * destination takes files stands in its definition (Airbyte's `supportsFileTransfer`), not in its
 * specification, so that can't be asked here. */
static int refuse_files(const ConfiguredStream *s, Error **reterr_error) {
        return s->include_files ? error_set(reterr_error, -EOPNOTSUPP,
                                            "Stream '%s': 'include_files' asks for files, and only records are moved",
                                            s->stream.name)
                                : 0;
}

int sync_catalog_map(const ConfiguredCatalog *catalog, NamespaceDefinition definition,
                     const char *namespace_format,
                     const char *prefix, char **const *selected_fields, Mapper **const *mappers,
                     ConfiguredCatalog **ret_destination, StreamOptions **ret_streams, Error **reterr_error) {
        _cleanup_configured_catalog_ ConfiguredCatalog *destination = calloc(1, sizeof(ConfiguredCatalog));
        _cleanup_hashmap_ Hashmap *taken = hashmap_new(NULL);
        _cleanup_free_ StreamOptions *options = calloc(catalog->n_streams + 1, sizeof(StreamOptions));
        int r;

        if (!destination || !taken || !options)
                return -ENOMEM;
        destination->streams = calloc(catalog->n_streams + 1, sizeof(ConfiguredStream));
        if (!destination->streams)
                return -ENOMEM;
        for (size_t i = 0; i < catalog->n_streams; i++) {
                ConfiguredStream *s = &destination->streams[i];
                char **selected = selected_fields ? selected_fields[i] : NULL;
                Mapper **list = mappers ? mappers[i] : NULL;

                r = configured_stream_copy(&catalog->streams[i], s);
                if (r < 0)
                        return r;
                destination->n_streams++;
                /* First what is said of the source's fields, so that errors call the stream what the
                 * source calls it. */
                r = refuse_files(s, reterr_error);
                if (r >= 0 && selected)
                        r = select_fields(s, selected, reterr_error);
                if (r >= 0)
                        r = mappers_apply_to_stream(list, s, reterr_error);
                if (r >= 0)
                        r = rename_stream(&s->stream, definition, namespace_format, prefix);
                if (r >= 0)
                        r = claim_name(taken, catalog, destination, i, reterr_error);
                if (r < 0)
                        return r;
                options[i] = (StreamOptions) {
                        .destination_name = s->stream.name,
                        .destination_namespace = s->stream.namespace,
                        .selected_fields = selected,
                        .mappers = list,
                };
        }
        *ret_destination = TAKE_PTR(destination);
        *ret_streams = TAKE_PTR(options);
        return 0;
}

int sync_catalog_for_clear(const ConfiguredCatalog *catalog, const bool *cleared, ConfiguredCatalog **ret) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = calloc(1, sizeof(ConfiguredCatalog));
        int r;

        if (!c)
                return -ENOMEM;
        c->streams = calloc(catalog->n_streams + 1, sizeof(ConfiguredStream));
        if (!c->streams)
                return -ENOMEM;
        for (size_t i = 0; i < catalog->n_streams; i++) {
                r = configured_stream_copy(&catalog->streams[i], &c->streams[i]);
                if (r < 0)
                        return r;
                c->n_streams++;
                c->streams[i].sync_mode = SYNC_MODE_FULL_REFRESH;
                c->streams[i].destination_sync_mode =
                        cleared[i] ? DESTINATION_SYNC_MODE_OVERWRITE : DESTINATION_SYNC_MODE_APPEND;
        }
        *ret = TAKE_PTR(c);
        return 0;
}
