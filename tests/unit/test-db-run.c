/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/wait.h>

#include "db/change-store.h"
#include "db/state-store.h"
#include "db/workflow-store.h"
#include "db/workload-store.h"
#include "unit/db-harness.h"

#define S(text) ((char *) (text))

static int create(Db *db, const char *id, const char *mutex, usec_t now, WorkloadArray *superseded) {
        Workload w = { .id = S(id),
                       .auto_id = S(id),
                       .type = WORKLOAD_SYNC,
                       .mutex_key = S(mutex),
                       .workspace_id = S("w"),
                       .connection_id = S("c"),
                       .job_id = 1,
                       .attempt = 0,
                       .labels = S("{}"),
                       .input = S("{\"i\":1}") };

        return workload_store_create(db, &w, NULL, 0, now, superseded, NULL);
}

static int64_t claim(Db *db, const char *id, usec_t now) {
        int64_t epoch = -1;

        assert_int_equal(workload_store_claim(db, id, "p", now, &epoch, NULL), 1);
        return epoch;
}

static int64_t run(Db *db, const char *id, usec_t now) {
        int64_t epoch = claim(db, id, now);

        ASSERT_OK(workload_store_advance(db, id, epoch, WORKLOAD_LAUNCHED, now, NULL));
        ASSERT_OK(workload_store_advance(db, id, epoch, WORKLOAD_RUNNING, now, NULL));
        return epoch;
}

static WorkloadStatus status_of(Db *db, const char *id) {
        _cleanup_(workload_freep) Workload *w = NULL;

        ASSERT_OK(workload_store_get(db, id, &w, NULL));
        return w->status;
}

TEST(a_workload_is_made_once) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *w = NULL;

        test_db_new(&t);
        assert_int_equal(create(t.db, "a", NULL, NOW, NULL), 1);
        assert_int_equal(create(t.db, "a", NULL, NOW + 1, NULL), 0);
        ASSERT_OK(workload_store_get(t.db, "a", &w, NULL));
        assert_string_equal(w->input, "{\"i\":1}");
        assert_int_equal(w->created_at, NOW);
        assert_int_equal(w->deadline, NOW + WORKLOAD_CLAIM_USEC);
        assert_int_equal(w->lease_epoch, 0);
        assert_int_equal(w->attempt, 0);
        assert_null(w->output);
}

TEST(a_workload_without_a_job_says_so) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        Workload in = {
                .id = S("a"), .auto_id = S("a"), .type = WORKLOAD_SPEC, .attempt = -1, .deadline = NOW + 7
        };

        test_db_new(&t);
        assert_int_equal(workload_store_create(t.db, &in, NULL, 0, NOW, NULL, NULL), 1);
        ASSERT_OK(workload_store_get(t.db, "a", &w, NULL));
        assert_int_equal(w->attempt, -1);
        assert_int_equal(w->job_id, 0);
        assert_int_equal(w->deadline, NOW + 7);
}

TEST(a_newer_one_of_the_same_mutex_key_supersedes) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_array_done) WorkloadArray gone = {};
        _cleanup_(workload_freep) Workload *old = NULL;
        int64_t epoch;

        test_db_new(&t);
        assert_int_equal(create(t.db, "a", "m", NOW, NULL), 1);
        epoch = run(t.db, "a", NOW);
        assert_int_equal(create(t.db, "b", "m", NOW, &gone), 1);
        assert_int_equal(gone.n, 1);
        assert_string_equal(gone.items[0]->id, "a");
        ASSERT_OK(workload_store_get(t.db, "a", &old, NULL));
        assert_int_equal(old->status, WORKLOAD_FAILURE);
        assert_non_null(strstr(old->termination_reason, "Superseded"));
        ASSERT_ERROR(workload_store_heartbeat(t.db, "a", epoch, NOW, NULL), ESTALE);
        assert_int_equal(status_of(t.db, "b"), WORKLOAD_PENDING);
}

