/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/replication-harness.h"

TEST_MAIN()

#define CATALOG \
        "{\"streams\":[{\"stream\":{\"name\":\"users\",\"json_schema\":{},\"supported_sync_modes\":[\"incremental\"]," \
        "\"source_defined_cursor\":true},\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append\"}," \
        "{\"stream\":{\"name\":\"orders\",\"namespace\":\"shop\",\"json_schema\":{}," \
        "\"supported_sync_modes\":[\"full_refresh\"]},\"sync_mode\":\"full_refresh\"," \
        "\"destination_sync_mode\":\"overwrite\"}]}"

#define USER(n) \
        "{\"type\":\"RECORD\",\"record\":{\"stream\":\"users\",\"data\":{\"id\":" #n ",\"name\":\"n\"},\"emitted_at\":1}}\n"
#define ORDER(n) \
        "{\"type\":\"RECORD\",\"record\":{\"namespace\":\"shop\",\"stream\":\"orders\",\"emitted_at\":1,\"data\":{\"id\":" \
        #n "}}}\n"
#define USER_STATE_COUNTED(n, count) \
        "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"users\"}," \
        "\"stream_state\":{\"cursor\": " #n "}}" count "}}\n"
#define USER_STATE(n) USER_STATE_COUNTED(n, "")
#define ORDER_STATE(n) \
        "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"orders\"," \
        "\"namespace\":\"shop\"},\"stream_state\":{\"cursor\":" #n "}}}}\n"
#define GLOBAL_STATE(n) \
        "{\"type\":\"STATE\",\"state\":{\"type\":\"GLOBAL\",\"global\":{\"shared_state\":{\"lsn\":" #n "}," \
        "\"stream_states\":[]}}}\n"

#define HARNESS(...) _cleanup_(harness_done) Harness h = { .catalog = CATALOG, .options.fail_on_heartbeat = true, \
                                                           __VA_ARGS__ }

#define assert_contains(text, part)                                                     \
        do {                                                                            \
                const char *_text = (text);                                             \
                if (!strstr(_text, part))                                               \
                        fail_msg("'%s' is not in '%s'", part, _text);                   \
        } while (0)
#define assert_lacks(text, part)                                                        \
        do {                                                                            \
                const char *_text = (text);                                             \
                if (strstr(_text, part))                                                \
                        fail_msg("'%s' is in '%s'", part, _text);                       \
        } while (0)

TEST(records_and_states_go_through_and_are_committed) {
        HARNESS(.input = USER(1) USER(2) USER_STATE(2) ORDER(7) USER(3) USER_STATE(3));
        const StreamStats *users, *orders;

        harness_run(&h);
        assert_string_equal(harness_failure(&h, 0), "");
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_contains(harness_received(&h), USER(1) USER(2));
        assert_contains(harness_received(&h), ORDER(7) USER(3));
        /* The state is stored byte for byte; the one of the full refresh was put in. */
        assert_contains(harness_stored(&h), "\"stream_state\":{\"cursor\": 3}");
        assert_lacks(harness_stored(&h), "\"cursor\": 2");
        assert_contains(harness_stored(&h), "\"orders\"");
        users = replication_stream_stats(h.replication, 0);
        orders = replication_stream_stats(h.replication, 1);
        assert_int_equal(users->records_emitted, 3);
        assert_int_equal(users->records_committed, 3);
        assert_int_equal(users->bytes_emitted, 3 * strlen("{\"id\":1,\"name\":\"n\"}"));
        assert_int_equal(users->states_committed, 2);
        assert_int_equal(orders->records_committed, 1);
        assert_int_equal(orders->states_committed, 1);
        assert_true(users->complete && orders->complete);
        assert_int_equal(h.n_progress > 0, 1);
}

TEST(names_are_mapped_there_and_back) {
        HARNESS(.prefix = "p_", .namespace = "raw", .input = USER(1) USER_STATE(1) ORDER(2) ORDER_STATE(2) USER(3));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_contains(harness_received(&h), "\"namespace\":\"raw\",\"stream\":\"p_users\"");
        assert_contains(harness_received(&h), "{\"namespace\":\"raw\",\"stream\":\"p_orders\",\"emitted_at\":1,\"data\"");
        assert_lacks(harness_received(&h), "\"users\"");
        assert_lacks(harness_received(&h), "\"shop\"");
        assert_contains(harness_stored(&h), "{\"name\":\"users\"}");
        assert_contains(harness_stored(&h), "\"namespace\":\"shop\"");
        assert_lacks(harness_stored(&h), "p_");
}

TEST(lines_that_are_no_message_are_dropped_and_shown) {
        HARNESS(.input = "hello\n" USER(1) "{\"level\":\"info\"}\n\n" USER(2) USER_STATE(2) ORDER_STATE(0));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_int_equal(h.n_lines, 4);
        assert_contains(buffer_string(&h.logged), "hello");
        assert_contains(buffer_string(&h.logged), "(2 so far)");
}

TEST(a_line_without_newline_at_the_end_counts) {
        HARNESS(.input = "{\"type\":\"RECORD\",\"record\":{\"stream\":\"users\",\"data\":{},\"emitted_at\":1}}");

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_contains(harness_received(&h), "\"emitted_at\":1}}\n");
}

TEST(half_a_line_at_the_end_fails) {
        HARNESS(.input = USER(1) "{\"type\":\"RECORD\",\"record\":{\"stream\":\"us");

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "middle of a message");
        assert_string_equal(harness_received(&h), USER(1));
}

TEST(a_record_of_an_unknown_stream_fails_and_names_it) {
        HARNESS(.input = USER(1) "{\"type\":\"RECORD\",\"record\":{\"stream\":\"ghosts\",\"data\":{},\"emitted_at\":1}}\n" USER(2));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "'ghosts'");
        assert_lacks(harness_received(&h), "ghosts");
}

TEST(a_failed_source_leaves_what_was_committed) {
        HARNESS(.input = USER(1) USER_STATE(1) USER(2)
                "{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\",\"emitted_at\":1,\"error\":{\"message\":\"no more\","
                "\"failure_type\":\"config_error\"}}}\n",
                .source_code = 3, .options.destination_supports_refreshes = true);
        const FailureReason *f;
        size_t n;

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        f = replication_failures(h.replication, &n);
        assert_int_equal(n, 2);
        assert_true(f[0].from_trace);
        assert_int_equal(f[0].type, FAILURE_CONFIG_ERROR);
        assert_false(f[0].retryable);
        assert_string_equal(f[0].external_message, "no more");
        assert_contains(f[1].external_message, "code 3");
        assert_contains(harness_stored(&h), "\"cursor\": 1");
        assert_lacks(harness_received(&h), "COMPLETE");
        assert_int_equal(replication_stream_stats(h.replication, 0)->records_committed, 1);
}

TEST(exit_0_with_an_error_trace_is_a_failure) {
        HARNESS(.input = USER(1) "{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\",\"emitted_at\":1,"
                "\"error\":{\"message\":\"quietly\"}}}\n", .options.destination_supports_refreshes = true);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_string_equal(harness_failure(&h, 0), "quietly");
        assert_lacks(harness_received(&h), "COMPLETE");
}
