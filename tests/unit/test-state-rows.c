/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "workload/state-rows.h"

TEST_MAIN()

typedef struct Rows {
        Buffer text;    /* "namespace|name|json\n" each */
        StateJoin join; /* the same rows, put together */
        StateType type;
} Rows;

static void rows_done(Rows *rows) {
        buffer_done(&rows->text);
        state_join_done(&rows->join);
}

static int on_row(const StateRow *row, void *userdata) {
        Rows *rows = userdata;

        ASSERT_OK(buffer_appendf(&rows->text, "%s|%s|%.*s\n", row->namespace ?: "-", row->name ?: "-",
                                 (int) row->json.n, row->json.p));
        return state_join_add(&rows->join, rows->type, row);
}

static void split(Rows *rows, const char *payload) {
        _cleanup_(state_message_done) StateMessage m = {};
        _cleanup_error_ Error *error = NULL;

        if (state_message_parse((JsonSlice) { payload, strlen(payload) }, &m, &error) < 0)
                fail_msg("%s: %s", payload, error_message(error, 0));
        rows->type = m.type;
        ASSERT_OK(state_rows_split(&m, on_row, rows));
}

static void assert_joined(Rows *rows, const char *expected) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(state_join_end(&rows->join, &b));
        assert_string_equal(buffer_string(&b), expected);
}

#define GLOBAL(entries)                                                                                      \
        "{\"type\":\"GLOBAL\",\"global\":{\"shared_state\":{\"lsn\":123456789012345678901234567890},"        \
        "\"stream_states\": [" entries "] ,\"x\":1e400}}"
#define ENTRY(name) "{\"stream_descriptor\":{\"name\":\"" name "\",\"namespace\":\"n\"},\"stream_state\":{\"c\": 1.0}}"

TEST(a_stream_state_is_one_row_with_its_bytes) {
        _cleanup_(rows_done) Rows rows = { .join = STATE_JOIN_INIT };

        split(&rows, "{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"a\"},\"stream_state\":{\"n\": "
                     "1e999}}}");
        split(&rows, "{\"type\":\"STREAM\",\"stream\":" ENTRY("b") "}");
        assert_string_equal(buffer_string(&rows.text),
                            "-|a|{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"a\"},"
                            "\"stream_state\":{\"n\": 1e999}}}\n"
                            "n|b|{\"type\":\"STREAM\",\"stream\":" ENTRY("b") "}\n");
        assert_joined(&rows, "[{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"a\"},"
                             "\"stream_state\":{\"n\": 1e999}}},{\"type\":\"STREAM\",\"stream\":" ENTRY("b") "}]");
}

TEST(a_global_state_is_a_shared_row_and_one_a_stream) {
        _cleanup_(rows_done) Rows rows = { .join = STATE_JOIN_INIT };

        split(&rows, GLOBAL(ENTRY("a") " , " ENTRY("b")));
        assert_string_equal(buffer_string(&rows.text),
                            "-|-|{\"type\":\"GLOBAL\",\"global\":{\"shared_state\":"
                            "{\"lsn\":123456789012345678901234567890},\"stream_states\": [] ,\"x\":1e400}}\n"
                            "n|a|" ENTRY("a") "\n"
                            "n|b|" ENTRY("b") "\n");
        assert_joined(&rows, "[" GLOBAL(ENTRY("a") "," ENTRY("b")) "]");
}

TEST(a_global_state_without_streams_comes_back_too) {
        _cleanup_(rows_done) Rows rows = { .join = STATE_JOIN_INIT };

        split(&rows, GLOBAL(""));
        assert_joined(&rows, "[" GLOBAL("") "]");
}

TEST(where_a_member_comes_twice_the_last_one_counts) {
        _cleanup_(rows_done) Rows rows = { .join = STATE_JOIN_INIT };

        split(&rows, "{\"type\":\"GLOBAL\",\"global\":{\"stream_states\":[1],\"stream_states\":[" ENTRY("a") "]}}");
        assert_joined(&rows, "[{\"type\":\"GLOBAL\",\"global\":{\"stream_states\":[1],\"stream_states\":[" ENTRY("a")
                             "]}}]");
}

TEST(a_legacy_state_is_one_row) {
        _cleanup_(rows_done) Rows rows = { .join = STATE_JOIN_INIT };

        split(&rows, "{\"type\":\"LEGACY\",\"data\":{\"a\":1}}");
        assert_string_equal(buffer_string(&rows.text), "-|-|{\"type\":\"LEGACY\",\"data\":{\"a\":1}}\n");
        assert_joined(&rows, "[{\"type\":\"LEGACY\",\"data\":{\"a\":1}}]");
}

TEST(no_rows_are_no_state) {
        _cleanup_(rows_done) Rows rows = { .join = STATE_JOIN_INIT };

        assert_joined(&rows, "[]");
}

TEST(rows_that_do_not_fit_together_are_refused) {
        static const StateRow shared = { .json = { "{}", 2 } }, stream = { "a", NULL, { "{}", 2 } };
        _cleanup_buffer_ Buffer b = {};
        StateJoin j = STATE_JOIN_INIT;

        ASSERT_OK(state_join_add(&j, STATE_GLOBAL, &shared));
        ASSERT_ERROR(state_join_add(&j, STATE_GLOBAL, &shared), EBADMSG);
        ASSERT_ERROR(state_join_add(&j, STATE_STREAM, &stream), EBADMSG);
        ASSERT_ERROR(state_join_end(&j, &b), EBADMSG);
        state_join_done(&j);
        ASSERT_OK(state_join_add(&j, STATE_GLOBAL, &stream));
        ASSERT_ERROR(state_join_end(&j, &b), EBADMSG);
        state_join_done(&j);
        ASSERT_OK(state_join_add(&j, STATE_STREAM, &shared));
        ASSERT_ERROR(state_join_end(&j, &b), EBADMSG);
        state_join_done(&j);
}
