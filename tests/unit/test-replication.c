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

/* For those who are not to end by themselves. */
#define GRACE (20 * USEC_PER_MSEC)

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

TEST(a_failure_in_the_middle_of_reading_is_told_once) {
        HARNESS(.options.validate_records = true, .input = "{\"type\":\"RECORD\",\"record\":{\"stream\":\"x\",\"data\":{}}}\n");
        size_t n;

        harness_run(&h);
        (void) replication_failures(h.replication, &n);
        assert_int_equal(n, 1);
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

/* O01: the kind of the first state binds all others. */
TEST(O01_a_state_of_another_kind_fails) {
        HARNESS(.input = USER(1) USER_STATE(1) GLOBAL_STATE(9));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "GLOBAL came after one of type STREAM");
        assert_contains(harness_stored(&h), "\"cursor\": 1");
        assert_lacks(harness_stored(&h), "lsn");
}

TEST(O01_the_last_global_state_is_stored_and_commits_all_streams) {
        HARNESS(.input = USER(1) ORDER(1) GLOBAL_STATE(1) USER(2) GLOBAL_STATE(2));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_contains(harness_stored(&h), "\"lsn\":2");
        /* O02: nothing is put in beside a GLOBAL state. */
        assert_lacks(harness_received(&h), "\"stream_state\":{}");
        assert_int_equal(replication_stream_stats(h.replication, 0)->records_committed, 2);
        assert_int_equal(replication_stream_stats(h.replication, 1)->records_committed, 1);
}

TEST(O01_a_state_that_cannot_stand_beside_the_stored_one_fails_at_once) {
        static const char stored[] = "[{\"type\":\"GLOBAL\",\"global\":{\"shared_state\":{},\"stream_states\":[]}}]";
        _cleanup_state_set_ StateSet *initial = NULL;

        ASSERT_OK(state_set_parse(stored, strlen(stored), &initial, NULL));
        HARNESS(.input = USER(1) USER_STATE(1) USER(2), .options.initial_state = initial);
        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "the stored one is of type GLOBAL");
        assert_lacks(harness_received(&h), "STATE");
        assert_int_equal(h.stored.len, 0);
}

TEST(O02_no_state_is_put_in_after_a_failure) {
        HARNESS(.input = ORDER(1), .source_code = 1);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_lacks(harness_received(&h), "STATE");
}

TEST(O03_a_failed_flush_is_tried_again) {
        HARNESS(.input = USER(1) USER_STATE(1), .source_hangs = true, .n_flush_failures = 2,
                .options.flush_interval = 5 * USEC_PER_MSEC, .options.heartbeat_timeout = 2 * USEC_PER_SEC);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_true(h.n_flushes == 3);
        assert_contains(buffer_string(&h.logged), "trying again later");
        assert_contains(harness_stored(&h), "\"cursor\": 1");
        assert_contains(harness_failure(&h, 0), "no record or state");
}

TEST(O03_a_failed_last_flush_fails_the_attempt) {
        HARNESS(.input = USER(1) USER_STATE(1), .n_flush_failures = 100);
        const FailureReason *f;
        size_t n;

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        f = replication_failures(h.replication, &n);
        assert_int_equal(f[0].origin, ORIGIN_PERSISTENCE);
        assert_contains(f[0].external_message, "the store is away");
}

TEST(O04_a_wrong_count_of_the_source_fails_and_its_state_is_not_sent) {
        HARNESS(.input = USER(1) USER_STATE_COUNTED(1, ",\"sourceStats\":{\"recordCount\":1.0}") USER(2)
                USER_STATE_COUNTED(2, ",\"sourceStats\":{\"recordCount\":2.0}") USER(3));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "counted 2 records up to its state, 1 arrived");
        assert_contains(harness_stored(&h), "\"cursor\": 1");
        assert_lacks(harness_received(&h), "\"cursor\": 2");
}

TEST(O04_a_wrong_count_can_be_tolerated) {
        HARNESS(.input = USER(1) USER_STATE_COUNTED(1, ",\"sourceStats\":{\"recordCount\":7.0}"),
                .options.tolerate_count_mismatch = true);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_contains(buffer_string(&h.logged), "differ, tolerated");
}

