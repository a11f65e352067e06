/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "worker/count-check.h"
#include "worker/state-tracker.h"
#include "worker/stream-run.h"

TEST_MAIN()

static void parse(const char *json, StateMessage *ret) {
        ASSERT_OK(state_message_parse((JsonSlice) { json, strlen(json) }, ret, NULL));
}

#define NO_ID INT64_MIN

static void stream_state(int value, int64_t id, StateMessage *ret) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_appendf(&b, "{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"s\"},"
                                 "\"stream_state\":{\"v\":%d}}}", value));
        parse(buffer_string(&b), ret);
        ret->has_id = id != NO_ID;
        ret->id = id;
}

static int64_t add(StateTracker *t, size_t stream, int value, uint64_t records) {
        _cleanup_(state_message_done) StateMessage m = {};
        StagedCount c = { .stream = stream, .records = records };
        int64_t id;

        stream_state(value, NO_ID, &m);
        ASSERT_OK(state_tracker_add(t, &m, stream, &c, 1, &id, NULL));
        return id;
}

/* What echo() says of state `id` with content `value`; frees the commit. */
static int echo(StateTracker *t, size_t stream, int value, int64_t id, uint64_t *ret_records) {
        _cleanup_(state_message_done) StateMessage m = {};
        _cleanup_(state_commit_done) StateCommit c = {};
        int r;

        stream_state(value, id, &m);
        r = state_tracker_echo(t, &m, stream, &c, NULL);
        *ret_records = 0;
        for (size_t i = 0; i < c.n_counts; i++)
                *ret_records += c.counts[i].records;
        return r;
}

TEST(O05_states_commit_in_the_order_of_their_stream) {
        _cleanup_(state_tracker_freep) StateTracker *t = state_tracker_new(2);
        uint64_t n;

        assert_int_equal(add(t, 0, 1, 10), 1);
        assert_int_equal(add(t, 1, 2, 20), 2);
        assert_int_equal(add(t, 0, 3, 30), 3);
        assert_int_equal(add(t, 0, 4, 40), 4);
        assert_int_equal(echo(t, 1, 2, 2, &n), 1);
        assert_int_equal(n, 20);
        assert_int_equal(echo(t, 0, 1, 1, &n), 1);
        assert_int_equal(n, 10);
        /* One passed over: the later one speaks for its records too. */
        assert_int_equal(echo(t, 0, 4, 4, &n), 1);
        assert_int_equal(n, 70);
        assert_int_equal(state_tracker_n_pending(t), 0);
        /* Once more is harmless, an older one isn't. */
        assert_int_equal(echo(t, 0, 4, 4, &n), 0);
        ASSERT_ERROR(echo(t, 0, 3, 3, &n), EBADMSG);
}

TEST(O05_forged_ids_and_changed_contents_are_refused) {
        _cleanup_(state_tracker_freep) StateTracker *t = state_tracker_new(2);
        uint64_t n;

        ASSERT_ERROR(echo(t, 0, 1, 1, &n), EBADMSG); /* before any state */
        add(t, 0, 1, 1);
        add(t, 1, 2, 1);
        ASSERT_ERROR(echo(t, 0, 1, 3, &n), EBADMSG);
        ASSERT_ERROR(echo(t, 0, 1, -1, &n), EBADMSG);
        ASSERT_ERROR(echo(t, 0, 2, 2, &n), EBADMSG); /* another stream's */
        ASSERT_ERROR(echo(t, 0, 9, 1, &n), EBADMSG);
        ASSERT_ERROR(echo(t, 0, 1, 0, &n), EBADMSG);
        ASSERT_ERROR(echo(t, 0, 9, NO_ID, &n), EBADMSG);
        assert_int_equal(state_tracker_n_pending(t), 2);
        assert_int_equal(echo(t, 0, 1, NO_ID, &n), 1); /* by content */
}

