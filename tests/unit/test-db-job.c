/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/attempt-store.h"
#include "db/backfill-store.h"
#include "db/change-store.h"
#include "db/generation-store.h"
#include "db/job-store.h"
#include "db/timeline-store.h"
#include "unit/db-harness.h"

#define S(text) ((char *) (text))

static int64_t create_job(Db *db, const char *connection, usec_t now) {
        Job j = { .connection_id = S(connection), .type = JOB_SYNC, .config = S("{}") };

        ASSERT_OK(job_store_create(db, &j, now, NULL));
        return j.id;
}

static int64_t ended_job(Db *db, const char *connection, JobStatus status, usec_t now) {
        int64_t id = create_job(db, connection, now);

        if (status == JOB_SUCCEEDED)
                ASSERT_OK(job_store_set_status(db, id, JOB_RUNNING, NULL, now, NULL));
        ASSERT_OK(job_store_set_status(db, id, status, NULL, now, NULL));
        return id;
}

static void insert_connection(Db *db, const char *id, const char *workspace) {
        Connection c = { .id = S(id),
                         .workspace_id = S(workspace),
                         .source_id = S("s"),
                         .destination_id = S("d"),
                         .name = S(id) };

        ASSERT_OK(connection_store_insert(db, &c, NOW, NULL));
}

TEST(jobs_are_numbered_without_gaps) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(job_freep) Job *j = NULL;
        Job none = { .connection_id = S("none"), .config = S("{}") };

        test_db_new(&t);
        assert_int_equal(create_job(t.db, "c", NOW), 1);
        /* A refused one takes no number. */
        ASSERT_ERROR(job_store_create(t.db, &none, NOW, NULL), ENOENT);
        insert_connection(t.db, "c2", "w");
        assert_int_equal(create_job(t.db, "c2", NOW + 1), 2);
        ASSERT_OK(job_store_get(t.db, 2, &j, NULL));
        assert_string_equal(j->connection_id, "c2");
        assert_string_equal(j->workspace_id, "w");
        assert_int_equal(j->status, JOB_PENDING);
        assert_int_equal(j->created_at, NOW + 1);
        assert_int_equal(j->started_at, 0);
}

TEST(W02_a_connection_has_one_live_job) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(job_freep) Job *live = NULL, *latest = NULL;
        Job second = { .connection_id = S("c"), .config = S("{}") };
        int64_t id;

        test_db_new(&t);
        id = create_job(t.db, "c", NOW);
        ASSERT_ERROR(job_store_create(t.db, &second, NOW, NULL), EBUSY);
        ASSERT_OK(job_store_get_live(t.db, "c", &live, NULL));
        assert_int_equal(live->id, id);
        ASSERT_OK(job_store_set_status(t.db, id, JOB_CANCELLED, NULL, NOW, NULL));
        ASSERT_ERROR(job_store_get_live(t.db, "c", &live, NULL), ENOENT);
        ASSERT_OK(job_store_create(t.db, &second, NOW, NULL));
        ASSERT_OK(job_store_get_latest(t.db, "c", &latest, NULL));
        assert_int_equal(latest->id, second.id);
}

TEST(a_job_only_takes_allowed_steps) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(job_freep) Job *j = NULL;
        _cleanup_error_ Error *e = NULL;
        int64_t id;

        test_db_new(&t);
        id = create_job(t.db, "c", NOW);
        ASSERT_ERROR(job_store_set_status(t.db, id, JOB_SUCCEEDED, NULL, NOW, &e), EINVAL);
        assert_string_equal(e->message, "Job 1 is pending and can't become succeeded");
        ASSERT_OK(job_store_set_status(t.db, id, JOB_RUNNING, NULL, NOW + 1, NULL));
        ASSERT_OK(job_store_set_status(t.db, id, JOB_INCOMPLETE, "{\"f\":1}", NOW + 2, NULL));
        ASSERT_OK(job_store_set_status(t.db, id, JOB_RUNNING, NULL, NOW + 3, NULL));
        ASSERT_OK(job_store_set_status(t.db, id, JOB_SUCCEEDED, NULL, NOW + 4, NULL));
        ASSERT_ERROR(job_store_set_status(t.db, id, JOB_CANCELLED, NULL, NOW, NULL), ESRCH);
        ASSERT_ERROR(job_store_set_status(t.db, 99, JOB_CANCELLED, NULL, NOW, NULL), ENOENT);
        ASSERT_OK(job_store_get(t.db, id, &j, NULL));
        assert_int_equal(j->started_at, NOW + 1);
        assert_int_equal(j->ended_at, NOW + 4);
        assert_string_equal(j->failure, "{\"f\":1}");
}

