/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A state belongs to the source. It is validated as JSON, never turned into a tree and back: a number of
 * thirty digits, a key that comes twice and the order of members all mean something to somebody. What has
 * to change is spliced: members are copied as bytes, one is left out, others are put at the end. Only
 * newlines between tokens become spaces, since a message is one line.
 *
 * Two members are not the source's. "id" and "destinationStats" are taken out when a state comes in and
 * put in when it goes on, so that what is stored is what the source said. The id is how the platform
 * finds the state again that a destination gives back (docs/PROTOCOL.md).
 *
 * A set holds states of one kind: STREAM, one for each stream, or a single GLOBAL or LEGACY. The one step
 * between kinds is from LEGACY to a newer one, as in Airbyte. A GLOBAL state is taken apart only where
 * one stream is reset, or its part is asked for.
 *
 * Sets are also read from files that people bring: what we write ourselves, whole messages as a source
 * printed them, what Airbyte's API shows of a stream, a bare object from the days of LEGACY. An object
 * with "data" is LEGACY whatever else stands in it, so that what was written is read back as the same. */

#include <math.h>

#include "basic/hashmap.h"
#include "basic/json-write.h"
#include "basic/parse-util.h"
#include "basic/string-table.h"
#include "protocol/state.h"

static const char *const state_type_table[_STATE_TYPE_MAX] = {
        [STATE_LEGACY] = "LEGACY",
        [STATE_STREAM] = "STREAM",
        [STATE_GLOBAL] = "GLOBAL",
};

DEFINE_STRING_TABLE_TO_STRING(state_type, StateType)

/* What to do with a member of an object that is otherwise carried over byte for byte. */
typedef struct Splice {
        const char *key;
        JsonSlice with; /* p == NULL: leave the member out */
} Splice;

static const Splice *splice_find(const Splice *splices, size_t n, JsonSlice key) {
        for (size_t i = 0; i < n; i++)
                if (json_key_equal(key, splices[i].key, strlen(splices[i].key)))
                        return &splices[i];
        return NULL;
}

/* Appends `object` without the members named (all of them where a key comes twice), then the new ones at
 * its end. The members that stay keep their bytes, key included. */
static int splice_object(Buffer *b, JsonSlice object, const Splice *splices, size_t n) {
        JsonSlice key, value;
        bool first = true;
        JsonIter it;
        int r;

        r = json_iter_object(&it, object);
        if (r >= 0)
                r = buffer_append_char(b, '{');
        if (r < 0)
                return r;
        while ((r = json_iter_member(&it, &key, &value)) > 0) {
                const char *start = key.p - 1;

                if (splice_find(splices, n, key))
                        continue;
                if (!first && (r = buffer_append_char(b, ',')) < 0)
                        return r;
                r = buffer_append(b, start, (size_t) (value.p + value.n - start));
                if (r < 0)
                        return r;
                first = false;
        }
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (!splices[i].with.p)
                        continue;
                if ((r = json_write_key(b, splices[i].key)) < 0 ||
                    (r = buffer_append(b, splices[i].with.p, splices[i].with.n)) < 0)
                        return r;
        }
        return buffer_append_char(b, '}');
}

static JsonSlice buffer_slice(const Buffer *b) {
        return (JsonSlice) { buffer_bytes(b), b->len };
}

/* A member that is there and not null: 1, 0, -EBADMSG. */
static int find_value(JsonSlice object, const char *key, JsonSlice *ret) {
        int r = json_find_member(object, key, ret);

        return r > 0 && json_slice_type(*ret) == JSON_NULL ? 0 : r;
}

void state_message_done(StateMessage *m) {
        free(m->stream_name);
        free(m->stream_namespace);
        free(m->json);
        *m = (StateMessage) {};
}

static int state_message_copy(const StateMessage *m, StateMessage *ret) {
        _cleanup_(state_message_done) StateMessage copy = *m;

        copy.stream_name = m->stream_name ? strdup(m->stream_name) : NULL;
        copy.stream_namespace = m->stream_namespace ? strdup(m->stream_namespace) : NULL;
        copy.json = strndup(m->json, m->n_json);
        if (!copy.stream_name != !m->stream_name || !copy.stream_namespace != !m->stream_namespace ||
            !copy.json)
                return -ENOMEM;
        *ret = copy;
        copy = (StateMessage) {};
        return 0;
}