/* Sends the state back with counts in it. */
static void answer_with(Harness *h, const char *line, const char *counts) {
        _cleanup_buffer_ Buffer b = {};

        assert_true(buffer_append(&b, line, strlen(line) - 3) >= 0 &&
                    buffer_appendf(&b, ",\"destinationStats\":%s}}\n", counts) >= 0);
        harness_say(h, buffer_string(&b));
}

static void answer_one_too_few(Harness *h, const char *line) {
        answer_with(h, line, "{\"recordCount\":1.0,\"rejectedRecordCount\":0.0}");
}

TEST(O04_a_wrong_count_of_the_destination_fails_and_nothing_is_stored) {
        HARNESS(.input = USER(1) USER(2) USER_STATE(2) USER(3) USER_STATE(3), .answer = answer_one_too_few);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "counted 1 records and 0 rejected ones, 2 were sent");
        assert_int_equal(h.stored.len, 0);
        assert_int_equal(replication_stream_stats(h.replication, 0)->records_committed, 0);
}

static void answer_below_zero(Harness *h, const char *line) {
        answer_with(h, line, "{\"recordCount\":3.0,\"rejectedRecordCount\":-1.0}");
}

TEST(O04_a_count_below_zero_makes_up_for_nothing) {
        HARNESS(.input = USER(1) USER(2) USER_STATE(2), .answer = answer_below_zero);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_int_equal(h.stored.len, 0);
}

static void answer_one_rejected(Harness *h, const char *line) {
        answer_with(h, line, strstr(line, "users") ? "{\"recordCount\":1.0,\"rejectedRecordCount\":1.0}"
                                                   : "{\"recordCount\":0.0}");
}

TEST(O04_rejected_records_are_not_committed) {
        HARNESS(.input = USER(1) USER(2) USER_STATE(2), .answer = answer_one_rejected);

        harness_run(&h);
        assert_string_equal(harness_failure(&h, 0), "");
        assert_int_equal(replication_stream_stats(h.replication, 0)->records_rejected, 1);
        assert_int_equal(replication_stream_stats(h.replication, 0)->records_committed, 1);
}

static void answer_twice(Harness *h, const char *line) {
        harness_say(h, line);
        harness_say(h, line);
}

TEST(O05_a_state_echoed_twice_counts_once) {
        HARNESS(.input = USER(1) USER_STATE(1) USER(2) USER_STATE(1), .answer = answer_twice);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_int_equal(replication_stream_stats(h.replication, 0)->states_committed, 2);
        assert_contains(buffer_string(&h.logged), "confirmed a state of stream 'users' twice");
}

static void answer_forged(Harness *h, const char *line) {
        harness_say(h, "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"id\":77,\"stream\":{\"stream_descriptor\":"
                       "{\"name\":\"users\"},\"stream_state\":{\"cursor\":1}}}}\n");
}

TEST(O05_a_forged_id_fails_and_nothing_is_stored) {
        HARNESS(.input = USER(1) USER_STATE(1), .answer = answer_forged);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "id 77, which was never given");
        assert_int_equal(h.stored.len, 0);
}

static void answer_changed(Harness *h, const char *line) {
        _cleanup_free_ char *copy = strdup(line);
        char *at = strstr(copy, "\"cursor\": 1");

        if (at)
                at[10] = '9';
        harness_say(h, copy);
}

TEST(O05_a_changed_state_fails_and_is_not_stored) {
        HARNESS(.input = USER(1) USER_STATE(1), .answer = answer_changed);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "changed the content");
        assert_int_equal(h.stored.len, 0);
}

static void answer_without_id(Harness *h, const char *line) {
        const char *name = strstr(line, "orders") ? "\"orders\",\"namespace\":\"shop\"" : "\"users\"";
        const char *state = strstr(line, "\"cursor\": 1") ? "{\"cursor\":1}" :
                            strstr(line, "\"cursor\": 2") ? "{ \"cursor\": 2 }" : "{}";
        _cleanup_buffer_ Buffer b = {};

        assert_true(buffer_appendf(&b, "{\"type\":\"STATE\",\"state\":{\"stream\":{\"stream_state\":%s,"
                                   "\"stream_descriptor\":{\"name\":%s}},\"type\":\"STREAM\"}}\n", state, name) >= 0);
        harness_say(h, buffer_string(&b));
}