TEST(W05_what_is_alive_is_found_after_a_restart) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(job_array_done) JobArray live = {};

        test_db_new(&t);
        insert_connection(t.db, "c2", "w");
        insert_connection(t.db, "c3", "w");
        ended_job(t.db, "c", JOB_FAILED, NOW);
        create_job(t.db, "c", NOW);
        create_job(t.db, "c2", NOW);
        ended_job(t.db, "c3", JOB_SUCCEEDED, NOW);
        ASSERT_OK(job_store_set_status(t.db, 3, JOB_INCOMPLETE, NULL, NOW, NULL));
        ASSERT_OK(job_store_list_live(t.db, &live, NULL));
        assert_int_equal(live.n, 2);
        assert_int_equal(live.items[0]->id, 2);
        assert_int_equal(live.items[1]->id, 3);
}

TEST(retry_counters_are_kept) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(job_freep) Job *j = NULL, *after = NULL;

        test_db_new(&t);
        ASSERT_OK(job_store_get(t.db, create_job(t.db, "c", NOW), &j, NULL));
        j->successive_complete_failures = 1;
        j->total_complete_failures = 2;
        j->successive_partial_failures = 3;
        j->total_partial_failures = 4;
        ASSERT_OK(job_store_update(t.db, j, NOW + 1, NULL));
        ASSERT_OK(job_store_get(t.db, j->id, &after, NULL));
        assert_int_equal(after->successive_complete_failures * 1000 + after->total_complete_failures * 100 +
                                 after->successive_partial_failures * 10 + after->total_partial_failures,
                         1234);
}

static void expect_jobs(Db *db, const JobFilter *filter, const ListOptions *options, const char *ids) {
        _cleanup_(job_array_done) JobArray found = {};
        char text[256] = "";

        ASSERT_OK(job_store_list(db, filter, options, &found, NULL));
        for (size_t i = 0; i < found.n; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%lld ",
                                (long long) found.items[i]->id);
        assert_string_equal(text, ids);
}

/* c: 1 failed, 3 succeeded; c2 (workspace w2): 2 succeeded, 4 pending. Updated in the order 2 1 4 3. */
TEST(jobs_are_listed_by_every_filter_order_and_page) {
        _cleanup_test_db_ TestDb t = {};
        JobFilter f = JOB_FILTER_ALL;
        char *both[] = { S("w"), S("w2"), NULL }, *second[] = { S("w2"), NULL };

        test_db_new(&t);
        ASSERT_OK(workspace_store_insert(t.db, &(Workspace) { .id = S("w2"), .name = S("w2") }, NOW, NULL));
        insert_connection(t.db, "c2", "w2");
        ended_job(t.db, "c", JOB_FAILED, NOW + 20);
        ended_job(t.db, "c2", JOB_SUCCEEDED, NOW + 10);
        ended_job(t.db, "c", JOB_SUCCEEDED, NOW + 40);
        create_job(t.db, "c2", NOW + 30);

        expect_jobs(t.db, &f, NULL, "1 2 3 4 ");
        expect_jobs(t.db, &f, &(ListOptions) { .limit = 2, .offset = 1 }, "2 3 ");
        expect_jobs(t.db, &f, &(ListOptions) { .limit = 2, .after_number = 2 }, "3 4 ");
        f.order = JOB_ORDER_CREATED_DESCENDING;
        expect_jobs(t.db, &f, NULL, "4 3 2 1 ");
        expect_jobs(t.db, &f, &(ListOptions) { .limit = 2, .after_number = 4 }, "3 2 ");
        f.order = JOB_ORDER_UPDATED_ASCENDING;
        expect_jobs(t.db, &f, NULL, "2 1 4 3 ");
        f.order = JOB_ORDER_UPDATED_DESCENDING;
        expect_jobs(t.db, &f, NULL, "3 4 1 2 ");
        f.workspace_ids = both;
        expect_jobs(t.db, &f, NULL, "3 4 1 2 ");
        expect_jobs(t.db, &f, &(ListOptions) { .limit = 2, .offset = 1 }, "4 1 ");
        f.workspace_ids = second;
        expect_jobs(t.db, &f, NULL, "4 2 ");
        f = JOB_FILTER_ALL;
        f.connection_id = "c";
        expect_jobs(t.db, &f, NULL, "1 3 ");
        f.status = JOB_SUCCEEDED;
        expect_jobs(t.db, &f, NULL, "3 ");
        f = JOB_FILTER_ALL;
        f.type = JOB_CLEAR;
        expect_jobs(t.db, &f, NULL, "");
        f.type = JOB_SYNC;
        f.status = JOB_SUCCEEDED;
        f.order = JOB_ORDER_UPDATED_DESCENDING;
        expect_jobs(t.db, &f, NULL, "3 2 ");
        f = JOB_FILTER_ALL;
        f.created_from = NOW + 20;
        f.created_until = NOW + 30;
        expect_jobs(t.db, &f, NULL, "1 4 ");
        f = JOB_FILTER_ALL;
        f.updated_from = NOW + 40;
        expect_jobs(t.db, &f, NULL, "3 ");
}