static void expect_poll(Db *db, WorkloadPriority priority, size_t limit, usec_t now, const char *ids) {
        _cleanup_(workload_array_done) WorkloadArray found = {};
        char text[128] = "";

        ASSERT_OK(workload_store_poll(db, priority, limit, now, &found, NULL));
        for (size_t i = 0; i < found.n; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", found.items[i]->id);
        assert_string_equal(text, ids);
}

TEST(a_polled_workload_is_hidden_for_a_while) {
        _cleanup_test_db_ TestDb t = {};
        Workload high = { .id = S("h"), .auto_id = S("h"), .priority = WORKLOAD_HIGH, .attempt = -1 };
        int64_t depth[_WORKLOAD_PRIORITY_MAX];

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        create(t.db, "b", NULL, NOW + 1, NULL);
        create(t.db, "c", NULL, NOW + 2, NULL);
        ASSERT_OK(workload_store_create(t.db, &high, NULL, 0, NOW, NULL, NULL));
        ASSERT_OK(workload_store_depth(t.db, depth, NULL));
        assert_int_equal(depth[WORKLOAD_DEFAULT], 3);
        assert_int_equal(depth[WORKLOAD_HIGH], 1);
        expect_poll(t.db, WORKLOAD_HIGH, 10, NOW + 5, "h ");
        expect_poll(t.db, WORKLOAD_DEFAULT, 2, NOW + 5, "a b ");
        expect_poll(t.db, WORKLOAD_DEFAULT, 2, NOW + 5, "c ");
        expect_poll(t.db, WORKLOAD_DEFAULT, 2, NOW + 5, "");
        claim(t.db, "a", NOW + 6);
        /* Whoever polled b and c is gone: they come again. */
        expect_poll(t.db, WORKLOAD_DEFAULT, 10, NOW + 5 + WORKLOAD_REDELIVERY_USEC, "b c ");
}

TEST(a_claim_is_won_once_and_repeated_by_its_owner) {
        _cleanup_test_db_ TestDb t = {};
        int64_t epoch = 0;

        test_db_new(&t);
        ASSERT_OK(dataplane_store_insert(t.db, &(Dataplane) { .id = S("q"), .name = S("q") }, NOW, NULL));
        create(t.db, "a", NULL, NOW, NULL);
        assert_int_equal(claim(t.db, "a", NOW), 1);
        assert_int_equal(workload_store_claim(t.db, "a", "q", NOW, &epoch, NULL), 0);
        assert_int_equal(epoch, 0);
        /* The reply was lost: the same dataplane asks again and gets a new lease, the old one is dead. */
        assert_int_equal(claim(t.db, "a", NOW), 2);
        ASSERT_ERROR(workload_store_advance(t.db, "a", 1, WORKLOAD_LAUNCHED, NOW, NULL), ESTALE);
        ASSERT_OK(workload_store_advance(t.db, "a", 2, WORKLOAD_LAUNCHED, NOW, NULL));
        assert_int_equal(workload_store_claim(t.db, "a", "p", NOW, &epoch, NULL), 0);
        ASSERT_ERROR(workload_store_claim(t.db, "none", "p", NOW, &epoch, NULL), ENOENT);
}

/* What one of two racing launchers does: claims all it can, and says by its exit code whether something else went wrong. */
static void race(const char *path, const char *dataplane, int n, int report) {
        _cleanup_(db_freep) Db *db = NULL;
        int failed = db_open(path, DB_READ_WRITE, &db, NULL) < 0;

        for (int i = 0; i < n && !failed; i++) {
                char id[16];
                int64_t epoch;
                int r;

                (void) snprintf(id, sizeof(id), "w%d", i);
                r = workload_store_claim(db, id, dataplane, NOW, &epoch, NULL);
                failed = r < 0 || (r == 1 && write(report, &i, sizeof(i)) != sizeof(i));
        }
        db_free(db);
        db = NULL;
        _exit(failed);
}

TEST(two_launchers_racing_win_each_claim_once) {
        enum {
                N = 60
        };
        _cleanup_test_db_ TestDb t = {};
        int wins[N] = {}, report[2], i, status;

        test_db_new(&t);
        ASSERT_OK(dataplane_store_insert(t.db, &(Dataplane) { .id = S("q"), .name = S("q") }, NOW, NULL));
        for (i = 0; i < N; i++) {
                char id[16];

                (void) snprintf(id, sizeof(id), "w%d", i);
                create(t.db, id, NULL, NOW, NULL);
        }
        assert_int_equal(pipe(report), 0);
        for (i = 0; i < 2; i++)
                if (fork() == 0)
                        race(t.path, i == 0 ? "p" : "q", N, report[1]);
        close(report[1]);
        while (read(report[0], &i, sizeof(i)) == sizeof(i))
                wins[i]++;
        close(report[0]);
        for (i = 0; i < 2; i++) {
                assert_true(wait(&status) > 0);
                assert_int_equal(status, 0);
        }
        for (i = 0; i < N; i++)
                assert_int_equal(wins[i], 1);
}

TEST(a_lease_can_be_checked_alone) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(dataplane_freep) Dataplane *d = NULL;
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        ASSERT_ERROR(workload_store_check_lease(t.db, "a", 0, NULL), ESTALE);
        epoch = claim(t.db, "a", NOW);
        ASSERT_OK(workload_store_check_lease(t.db, "a", epoch, NULL));
        ASSERT_ERROR(workload_store_check_lease(t.db, "a", epoch + 1, NULL), ESTALE);
        ASSERT_ERROR(workload_store_check_lease(t.db, "none", 1, NULL), ENOENT);
        ASSERT_OK(dataplane_store_get(t.db, "p", &d, NULL));
        assert_string_equal(d->name, "local");
}

