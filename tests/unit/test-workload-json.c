/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "workload/workload-json.h"

TEST_MAIN()

#define UUID "0190a1b2-0000-7000-8000-000000000001"

static int parse(const char *text, WorkloadRequest *ret, Error **reterr_error) {
        return workload_request_parse(text, strlen(text), ret, reterr_error);
}

static const char sync_text[] =
        "{\"id\":\"c_7_0_sync\",\"autoId\":\"" UUID "\",\"type\":\"sync\",\"priority\":\"high\",\"mutexKey\":\"c\","
        "\"deadline\":5000000,\"workspaceId\":\"w\",\"connectionId\":\"c\",\"jobId\":7,\"attempt\":0,"
        "\"dropStates\":[{\"name\":\"a\",\"namespace\":null},{\"name\":\"b\",\"namespace\":\"n\"}],"
        "\"labels\":{\"k\":\"v\"},\"input\":{\"source\":null,\"destination\":{},\"n\":1.50}}";

TEST(every_member_is_read) {
        _cleanup_(workload_request_done) WorkloadRequest q = {};
        _cleanup_error_ Error *error = NULL;
        const Workload *w;

        if (parse(sync_text, &q, &error) < 0)
                fail_msg("%s", error_message(error, 0));
        w = q.workload;
        assert_string_equal(w->id, "c_7_0_sync");
        assert_string_equal(w->auto_id, UUID);
        assert_int_equal(w->type, WORKLOAD_SYNC);
        assert_int_equal(w->status, WORKLOAD_PENDING);
        assert_int_equal(w->priority, WORKLOAD_HIGH);
        assert_string_equal(w->mutex_key, "c");
        assert_int_equal(w->deadline, 5000000);
        assert_string_equal(w->workspace_id, "w");
        assert_string_equal(w->connection_id, "c");
        assert_int_equal(w->job_id, 7);
        assert_int_equal(w->attempt, 0);
        assert_string_equal(w->labels, "{\"k\":\"v\"}");
        assert_string_equal(w->input, "{\"source\":null,\"destination\":{},\"n\":1.50}");
        assert_int_equal(q.n_drop, 2);
        assert_string_equal(q.drop[0].stream_name, "a");
        assert_null(q.drop[0].stream_namespace);
        assert_string_equal(q.drop[1].stream_namespace, "n");
}

TEST(what_is_not_given_is_not_set) {
        _cleanup_(workload_request_done) WorkloadRequest q = {};

        ASSERT_OK(parse("{\"id\":\"x\",\"autoId\":\"" UUID "\",\"type\":\"spec\",\"mutexKey\":null,"
                        "\"input\":{\"actor\":{}}}", &q, NULL));
        assert_int_equal(q.workload->priority, WORKLOAD_DEFAULT);
        assert_int_equal(q.workload->job_id, 0);
        assert_int_equal(q.workload->attempt, -1);
        assert_int_equal(q.workload->deadline, 0);
        assert_null(q.workload->mutex_key);
        assert_null(q.workload->connection_id);
        assert_int_equal(q.n_drop, 0);
}

