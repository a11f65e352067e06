/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A mode of the public API is a pair, one half for each side. Whether one is possible is decided by
 * obstacle() alone, which gives the reason as words; choosing the best is asking it along the list of
 * preference, and refusing a wish is the same question once. So the explanation that a person sees can't
 * differ from the decision.
 *
 * Cursor and key are settled before: what the source defines can't be chosen otherwise, and a path must
 * exist in the schema, as far as that declares anything. */

#include "worker/sync-mode.h"

static const struct {
        const char *name;
        SyncMode source;
        DestinationSyncMode destination;
} public_modes[_PUBLIC_SYNC_MODE_MAX] = {
#define MODE(n, s, d) { n, SYNC_MODE_##s, DESTINATION_SYNC_MODE_##d }
        [PUBLIC_FULL_REFRESH_OVERWRITE] = MODE("full_refresh_overwrite", FULL_REFRESH, OVERWRITE),
        [PUBLIC_FULL_REFRESH_OVERWRITE_DEDUPED] = MODE("full_refresh_overwrite_deduped", FULL_REFRESH,
                                                       OVERWRITE_DEDUP),
        [PUBLIC_FULL_REFRESH_APPEND] = MODE("full_refresh_append", FULL_REFRESH, APPEND),
        [PUBLIC_FULL_REFRESH_UPDATE] = MODE("full_refresh_update", FULL_REFRESH, UPDATE),
        [PUBLIC_FULL_REFRESH_SOFT_DELETE] = MODE("full_refresh_soft_delete", FULL_REFRESH, SOFT_DELETE),
        [PUBLIC_INCREMENTAL_APPEND] = MODE("incremental_append", INCREMENTAL, APPEND),
        [PUBLIC_INCREMENTAL_DEDUPED_HISTORY] = MODE("incremental_deduped_history", INCREMENTAL,
                                                    APPEND_DEDUP),
        [PUBLIC_INCREMENTAL_UPDATE] = MODE("incremental_update", INCREMENTAL, UPDATE),
        [PUBLIC_INCREMENTAL_SOFT_DELETE] = MODE("incremental_soft_delete", INCREMENTAL, SOFT_DELETE),
#undef MODE
};

/* What Airbyte's connection wizard prefers for "replicate", and full_refresh_append as the last resort. */
static const PublicSyncMode preference[] = {
        PUBLIC_INCREMENTAL_DEDUPED_HISTORY, PUBLIC_FULL_REFRESH_OVERWRITE_DEDUPED, PUBLIC_FULL_REFRESH_OVERWRITE,
        PUBLIC_INCREMENTAL_APPEND,          PUBLIC_FULL_REFRESH_APPEND,
};

const char *public_sync_mode_to_string(PublicSyncMode m) {
        return m >= 0 && m < _PUBLIC_SYNC_MODE_MAX ? public_modes[m].name : NULL;
}

PublicSyncMode public_sync_mode_from_string(const char *s) {
        for (PublicSyncMode m = 0; m < _PUBLIC_SYNC_MODE_MAX; m++)
                if (streq(s, public_modes[m].name))
                        return m;
        return _PUBLIC_SYNC_MODE_INVALID;
}

SyncMode public_sync_mode_source(PublicSyncMode m) {
        return public_modes[m].source;
}

DestinationSyncMode public_sync_mode_destination(PublicSyncMode m) {
        return public_modes[m].destination;
}

PublicSyncMode public_sync_mode_of(SyncMode source, DestinationSyncMode destination) {
        for (PublicSyncMode m = 0; m < _PUBLIC_SYNC_MODE_MAX; m++)
                if (public_modes[m].source == source && public_modes[m].destination == destination)
                        return m;
        return _PUBLIC_SYNC_MODE_INVALID;
}

static JsonObject *schema_property(JsonObject *schema, const char *name, bool *ret_declares) {
        JsonObject *properties = json_member(schema, "properties"), *v = NULL;

        *ret_declares = json_object_is_type(properties, json_type_object);
        return *ret_declares && json_object_object_get_ex(properties, name, &v) ? v : NULL;
}