TEST(W04_the_streak_of_failures_ends_with_a_success) {
        _cleanup_test_db_ TestDb t = {};
        JobStreak s;

        test_db_new(&t);
        ASSERT_OK(job_store_streak(t.db, "c", &s, NULL));
        assert_int_equal(s.failed, 0);
        ended_job(t.db, "c", JOB_FAILED, NOW);
        ended_job(t.db, "c", JOB_SUCCEEDED, NOW + 1);
        ended_job(t.db, "c", JOB_FAILED, NOW + 2);
        ended_job(t.db, "c", JOB_CANCELLED, NOW + 3);
        ended_job(t.db, "c", JOB_FAILED, NOW + 4);
        ASSERT_OK(job_store_streak(t.db, "c", &s, NULL));
        assert_int_equal(s.failed, 2);
        assert_int_equal(s.last_success_at, NOW + 1);
        assert_int_equal(s.first_failure_at, NOW + 2);
}

TEST(W06_one_attempt_runs_at_a_time) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(attempt_array_done) AttemptArray all = {};
        _cleanup_(job_freep) Job *j = NULL;
        Attempt a = { .status = ATTEMPT_FAILED,
                      .output = S("{\"o\":1}"),
                      .failure = S("{\"f\":1}"),
                      .records_emitted = 10,
                      .bytes_emitted = 100,
                      .records_committed = 5,
                      .bytes_committed = 50 };
        int number = -1;

        test_db_new(&t);
        a.job_id = create_job(t.db, "c", NOW);
        ASSERT_OK(attempt_store_create(t.db, a.job_id, NOW, &number, NULL));
        assert_int_equal(number, 0);
        ASSERT_ERROR(attempt_store_create(t.db, a.job_id, NOW, &number, NULL), EBUSY);
        ASSERT_OK(attempt_store_set_workload(t.db, a.job_id, 0, "wl", NOW, NULL));
        assert_int_equal(attempt_store_finish(t.db, &a, NOW + 1, NULL), 1);
        /* Told again after a lost answer: nothing is counted twice. */
        assert_int_equal(attempt_store_finish(t.db, &a, NOW + 2, NULL), 0);
        ASSERT_OK(attempt_store_create(t.db, a.job_id, NOW + 3, &number, NULL));
        assert_int_equal(number, 1);
        ASSERT_OK(attempt_store_list(t.db, a.job_id, &all, NULL));
        assert_int_equal(all.n, 2);
        assert_string_equal(all.items[0]->workload_id, "wl");
        assert_string_equal(all.items[0]->output, "{\"o\":1}");
        assert_int_equal(all.items[0]->ended_at, NOW + 1);
        assert_int_equal(all.items[1]->status, ATTEMPT_RUNNING);
        ASSERT_OK(job_store_get(t.db, a.job_id, &j, NULL));
        assert_int_equal(j->attempts, 2);
        assert_int_equal(j->records_committed, 5);
        assert_int_equal(j->bytes_committed, 50);
        a.number = 7;
        ASSERT_ERROR(attempt_store_finish(t.db, &a, NOW, NULL), ENOENT);
}