TEST(the_steps_may_come_twice_and_out_of_order) {
        _cleanup_test_db_ TestDb t = {};
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        ASSERT_ERROR(workload_store_advance(t.db, "a", 0, WORKLOAD_RUNNING, NOW, NULL), ESTALE);
        epoch = claim(t.db, "a", NOW);
        ASSERT_ERROR(workload_store_heartbeat(t.db, "a", epoch, NOW, NULL), EINVAL);
        ASSERT_OK(workload_store_advance(t.db, "a", epoch, WORKLOAD_RUNNING, NOW, NULL));
        ASSERT_OK(workload_store_advance(t.db, "a", epoch, WORKLOAD_LAUNCHED, NOW, NULL));
        ASSERT_OK(workload_store_advance(t.db, "a", epoch, WORKLOAD_RUNNING, NOW, NULL));
        assert_int_equal(status_of(t.db, "a"), WORKLOAD_RUNNING);
}

TEST(heartbeats_renew_the_lease_quietly) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        int64_t epoch, before, after;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        epoch = run(t.db, "a", NOW);
        ASSERT_OK(change_last(t.db, &before, NULL));
        ASSERT_OK(workload_store_heartbeat(t.db, "a", epoch, NOW + 50, NULL));
        ASSERT_OK(change_last(t.db, &after, NULL));
        assert_int_equal(before, after);
        ASSERT_OK(workload_store_get(t.db, "a", &w, NULL));
        assert_int_equal(w->heartbeat_at, NOW + 50);
        assert_int_equal(w->deadline, NOW + 50 + WORKLOAD_LEASE_USEC);
        ASSERT_ERROR(workload_store_heartbeat(t.db, "a", epoch + 1, NOW, NULL), ESTALE);
        ASSERT_ERROR(workload_store_heartbeat(t.db, "none", 1, NOW, NULL), ENOENT);
}

TEST(an_end_is_told_twice_and_never_changed) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        epoch = run(t.db, "a", NOW);
        ASSERT_ERROR(
                workload_store_finish(t.db, "a", epoch - 1, WORKLOAD_SUCCESS, "{}", NULL, NULL, NOW, NULL),
                ESTALE);
        assert_int_equal(workload_store_finish(t.db, "a", epoch, WORKLOAD_SUCCESS, "{\"o\":1}", NULL, NULL,
                                               NOW + 1, NULL),
                         1);
        assert_int_equal(workload_store_finish(t.db, "a", epoch, WORKLOAD_SUCCESS, "{\"o\":2}", NULL, NULL,
                                               NOW + 2, NULL),
                         0);
        ASSERT_ERROR(workload_store_finish(t.db, "a", epoch, WORKLOAD_FAILURE, NULL, "x", "y", NOW, NULL),
                     ESTALE);
        ASSERT_ERROR(workload_store_cancel(t.db, "a", "user", "no", NOW, NULL), ESTALE);
        ASSERT_ERROR(workload_store_heartbeat(t.db, "a", epoch, NOW, NULL), ESTALE);
        ASSERT_OK(workload_store_get(t.db, "a", &w, NULL));
        assert_string_equal(w->output, "{\"o\":1}");
        assert_int_equal(w->ended_at, NOW + 1);
}

TEST(what_waits_and_what_is_no_sync_is_cancelled_at_once) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        Workload check = { .id = S("check"), .auto_id = S("check"), .type = WORKLOAD_CHECK, .attempt = -1 };
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "pending", NULL, NOW, NULL);
        ASSERT_OK(workload_store_create(t.db, &check, NULL, 0, NOW, NULL, NULL));
        epoch = run(t.db, "check", NOW);
        assert_int_equal(workload_store_cancel(t.db, "pending", "user", "x", NOW, NULL), WORKLOAD_CANCEL_ENDED);
        assert_int_equal(workload_store_claim(t.db, "pending", "p", NOW, &epoch, NULL), 0);
        assert_int_equal(workload_store_cancel(t.db, "check", "user", "enough", NOW, NULL), WORKLOAD_CANCEL_ENDED);
        assert_int_equal(workload_store_cancel(t.db, "check", "user", "again", NOW, NULL),
                         WORKLOAD_CANCEL_REPEATED);
        ASSERT_ERROR(workload_store_finish(t.db, "check", 1, WORKLOAD_SUCCESS, "{}", NULL, NULL, NOW, NULL), ESTALE);
        ASSERT_ERROR(workload_store_finish(t.db, "check", 1, WORKLOAD_FAILURE, "{}", "x", "y", NOW, NULL), ESTALE);
        ASSERT_OK(workload_store_get(t.db, "check", &w, NULL));
        assert_int_equal(w->status, WORKLOAD_CANCELLED);
        assert_string_equal(w->termination_source, "user");
        assert_string_equal(w->termination_reason, "enough");
        ASSERT_ERROR(workload_store_cancel(t.db, "none", "user", "x", NOW, NULL), ENOENT);
}