/* Where a schema declares no properties, any field may exist. */
static int check_path(const AirbyteStream *stream, FieldPath path, const char *what, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        JsonObject *schema = stream->json_schema;
        bool declares;

        STRV_FOREACH(key, path) {
                schema = schema_property(schema, *key, &declares);
                if (!declares)
                        return 0;
                if (schema)
                        continue;
                text = strv_join(path, ".");
                if (!text)
                        return -ENOMEM;
                return error_set(reterr_error, -ENOENT, "Stream '%s': %s '%s' is not in the schema",
                                 stream->name,
                                 what, text);
        }
        return 0;
}

int stream_field_path(const AirbyteStream *stream, const char *field, FieldPath *ret, Error **reterr_error) {
        _cleanup_strv_ char **path = NULL;
        bool declares;
        int r;

        if (schema_property(stream->json_schema, field, &declares)) {
                r = strv_extend(&path, field);
                if (r < 0)
                        return r;
        } else {
                path = strv_split(field, ".");
                if (!path)
                        return -ENOMEM;
                r = check_path(stream, path, "field", reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(path);
        return 0;
}

/* What the stream is to be ordered and told apart by, the person's wish and the source's declaration
 * together. */
typedef struct Keys {
        bool has_cursor;
        FieldPath cursor; /* NULL also where the source keeps its cursor to itself */
        FieldPath *primary_key;
} Keys;

static int resolve_keys(const AirbyteStream *stream, const SyncModeWish *wish, Keys *ret,
                        Error **reterr_error) {
        Keys k = {
                .cursor = wish->cursor_field ?: stream->default_cursor_field,
                .primary_key = wish->primary_key ?: stream->source_defined_primary_key,
        };
        int r;

        if (wish->cursor_field && stream->source_defined_cursor &&
            !(stream->default_cursor_field && strv_equal(wish->cursor_field, stream->default_cursor_field)))
                return error_set(reterr_error, -EPERM,
                                 "Stream '%s': the source defines the cursor itself, another one cannot be chosen",
                                 stream->name);
        if (wish->primary_key && stream->source_defined_primary_key &&
            !field_paths_equal(wish->primary_key, stream->source_defined_primary_key))
                return error_set(reterr_error, -EPERM,
                                 "Stream '%s': the source defines the primary key itself, another one cannot be chosen",
                                 stream->name);
        r = wish->cursor_field ? check_path(stream, wish->cursor_field, "cursor", reterr_error) : 0;
        for (FieldPath *p = wish->primary_key; r >= 0 && p && *p; p++)
                r = check_path(stream, *p, "primary key", reterr_error);
        if (r < 0)
                return r;
        k.has_cursor = k.cursor || stream->source_defined_cursor;
        *ret = k;
        return 0;
}

static bool needs_primary_key(DestinationSyncMode m) {
        return m == DESTINATION_SYNC_MODE_APPEND_DEDUP || m == DESTINATION_SYNC_MODE_OVERWRITE_DEDUP ||
                m == DESTINATION_SYNC_MODE_UPDATE || m == DESTINATION_SYNC_MODE_SOFT_DELETE;
}

static bool destination_takes(const ConnectorSpec *spec, DestinationSyncMode m) {
        if (!spec->lists_destination_sync_modes)
                return m == DESTINATION_SYNC_MODE_APPEND || m == DESTINATION_SYNC_MODE_OVERWRITE;
        return spec->supported_destination_sync_modes[m];
}

/* Why a mode is not possible, NULL when it is. */
static const char *obstacle(const AirbyteStream *stream, const ConnectorSpec *destination, const Keys *keys,
                            PublicSyncMode m, int *ret_code) {
        SyncMode source = public_modes[m].source;
        DestinationSyncMode target = public_modes[m].destination;

        *ret_code = -EOPNOTSUPP;
        if (source == SYNC_MODE_INCREMENTAL && !stream->supports_incremental)
                return "the source offers no incremental sync of it";
        if (source == SYNC_MODE_FULL_REFRESH && !stream->supports_full_refresh)
                return "the source offers no full refresh of it";
        if (!destination_takes(destination, target))
                return "the destination does not support that mode";
        *ret_code = -ENODATA;
        if (source == SYNC_MODE_INCREMENTAL && !keys->has_cursor)
                return "it has no cursor: name one";
        if (needs_primary_key(target) && !keys->primary_key)
                return "it has no primary key: name one";
        return NULL;
}

/* The best mode, and where it is not the first choice, what stood against that. */
static PublicSyncMode choose_best(const AirbyteStream *stream, const ConnectorSpec *destination,
                                  const Keys *keys,
                                  const char **ret_obstacle) {
        int code;

        *ret_obstacle = obstacle(stream, destination, keys, preference[0], &code);
        for (size_t i = 0; i < ELEMENTSOF(preference); i++)
                if (!obstacle(stream, destination, keys, preference[i], &code))
                        return preference[i];
        return _PUBLIC_SYNC_MODE_INVALID;
}

static int explain(const AirbyteStream *stream, PublicSyncMode m, const Keys *keys, const char *against,
                   char **ret) {
        _cleanup_free_ char *cursor = keys->cursor ? strv_join(keys->cursor,
                                                               ".") : strdup("the source's own");
        _cleanup_buffer_ Buffer b = {};
        int r;

        if (!cursor)
                return -ENOMEM;
        r = buffer_appendf(&b, "Stream '%s': %s", stream->name, public_modes[m].name);
        if (r >= 0 && public_modes[m].source == SYNC_MODE_INCREMENTAL)
                r = buffer_appendf(&b, ", cursor %s", cursor);
        if (r >= 0 && needs_primary_key(public_modes[m].destination))
                r = buffer_append_string(&b, ", primary key");
        for (FieldPath *p = keys->primary_key; r >= 0 && needs_primary_key(public_modes[m].destination) &&
             *p; p++) {
                _cleanup_free_ char *path = strv_join(*p, ".");

                r = path ? buffer_appendf(&b, "%s %s", p == keys->primary_key ? "" : ",", path) : -ENOMEM;
        }
        if (r >= 0)
                r = m == preference[0]
                        ? buffer_append_string(&b, " (the best that both sides support)")
                        : buffer_appendf(&b, " (not %s: %s)", public_modes[preference[0]].name, against);
        if (r < 0)
                return r;
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}

static int fill(const AirbyteStream *stream, PublicSyncMode m, const SyncModeWish *wish, const Keys *keys,
                ConfiguredStream *ret) {
        _cleanup_(configured_stream_done) ConfiguredStream s = {
                .sync_mode = public_modes[m].source,
                .destination_sync_mode = public_modes[m].destination,
        };
        int r;

        r = airbyte_stream_copy(stream, &s.stream);
        if (r < 0)
                return r;
        if (keys->cursor && (wish->cursor_field || s.sync_mode == SYNC_MODE_INCREMENTAL)) {
                s.cursor_field = strv_copy(keys->cursor);
                if (!s.cursor_field)
                        return -ENOMEM;
        }
        if (keys->primary_key && (wish->primary_key || needs_primary_key(s.destination_sync_mode))) {
                s.primary_key = field_paths_copy(keys->primary_key);
                if (!s.primary_key)
                        return -ENOMEM;
        }
        *ret = s;
        s = (ConfiguredStream) {};
        return 0;
}

int sync_modes_choose(const AirbyteStream *stream, const ConnectorSpec *destination,
                      const SyncModeWish *wish,
                      ConfiguredStream *ret, char **ret_why, Error **reterr_error) {
        _cleanup_free_ char *why = NULL;
        PublicSyncMode m = wish->mode;
        const char *against;
        Keys keys;
        int r, code;

        r = resolve_keys(stream, wish, &keys, reterr_error);
        if (r < 0)
                return r;
        if (m < 0) {
                m = choose_best(stream, destination, &keys, &against);
                if (m < 0)
                        return error_set(reterr_error, -EOPNOTSUPP,
                                         "Stream '%s': no sync mode is possible: %s, and the destination "
                                         "takes no other "
                                         "mode that the source offers",
                                         stream->name, against);
                r = explain(stream, m, &keys, against, &why);
                if (r < 0)
                        return r;
        } else {
                against = obstacle(stream, destination, &keys, m, &code);
                if (against)
                        return error_set(reterr_error, code, "Stream '%s' cannot be synced as %s: %s",
                                         stream->name,
                                         public_modes[m].name, against);
        }
        r = fill(stream, m, wish, &keys, ret);
        if (r < 0)
                return r;
        if (ret_why)
                *ret_why = TAKE_PTR(why);
        return 0;
}
