/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pure rules: when to try again, when to run, what to move. */

#include "unit/test.h"
#include "workflow/history-db.h"
#include "workflow/job-plan.h"
#include "workflow/retry-rules.h"
#include "workflow/schedule.h"

TEST_MAIN()

#define HOUR (3600 * USEC_PER_SEC)

/* --- retries --- */

TEST(complete_failures_wait_longer_each_time) {
        static const usec_t seconds[] = { 10, 30, 90, 270 };
        RetryCounts counts = {};
        usec_t delay;

        for (size_t i = 0; i < ELEMENTSOF(seconds); i++) {
                assert_true(retry_rules_next(&retry_limits_default, &counts, /* partial= */ false, &delay));
                assert_int_equal(delay, seconds[i] * USEC_PER_SEC);
        }
        assert_false(retry_rules_next(&retry_limits_default, &counts, /* partial= */ false, &delay));
}

TEST(the_pause_has_a_limit) {
        const RetryLimits patient = { 100, 100, 100, 100, 10 * USEC_PER_SEC, 1800 * USEC_PER_SEC };
        RetryCounts counts = {};
        usec_t delay = 0;

        for (int i = 0; i < 50; i++)
                assert_true(retry_rules_next(&patient, &counts, /* partial= */ false, &delay));
        assert_int_equal(delay, 1800 * USEC_PER_SEC);
}

TEST(a_partial_failure_starts_the_count_anew_but_not_the_total) {
        RetryCounts counts = {};
        usec_t delay;
        unsigned n = 0;

        for (;;) {
                bool again = retry_rules_next(&retry_limits_default, &counts, /* partial= */ n % 2 == 1, &delay);

                if (n % 2 == 1)
                        assert_int_equal(delay, 0);
                else
                        assert_int_equal(delay, 10 * USEC_PER_SEC);
                n++;
                if (!again)
                        break;
        }
        /* Ten complete failures, with nine partial ones between them. */
        assert_int_equal(n, 19);
}

TEST(partial_failures_end_after_twenty) {
        RetryCounts counts = {};
        usec_t delay;
        unsigned n = 1;

        while (retry_rules_next(&retry_limits_default, &counts, /* partial= */ true, &delay))
                n++;
        assert_int_equal(n, 20);
}

/* --- schedules --- */

static int next_run(ScheduleType type, const char *data, ConnectionStatus status, usec_t last, usec_t *ret) {
        const Connection c = { .schedule_type = type, .schedule_data = (char *) data, .status = status };

        return schedule_next_run(&c, last, 1000 * HOUR, ret, NULL);
}

TEST(intervals_count_from_the_newest_job) {
        usec_t at;

        ASSERT_OK(next_run(SCHEDULE_BASIC, "{\"units\":2,\"timeUnit\":\"hours\"}", CONNECTION_ACTIVE, 5 * HOUR, &at));
        assert_int_equal(at, 7 * HOUR);
        ASSERT_OK(next_run(SCHEDULE_BASIC, "{\"units\":1,\"timeUnit\":\"weeks\"}", CONNECTION_ACTIVE, HOUR, &at));
        assert_int_equal(at, 169 * HOUR);
        /* One that never ran, runs. */
        ASSERT_OK(next_run(SCHEDULE_BASIC, "{\"units\":2,\"timeUnit\":\"days\"}", CONNECTION_ACTIVE, 0, &at));
        assert_int_equal(at, 1000 * HOUR);
}

TEST(a_newest_job_in_the_future_does_not_count) {
        static const char daily[] = "{\"cronExpression\":\"0 0 0 * * ?\",\"cronTimeZone\":\"UTC\"}";
        Connection c = { .schedule_type = SCHEDULE_BASIC, .status = CONNECTION_ACTIVE,
                         .schedule_data = (char *) "{\"units\":2,\"timeUnit\":\"hours\"}" };
        usec_t at;

        ASSERT_OK(schedule_next_run(&c, 1024 * HOUR, 1000 * HOUR, &at, NULL));
        assert_int_equal(at, 1002 * HOUR);
        c.next_run = 1026 * HOUR;
        ASSERT_OK(schedule_next_run(&c, 1024 * HOUR, 1000 * HOUR, &at, NULL));
        assert_int_equal(at, 1002 * HOUR);
        /* It has been put in reach already. */
        c.next_run = 1002 * HOUR;
        ASSERT_OK(schedule_next_run(&c, 1024 * HOUR, 1001 * HOUR, &at, NULL));
        assert_int_equal(at, 1002 * HOUR);
        ASSERT_OK(next_run(SCHEDULE_CRON, daily, CONNECTION_ACTIVE, 1024 * HOUR, &at));
        assert_int_equal(at, 1008 * HOUR);
}

