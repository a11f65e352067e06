/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* States between AirbyteStateMessage (the protocol's form) and ConnectionState (the config API's).
 *
 * The two differ in names alone, but the config API says the type once for all (stateType) where the
 * protocol says it in each message. Both directions have states as trees, so that numbers of a state that
 * is set here are as json-c prints them. States that workers report keep their bytes and never come
 * through here. */

#include "server/body.h"
#include "server/config-state.h"
#include "server/out.h"

/* {"stream_descriptor", "stream_state"} as {"streamDescriptor", "streamState"}. */
static int view_stream_state(JsonObject *o, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_value(&out, "streamDescriptor", json_object_get(json_member(o, "stream_descriptor")));
        out_value(&out, "streamState", json_object_get(json_member(o, "stream_state")));
        return out_take(&out, ret);
}

static int view_global(JsonObject *global, JsonObject **ret) {
        JsonObject *streams = json_member(global, "stream_states"), *list = json_object_new_array();
        _cleanup_out_ Out out = out_object();
        int r = 0;

        for (size_t i = 0; r >= 0 && json_object_is_type(streams, json_type_array) &&
                           i < json_object_array_length(streams); i++) {
                JsonObject *o = NULL;

                r = view_stream_state(json_object_array_get_idx(streams, i), &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        out_value(&out, "shared_state", json_object_get(json_member(global, "shared_state")));
        out_value(&out, "streamStates", list);
        return r < 0 ? r : out_take(&out, ret);
}

int config_view_state(const char *connection_id, JsonObject *states, JsonObject **ret) {
        JsonObject *list = json_object_new_array(), *global = NULL, *legacy = NULL;
        const char *type = "not_set";
        _cleanup_out_ Out out = out_object();
        int r = 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(states); i++) {
                JsonObject *message = json_object_array_get_idx(states, i), *o = NULL;

                if (json_member(message, "stream")) {
                        type = "stream";
                        r = view_stream_state(json_member(message, "stream"), &o);
                        if (r >= 0)
                                r = out_append(list, o);
                } else if (json_member(message, "global")) {
                        type = "global";
                        r = view_global(json_member(message, "global"), &global);
                } else {
                        type = "legacy";
                        legacy = json_member(message, "data");
                }
        }
        out_string(&out, "stateType", type);
        out_string(&out, "connectionId", connection_id);
        if (legacy)
                out_value(&out, "state", json_object_get(legacy));
        if (streq(type, "stream"))
                out_value(&out, "streamState", list);
        else
                json_object_put(list);
        if (global)
                out_value(&out, "globalState", global);
        return r < 0 ? r : out_take(&out, ret);
}

static int to_stream_state(Call *c, JsonObject *o, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();
        JsonObject *descriptor = NULL;
        int r;

        if (!json_object_is_type(o, json_type_object))
                return call_fail(c, -EINVAL, NULL, "A stream's state must be an object");
        r = body_need_object(c, o, "streamDescriptor", &descriptor);
        if (r < 0)
                return r;
        out_value(&out, "stream_descriptor", json_object_get(descriptor));
        out_value(&out, "stream_state", json_object_get(json_member(o, "streamState")));
        return out_take(&out, ret);
}

static int append_message(JsonObject *list, const char *type, const char *key, JsonObject *value) {
        Out out = out_object();
        JsonObject *o = NULL;
        int r;

        out_string(&out, "type", type);
        out_value(&out, key, value);
        r = out_take(&out, &o);
        return r < 0 ? r : out_append(list, o);
}

static int to_stream_states(Call *c, JsonObject *given, JsonObject *list, bool as_messages) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(given); i++) {
                JsonObject *o = NULL;

                r = to_stream_state(c, json_object_array_get_idx(given, i), &o);
                if (r >= 0)
                        r = as_messages ? append_message(list, "STREAM", "stream", o) : out_append(list, o);
        }
        return r;
}

static int to_global(Call *c, JsonObject *state, JsonObject *list) {
        JsonObject *global = NULL, *streams = NULL, *inner = json_object_new_array(), *o = NULL;
        Out out = out_object();
        int r = body_need_object(c, state, "globalState", &global);

        if (r >= 0)
                r = body_array(c, global, "streamStates", &streams);
        if (r > 0)
                r = to_stream_states(c, streams, inner, /* as_messages= */ false);
        if (r >= 0)
                out_value(&out, "shared_state", json_object_get(json_member(global, "sharedState") ?:
                                                                json_member(global, "shared_state")));
        out_value(&out, "stream_states", inner);
        if (r >= 0)
                r = out_take(&out, &o);
        else
                out_done(&out);
        return r < 0 ? r : append_message(list, "GLOBAL", "global", o);
}

int config_to_states(Call *c, JsonObject *state, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        JsonObject *streams = NULL;
        const char *type = NULL;
        int r = body_need_string(c, state, "stateType", &type);

        if (r >= 0 && streq(type, "stream")) {
                r = body_array(c, state, "streamState", &streams);
                if (r > 0)
                        r = to_stream_states(c, streams, list, /* as_messages= */ true);
        } else if (r >= 0 && streq(type, "global"))
                r = to_global(c, state, list);
        else if (r >= 0 && streq(type, "legacy"))
                r = append_message(list, "LEGACY", "data", json_object_get(json_member(state, "state")));
        else if (r >= 0 && !streq(type, "not_set"))
                r = call_fail(c, -EINVAL, NULL, "There is no state type '%s'", type);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        return 0;
}
