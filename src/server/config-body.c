/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bodies of the config API as the public API has them. The services speak one language, the public API's,
 * and this is the only place that knows how the older one says the same: connectionConfiguration for
 * configuration, syncCatalog with selected streams for configurations, "customformat" for
 * "custom_format".
 *
 * Only members that are known are taken over. A stream that isn't selected is left out, which in the
 * public API's words means the same. */

#include "server/body.h"
#include "server/config-body.h"
#include "server/out.h"
#include "worker/sync-mode.h"

static int copy_member(JsonObject *from, const char *key, JsonObject *to, const char *as) {
        JsonObject *value = json_member(from, key);

        return value ? json_add(to, as, json_object_get(value)) : 0;
}

int config_to_public_actor(Call *c, ActorRole role, JsonObject *body, JsonObject **ret) {
        const char *definition = role == ACTOR_SOURCE ? "sourceDefinitionId" : "destinationDefinitionId";
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? 0 : -ENOMEM;

        if (r >= 0)
                r = copy_member(body, "name", o, "name");
        if (r >= 0)
                r = copy_member(body, "workspaceId", o, "workspaceId");
        if (r >= 0)
                r = copy_member(body, definition, o, "definitionId");
        if (r >= 0)
                r = copy_member(body, "connectionConfiguration", o, "configuration");
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

/* {"stream": {name, namespace}, "config": {selected, syncMode, destinationSyncMode, cursorField,
 * primaryKey, …}} */
static int to_stream(Call *c, JsonObject *entry, JsonObject **ret) {
        JsonObject *stream = NULL, *config = NULL;
        const char *from = NULL, *to = NULL;
        bool selected = true, some_fields = false;
        _cleanup_out_ Out out = out_object();
        PublicSyncMode mode;
        int r;

        if (!json_object_is_type(entry, json_type_object))
                return call_fail(c, -EINVAL, NULL, "'syncCatalog.streams' must be a list of objects");
        r = body_need_object(c, entry, "stream", &stream);
        if (r >= 0)
                r = body_object(c, entry, "config", &config);
        if (r > 0)
                r = body_bool(c, config, "selected", &selected);
        if (r >= 0 && config)
                r = body_bool(c, config, "fieldSelectionEnabled", &some_fields);
        if (r >= 0 && config)
                r = body_string(c, config, "syncMode", &from);
        if (r >= 0 && config)
                r = body_string(c, config, "destinationSyncMode", &to);
        if (r < 0 || !selected)
                return r < 0 ? r : 0;
        out_value(&out, "name", json_object_get(json_member(stream, "name")));
        if (json_member(stream, "namespace"))
                out_value(&out, "namespace", json_object_get(json_member(stream, "namespace")));
        if (from && to) {
                mode = public_sync_mode_of(sync_mode_from_string(from),
                                           destination_sync_mode_from_string(to));
                if (sync_mode_from_string(from) < 0 || destination_sync_mode_from_string(to) < 0 || mode < 0)
                        return call_fail(c, -EINVAL, NULL, "There is no sync mode of '%s' and '%s'", from,
                                         to);
                out_string(&out, "syncMode", public_sync_mode_to_string(mode));
        }
        for (size_t i = 0; i < 3; i++) {
                static const char *const keys[] = { "cursorField", "primaryKey", "mappers" };

                if (json_member(config, keys[i]))
                        out_value(&out, keys[i], json_object_get(json_member(config, keys[i])));
        }
        if (some_fields && json_member(config, "selectedFields"))
                out_value(&out, "selectedFields", json_object_get(json_member(config, "selectedFields")));
        r = out_take(&out, ret);
        return r < 0 ? r : 1;
}

static int to_configurations(Call *c, JsonObject *body, JsonObject *o) {
        _cleanup_json_ JsonObject *list = json_object_new_array(), *configurations = json_object_new_object();
        JsonObject *catalog = NULL, *streams = NULL;
        int r = body_object(c, body, "syncCatalog", &catalog);

        if (r > 0)
                r = body_array(c, catalog, "streams", &streams);
        if (r <= 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(streams); i++) {
                JsonObject *stream = NULL;

                r = to_stream(c, json_object_array_get_idx(streams, i), &stream);
                if (r > 0)
                        r = out_append(list, stream);
                if (r < 0)
                        return r;
        }
        r = configurations ? json_add(configurations, "streams", TAKE_PTR(list)) : -ENOMEM;
        return r < 0 ? r : json_add(o, "configurations", TAKE_PTR(configurations));
}

/* Words that the two APIs spell differently. */
static int to_namespace(Call *c, JsonObject *body, JsonObject *o) {
        const char *s = NULL;
        int r = body_string(c, body, "namespaceDefinition", &s);

        return r <= 0 ? r : json_add_string(o, "namespaceDefinition", streq(s, "customformat") ?
                                            "custom_format" : s);
}

/* The older form: {"schedule": {units, timeUnit}} without a type. */
static int to_schedule(Call *c, JsonObject *body, JsonObject *o) {
        JsonObject *schedule = NULL, *data;
        int r = copy_member(body, "scheduleType", o, "scheduleType");

        if (r >= 0)
                r = copy_member(body, "scheduleData", o, "scheduleData");
        if (r < 0 || json_member(body, "scheduleType"))
                return r;
        r = body_object(c, body, "schedule", &schedule);
        if (r <= 0)
                return r;
        data = json_object_new_object();
        if (!data || json_add(data, "basicSchedule", json_object_get(schedule)) < 0) {
                json_object_put(data);
                return -ENOMEM;
        }
        r = json_add(o, "scheduleData", data);
        return r < 0 ? r : json_add_string(o, "scheduleType", "basic");
}

int config_to_public_connection(Call *c, JsonObject *body, JsonObject **ret) {
        static const char *const members[][2] = {
                { "sourceId", "sourceId" }, { "destinationId", "destinationId" }, { "name", "name" },
                { "namespaceFormat", "namespaceFormat" }, { "prefix", "prefix" }, { "status", "status" },
                { "nonBreakingChangesPreference", "nonBreakingSchemaUpdatesBehavior" },
                { "backfillPreference", "backfillPreference" },
                { "geography", "dataResidency" }, { "tags", "tags" },
        };
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(members); i++)
                r = copy_member(body, members[i][0], o, members[i][1]);
        if (r >= 0)
                r = to_namespace(c, body, o);
        if (r >= 0)
                r = to_schedule(c, body, o);
        if (r >= 0)
                r = to_configurations(c, body, o);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}