TEST(O05_a_destination_that_drops_ids_is_understood_by_content) {
        HARNESS(.input = USER(1) USER_STATE(1) USER(2) USER_STATE(2) ORDER(1), .answer = answer_without_id);

        harness_run(&h);
        assert_string_equal(harness_failure(&h, 0), "");
        assert_contains(harness_stored(&h), "\"cursor\": 2");
        assert_int_equal(replication_stream_stats(h.replication, 0)->states_committed, 2);
}

static void answer_nothing(Harness *h, const char *line) {
}

TEST(O05_states_that_never_come_back_fail) {
        HARNESS(.input = USER(1) USER_STATE(1), .answer = answer_nothing);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "without confirming 2 of 2 states");
        assert_int_equal(h.stored.len, 0);
}

#define STATUS(stream, status)                                                                            \
        "{\"type\":\"TRACE\",\"trace\":{\"type\":\"STREAM_STATUS\",\"emitted_at\":1,\"stream_status\":{"  \
        "\"stream_descriptor\":" stream ",\"status\":\"" status "\"}}}\n"

TEST(O07_complete_is_told_of_every_stream_after_exit_0) {
        HARNESS(.input = USER(1) USER_STATE(1), .prefix = "p_", .options.destination_supports_refreshes = true);
        const char *last;

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        last = strstr(harness_received(&h), "COMPLETE");
        assert_non_null(last);
        assert_non_null(strstr(last + 1, "COMPLETE"));
        assert_null(strstr(last, "STATE\","));
        assert_contains(harness_received(&h), "\"stream_descriptor\":{\"name\":\"p_orders\",\"namespace\":\"shop\"}");
}

TEST(O07_no_complete_when_a_stream_is_incomplete) {
        HARNESS(.input = STATUS("{\"name\":\"users\"}", "STARTED") USER(1) STATUS("{\"name\":\"users\"}", "INCOMPLETE"),
                .options.destination_supports_refreshes = true);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "'users' as incomplete");
        assert_lacks(harness_received(&h), "COMPLETE");
}

TEST(O07_complete_of_a_stream_that_is_not_there_fails) {
        HARNESS(.input = USER(1) STATUS("{\"name\":\"ghosts\"}", "COMPLETE"));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "'ghosts' complete");
}

TEST(O08_a_destination_that_reads_nothing_times_out) {
        _cleanup_buffer_ Buffer b = {};
        HARNESS(.destination_deaf = true, .options.stop_grace = GRACE, .options.destination_timeout = 50 * USEC_PER_MSEC);
        const FailureReason *f;
        size_t n;

        for (int i = 0; i < 20000; i++)
                assert_true(buffer_append_string(&b, USER(1)) >= 0);
        h.input = buffer_string(&b);
        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        f = replication_failures(h.replication, &n);
        assert_int_equal(f[0].type, FAILURE_DESTINATION_TIMEOUT);
        assert_int_equal(h.n_kills, 1);
        /* Nothing is read ahead of it without bound. */
        assert_true(h.written < strlen(h.input));
}

TEST(O08_a_destination_that_does_not_end_times_out) {
        HARNESS(.input = USER(1), .destination_hangs = true, .options.stop_grace = GRACE, .options.destination_timeout = 50 * USEC_PER_MSEC);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "did not end");
        assert_int_equal(h.n_kills, 1);
}

static void check_early_end(int code, const char *failure) {
        HARNESS(.input = USER(1) USER(2) USER(3), .destination_exits_after = 1, .destination_code = code,
                .source_hangs = true);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_non_null(strstr(harness_failure(&h, 0), failure));
}

TEST(O08_a_destination_that_leaves_early_fails) {
        check_early_end(0, "before the end of its input");
        check_early_end(1, "code 1");
}

TEST(O08_a_destination_that_fails_at_the_end_fails) {
        HARNESS(.input = USER(1) USER_STATE(1), .destination_code = 1);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "The destination exited with code 1");
        /* What it confirmed before stays. */
        assert_contains(harness_stored(&h), "\"cursor\": 1");
}