TEST(a_success_on_its_way_is_one_though_it_was_told_to_end) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        epoch = run(t.db, "a", NOW);
        ASSERT_OK(workload_store_cancel(t.db, "a", "user", "enough", NOW, NULL));
        assert_int_equal(workload_store_finish(t.db, "a", epoch, WORKLOAD_SUCCESS, "{}", NULL, NULL, NOW, NULL), 1);
        ASSERT_ERROR(workload_store_finish(t.db, "a", epoch, WORKLOAD_FAILURE, NULL, "x", "y", NOW, NULL), ESTALE);
        ASSERT_ERROR(workload_store_cancel(t.db, "a", "user", "again", NOW, NULL), ESTALE);
        ASSERT_OK(workload_store_get(t.db, "a", &w, NULL));
        assert_int_equal(w->status, WORKLOAD_SUCCESS);
        assert_null(w->termination_source);
        assert_null(w->termination_reason);
}

TEST(the_time_to_end_passes_whoever_is_heard_of) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        _cleanup_(workload_array_done) WorkloadArray expired = {}, none = {};
        usec_t end = NOW + WORKLOAD_CANCEL_USEC, next;
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        epoch = run(t.db, "a", NOW);
        ASSERT_OK(workload_store_cancel(t.db, "a", "user", "enough", NOW, NULL));
        assert_int_equal(workload_store_cancel(t.db, "a", "user", "again", end - 1, NULL), WORKLOAD_CANCEL_REPEATED);
        assert_int_equal(workload_store_heartbeat(t.db, "a", epoch, end - 1, NULL), 1);
        ASSERT_OK(workload_store_advance(t.db, "a", epoch, WORKLOAD_LAUNCHED, end - 1, NULL));
        ASSERT_OK(workload_store_next_deadline(t.db, &next, NULL));
        assert_int_equal(next, end);
        ASSERT_OK(workload_store_expire(t.db, end, 10, &none, NULL));
        assert_int_equal(none.n, 0);
        ASSERT_OK(workload_store_expire(t.db, end + 1, 10, &expired, NULL));
        assert_int_equal(expired.n, 1);
        ASSERT_ERROR(workload_store_heartbeat(t.db, "a", epoch, end + 2, NULL), ESTALE);
        ASSERT_ERROR(workload_store_merge_state(t.db, "a", epoch, "[]", 2, end + 2, NULL), ESTALE);
        ASSERT_OK(workload_store_get(t.db, "a", &w, NULL));
        assert_int_equal(w->status, WORKLOAD_CANCELLED);
        assert_string_equal(w->termination_reason, "enough");
}

TEST(a_claim_repeated_after_the_word_to_end_is_the_end) {
        _cleanup_test_db_ TestDb t = {};
        int64_t epoch = 0;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        create(t.db, "b", NULL, NOW, NULL);
        assert_int_equal(workload_store_claim(t.db, "a", "p", NOW, &epoch, NULL), 1);
        assert_int_equal(workload_store_cancel(t.db, "a", "user", "x", NOW, NULL), WORKLOAD_CANCEL_ASKED);
        assert_int_equal(workload_store_claim(t.db, "a", "q", NOW, &epoch, NULL), 0);
        assert_int_equal(status_of(t.db, "a"), WORKLOAD_CLAIMED);
        assert_int_equal(workload_store_claim(t.db, "a", "p", NOW, &epoch, NULL), 0);
        assert_int_equal(status_of(t.db, "a"), WORKLOAD_CANCELLED);
        assert_int_equal(epoch, 1);
        /* What runs is nobody's to claim, and goes on until it has handed over. */
        epoch = run(t.db, "b", NOW);
        ASSERT_OK(workload_store_cancel(t.db, "b", "user", "x", NOW, NULL));
        assert_int_equal(workload_store_claim(t.db, "b", "p", NOW, &epoch, NULL), 0);
        assert_int_equal(status_of(t.db, "b"), WORKLOAD_RUNNING);
}

TEST(a_mutex_key_is_held_until_the_end) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_array_done) WorkloadArray superseded = {}, none = {};

        test_db_new(&t);
        create(t.db, "a", "key", NOW, NULL);
        (void) run(t.db, "a", NOW);
        ASSERT_OK(workload_store_cancel(t.db, "a", "user", "x", NOW, NULL));
        create(t.db, "b", "key", NOW, &superseded);
        assert_int_equal(superseded.n, 1);
        assert_int_equal(status_of(t.db, "a"), WORKLOAD_CANCELLED);
        ASSERT_OK(workload_store_cancel(t.db, "b", "user", "x", NOW, NULL));
        create(t.db, "c", "key", NOW, &none);
        assert_int_equal(none.n, 0);
}

TEST(what_is_not_heard_of_expires) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_array_done) WorkloadArray expired = {}, none = {};
        int64_t epoch;
        usec_t next;

        test_db_new(&t);
        ASSERT_OK(workload_store_next_deadline(t.db, &next, NULL));
        assert_int_equal(next, 0);
        create(t.db, "pending", NULL, NOW, NULL);
        create(t.db, "running", NULL, NOW, NULL);
        epoch = run(t.db, "running", NOW);
        ASSERT_OK(workload_store_next_deadline(t.db, &next, NULL));
        assert_int_equal(next, NOW + WORKLOAD_LEASE_USEC);
        ASSERT_OK(workload_store_expire(t.db, next, 10, &none, NULL));
        assert_int_equal(none.n, 0);
        ASSERT_OK(workload_store_expire(t.db, next + 1, 10, &expired, NULL));
        assert_int_equal(expired.n, 1);
        assert_string_equal(expired.items[0]->id, "running");
        ASSERT_ERROR(workload_store_heartbeat(t.db, "running", epoch, next, NULL), ESTALE);
        assert_int_equal(status_of(t.db, "pending"), WORKLOAD_PENDING);
}

