/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "workload/state-rows.h"

/* Where the value of "stream_states" stands in a GLOBAL payload. The message was checked when it was parsed. */
static int find_stream_states(JsonSlice payload, JsonSlice *ret) {
        JsonSlice global;

        if (json_find_member(payload, "global", &global) <= 0 ||
            json_find_member(global, "stream_states", ret) <= 0)
                return -EBADMSG;
        return 0;
}

/* An entry of "stream_states" is what a STREAM state has as its "stream": read as one, it gives its names. */
static int split_entry(JsonSlice entry, StateRowHandler handler, void *userdata) {
        _cleanup_(state_message_done) StateMessage m = {};
        _cleanup_buffer_ Buffer b = {};
        int r;

        if ((r = buffer_append_string(&b, "{\"type\":\"STREAM\",\"stream\":")) < 0 ||
            (r = buffer_append(&b, entry.p, entry.n)) < 0 || (r = buffer_append_char(&b, '}')) < 0)
                return r;
        r = state_message_parse((JsonSlice) { buffer_bytes(&b), b.len }, &m, NULL);
        if (r < 0)
                return r;
        return handler(&(StateRow) { m.stream_name, m.stream_namespace, entry }, userdata);
}

static int split_global(JsonSlice payload, StateRowHandler handler, void *userdata) {
        _cleanup_buffer_ Buffer shared = {};
        JsonSlice states, entry;
        JsonIter it;
        int r;

        r = find_stream_states(payload, &states);
        if (r < 0)
                return r;
        if ((r = buffer_append(&shared, payload.p, (size_t) (states.p - payload.p))) < 0 ||
            (r = buffer_append_string(&shared, "[]")) < 0 ||
            (r = buffer_append(&shared, states.p + states.n,
                               (size_t) (payload.p + payload.n - states.p) - states.n)) < 0)
                return r;
        r = handler(&(StateRow) { .json = { buffer_bytes(&shared), shared.len } }, userdata);
        if (r >= 0)
                r = json_iter_array(&it, states);
        while (r >= 0 && (r = json_iter_element(&it, &entry)) > 0)
                r = split_entry(entry, handler, userdata);
        return r;
}

int state_rows_split(const StateMessage *m, StateRowHandler handler, void *userdata) {
        JsonSlice payload = { m->json, m->n_json };
        int r;

        if (m->type == STATE_GLOBAL)
                r = split_global(payload, handler, userdata);
        else
                r = handler(&(StateRow) { m->stream_name, m->stream_namespace, payload }, userdata);
        return r < 0 ? r : 0;
}

void state_join_done(StateJoin *j) {
        buffer_done(&j->entries);
        buffer_done(&j->shared);
        *j = (StateJoin) STATE_JOIN_INIT;
}

int state_join_add(StateJoin *j, StateType type, const StateRow *row) {
        int r;

        if (j->n > 0 && j->type != type)
                return -EBADMSG;
        j->type = type;
        j->n++;
        if (!row->name)
                return j->shared.len > 0 ? -EBADMSG : buffer_append(&j->shared, row->json.p, row->json.n);
        if (j->entries.len > 0 && (r = buffer_append_char(&j->entries, ',')) < 0)
                return r;
        return buffer_append(&j->entries, row->json.p, row->json.n);
}

/* Puts the entries back where they stood. */
static int join_global(const StateJoin *j, Buffer *b) {
        JsonSlice shared = { buffer_bytes(&j->shared), j->shared.len }, states;
        size_t at;
        int r;

        if (shared.n == 0)
                return -EBADMSG;
        r = find_stream_states(shared, &states);
        if (r < 0)
                return r;
        at = (size_t) (states.p - shared.p) + 1;
        if ((r = buffer_append(b, shared.p, at)) < 0)
                return r;
        if (j->entries.len > 0 && (r = buffer_append(b, buffer_bytes(&j->entries), j->entries.len)) < 0)
                return r;
        return buffer_append(b, shared.p + at, shared.n - at);
}

int state_join_end(StateJoin *j, Buffer *b) {
        int r;

        r = buffer_append_char(b, '[');
        if (r < 0)
                return r;
        if (j->n == 0)
                return buffer_append_char(b, ']');
        if (j->type == STATE_GLOBAL)
                r = join_global(j, b);
        else if (j->type == STATE_LEGACY)
                r = j->shared.len > 0 ? buffer_append(b, buffer_bytes(&j->shared), j->shared.len) : -EBADMSG;
        else
                r = j->shared.len > 0 ? -EBADMSG : buffer_append(b, buffer_bytes(&j->entries), j->entries.len);
        return r < 0 ? r : buffer_append_char(b, ']');
}