TEST(W05_running_attempts_of_a_dead_job_are_failed) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(attempt_freep) Attempt *a = NULL;
        int64_t id;
        int number;

        test_db_new(&t);
        id = create_job(t.db, "c", NOW);
        ASSERT_OK(attempt_store_create(t.db, id, NOW, &number, NULL));
        assert_int_equal(attempt_store_fail_running(t.db, id, "{}", NOW + 1, NULL), 1);
        assert_int_equal(attempt_store_fail_running(t.db, id, "{}", NOW + 2, NULL), 0);
        ASSERT_OK(attempt_store_get(t.db, id, 0, &a, NULL));
        assert_int_equal(a->status, ATTEMPT_FAILED);
        assert_int_equal(a->ended_at, NOW + 1);
        ASSERT_OK(job_store_set_status(t.db, id, JOB_FAILED, NULL, NOW, NULL));
        ASSERT_ERROR(attempt_store_create(t.db, id, NOW, &number, NULL), ESRCH);
}

TEST(statistics_are_replaced_and_the_newest_found) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(stream_stats_array_done) StreamStatsArray first = {}, latest = {};
        StreamStats s[] = {
                { .stream_name = S("a"), .records_emitted = 1, .status = STREAM_RUNNING },
                { .stream_namespace = S("n"),
                  .stream_name = S("a"),
                  .records_emitted = 2,
                  .status = STREAM_INCOMPLETE,
                  .incomplete_cause = S("FAILED"),
                  .was_resumed = true },
        };
        int64_t one, two;
        int number;

        test_db_new(&t);
        one = create_job(t.db, "c", NOW);
        ASSERT_OK(attempt_store_create(t.db, one, NOW, &number, NULL));
        s[0].job_id = s[1].job_id = one;
        ASSERT_OK(stream_stats_store_set(t.db, s, 2, NOW, NULL));
        s[0].records_emitted = 10;
        s[0].status = STREAM_COMPLETE;
        ASSERT_OK(stream_stats_store_set(t.db, s, 1, NOW + 1, NULL));
        ASSERT_OK(stream_stats_store_list(t.db, one, 0, &first, NULL));
        assert_int_equal(first.n, 2);
        assert_null(first.items[0]->stream_namespace);
        assert_int_equal(first.items[0]->records_emitted, 10);
        assert_int_equal(first.items[0]->status, STREAM_COMPLETE);
        assert_string_equal(first.items[1]->stream_namespace, "n");
        assert_string_equal(first.items[1]->incomplete_cause, "FAILED");
        assert_true(first.items[1]->was_resumed);
        ASSERT_OK(job_store_set_status(t.db, one, JOB_FAILED, NULL, NOW, NULL));
        two = create_job(t.db, "c", NOW);
        ASSERT_OK(attempt_store_create(t.db, two, NOW, &number, NULL));
        s[0].job_id = two;
        ASSERT_OK(stream_stats_store_set(t.db, s, 1, NOW + 2, NULL));
        /* What comes late for the older job doesn't count as newest. */
        s[0].job_id = one;
        ASSERT_OK(stream_stats_store_set(t.db, s, 1, NOW + 3, NULL));
        ASSERT_OK(stream_stats_store_list_latest(t.db, "c", &latest, NULL));
        assert_int_equal(latest.n, 2);
        assert_int_equal(latest.items[0]->job_id, two);
        assert_int_equal(latest.items[1]->job_id, one);
        s[0].job_id = 99;
        ASSERT_ERROR(stream_stats_store_set(t.db, s, 1, NOW, NULL), ENOENT);
}