/* Decodes a JSON string that names something: not a NUL in it, for it becomes a C string. */
static int decode_name(JsonSlice value, const char *key, char **ret, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        if (json_slice_type(value) != JSON_STRING)
                return error_set(reterr_error, -EINVAL, "'%s' of the stream descriptor is not a string", key);
        r = json_string_decode(json_string_inner(value), &b);
        if (r < 0)
                return r;
        if (b.len > 0 && memchr(buffer_bytes(&b), 0, b.len))
                return error_set(reterr_error, -EINVAL,
                                 "'%s' of the stream descriptor has a NUL character in it", key);
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}

/* Reads {"stream_descriptor": {"name", "namespace"}} of a STREAM state or of an entry in a GLOBAL one. */
static int parse_descriptor(JsonSlice holder, char **ret_name, char **ret_namespace, Error **reterr_error) {
        _cleanup_free_ char *name = NULL, *namespace = NULL;
        JsonSlice descriptor, value;
        int r;

        r = json_slice_type(holder) == JSON_OBJECT ? find_value(holder, "stream_descriptor",
                                                                &descriptor) : 0;
        if (r < 0)
                return r;
        if (r == 0 || json_slice_type(descriptor) != JSON_OBJECT)
                return error_set(reterr_error, -EINVAL, "'stream_descriptor' is missing or not an object");
        r = find_value(descriptor, "name", &value);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "'stream_descriptor' has no 'name'");
        r = decode_name(value, "name", &name, reterr_error);
        if (r < 0)
                return r;
        r = find_value(descriptor, "namespace", &value);
        if (r > 0)
                r = decode_name(value, "namespace", &namespace, reterr_error);
        if (r < 0)
                return r;
        *ret_name = TAKE_PTR(name);
        *ret_namespace = TAKE_PTR(namespace);
        return 0;
}

static int parse_count(JsonSlice stats, const char *key, double *ret, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        JsonSlice value;
        int r;

        r = find_value(stats, key, &value);
        if (r <= 0)
                return r;
        if (json_slice_type(value) != JSON_NUMBER)
                return error_set(reterr_error, -EINVAL, "'%s' is not a number", key);
        text = strndup(value.p, value.n);
        if (!text)
                return -ENOMEM;
        r = parse_double(text, ret);
        if (r < 0 || !isfinite(*ret))
                return error_set(reterr_error, -EINVAL, "'%s' is not a count", key);
        return 1;
}

/* Statistics without a record count say nothing and pass for absent. */
static int parse_stats(JsonSlice payload, const char *key, StateStats *ret, Error **reterr_error) {
        StateStats stats = {};
        JsonSlice value;
        int r;

        r = find_value(payload, key, &value);
        if (r <= 0)
                return r;
        if (json_slice_type(value) != JSON_OBJECT)
                return error_set(reterr_error, -EINVAL, "'%s' is not an object", key);
        r = parse_count(value, "recordCount", &stats.record_count, reterr_error);
        if (r > 0) {
                stats.present = true;
                r = parse_count(value, "rejectedRecordCount", &stats.rejected_record_count, reterr_error);
        }
        if (r < 0)
                return error_prefix(reterr_error, r, "'%s'", key);
        *ret = stats;
        return 0;
}

static int parse_type(JsonSlice payload, StateType *ret, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        JsonSlice value;
        int r;

        *ret = STATE_LEGACY;
        r = find_value(payload, "type", &value);
        if (r <= 0)
                return r;
        if (json_slice_type(value) != JSON_STRING)
                return error_set(reterr_error, -EINVAL, "'type' is not a string");
        for (int t = 0; t < _STATE_TYPE_MAX; t++)
                if (json_key_equal(json_string_inner(value), state_type_table[t],
                                   strlen(state_type_table[t]))) {
                        *ret = (StateType) t;
                        return 0;
                }
        r = json_string_decode(json_string_inner(value), &b);
        if (r < 0)
                return r;
        return error_set(reterr_error, -EINVAL, "unknown type '%s'", strempty(buffer_string(&b)));
}

