/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* States as messages and as sets: carried without a change, whatever they hold. */

#include "fuzz/fuzz.h"
#include "protocol/state.h"

static bool same(const Buffer *a, const Buffer *b) {
        return a->len == b->len && (a->len == 0 || memcmp(buffer_bytes(a), buffer_bytes(b), a->len) == 0);
}

static void check_set(const StateSet *set) {
        _cleanup_state_set_ StateSet *second = NULL;
        _cleanup_buffer_ Buffer once = {}, twice = {};

        FUZZ_CHECK(state_set_append(set, &once) == 0);
        FUZZ_CHECK(json_validate(buffer_bytes(&once), once.len, NULL) == 0);
        FUZZ_CHECK(state_set_parse(buffer_bytes(&once), once.len, &second, NULL) == 0);
        FUZZ_CHECK(state_set_append(second, &twice) == 0);
        FUZZ_CHECK(same(&once, &twice));
}

/* Members keep their bytes; only the space between them may go when others are put in. */
static void check_same_json(const StateMessage *a, const StateMessage *b) {
        _cleanup_json_ JsonObject *x = NULL, *y = NULL;

        FUZZ_CHECK(json_parse(a->json, a->n_json, &x, NULL) == 0 && json_parse(b->json, b->n_json, &y, NULL) == 0);
        FUZZ_CHECK(json_equal(x, y));
}

static void check_message(JsonSlice payload) {
        static const StateStats counts = { .present = true, .record_count = 3, .rejected_record_count = 1 };
        _cleanup_state_set_ StateSet *set = state_set_new();
        _cleanup_error_ Error *error = NULL;
        _cleanup_buffer_ Buffer b = {};
        StateMessage m = {}, second = {};
        Envelope e;

        FUZZ_CHECK(set);
        if (state_message_parse(payload, &m, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return;
        }
        FUZZ_CHECK(state_message_write(&b, &m, 7, &counts, NULL, NULL) == 0);
        FUZZ_CHECK(b.len > 0 && buffer_bytes(&b)[b.len - 1] == '\n' && !memchr(buffer_bytes(&b), '\n', b.len - 1));
        FUZZ_CHECK(json_validate(buffer_bytes(&b), b.len, NULL) == 0);
        FUZZ_CHECK(envelope_parse((JsonSlice) { buffer_bytes(&b), b.len }, &e) == 0 && e.type == MESSAGE_STATE);
        FUZZ_CHECK(state_message_parse(e.payload, &second, NULL) == 0);
        FUZZ_CHECK(second.type == m.type && second.has_id && second.id == 7);
        FUZZ_CHECK(streq_ptr(second.stream_name, m.stream_name));
        FUZZ_CHECK(second.destination_stats.present && second.destination_stats.record_count == 3);
        check_same_json(&m, &second);
        FUZZ_CHECK(state_set_put(set, &m, NULL) == 0);
        check_set(set);
        state_message_done(&second);
        state_message_done(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_state_set_ StateSet *set = NULL;
        const char *p = size > 0 ? (const char *) data : "", *start = json_skip_space(p, p + size), *end = p + size;

        /* A payload is a slice of a line: nothing around it. */
        while (end > start && json_skip_space(end - 1, end) == end)
                end--;
        check_message((JsonSlice) { start, (size_t) (end - start) });
        if (state_set_parse(p, size, &set, NULL) >= 0)
                check_set(set);
        return 0;
}
