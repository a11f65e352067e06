/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* States go in and out as they are stored: an array of AirbyteStateMessage, so that what `show` prints is what
 * `set` takes. The server refuses a change while a job of the connection runs. */

#include "basic/macro.h"
#include "basic/strv.h"
#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-state.h"

static int get_state(Ctl *c, const char *id, JsonObject **ret, Error **reterr_error) {
        return ctl_object_call(c, &ctl_kind_connection, id, "GetState", ret, reterr_error);
}

/* Takes the array over. */
static int put_state(Ctl *c, const char *id, JsonObject *states, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_json_ JsonObject *body = json_object_new_object();
        int r = body ? json_add(body, "states", states) : -ENOMEM;

        if (r >= 0)
                r = ctl_new_object_call(c, &ctl_kind_connection, id, "SetState", &m, reterr_error);
        if (r >= 0)
                r = ctl_append_memfd(m, body);
        return r < 0 ? r : ctl_send(c, m, NULL, reterr_error);
}

static int state_show(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *states = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r = ctl_find(c, &ctl_kind_connection, argv[0], &id, NULL, &error);

        if (r >= 0)
                r = get_state(c, id, &states, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_json(c, states);
}

static int state_set(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *states = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        if (!c->given[CTL_OPTION_CONFIG])
                return ctl_usage_error(c->verb, "needs --config=FILE");
        r = ctl_read_config_of(c, json_type_array, &states, &error);
        if (r >= 0)
                r = ctl_find(c, &ctl_kind_connection, argv[0], &id, NULL, &error);
        if (r >= 0)
                r = put_state(c, id, json_object_get(states), &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "The state of '%s' is set.", argv[0]);
        return EXIT_OK;
}

/* NAME or NAMESPACE.NAME. */
static bool is_named(JsonObject *state, const char *stream) {
        JsonObject *descriptor = json_member(json_member(state, "stream"), "stream_descriptor");
        const char *name = ctl_text(descriptor, "name"), *space = ctl_text(descriptor, "namespace");
        size_t n = strlen(space);

        return streq(name, stream) ||
               (n > 0 && strncmp(stream, space, n) == 0 && stream[n] == '.' && streq(stream + n + 1, name));
}

static int check_stream(JsonObject *states, const char *stream, Error **reterr_error) {
        for (size_t i = 0; i < json_object_array_length(states); i++)
                if (is_named(json_object_array_get_idx(states, i), stream))
                        return 0;
        return error_set(reterr_error, -ENOENT, "There is no state of a stream '%s'", stream);
}

/* All but the streams that were named; none of them may be missing, nor be part of a state of one piece. */
static int without_streams(const Ctl *c, JsonObject *states, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *left = json_object_new_array();
        int r = left ? 0 : -ENOMEM;

        STRV_FOREACH(stream, c->streams) {
                r = check_stream(states, *stream, reterr_error);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; r >= 0 && i < json_object_array_length(states); i++) {
                JsonObject *state = json_object_array_get_idx(states, i);
                bool reset = false;

                STRV_FOREACH(stream, c->streams)
                        reset = reset || is_named(state, *stream);
                if (!reset)
                        r = json_object_array_add(left, json_object_get(state)) < 0 ? -ENOMEM : 0;
        }
        if (r >= 0)
                *ret = TAKE_PTR(left);
        return r;
}

static int state_reset(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *states = NULL, *left = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r = ctl_find(c, &ctl_kind_connection, argv[0], &id, NULL, &error);

        if (r >= 0 && c->streams)
                r = get_state(c, id, &states, &error);
        if (r >= 0)
                r = c->streams ? without_streams(c, states, &left, &error) :
                    (left = json_object_new_array()) ? 0 : -ENOMEM;
        if (r >= 0)
                r = put_state(c, id, TAKE_PTR(left), &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "The next sync of '%s' begins anew%s.", argv[0], c->streams ? " with these streams" : "");
        return EXIT_OK;
}

static int state_copy(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *states = NULL;
        _cleanup_free_ char *from = NULL, *to = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = ctl_find(c, &ctl_kind_connection, argv[0], &from, NULL, &error);

        if (r >= 0)
                r = ctl_find(c, &ctl_kind_connection, argv[1], &to, NULL, &error);
        if (r >= 0)
                r = get_state(c, from, &states, &error);
        if (r >= 0)
                r = put_state(c, to, json_object_get(states), &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "The state of '%s' is that of '%s'.", argv[1], argv[0]);
        return EXIT_OK;
}

static const CtlVerb verbs[] = {
        { "show", "CONNECTION", "print it, as 'set' takes it", 1, 1, CTL_BIT(WORKSPACE), state_show },
        { "set", "CONNECTION --config=FILE", "replace it by what 'show' has printed", 1, 1,
          CTL_BIT(CONFIG) | CTL_BIT(WORKSPACE), state_set },
        { "reset", "CONNECTION [--stream=NAME]", "forget it: the next sync begins anew", 1, 1,
          CTL_BIT(STREAM) | CTL_BIT(WORKSPACE), state_reset },
        { "copy", "FROM TO", "give a connection that of another", 2, 2, CTL_BIT(WORKSPACE), state_copy },
};
const CtlNoun ctl_noun_state = { "state", "where the streams of connections stand", verbs, ELEMENTSOF(verbs) };