TEST(ids_that_would_be_bad_names_are_refused) {
        static const char *const bad[] = { "", ".", "..", "-x", "a/b", "a b", "a\n", "\xc3\xa9", "%n", ".x" };
        static const char *const good[] = { "x", "a_b-c.d:e", "0190a1b2-0000-7000-8000-000000000001_7_0_sync" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(workload_id_is_valid(bad[i]));
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(workload_id_is_valid(good[i]));
}

/* Cuts one member after the other out of a good text, or puts something else there. */
TEST(what_is_missing_or_of_another_kind_is_named) {
        static const struct {
                const char *what, *with, *says;
        } changes[] = {
                { "\"id\":\"c_7_0_sync\",", "", "'id'" },
                { "\"autoId\":\"" UUID "\",", "", "'autoId'" },
                { UUID, "1", "UUID" },
                { "\"type\":\"sync\"", "\"type\":\"wash\"", "'wash'" },
                { "\"priority\":\"high\"", "\"priority\":\"urgent\"", "'urgent'" },
                { "\"priority\":\"high\"", "\"priority\":1", "priority" },
                { "\"jobId\":7", "\"jobId\":-7", "jobId" },
                { "\"jobId\":7", "\"jobId\":null", "jobId" },
                { "\"attempt\":0", "\"attempt\":4294967296", "attempt" },
                { "\"connectionId\":\"c\"", "\"connectionId\":null", "connectionId" },
                { "\"destination\":{}", "\"destination\":null", "destination" },
                { "{\"name\":\"a\",\"namespace\":null}", "{\"namespace\":null}", "'name'" },
                { "{\"name\":\"a\",\"namespace\":null}", "3", "dropStates" },
                { "\"labels\":{\"k\":\"v\"}", "\"labels\":\"\"", "labels" },
        };

        for (size_t i = 0; i < ELEMENTSOF(changes); i++) {
                _cleanup_(workload_request_done) WorkloadRequest q = {};
                const char *at = strstr(sync_text, changes[i].what);
                _cleanup_error_ Error *error = NULL;
                _cleanup_buffer_ Buffer b = {};

                assert_non_null(at);
                ASSERT_OK(buffer_append(&b, sync_text, (size_t) (at - sync_text)));
                ASSERT_OK(buffer_append_string(&b, changes[i].with));
                ASSERT_OK(buffer_append_string(&b, at + strlen(changes[i].what)));
                ASSERT_ERROR(parse(buffer_string(&b), &q, &error), EINVAL);
                if (!strstr(error_message(error, 0), changes[i].says))
                        fail_msg("'%s' doesn't say %s", error_message(error, 0), changes[i].says);
        }
}

TEST(what_is_stored_is_shown_without_the_input) {
        Workload w = {
                .id = (char *) "x", .auto_id = (char *) UUID, .type = WORKLOAD_CHECK, .status = WORKLOAD_FAILURE,
                .attempt = -1, .lease_epoch = 2, .input = (char *) "{\"secret\":1}", .output = (char *) "{\"a\":1e400}",
                .termination_source = (char *) "worker", .termination_reason = (char *) "because", .created_at = 1,
                .updated_at = 2, .ended_at = 3,
        };
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;

        ASSERT_OK(workload_to_json(&w, &o));
        text = json_to_string(o);
        assert_string_equal(text, "{\"id\":\"x\",\"autoId\":\"" UUID "\",\"type\":\"check\",\"status\":\"failure\","
                                  "\"priority\":\"default\",\"leaseEpoch\":2,\"createdAt\":1,\"updatedAt\":2,"
                                  "\"endedAt\":3,\"output\":{\"a\":1e400},\"terminationSource\":\"worker\","
                                  "\"terminationReason\":\"because\",\"failure\":{\"source\":\"worker\","
                                  "\"reason\":\"because\"}}");
}

TEST(statistics_are_checked_entry_by_entry) {
        static const struct {
                const char *text;
                bool good;
        } cases[] = {
                { "[]", true },
                { "[{\"name\":\"a\",\"recordsEmitted\":9007199254740993,\"x\":{}}]", true },
                { "{}", false },
                { "[1]", false },
                { "[{\"name\":\"a\"},{}]", false },
                { "[{\"name\":\"a\",\"bytesCommitted\":-1}]", false },
                { "[{\"name\":\"a\",\"bytesCommitted\":1.5}]", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_json_ JsonObject *o = NULL;

                ASSERT_OK(json_parse(cases[i].text, strlen(cases[i].text), &o, NULL));
                assert_int_equal(workload_stats_check(o, NULL), cases[i].good ? 0 : -EINVAL);
        }
        assert_int_equal(workload_stats_check(NULL, NULL), -EINVAL);
}