TEST(a_backfill_is_owed_once_and_again_with_the_next_field) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(backfill_array_done) BackfillArray all = {}, again = {}, none = {}, left = {};
        const StreamRef a = { NULL, "a" }, b = { "n", "a" }, nobody = { NULL, "z" };

        test_db_new(&t);
        ASSERT_OK(backfill_store_owe(t.db, "c", &a, /* forced= */ false, NOW, NULL));
        ASSERT_OK(backfill_store_owe(t.db, "c", &b, /* forced= */ true, NOW, NULL));
        ASSERT_OK(backfill_store_begin(t.db, "c", &b, NOW, NULL));
        ASSERT_OK(backfill_store_begin(t.db, "c", &nobody, NOW, NULL));
        ASSERT_OK(backfill_store_list(t.db, "c", &all, NULL));
        assert_int_equal(all.n, 2);
        assert_null(all.items[0]->stream_namespace);
        assert_false(all.items[0]->begun || all.items[0]->forced);
        assert_string_equal(all.items[1]->stream_namespace, "n");
        assert_true(all.items[1]->begun && all.items[1]->forced);
        /* What is forced stays so, what wasn't becomes so. */
        ASSERT_OK(backfill_store_owe(t.db, "c", &b, /* forced= */ false, NOW + 1, NULL));
        ASSERT_OK(backfill_store_owe(t.db, "c", &a, /* forced= */ true, NOW, NULL));
        /* Who has seen the one before settles nothing. */
        ASSERT_OK(backfill_store_begin(t.db, "c", &b, NOW, NULL));
        ASSERT_OK(backfill_store_forget(t.db, "c", &b, NOW, NULL));
        ASSERT_OK(backfill_store_list(t.db, "c", &again, NULL));
        assert_int_equal(again.n, 2);
        assert_true(again.items[0]->forced);
        assert_true(again.items[1]->forced && !again.items[1]->begun);
        ASSERT_OK(backfill_store_forget(t.db, "c", &a, NOW, NULL));
        ASSERT_OK(backfill_store_forget(t.db, "c", &a, NOW, NULL));
        ASSERT_OK(backfill_store_list(t.db, "c", &left, NULL));
        assert_int_equal(left.n, 1);
        ASSERT_OK(backfill_store_forget_all(t.db, "c", NULL));
        ASSERT_OK(backfill_store_list(t.db, "c", &none, NULL));
        assert_int_equal(none.n, 0);
        ASSERT_ERROR(backfill_store_owe(t.db, "another", &a, /* forced= */ true, NOW, NULL), ENOENT);
}

TEST(generations_rise_stream_by_stream) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(generation_array_done) GenerationArray all = {};
        Generation a = { .connection_id = S("c"), .stream_name = S("a"), .generation_id = 1, .job_id = 5 };
        Generation b = { .connection_id = S("c"),
                         .stream_namespace = S("n"),
                         .stream_name = S("a"),
                         .generation_id = 1,
                         .job_id = 5,
                         .refreshing = true };

        test_db_new(&t);
        ASSERT_OK(generation_store_set(t.db, &a, NOW, NULL));
        ASSERT_OK(generation_store_set(t.db, &b, NOW, NULL));
        b.generation_id = 2;
        b.job_id = 6;
        ASSERT_OK(generation_store_set(t.db, &b, NOW + 1, NULL));
        /* Told again, nothing changes; a number that was given is not given for older data. */
        ASSERT_OK(generation_store_set(t.db, &b, NOW + 1, NULL));
        b.generation_id = 1;
        ASSERT_ERROR(generation_store_set(t.db, &b, NOW + 2, NULL), EINVAL);
        ASSERT_OK(generation_store_list(t.db, "c", &all, NULL));
        assert_int_equal(all.n, 2);
        assert_null(all.items[0]->stream_namespace);
        assert_int_equal(all.items[0]->generation_id, 1);
        assert_int_equal(all.items[0]->job_id, 5);
        assert_int_equal(all.items[1]->generation_id, 2);
        assert_int_equal(all.items[1]->job_id, 6);
        assert_true(all.items[1]->refreshing);
        a.connection_id = S("none");
        ASSERT_ERROR(generation_store_set(t.db, &a, NOW, NULL), ENOENT);
}