static int parse_global(JsonSlice payload, Error **reterr_error) {
        JsonSlice global, states, entry;
        size_t n = 0;
        JsonIter it;
        int r;

        r = find_value(payload, "global", &global);
        if (r < 0)
                return r;
        if (r == 0 || json_slice_type(global) != JSON_OBJECT)
                return error_set(reterr_error, -EINVAL,
                                 "type GLOBAL, but 'global' is missing or not an object");
        r = find_value(global, "stream_states", &states);
        if (r < 0)
                return r;
        if (r == 0 || json_slice_type(states) != JSON_ARRAY)
                return error_set(reterr_error, -EINVAL,
                                 "type GLOBAL, but 'stream_states' is missing or not an array");
        r = json_iter_array(&it, states);
        while (r >= 0 && (r = json_iter_element(&it, &entry)) > 0) {
                _cleanup_free_ char *name = NULL, *namespace = NULL;

                r = parse_descriptor(entry, &name, &namespace, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "entry %zu of 'stream_states'", n);
                n++;
        }
        return r;
}

static int parse_body(JsonSlice payload, StateMessage *m, Error **reterr_error) {
        JsonSlice value;
        int r;

        r = parse_type(payload, &m->type, reterr_error);
        if (r < 0)
                return r;
        switch (m->type) {
        case STATE_STREAM:
                r = find_value(payload, "stream", &value);
                if (r < 0)
                        return r;
                if (r == 0 || json_slice_type(value) != JSON_OBJECT)
                        return error_set(reterr_error, -EINVAL,
                                         "type STREAM, but 'stream' is missing or not an object");
                return parse_descriptor(value, &m->stream_name, &m->stream_namespace, reterr_error);
        case STATE_GLOBAL:
                return parse_global(payload, reterr_error);
        default:
                r = json_find_member(payload, "data", &value);
                return r == 0 ? error_set(reterr_error, -EINVAL, "type LEGACY, but 'data' is missing") : r;
        }
}

/* Takes out what the platform and the destination put in. */
static int keep_payload(JsonSlice payload, StateMessage *m) {
        static const Splice platform[] = { { "id" }, { "destinationStats" } };
        _cleanup_buffer_ Buffer b = {};
        JsonSlice value;
        int r;

        r = json_find_member(payload, "id", &value);
        if (r < 0)
                return r;
        m->has_id = r > 0 && json_parse_i64(value, &m->id) >= 0;
        r = splice_object(&b, payload, platform, ELEMENTSOF(platform));
        if (r < 0)
                return r;
        m->n_json = b.len;
        m->json = buffer_steal_string(&b);
        if (!m->json)
                return -ENOMEM;
        /* A message is one line. A state out of a file may have been laid out over many; in valid JSON a
         * newline is nothing but space between tokens. */
        for (char *p = m->json; (p = memchr(p, '\n', (size_t) (m->json + m->n_json - p))); p++)
                *p = ' ';
        return 0;
}

int state_message_parse(JsonSlice payload, StateMessage *ret, Error **reterr_error) {
        _cleanup_(state_message_done) StateMessage m = {};
        size_t at = 0;
        int r;

        /* The bytes are stored and given to others: what isn't JSON stops here. */
        r = json_validate(payload.p, payload.n, &at);
        if (r < 0)
                return error_set(reterr_error, r, "STATE: not valid JSON at byte %zu", at);
        if (json_slice_type(payload) != JSON_OBJECT)
                return error_set(reterr_error, -EINVAL, "STATE: not an object");
        if ((r = parse_body(payload, &m, reterr_error)) < 0 ||
            (r = parse_stats(payload, "sourceStats", &m.source_stats, reterr_error)) < 0 ||
            (r = parse_stats(payload, "destinationStats", &m.destination_stats, reterr_error)) < 0)
                return error_prefix(reterr_error, r, "STATE");
        r = keep_payload(payload, &m);
        if (r < 0)
                return r;
        *ret = m;
        m = (StateMessage) {};
        return 0;
}

/* Airbyte's platform reads the counts as doubles and wants to see that they are: "3.0". */
static int write_stats(Buffer *b, const StateStats *stats) {
        return buffer_appendf(b, "{\"recordCount\":%.1f,\"rejectedRecordCount\":%.1f}", stats->record_count,
                              stats->rejected_record_count);
}