TEST(ended_workloads_wait_until_the_workflow_knows) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_array_done) WorkloadArray waiting = {}, none = {}, live = {};
        WorkloadFilter unnotified = { .unnotified_only = true };

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        create(t.db, "b", NULL, NOW, NULL);
        ASSERT_ERROR(workload_store_set_notified(t.db, "a", NULL), ENOENT);
        ASSERT_OK(workload_store_cancel(t.db, "a", "user", "x", NOW, NULL));
        ASSERT_OK(workload_store_list(t.db, &unnotified, NULL, &waiting, NULL));
        assert_int_equal(waiting.n, 1);
        ASSERT_OK(workload_store_list(t.db, &(WorkloadFilter) { .live_only = true, .connection_id = "c" },
                                      NULL, &live, NULL));
        assert_int_equal(live.n, 1);
        assert_string_equal(live.items[0]->id, "b");
        assert_int_equal(workload_store_prune(t.db, NOW + 1, 10, NULL), 0);
        ASSERT_OK(workload_store_set_notified(t.db, "a", NULL));
        ASSERT_OK(workload_store_list(t.db, &unnotified, NULL, &none, NULL));
        assert_int_equal(none.n, 0);
        assert_int_equal(workload_store_prune(t.db, NOW + 1, 10, NULL), 1);
}

TEST(reports_need_the_lease) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        epoch = run(t.db, "a", NOW);
        ASSERT_OK(workload_store_set_stats(t.db, "a", epoch, "[1]", NOW, NULL));
        ASSERT_OK(workload_store_set_stats(t.db, "a", epoch, "[2]", NOW, NULL));
        ASSERT_ERROR(workload_store_set_stats(t.db, "a", epoch - 1, "[3]", NOW, NULL), ESTALE);
        ASSERT_OK(workload_store_get(t.db, "a", &w, NULL));
        assert_string_equal(w->stats, "[2]");
}

/* --- states --- */

static void expect_state(Db *db, const char *json) {
        _cleanup_free_ char *text = NULL;
        size_t n;

        ASSERT_OK(state_store_get(db, "c", &text, &n, NULL));
        assert_string_equal(text, json);
        assert_int_equal(n, strlen(json));
}

static int merge(Db *db, const char *json) {
        return state_store_merge(db, "c", json, strlen(json), NOW, NULL);
}

#define STREAM(name, state) \
        "{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":" name ",\"stream_state\":" state "}}"

TEST(O01_the_last_state_of_each_stream_is_kept_as_it_came) {
        _cleanup_test_db_ TestDb t = {};

        test_db_new(&t);
        expect_state(t.db, "[]");
        ASSERT_OK(merge(t.db,
                        "[" STREAM("{\"name\":\"a\"}", "{\"x\": 1.10, \"y\":123456789012345678901}") "]"));
        ASSERT_OK(merge(t.db, "[" STREAM("{\"name\":\"a\",\"namespace\":\"n\"}", "{}") "]"));
        expect_state(t.db,
                     "[" STREAM("{\"name\":\"a\"}", "{\"x\": 1.10, \"y\":123456789012345678901}") "," STREAM(
                             "{\"name\":\"a\",\"namespace\":\"n\"}", "{}") "]");
        ASSERT_OK(merge(t.db, "[" STREAM("{\"name\":\"a\"}", "2") "]"));
        expect_state(t.db, "[" STREAM("{\"name\":\"a\"}",
                                      "2") "," STREAM("{\"name\":\"a\",\"namespace\":\"n\"}", "{}") "]");
}

#define GLOBAL(shared, streams) \
        "{\"type\":\"GLOBAL\",\"global\":{\"shared_state\":" shared ",\"stream_states\":[" streams "]}}"
#define ENTRY(name, state) "{\"stream_descriptor\":{\"name\":\"" name "\"},\"stream_state\":" state "}"

TEST(O01_a_global_state_is_whole) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(state_row_array_done) StateRowArray rows = {};

        test_db_new(&t);
        ASSERT_OK(merge(t.db, "[" GLOBAL("{\"lsn\":1}", ENTRY("a", "1") "," ENTRY("b", "2")) "]"));
        expect_state(t.db, "[" GLOBAL("{\"lsn\":1}", ENTRY("a", "1") "," ENTRY("b", "2")) "]");
        ASSERT_OK(state_store_list(t.db, "c", &rows, NULL));
        assert_int_equal(rows.n, 3);
        ASSERT_OK(merge(t.db, "[" GLOBAL("{\"lsn\":2}", ENTRY("b", "3")) "]"));
        expect_state(t.db, "[" GLOBAL("{\"lsn\":2}", ENTRY("b", "3")) "]");
}