TEST(O01_kinds_are_not_mixed) {
        _cleanup_(state_tracker_freep) StateTracker *t = state_tracker_new(1);
        _cleanup_(state_message_done) StateMessage global = {}, legacy = {}, null = {};
        int64_t id;

        parse("{\"type\":\"GLOBAL\",\"global\":{\"shared_state\":null,\"stream_states\":[]}}", &global);
        parse("{\"data\":{\"a\":1}}", &legacy);
        parse("{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"s\"},\"stream_state\":null}}", &null);
        assert_int_equal(legacy.type, STATE_LEGACY);
        ASSERT_OK(state_tracker_add(t, &null, 0, NULL, 0, &id, NULL));
        ASSERT_ERROR(state_tracker_add(t, &global, STATE_TRACKER_SHARED, NULL, 0, &id, NULL), EINVAL);
        ASSERT_ERROR(state_tracker_add(t, &legacy, STATE_TRACKER_SHARED, NULL, 0, &id, NULL), EINVAL);
        assert_int_equal(state_tracker_type(t), STATE_STREAM);
}

/* All combinations of what the three sides may have counted, with what was filtered and rejected. */
TEST(O04_counts_agree_or_the_sentence_names_all_three) {
        for (int source = -1; source < 4; source++)
                for (int seen = 0; seen < 4; seen++)
                        for (int filtered = 0; filtered <= seen; filtered++)
                                for (int told = -1; told < 4; told++)
                                        for (int rejected = 0; rejected < 2; rejected++) {
                                                StateStats s = { source >= 0, source, 0 }, d = { told >= 0, told, rejected };
                                                CountWindow w = { (uint64_t) seen, (uint64_t) filtered };
                                                StateMessage m = { .type = STATE_STREAM, .source_stats = s };
                                                _cleanup_error_ Error *e = NULL;
                                                bool good = told < 0 || (told + rejected == seen - filtered &&
                                                                         (source < 0 || source == seen));

                                                assert_int_equal(count_check_source(&m, w.records, NULL) >= 0,
                                                                 source < 0 || source == seen);
                                                assert_int_equal(count_check_destination(&s, &d, w, &e) >= 0, good);
                                                assert_int_equal(!e, good);
                                                if (e)
                                                        assert_true(strstr(e->message, "destination") &&
                                                                    strstr(e->message, "source") &&
                                                                    strstr(e->message, "sent"));
                                        }
}

TEST(O04_legacy_states_are_not_counted) {
        StateMessage m = { .type = STATE_LEGACY, .source_stats = { true, 5, 0 } };

        ASSERT_OK(count_check_source(&m, 1, NULL));
}

TEST(O06_stream_runs_follow_the_table) {
        static const char *const table[_STREAM_RUN_MAX] = {
                /* to:                    P R L C I */
                [STREAM_RUN_PENDING] = "01111",
                [STREAM_RUN_RUNNING] = "00111",
                [STREAM_RUN_RATE_LIMITED] = "01011",
                [STREAM_RUN_COMPLETE] = "00000",
                [STREAM_RUN_INCOMPLETE] = "00000",
        };

        for (StreamRun from = 0; from < _STREAM_RUN_MAX; from++)
                for (StreamRun to = 0; to < _STREAM_RUN_MAX; to++)
                        assert_int_equal(stream_run_may_become(from, to), table[from][to] == '1');
        assert_int_equal(stream_run_on_status(STREAM_RUN_RUNNING, STREAM_STATUS_RUNNING, true), STREAM_RUN_RATE_LIMITED);
        assert_int_equal(stream_run_on_record(STREAM_RUN_RATE_LIMITED), STREAM_RUN_RUNNING);
        assert_int_equal(stream_run_on_status(STREAM_RUN_COMPLETE, STREAM_STATUS_INCOMPLETE, false), STREAM_RUN_COMPLETE);
        assert_int_equal(stream_run_on_record(STREAM_RUN_INCOMPLETE), STREAM_RUN_INCOMPLETE);
}