/* Times that differ and times that don't, ids that sort otherwise, and pages that end within both. */
TEST(a_timeline_is_in_the_order_of_time_whatever_the_ids) {
        static const struct {
                const char *id;
                unsigned at;
        } events[] = { { "job-9", 1 }, { "job-10", 2 }, { "job-100", 3 }, { "job-11", 3 }, { "job-99", 3 }, { "a", 4 }, { "~~", 0 } },
          *const newest[] = { events + 5, events + 4, events + 3, events + 2, events + 1, events, events + 6 };
        char *types[] = { S("E"), NULL };
        _cleanup_test_db_ TestDb t = {};

        test_db_new(&t);
        for (size_t i = 0; i < ELEMENTSOF(events); i++) {
                TimelineEvent e = { .connection_id = S("c"), .id = S(events[i].id), .event_type = types[0] };

                assert_int_equal(timeline_store_append(t.db, &e, NOW + events[i].at, NULL), 1);
        }
        for (size_t limit = 1; limit <= ELEMENTSOF(events); limit++)
                for (size_t filtered = 0; filtered < 2; filtered++) {
                        const char *after = NULL;
                        size_t n = 0;

                        for (;;) {
                                _cleanup_(timeline_event_array_done) TimelineEventArray page = {};

                                ASSERT_OK(timeline_store_list(t.db, "c", filtered ? types : NULL,
                                                              &(ListOptions) { .limit = limit, .after = after }, &page,
                                                              NULL));
                                for (size_t i = 0; i < page.n; i++)
                                        assert_string_equal(page.items[i]->id, newest[n++]->id);
                                if (page.n == 0)
                                        break;
                                after = newest[n - 1]->id;
                        }
                        assert_int_equal(n, ELEMENTSOF(events));
                }
}

/* One more than is read at once, all of them wanted but the first. */
TEST(a_page_of_one_type_goes_on_behind_what_is_read_at_once) {
        _cleanup_(timeline_event_array_done) TimelineEventArray page = {};
        char *types[] = { S("E"), NULL }, id[16];
        _cleanup_test_db_ TestDb t = {};

        test_db_new(&t);
        for (unsigned i = 0; i <= LIST_LIMIT_MAX; i++) {
                TimelineEvent e = { .connection_id = S("c"), .id = id, .event_type = types[0] };

                snprintf(id, sizeof(id), "%u", i);
                assert_int_equal(timeline_store_append(t.db, &e, NOW + i, NULL), 1);
        }
        ASSERT_OK(timeline_store_list(t.db, "c", types, &(ListOptions) { .limit = LIST_LIMIT_MAX, .offset = 1 }, &page,
                                      NULL));
        assert_int_equal(page.n, LIST_LIMIT_MAX);
        assert_string_equal(page.items[page.n - 1]->id, "0");
}

TEST(a_timeline_is_read_backwards) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(timeline_event_array_done) TimelineEventArray page = {}, next = {}, started = {};
        char *types[] = { S("STARTED"), NULL };
        TimelineEvent e = { .connection_id = S("c"), .principal = S("uid:0"), .summary = S("{}") };
        char id[] = "e0";

        test_db_new(&t);
        for (char c = '0'; c < '6'; c++) {
                id[1] = c;
                e.id = id;
                e.event_type = S(c % 2 ? "STARTED" : "ENDED");
                e.job_id = c;
                assert_int_equal(timeline_store_append(t.db, &e, NOW + (usec_t) c, NULL), 1);
                assert_int_equal(timeline_store_append(t.db, &e, NOW, NULL), 0);
        }
        ASSERT_OK(timeline_store_list(t.db, "c", NULL, &(ListOptions) { .limit = 2 }, &page, NULL));
        assert_int_equal(page.n, 2);
        assert_string_equal(page.items[0]->id, "e5");
        assert_int_equal(page.items[0]->job_id, '5');
        ASSERT_OK(timeline_store_list(t.db, "c", NULL, &(ListOptions) { .limit = 2, .after = "e4" }, &next,
                                      NULL));
        assert_string_equal(next.items[0]->id, "e3");
        ASSERT_OK(timeline_store_list(t.db, "c", types, &(ListOptions) { .limit = 1, .offset = 1 }, &started,
                                      NULL));
        assert_int_equal(started.n, 1);
        assert_string_equal(started.items[0]->id, "e3");
        assert_int_equal(timeline_store_prune(t.db, NOW + '3', 10, NULL), 3);
        e.id = S("e9");
        e.connection_id = S("none");
        ASSERT_ERROR(timeline_store_append(t.db, &e, NOW, NULL), ENOENT);
}

TEST_MAIN()