TEST(O09_fields_are_selected_with_dollars_and_escapes) {
        char *fields[] = { (char *) "$id", (char *) "a\"b", NULL };
        HARNESS(.selected_fields = fields, .input =
                "{\"type\":\"RECORD\",\"record\":{\"stream\":\"users\",\"data\":{\"$id\":1,\"x\":2,\"a\\\"b\":3,\"\\u0024id\":4},"
                "\"emitted_at\":1}}\n");

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_lacks(harness_received(&h), "\"x\"");
        assert_contains(harness_received(&h), "\"a\\\"b\":3");
}

TEST(a_silent_source_times_out) {
        HARNESS(.input = USER(1), .source_hangs = true, .options.heartbeat_timeout = 2 * USEC_PER_SEC);
        const FailureReason *f;
        size_t n;

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        f = replication_failures(h.replication, &n);
        assert_int_equal(f[0].type, FAILURE_HEARTBEAT_TIMEOUT);
        assert_int_equal(f[0].origin, ORIGIN_SOURCE);
        assert_string_equal(harness_received(&h), USER(1));
}

TEST(an_output_that_stays_open_after_the_exit_fails) {
        HARNESS(.input = USER(1), .source_silent_exit = true, .options.stop_grace = GRACE);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "holds its output open");
}

TEST(a_source_that_has_exited_waits_for_a_slow_destination) {
        _cleanup_buffer_ Buffer b = {};
        HARNESS(.destination_starts_late = true, .options.stop_grace = GRACE);

        /* More than the pipe to the destination holds, less than both together. */
        for (int i = 0; i < 1000; i++)
                assert_true(buffer_append_string(&b, USER(1)) >= 0);
        h.input = buffer_string(&b);
        harness_run(&h);
        assert_string_equal(harness_failure(&h, 0), "");
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_int_equal(replication_stream_stats(h.replication, 0)->records_committed, 1000);
}

TEST(a_killed_source_fails_with_the_signal) {
        HARNESS(.input = USER(1), .source_signal = SIGKILL);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "signal 9, SIGKILL");
}

TEST(what_killed_a_source_is_told) {
        HARNESS(.input = USER(1), .source_signal = SIGKILL, .source_oom = 64 << 20);

        harness_run(&h);
        assert_string_equal(harness_failure(&h, 0),
                            "The source was killed: it needed more memory than its limit of 64 MiB");
}

TEST(cancel_commits_what_came_back) {
        HARNESS(.input = USER(1) USER_STATE(1) USER(2), .source_hangs = true, .cancel_after_lines = 3);
        const FailureReason *f;
        size_t n;

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_CANCELLED);
        f = replication_failures(h.replication, &n);
        assert_int_equal(n, 1);
        assert_int_equal(f[0].type, FAILURE_MANUAL_CANCELLATION);
        assert_contains(harness_stored(&h), "\"cursor\": 1");
        assert_int_equal(h.n_stops, 1);
}

TEST(a_failure_outside_ends_it_as_failed_and_keeps_what_came_back) {
        HARNESS(.input = USER(1) USER_STATE(1) USER(2), .source_hangs = true, .fail_after_lines = 3);
        const FailureReason *f;
        size_t n;

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        f = replication_failures(h.replication, &n);
        assert_int_equal(n, 1);
        assert_int_equal(f[0].origin, ORIGIN_PERSISTENCE);
        assert_int_equal(f[0].type, FAILURE_SYSTEM_ERROR);
        assert_string_equal(f[0].external_message, "the store is gone");
        assert_contains(harness_stored(&h), "\"cursor\": 1");
        assert_true(h.n_stops > 0);
}

TEST(cancel_ends_a_destination_that_hangs) {
        HARNESS(.input = USER(1) USER_STATE(1) USER(2), .source_hangs = true, .cancel_after_lines = 3,
                .destination_hangs = true, .options.stop_grace = GRACE);

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_CANCELLED);
        assert_int_equal(h.n_kills, 1);
        assert_contains(harness_stored(&h), "\"cursor\": 1");
}