static int write_name(Buffer *b, const char *name, Splice *splice) {
        int r;

        if (!name)
                return 0;
        r = json_write_cstring(b, name);
        splice->with = buffer_slice(b);
        return r;
}

/* The "stream" member with another name in its descriptor. */
static int rename_stream(Buffer *b, const StateMessage *m, const char *name, const char *namespace) {
        _cleanup_buffer_ Buffer name_text = {}, namespace_text = {}, descriptor_text = {};
        Splice names[] = { { "name" }, { "namespace" } }, descriptor_splice = { "stream_descriptor" };
        JsonSlice stream, descriptor;
        int r;

        if ((r = json_find_member((JsonSlice) { m->json, m->n_json }, "stream", &stream)) < 0 ||
            (r = json_find_member(stream, "stream_descriptor", &descriptor)) < 0 ||
            (r = write_name(&name_text, name, &names[0])) < 0 ||
            (r = write_name(&namespace_text, namespace, &names[1])) < 0 ||
            (r = splice_object(&descriptor_text, descriptor, names, ELEMENTSOF(names))) < 0)
                return r;
        descriptor_splice.with = buffer_slice(&descriptor_text);
        return splice_object(b, stream, &descriptor_splice, 1);
}

int state_message_write(Buffer *b, const StateMessage *m, int64_t id, const StateStats *destination_stats,
                        const char *name, const char *namespace) {
        _cleanup_buffer_ Buffer line = {}, id_text = {}, stats_text = {}, stream_text = {};
        Splice splices[3];
        size_t n = 0;
        int r;

        if (name && m->type == STATE_STREAM) {
                r = rename_stream(&stream_text, m, name, namespace);
                if (r < 0)
                        return r;
                splices[n++] = (Splice) { "stream", buffer_slice(&stream_text) };
        }
        if (destination_stats && destination_stats->present) {
                r = write_stats(&stats_text, destination_stats);
                if (r < 0)
                        return r;
                splices[n++] = (Splice) { "destinationStats", buffer_slice(&stats_text) };
        }
        if (id >= 0) {
                r = buffer_appendf(&id_text, "%lld", (long long) id);
                if (r < 0)
                        return r;
                splices[n++] = (Splice) { "id", buffer_slice(&id_text) };
        }
        if ((r = buffer_append_string(&line, "{\"type\":\"STATE\",\"state\":")) < 0 ||
            (r = splice_object(&line, (JsonSlice) { m->json, m->n_json }, splices, n)) < 0 ||
            (r = buffer_append_string(&line, "}\n")) < 0)
                return r;
        return buffer_append(b, buffer_bytes(&line), line.len);
}

/* One entry a stream, in order of first appearance; GLOBAL and LEGACY have one entry with an empty key. */
struct StateSet {
        Hashmap *messages;
        StateType type; /* _STATE_TYPE_INVALID while empty */
};

static void state_message_free(void *m) {
        state_message_done(m);
        free(m);
}
DEFINE_CLEANUP(void, state_message_free);

/* A set is what a state file holds, or what is about to be stored: either one entry for each stream, or
 * the one message that speaks for all. The two kinds never mix, since nobody could say which of them is
 * newer. */
StateSet *state_set_new(void) {
        _cleanup_state_set_ StateSet *s = calloc(1, sizeof(StateSet));

        if (!s)
                return NULL;
        s->type = _STATE_TYPE_INVALID;
        s->messages = hashmap_new(state_message_free);
        return s->messages ? TAKE_PTR(s) : NULL;
}

StateSet *state_set_free(StateSet *s) {
        if (!s)
                return NULL;
        hashmap_free(s->messages);
        free(s);
        return NULL;
}

/* "namespace\0name": NULL and "" are the same namespace. */
static int stream_key(Buffer *b, const char *namespace, const char *name) {
        int r = buffer_append(b, strempty(namespace), strlen(strempty(namespace)) + 1);

        return r < 0 ? r : buffer_append_string(b, name);
}

/* GLOBAL and LEGACY have one entry, under the empty key. Kinds don't mix, as nobody could say which of the two
 * a source that gets both would believe. */