TEST(O01_types_are_not_mixed_but_legacy_gives_way) {
        _cleanup_test_db_ TestDb t = {};

        test_db_new(&t);
        ASSERT_OK(merge(t.db, "[{\"type\":\"LEGACY\",\"data\":{\"a\":1}}]"));
        expect_state(t.db, "[{\"type\":\"LEGACY\",\"data\":{\"a\":1}}]");
        ASSERT_OK(merge(t.db, "[{\"type\":\"LEGACY\",\"data\":{\"a\":2}}]"));
        ASSERT_OK(merge(t.db, "[" STREAM("{\"name\":\"a\"}", "1") "]"));
        expect_state(t.db, "[" STREAM("{\"name\":\"a\"}", "1") "]");
        ASSERT_ERROR(merge(t.db, "[{\"type\":\"LEGACY\",\"data\":{}}]"), EINVAL);
        ASSERT_ERROR(merge(t.db, "[" GLOBAL("{}", "") "]"), EINVAL);
        expect_state(t.db, "[" STREAM("{\"name\":\"a\"}", "1") "]");
        /* Setting replaces whatever there was. */
        ASSERT_OK(state_store_set(t.db, "c", "[" GLOBAL("1", ENTRY("a", "1")) "]",
                                  strlen("[" GLOBAL("1", ENTRY("a", "1")) "]"), NOW, NULL));
        ASSERT_ERROR(merge(t.db, "[" STREAM("{\"name\":\"a\"}", "1") "]"), EINVAL);
        ASSERT_OK(state_store_set(t.db, "c", "[]", 2, NOW, NULL));
        expect_state(t.db, "[]");
}

TEST(T27_what_is_no_state_is_refused_whole) {
        _cleanup_test_db_ TestDb t = {};
        static const char *const bad[] = {
                "",
                "{",
                "[1]",
                "[{\"type\":\"STREAM\"}]",
                "[{\"type\":\"OTHER\"}]",
                "[\"\xff\"]",
                "[" STREAM("{\"name\":\"ok\"}", "1") ",{\"type\":\"STREAM\",\"stream\":{}}]",
        };

        test_db_new(&t);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ASSERT_ERROR(merge(t.db, bad[i]), EINVAL);
        expect_state(t.db, "[]");
        ASSERT_ERROR(state_store_merge(t.db, "none", "[" STREAM("{\"name\":\"a\"}", "1") "]",
                                       strlen("[" STREAM("{\"name\":\"a\"}", "1") "]"), NOW, NULL),
                     ENOENT);
}

TEST(dropping_streams_leaves_the_others) {
        _cleanup_test_db_ TestDb t = {};
        const StreamRef a = { NULL, "a" }, b = { NULL, "b" }, other = { "n", "a" };

        test_db_new(&t);
        ASSERT_OK(merge(t.db, "[" GLOBAL("1", ENTRY("a", "1") "," ENTRY("b", "2")) "]"));
        ASSERT_OK(state_store_drop(t.db, "c", &other, 1, NOW, NULL));
        ASSERT_OK(state_store_drop(t.db, "c", &a, 1, NOW, NULL));
        expect_state(t.db, "[" GLOBAL("1", ENTRY("b", "2")) "]");
        ASSERT_OK(state_store_drop(t.db, "c", &b, 1, NOW, NULL));
        expect_state(t.db, "[]");
}

#define LAST_STATE "[" STREAM("{\"name\":\"a\"}", "7") "]"