TEST(what_is_manual_or_off_never_runs_by_itself) {
        usec_t at = 1;

        ASSERT_OK(next_run(SCHEDULE_MANUAL, NULL, CONNECTION_ACTIVE, 5, &at));
        assert_int_equal(at, 0);
        for (ConnectionStatus s = CONNECTION_INACTIVE; s < _CONNECTION_STATUS_MAX; s++) {
                ASSERT_OK(next_run(SCHEDULE_BASIC, "{\"units\":2,\"timeUnit\":\"days\"}", s, 5, &at));
                assert_int_equal(at, 0);
        }
}

TEST(cron_counts_from_now_and_not_within_a_minute_of_the_newest_job) {
        static const char hourly[] = "{\"cronExpression\":\"0 0 * * * ?\",\"cronTimeZone\":\"UTC\"}";
        const Connection c = { .schedule_type = SCHEDULE_CRON, .status = CONNECTION_ACTIVE,
                               .schedule_data = (char *) hourly };
        usec_t at;

        ASSERT_OK(next_run(SCHEDULE_CRON, hourly, CONNECTION_ACTIVE, 0, &at));
        assert_int_equal(at, 1001 * HOUR);
        ASSERT_OK(next_run(SCHEDULE_CRON, hourly, CONNECTION_ACTIVE, 3 * HOUR, &at));
        assert_int_equal(at, 1001 * HOUR);
        ASSERT_OK(schedule_next_run(&c, 1001 * HOUR - USEC_PER_SEC, 1001 * HOUR - 1, &at, NULL));
        assert_int_equal(at, 1002 * HOUR);
        assert_true(next_run(SCHEDULE_CRON, "{\"cronExpression\":\"0 0 * * * *\"}", CONNECTION_ACTIVE, 0, &at) < 0);
        assert_true(next_run(SCHEDULE_CRON, "{\"cronExpression\":\"0 0 * * * ?\",\"cronTimeZone\":\"x\"}",
                             CONNECTION_ACTIVE, 0, &at) < 0);
        assert_true(next_run(SCHEDULE_CRON, "{}", CONNECTION_ACTIVE, 0, &at) < 0);
        ASSERT_OK(next_run(SCHEDULE_CRON, "{\"cronExpression\":\"0 0 0 1 1 ? 1970\"}", CONNECTION_ACTIVE, 0, &at));
        assert_int_equal(at, 0);
}

TEST(a_schedule_that_says_nothing_is_refused) {
        static const char *const bad[] = { "", "{}", "{\"units\":0,\"timeUnit\":\"hours\"}", "{\"units\":1}",
                                           "{\"units\":-1,\"timeUnit\":\"hours\"}", "{\"units\":\"1\",\"timeUnit\":\"hours\"}",
                                           "{\"units\":1,\"timeUnit\":\"fortnights\"}", "[]",
                                           "{\"units\":9223372036854775807,\"timeUnit\":\"months\"}" };
        usec_t at;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_true(next_run(SCHEDULE_BASIC, bad[i], CONNECTION_ACTIVE, 0, &at) < 0);
}

/* --- names --- */