int state_set_put(StateSet *s, const StateMessage *m, Error **reterr_error) {
        _cleanup_(state_message_freep) void *copy = NULL;
        _cleanup_buffer_ Buffer key = {};
        int r;

        if (!state_set_is_empty(s) && s->type != m->type)
                return error_set(reterr_error, -EINVAL, "A state of type %s among states of type %s",
                                 state_type_to_string(m->type), state_type_to_string(s->type));
        if (m->type == STATE_STREAM) {
                r = stream_key(&key, m->stream_namespace, m->stream_name);
                if (r < 0)
                        return r;
        }
        copy = calloc(1, sizeof(StateMessage));
        if (!copy)
                return -ENOMEM;
        r = state_message_copy(m, copy);
        if (r < 0)
                return r;
        r = hashmap_set(s->messages, key.len > 0 ? buffer_bytes(&key) : "", key.len, copy);
        if (r < 0)
                return r;
        (void) TAKE_PTR(copy);
        s->type = m->type;
        return 0;
}

int state_set_merge(StateSet *s, const StateSet *from, Error **reterr_error) {
        void *m;
        int r;

        /* The connector has learnt to speak of streams; Airbyte allows this step and no other. */
        if (s->type == STATE_LEGACY && !state_set_is_empty(from) && from->type != STATE_LEGACY &&
            (m = hashmap_remove(s->messages, "", 0)))
                state_message_free(m);
        for (size_t i = 0; hashmap_iterate(from->messages, &i, NULL, NULL, &m);) {
                r = state_set_put(s, m, reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static StateMessage *find_single(const StateSet *s) {
        return hashmap_get(s->messages, "", 0);
}

/* Whether an entry of "stream_states" is of this stream. The entries were checked when the message was
 * parsed. */
static bool entry_is(JsonSlice entry, const char *namespace, const char *name) {
        _cleanup_free_ char *its_name = NULL, *its_namespace = NULL;

        return parse_descriptor(entry, &its_name, &its_namespace, NULL) >= 0 && streq(its_name, name) &&
                streq(strempty(its_namespace), strempty(namespace));
}

static int find_stream_states(const StateMessage *m, JsonSlice *ret_global, JsonSlice *ret_states) {
        int r = json_find_member((JsonSlice) { m->json, m->n_json }, "global", ret_global);

        return r <= 0 ? r : json_find_member(*ret_global, "stream_states", ret_states);
}

/* Rewrites a GLOBAL message without one stream. 1 it was there, 0 not. */
static int remove_entry(StateMessage *m, const char *namespace, const char *name) {
        _cleanup_buffer_ Buffer states_text = {}, global_text = {}, text = {};
        JsonSlice global, states, entry;
        Splice splice;
        JsonIter it;
        bool found = false;
        int r;

        r = find_stream_states(m, &global, &states);
        if (r <= 0)
                return r;
        if ((r = json_iter_array(&it, states)) < 0 || (r = buffer_append_char(&states_text, '[')) < 0)
                return r;
        while ((r = json_iter_element(&it, &entry)) > 0) {
                if (entry_is(entry, namespace, name)) {
                        found = true;
                        continue;
                }
                if ((states_text.len > 1 && (r = buffer_append_char(&states_text, ',')) < 0) ||
                    (r = buffer_append(&states_text, entry.p, entry.n)) < 0)
                        return r;
        }
        if (r < 0 || !found)
                return r;
        r = buffer_append_char(&states_text, ']');
        if (r < 0)
                return r;
        splice = (Splice) { "stream_states", buffer_slice(&states_text) };
        r = splice_object(&global_text, global, &splice, 1);
        if (r < 0)
                return r;
        splice = (Splice) { "global", buffer_slice(&global_text) };
        r = splice_object(&text, (JsonSlice) { m->json, m->n_json }, &splice, 1);
        if (r < 0 || !buffer_string(&text))
                return r < 0 ? r : -ENOMEM;
        free(m->json);
        m->n_json = text.len;
        m->json = buffer_steal_string(&text);
        return 1;
}

int state_set_remove(StateSet *s, const char *namespace, const char *name) {
        _cleanup_buffer_ Buffer key = {};
        StateMessage *m;
        int r;

        if (s->type == STATE_GLOBAL && (m = find_single(s))) {
                r = remove_entry(m, namespace, name);
                return r < 0 ? r : 0;
        }
        if (s->type != STATE_STREAM)
                return 0;
        r = stream_key(&key, namespace, name);
        if (r < 0)
                return r;
        m = hashmap_remove(s->messages, buffer_bytes(&key), key.len);
        if (m)
                state_message_free(m);
        return 0;
}

bool state_set_is_empty(const StateSet *s) {
        return hashmap_size(s->messages) == 0;
}

StateType state_set_type(const StateSet *s) {
        return state_set_is_empty(s) ? _STATE_TYPE_INVALID : s->type;
}

/* The value of a member as the callers give it out: null is absent. */
static const char *give_value(JsonSlice object, const char *key, size_t *ret_n) {
        JsonSlice value;

        if (find_value(object, key, &value) <= 0)
                return NULL;
        *ret_n = value.n;
        return value.p;
}

const char *state_set_get_stream(const StateSet *s, const char *namespace, const char *name, size_t *ret_n) {
        _cleanup_buffer_ Buffer key = {};
        JsonSlice holder, states, entry;
        const StateMessage *m;
        JsonIter it;

        if (state_set_type(s) == STATE_STREAM) {
                if (stream_key(&key, namespace, name) < 0)
                        return NULL;
                m = hashmap_get(s->messages, buffer_bytes(&key), key.len);
                if (!m || json_find_member((JsonSlice) { m->json, m->n_json }, "stream", &holder) <= 0)
                        return NULL;
                return give_value(holder, "stream_state", ret_n);
        }
        if (state_set_type(s) != STATE_GLOBAL || find_stream_states(find_single(s), &holder, &states) <= 0 ||
            json_iter_array(&it, states) < 0)
                return NULL;
        while (json_iter_element(&it, &entry) > 0)
                if (entry_is(entry, namespace, name))
                        return give_value(entry, "stream_state", ret_n);
        return NULL;
}

const char *state_set_get_shared(const StateSet *s, size_t *ret_n) {
        const StateMessage *m = find_single(s);
        JsonSlice global;

        if (!m)
                return NULL;
        if (m->type == STATE_LEGACY)
                return give_value((JsonSlice) { m->json, m->n_json }, "data", ret_n);
        if (json_find_member((JsonSlice) { m->json, m->n_json }, "global", &global) <= 0)
                return NULL;
        return give_value(global, "shared_state", ret_n);
}

/* Whether `value` is a string equal to `word`. */
static bool is_word(JsonSlice value, const char *word) {
        return json_slice_type(value) == JSON_STRING && json_key_equal(json_string_inner(value), word,
                strlen(word));
}

/* Takes the envelope off {"type": "STATE", "state": {…}}, for people save what a source printed. */
static JsonSlice unwrap(JsonSlice element) {
        JsonSlice type, state;

        if (json_slice_type(element) == JSON_OBJECT && json_find_member(element, "type", &type) > 0 &&
            is_word(type, "STATE") && json_find_member(element, "state", &state) > 0)
                return state;
        return element;
}

/* The parser is the one that reads what connectors send: what it refuses there is refused in a file, too.
 */
static int put_payload(StateSet *s, JsonSlice payload, Error **reterr_error) {
        _cleanup_(state_message_done) StateMessage m = {};
        int r;

        r = state_message_parse(payload, &m, reterr_error);
        return r < 0 ? r : state_set_put(s, &m, reterr_error);
}

/* What Airbyte's UI and API show of a stream: {"streamDescriptor": {…}, "streamState": …}, without a
 * type. People who move over paste it. 1 and the bytes of a STREAM message, 0 it isn't that, negative
 * errno. */
static int convert_bare(JsonSlice element, Buffer *b) {
        static const char *const names[][2] = { { "streamDescriptor", "streamState" },
                                                { "stream_descriptor", "stream_state" } };
        JsonSlice descriptor, state, type;
        int r;

        /* With "data" it is a LEGACY message, whatever else stands in it: what we wrote must be what we
         * read. */
        if (json_slice_type(element) != JSON_OBJECT || json_find_member(element, "type", &type) > 0 ||
            json_find_member(element, "data", &state) > 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (json_find_member(element, names[i][0], &descriptor) <= 0)
                        continue;
                if (json_find_member(element, names[i][1], &state) <= 0)
                        state = (JsonSlice) { "null", STRLEN("null") };
                if ((r = buffer_append_string(b,
                                              "{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":")) < 0 ||
                    (r = buffer_append(b, descriptor.p, descriptor.n)) < 0 ||
                    (r = buffer_append_string(b, ",\"stream_state\":")) < 0 ||
                    (r = buffer_append(b, state.p, state.n)) < 0 || (r = buffer_append_string(b, "}}")) < 0)
                        return r;
                return 1;
        }
        return 0;
}

static int parse_elements(StateSet *s, JsonSlice array, Error **reterr_error) {
        JsonSlice element;
        size_t n = 0;
        JsonIter it;
        int r;

        r = json_iter_array(&it, array);
        while (r >= 0 && (r = json_iter_element(&it, &element)) > 0) {
                _cleanup_buffer_ Buffer converted = {};

                r = convert_bare(element, &converted);
                if (r >= 0)
                        r = put_payload(s, r > 0 ? buffer_slice(&converted) : unwrap(element), reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "State number %zu", n + 1);
                n++;
        }
        return r;
}

static bool is_state_message(JsonSlice object) {
        JsonSlice type;

        if (json_find_member(object, "type", &type) <= 0)
                return false;
        for (int t = 0; t < _STATE_TYPE_MAX; t++)
                if (is_word(type, state_type_table[t]))
                        return true;
        return false;
}

/* From the days before states had a type: the whole file is what the connector gave. */
static int put_blob(StateSet *s, JsonSlice blob, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        if ((r = buffer_append_string(&b, "{\"type\":\"LEGACY\",\"data\":")) < 0 ||
            (r = buffer_append(&b, blob.p, blob.n)) < 0 || (r = buffer_append_char(&b, '}')) < 0)
                return r;
        return put_payload(s, buffer_slice(&b), reterr_error);
}

/* An object is one message, or, where it has no type that a state can have, a LEGACY blob. `{}` is no
 * state. */
static int parse_object(StateSet *s, JsonSlice object, Error **reterr_error) {
        JsonSlice key, value;
        JsonIter it;
        int r;

        object = unwrap(object);
        if (json_slice_type(object) != JSON_OBJECT || is_state_message(object))
                return put_payload(s, object, reterr_error);
        if ((r = json_iter_object(&it, object)) < 0 || (r = json_iter_member(&it, &key, &value)) <= 0)
                return r;
        return put_blob(s, object, reterr_error);
}

int state_set_parse(const char *p, size_t n, StateSet **ret, Error **reterr_error) {
        _cleanup_state_set_ StateSet *s = NULL;
        const char *start = json_skip_space(p, p + n), *end = p + n;
        JsonSlice text;
        size_t at = 0;
        int r;

        r = json_validate(p, n, &at);
        if (r < 0)
                return error_set(reterr_error, r, "State: not valid JSON at byte %zu", at);
        while (end > start && strchr(" \t\r\n", end[-1]))
                end--;
        text = (JsonSlice) { start, (size_t) (end - start) };
        s = state_set_new();
        if (!s)
                return -ENOMEM;
        switch (json_slice_type(text)) {
        case JSON_ARRAY:
                r = parse_elements(s, text, reterr_error);
                break;
        case JSON_OBJECT:
                r = parse_object(s, text, reterr_error);
                break;
        case JSON_NULL:
                r = 0;
                break;
        default:
                r = error_set(reterr_error, -EINVAL, "State: neither an array of states nor an object");
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

/* The messages go out byte for byte as they came; a state is the source's, and its numbers may be larger
 * than ours. */
int state_set_append(const StateSet *s, Buffer *b) {
        bool first = true;
        size_t i = 0;
        void *value;
        int r;

        r = buffer_append_char(b, '[');
        if (r < 0)
                return r;
        while (hashmap_iterate(s->messages, &i, NULL, NULL, &value)) {
                const StateMessage *m = value;

                if ((!first && (r = buffer_append_char(b, ',')) < 0) || (r = buffer_append(b, m->json,
                        m->n_json)) < 0)
                        return r;
                first = false;
        }
        return buffer_append_char(b, ']');
}

int state_set_append_for_read(const StateSet *s, Buffer *b) {
        const char *data = NULL;
        size_t n;

        if (s->type == STATE_LEGACY && !state_set_is_empty(s))
                data = state_set_get_shared(s, &n);
        return data ? buffer_append(b, data, n) : state_set_append(s, b);
}