/* Everything that a runner brings between the word and the end is taken, nothing behind it. */
TEST(a_sync_that_is_told_to_end_hands_over_what_it_has) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workload_freep) Workload *told = NULL, *w = NULL;
        _cleanup_(workload_array_done) WorkloadArray cancelling = {}, none = {};
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "a", "key", NOW, NULL);
        create(t.db, "b", NULL, NOW, NULL);
        epoch = run(t.db, "a", NOW);
        assert_int_equal(workload_store_heartbeat(t.db, "a", epoch, NOW, NULL), 0);
        assert_int_equal(workload_store_cancel(t.db, "a", "user", "enough", NOW + 1, NULL), WORKLOAD_CANCEL_ASKED);
        assert_int_equal(workload_store_cancel(t.db, "a", "other", "again", NOW + 2, NULL),
                         WORKLOAD_CANCEL_REPEATED);
        ASSERT_OK(workload_store_list_cancelling(t.db, &cancelling, NULL));
        assert_int_equal(cancelling.n, 1);
        ASSERT_OK(workload_store_get(t.db, "a", &told, NULL));
        assert_int_equal(told->status, WORKLOAD_RUNNING);
        assert_int_equal(told->cancel_at, NOW + 1);
        assert_int_equal(told->ended_at, 0);
        assert_int_equal(workload_store_heartbeat(t.db, "a", epoch, NOW + 3, NULL), 1);
        ASSERT_OK(workload_store_advance(t.db, "a", epoch, WORKLOAD_RUNNING, NOW + 3, NULL));
        ASSERT_OK(workload_store_set_stats(t.db, "a", epoch, "[1]", NOW + 4, NULL));
        ASSERT_OK(workload_store_merge_state(t.db, "a", epoch, LAST_STATE, strlen(LAST_STATE), NOW + 4, NULL));
        expect_state(t.db, LAST_STATE);
        assert_int_equal(workload_store_finish(t.db, "a", epoch, WORKLOAD_FAILURE, "{\"o\":1}", "worker", "stopped",
                                               NOW + 5, NULL), 1);
        /* The answer got lost; and the launcher, which has stopped the units, can't know that it was told. */
        assert_int_equal(workload_store_finish(t.db, "a", epoch, WORKLOAD_FAILURE, "{\"o\":2}", "worker", "stopped",
                                               NOW + 6, NULL), 0);
        ASSERT_ERROR(workload_store_finish(t.db, "a", epoch + 1, WORKLOAD_FAILURE, NULL, "x", "y", NOW, NULL), ESTALE);
        ASSERT_ERROR(workload_store_finish(t.db, "a", epoch, WORKLOAD_SUCCESS, "{}", NULL, NULL, NOW, NULL), ESTALE);
        ASSERT_ERROR(workload_store_set_stats(t.db, "a", epoch, "[2]", NOW + 7, NULL), ESTALE);
        ASSERT_ERROR(workload_store_merge_state(t.db, "a", epoch, "[]", 2, NOW + 7, NULL), ESTALE);
        assert_int_equal(workload_store_cancel(t.db, "a", "user", "late", NOW + 8, NULL), WORKLOAD_CANCEL_REPEATED);
        ASSERT_OK(workload_store_get(t.db, "a", &w, NULL));
        assert_int_equal(w->status, WORKLOAD_CANCELLED);
        assert_string_equal(w->termination_source, "user");
        assert_string_equal(w->termination_reason, "enough");
        assert_string_equal(w->output, "{\"o\":1}");
        assert_string_equal(w->stats, "[1]");
        assert_int_equal(w->ended_at, NOW + 5);
        expect_state(t.db, LAST_STATE);
        ASSERT_OK(workload_store_list_cancelling(t.db, &none, NULL));
        assert_int_equal(none.n, 0);
}

TEST(O03_the_state_of_an_old_runner_is_refused) {
        _cleanup_test_db_ TestDb t = {};
        static const char text[] = "[" STREAM("{\"name\":\"a\"}", "1") "]";
        int64_t epoch;

        test_db_new(&t);
        create(t.db, "a", NULL, NOW, NULL);
        epoch = run(t.db, "a", NOW);
        ASSERT_ERROR(workload_store_merge_state(t.db, "a", epoch - 1, text, strlen(text), NOW, NULL),
                     ESTALE);
        expect_state(t.db, "[]");
        ASSERT_OK(workload_store_merge_state(t.db, "a", epoch, text, strlen(text), NOW, NULL));
        expect_state(t.db, text);
        ASSERT_OK(workload_store_finish(t.db, "a", epoch, WORKLOAD_FAILURE, NULL, "x", "y", NOW, NULL));
        ASSERT_ERROR(workload_store_merge_state(t.db, "a", epoch, "[]", 2, NOW, NULL), ESTALE);
}

TEST(states_are_dropped_with_the_workload_that_begins_anew) {
        _cleanup_test_db_ TestDb t = {};
        const StreamRef a = { NULL, "a" };
        Workload w = { .id = S("x"), .auto_id = S("x"), .connection_id = S("c") };

        test_db_new(&t);
        ASSERT_OK(merge(t.db, "[" STREAM("{\"name\":\"a\"}", "1") "," STREAM("{\"name\":\"b\"}", "1") "]"));
        assert_int_equal(workload_store_create(t.db, &w, &a, 1, NOW, NULL, NULL), 1);
        expect_state(t.db, "[" STREAM("{\"name\":\"b\"}", "1") "]");
        /* Creating it again after a lost answer drops nothing that has come since. */
        ASSERT_OK(merge(t.db, "[" STREAM("{\"name\":\"a\"}", "2") "]"));
        assert_int_equal(workload_store_create(t.db, &w, &a, 1, NOW, NULL, NULL), 0);
        expect_state(t.db, "[" STREAM("{\"name\":\"a\"}", "2") "," STREAM("{\"name\":\"b\"}", "1") "]");
}

/* --- workflows --- */