TEST(each_activity_leads_to_its_workflow) {
        static const struct {
                const char *activity, *workflow;
        } names[] = {
                { "c_12_3_sync", "job-12" },
                { "0190a1b2-0000-7000-8000-000000000000_7_0_check", "job-7" },
                { "d_e_f_0190a1b2-0000-7000-8000-000000000000_0_spec", "spec-0190a1b2-0000-7000-8000-000000000000" },
                { "x", NULL },
                { "a_b_c", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *s = workflow_id_of_activity(names[i].activity);

                if (names[i].workflow)
                        assert_string_equal(s, names[i].workflow);
                else
                        assert_null(s);
        }
}

/* --- plans --- */

static JsonObject *json(const char *text) {
        JsonObject *o = NULL;

        if (text)
                ASSERT_OK(json_parse(text, strlen(text), &o, NULL));
        return o;
}

#define TWO_STREAMS                                                                                           \
        "{\"streams\":[{\"name\":\"a\",\"json_schema\":{\"properties\":{\"id\":{\"type\":\"integer\"},\"s\":"   \
        "{\"type\":\"string\"}}},\"supported_sync_modes\":[\"full_refresh\",\"incremental\"],"                 \
        "\"default_cursor_field\":[\"id\"],\"source_defined_primary_key\":[[\"id\"]]},"                        \
        "{\"name\":\"b\",\"namespace\":\"n\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]}]}"

typedef struct Planned {
        JsonObject *discovered, *configurations, *streams, *generations;
        JobPlan plan;
        Error *error;
} Planned;

static void planned_done(Planned *p) {
        json_putp(&p->discovered);
        json_putp(&p->configurations);
        json_putp(&p->streams);
        json_putp(&p->generations);
        job_plan_done(&p->plan);
        error_free(p->error);
}
#define _cleanup_planned_ _cleanup_(planned_done)

static int make_plan(Planned *p, JobPlanKind kind, const char *configurations, const char *streams,
                     const char *generations) {
        JobPlanRequest q = { .namespace_definition = "source", .prefix = "x_", .kind = kind, .sync_id = 9,
                             .first_attempt = true };

        *p = (Planned) { .discovered = json(TWO_STREAMS), .configurations = json(configurations),
                         .streams = json(streams), .generations = json(generations) };
        q.discovered = p->discovered;
        q.configurations = p->configurations;
        q.streams = p->streams;
        q.generations = p->generations;
        return job_plan_make(&q, &p->plan, &p->error);
}

static JsonObject *stream(JsonObject *catalog, size_t i) {
        return json_object_array_get_idx(json_member(catalog, "streams"), i);
}

static const char *text(JsonObject *o, const char *key) {
        return json_object_get_string(json_member(o, key));
}

TEST(without_a_selection_all_streams_move) {
        _cleanup_planned_ Planned p = {};

        ASSERT_OK(make_plan(&p, JOB_PLAN_SYNC, NULL, NULL, NULL));
        assert_int_equal(json_object_array_length(json_member(p.plan.source_catalog, "streams")), 2);
        assert_string_equal(text(json_member(stream(p.plan.destination_catalog, 1), "stream"), "name"), "x_b");
        assert_string_equal(text(json_object_array_get_idx(p.plan.streams, 1), "destinationName"), "x_b");
        assert_string_equal(text(json_object_array_get_idx(p.plan.streams, 1), "destinationNamespace"), "n");
}

TEST(a_selection_has_modes_fields_and_mappers) {
        _cleanup_planned_ Planned p = {};
        JsonObject *options;

        ASSERT_OK(make_plan(&p, JOB_PLAN_SYNC, "{\"streams\":[{\"name\":\"a\",\"syncMode\":\"incremental_append\","
                            "\"cursorField\":[\"id\"],\"selectedFields\":[{\"fieldPath\":[\"id\"]},{\"fieldPath\":[\"s\"]}],"
                            "\"mappers\":[{\"type\":\"hashing\",\"mapperConfiguration\":{\"targetField\":\"s\","
                            "\"method\":\"SHA-256\",\"fieldNameSuffix\":\"_h\"}}]}]}", NULL, NULL));
        assert_int_equal(json_object_array_length(json_member(p.plan.source_catalog, "streams")), 1);
        assert_string_equal(text(stream(p.plan.source_catalog, 0), "sync_mode"), "incremental");
        options = json_object_array_get_idx(p.plan.streams, 0);
        assert_int_equal(json_object_array_length(json_member(options, "selectedFields")), 2);
        assert_int_equal(json_object_array_length(json_member(options, "mappers")), 1);
        assert_non_null(json_member(json_member(json_member(json_member(stream(p.plan.destination_catalog, 0), "stream"),
                                                            "json_schema"), "properties"), "s_h"));
        /* An incremental stream keeps its state. */
        assert_int_equal(json_object_array_length(p.plan.drop_states), 0);
}

TEST(what_cannot_be_planned_names_the_stream) {
        static const char *const bad[] = {
                "{\"streams\":[{\"name\":\"ghost\"}]}",
                "{\"streams\":[{\"name\":\"ghost\",\"syncMode\":\"full_refresh_append\"},{\"name\":\"a\"}]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_planned_ Planned p = {};

                assert_true(make_plan(&p, JOB_PLAN_SYNC, bad[i], NULL, NULL) < 0);
                assert_non_null(strstr(p.error->message, "ghost"));
        }
        for (size_t i = 0; i < 3; i++) {
                static const char *const worse[] = { ("{\"streams\":[{\"name\":\"b\",\"namespace\":\"n\",\"syncMode\":"
                                                      "\"incremental_append\"}]}"),
                                                     "{\"streams\":[{\"name\":\"a\",\"syncMode\":\"sideways\"}]}",
                                                     "{\"streams\":[{}]}" };
                _cleanup_planned_ Planned p = {};

                assert_true(make_plan(&p, JOB_PLAN_SYNC, worse[i], NULL, NULL) < 0);
                assert_non_null(p.error);
        }
}

TEST(a_refresh_of_one_stream_leaves_the_others_alone) {
        _cleanup_planned_ Planned p = {};
        JsonObject *a;

        ASSERT_OK(make_plan(&p, JOB_PLAN_REFRESH_TRUNCATE, "{\"streams\":[{\"name\":\"a\",\"syncMode\":\"incremental_append\"},"
                            "{\"name\":\"b\",\"namespace\":\"n\",\"syncMode\":\"full_refresh_append\"}]}", "[{\"name\":\"a\"}]",
                            "[{\"name\":\"a\",\"generation_id\":4}]"));
        a = stream(p.plan.source_catalog, 0);
        assert_int_equal(json_object_get_int64(json_member(a, "generation_id")), 5);
        assert_int_equal(json_object_get_int64(json_member(a, "minimum_generation_id")), 5);
        assert_int_equal(json_object_get_int64(json_member(stream(p.plan.source_catalog, 1), "minimum_generation_id")), 0);
        /* b is a full refresh: it starts over in every job. */
        assert_int_equal(json_object_array_length(p.plan.drop_states), 2);
}

TEST(a_clear_of_one_stream_drops_its_state_alone) {
        _cleanup_planned_ Planned p = {};

        ASSERT_OK(make_plan(&p, JOB_PLAN_CLEAR, NULL, "[{\"name\":\"b\",\"namespace\":\"n\"}]", NULL));
        assert_int_equal(json_object_array_length(p.plan.drop_states), 1);
        assert_string_equal(text(json_object_array_get_idx(p.plan.drop_states, 0), "name"), "b");
        assert_string_equal(text(stream(p.plan.source_catalog, 0), "destination_sync_mode"), "append");
        assert_string_equal(text(stream(p.plan.source_catalog, 1), "destination_sync_mode"), "overwrite");
}

TEST(a_job_about_a_stream_that_is_not_selected_is_refused) {
        _cleanup_planned_ Planned p = {};

        assert_true(make_plan(&p, JOB_PLAN_CLEAR, NULL, "[{\"name\":\"ghost\"}]", NULL) < 0);
        assert_non_null(strstr(p.error->message, "ghost"));
}

TEST(streams_that_have_completed_are_refreshed) {
        _cleanup_json_ JsonObject *before = json("[{\"name\":\"a\",\"generation_id\":2,\"refreshing\":true},"
                                                 "{\"name\":\"b\",\"generation_id\":3,\"refreshing\":true}]"),
                                  *streams = json("[{\"name\":\"a\",\"complete\":true},{\"name\":\"b\",\"complete\":false}]"),
                                  *after = NULL;

        ASSERT_OK(job_plan_complete(before, streams, &after));
        assert_null(json_member(json_object_array_get_idx(after, 0), "refreshing"));
        assert_non_null(json_member(json_object_array_get_idx(after, 1), "refreshing"));
}