TEST(the_record_limit_ends_the_source_and_keeps_later_states_back) {
        HARNESS(.input = USER(1) USER_STATE(1) USER(2) USER(3) USER_STATE(3) ORDER(1) ORDER(2), .source_hangs = true,
                .options.record_limit = 2);

        harness_run(&h);
        assert_string_equal(harness_failure(&h, 0), "");
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_int_equal(replication_stream_stats(h.replication, 0)->records_committed, 2);
        assert_int_equal(replication_stream_stats(h.replication, 1)->records_committed, 2);
        assert_contains(harness_stored(&h), "\"cursor\": 1");
        assert_lacks(harness_stored(&h), "\"cursor\": 3");
}

#define CONTROL(token) \
        "{\"type\":\"CONTROL\",\"control\":{\"type\":\"CONNECTOR_CONFIG\",\"emitted_at\":1,\"connectorConfig\":{" \
        "\"config\":{\"token\":\"" token "\"}}}}\n"

TEST(T28_new_configurations_are_kept_the_first_at_once_and_the_last) {
        HARNESS(.input = CONTROL("a") CONTROL("b") CONTROL("c"));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_COMPLETED);
        assert_contains(buffer_string(&h.controls), "\"a\"");
        assert_lacks(buffer_string(&h.controls), "\"b\"");
        assert_contains(buffer_string(&h.controls), "\"c\"");
}

TEST(T29_secrets_are_masked_in_logs_and_failures) {
        char *secrets[] = { (char *) "pa\"ss word", NULL };
        HARNESS(.options.secrets = secrets, .source_code = 1, .input =
                "{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"with pa\\\"ss word\"}}\n"
                "junk pa\\\"ss word and pa%22ss%20word and PA\"SS WORD\n"
                "{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\",\"emitted_at\":1,\"error\":{"
                "\"message\":\"bad pa\\\"ss word\",\"stack_trace\":\"cGEic3Mgd29yZA==\"}}}\n");
        const FailureReason *f;
        size_t n;

        harness_run(&h);
        f = replication_failures(h.replication, &n);
        assert_contains(f[0].external_message, "bad **********");
        assert_lacks(f[0].stack_trace, "cGEic3Mgd29y");
        assert_contains(buffer_string(&h.logged), "with **********");
        assert_contains(buffer_string(&h.logged), "junk ********** and ********** and **********");
        assert_lacks(buffer_string(&h.logged), "word");
}

TEST(a_broken_record_fails_and_a_broken_log_line_does_not) {
        HARNESS(.input = USER(1) "{\"type\":\"RECORD\",\"record\":{\"stream\":\"users\",\"da" USER(2));

        harness_run(&h);
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "broken message (line 2)");
}

TEST(estimates_are_dropped_when_they_are_mixed) {
        HARNESS(.input = "{\"type\":\"TRACE\",\"trace\":{\"type\":\"ESTIMATE\",\"emitted_at\":1,\"estimate\":{\"name\":\"users\","
                "\"type\":\"STREAM\",\"row_estimate\":5}}}\n" USER(1)
                "{\"type\":\"TRACE\",\"trace\":{\"type\":\"ESTIMATE\",\"emitted_at\":1,\"estimate\":{\"name\":\"users\","
                "\"type\":\"SYNC\",\"row_estimate\":9}}}\n");
        StreamStats totals;

        harness_run(&h);
        replication_totals(h.replication, &totals);
        assert_int_equal(totals.estimated_records, -1);
        assert_int_equal(replication_stream_stats(h.replication, 0)->estimated_records, -1);
}

TEST(a_source_that_never_started_fails) {
        HARNESS(.input = "");
        ReplicationEndpoint none = { -EBADF, -EBADF, -EBADF, NULL, NULL, NULL };
        ReplicationSink sink = { .done = harness_finished, .userdata = &h };
        Error error = { .code = -ENOENT, .message = (char *) "no such program" };

        harness_set_up(&h);
        h.source_out = h.destination_in = h.destination_out = -EBADF;
        ASSERT_OK(replication_new(h.env, &h.options, &sink, &h.replication, NULL));
        ASSERT_OK(replication_start(h.replication, &none, &none));
        ASSERT_OK(replication_source_exited(h.replication, NULL, &error));
        ASSERT_OK(replication_destination_exited(h.replication, NULL, &error));
        ASSERT_OK(h.env->ops->run(h.env));
        assert_int_equal(h.status, REPLICATION_FAILED);
        assert_contains(harness_failure(&h, 0), "The source could not be run: no such program");
}