TEST(a_workflow_is_made_once_and_found) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workflow_freep) Workflow *open = NULL, *waiting = NULL;
        _cleanup_(workflow_array_done) WorkflowArray all = {};
        Workflow w = { .id = S("wf"),
                       .type = WORKFLOW_CONNECTION,
                       .connection_id = S("c"),
                       .input = S("{}"),
                       .workload_id = S("wl"),
                       .wake_at = NOW + 9 };
        usec_t wake;

        test_db_new(&t);
        assert_int_equal(workflow_store_create(t.db, &w, NOW, NULL), 1);
        assert_int_equal(workflow_store_create(t.db, &w, NOW, NULL), 0);
        ASSERT_OK(workflow_store_get_open(t.db, WORKFLOW_CONNECTION, "c", &open, NULL));
        assert_int_equal(open->run_seq, 1);
        ASSERT_OK(workflow_store_get_by_workload(t.db, "wl", &waiting, NULL));
        assert_string_equal(waiting->id, "wf");
        ASSERT_OK(workflow_store_list_open(t.db, NULL, &all, NULL));
        assert_int_equal(all.n, 1);
        ASSERT_OK(workflow_store_next_wake(t.db, &wake, NULL));
        assert_int_equal(wake, NOW + 9);
        assert_int_equal(workflow_store_finish(t.db, "wf", WORKFLOW_COMPLETED, "{}", NOW + 1, NULL), 1);
        assert_int_equal(workflow_store_finish(t.db, "wf", WORKFLOW_FAILED, "{}", NOW + 2, NULL), 0);
        ASSERT_ERROR(workflow_store_finish(t.db, "none", WORKFLOW_FAILED, "{}", NOW, NULL), ENOENT);
        ASSERT_OK(workflow_store_next_wake(t.db, &wake, NULL));
        assert_int_equal(wake, 0);
        assert_int_equal(workflow_store_prune(t.db, NOW + 1, 10, NULL), 0);
        assert_int_equal(workflow_store_prune(t.db, NOW + 2, 10, NULL), 1);
}

TEST(a_history_grows_at_its_end_only) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workflow_event_array_done) WorkflowEventArray history = {}, fresh = {};
        _cleanup_(workflow_freep) Workflow *after = NULL;
        Workflow w = { .id = S("wf"), .input = S("{}") };
        const WorkflowEvent events[] = { { .type = S("a"), .payload = S("1") }, { .type = S("b") } };

        test_db_new(&t);
        ASSERT_OK(workflow_store_create(t.db, &w, NOW, NULL));
        ASSERT_OK(workflow_store_append(t.db, &w, 0, events, 2, NOW, NULL));
        ASSERT_ERROR(workflow_store_append(t.db, &w, 0, events, 2, NOW, NULL), ESTALE);
        w.workload_id = S("wl");
        w.wake_at = NOW + 3;
        ASSERT_OK(workflow_store_append(t.db, &w, 2, events, 1, NOW + 1, NULL));
        ASSERT_OK(workflow_store_history(t.db, "wf", &history, NULL));
        assert_int_equal(history.n, 3);
        for (size_t i = 0; i < history.n; i++)
                assert_int_equal(history.items[i]->seq, (int64_t) i + 1);
        assert_string_equal(history.items[0]->payload, "1");
        assert_null(history.items[1]->payload);
        assert_int_equal(history.items[2]->at, NOW + 1);
        ASSERT_OK(workflow_store_restart(t.db, "wf", "{\"n\":2}", NOW + 2, NULL));
        ASSERT_OK(workflow_store_history(t.db, "wf", &fresh, NULL));
        assert_int_equal(fresh.n, 0);
        ASSERT_OK(workflow_store_get(t.db, "wf", &after, NULL));
        assert_int_equal(after->run_seq, 2);
        assert_string_equal(after->input, "{\"n\":2}");
        assert_null(after->workload_id);
        ASSERT_OK(workflow_store_append(t.db, &w, 0, events, 1, NOW, NULL));
        ASSERT_OK(workflow_store_finish(t.db, "wf", WORKFLOW_CANCELLED, NULL, NOW, NULL));
        ASSERT_ERROR(workflow_store_append(t.db, &w, 1, events, 1, NOW, NULL), ESTALE);
        ASSERT_ERROR(workflow_store_restart(t.db, "wf", "{}", NOW, NULL), ESTALE);
}

TEST(dataplanes_are_found_by_name) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(dataplane_freep) Dataplane *d = NULL;
        _cleanup_(dataplane_array_done) DataplaneArray all = {};
        Blob hash = { S("hash"), 4 };

        test_db_new(&t);
        ASSERT_OK(dataplane_store_set_token(t.db, "p", &hash, NOW, NULL));
        ASSERT_OK(dataplane_store_heartbeat(t.db, "p", NOW + 1, NULL));
        ASSERT_OK(dataplane_store_set_enabled(t.db, "p", false, NOW, NULL));
        ASSERT_ERROR(dataplane_store_heartbeat(t.db, "none", NOW, NULL), ENOENT);
        ASSERT_OK(dataplane_store_get_by_name(t.db, "local", &d, NULL));
        assert_memory_equal(d->token_hash.p, "hash", 4);
        assert_int_equal(d->heartbeat_at, NOW + 1);
        assert_false(d->enabled);
        ASSERT_OK(dataplane_store_list(t.db, &all, NULL));
        assert_int_equal(all.n, 1);
}

TEST_MAIN()
