/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The core of gantry-workload under made-up clocks, on a real database. */

#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "db/metadata-store.h"
#include "db/migrate.h"
#include "db/secret-store.h"
#include "unit/test.h"
#include "workload/workload-lease.h"

TEST_MAIN()

/* -- An Env whose two clocks go only as they are told, with one timer -- */

typedef struct World {
        Env env; /* first */
        usec_t realtime, monotonic, timer_at;
        EnvTimerHandler timer;
        void *timer_userdata;
        uint8_t random;

        char directory[64];
        Db *db;
        SealingKeys *keys;
        WorkloadManager *manager;
        unsigned n_queued, n_ended, n_left, n_changed, n_progress;
        char progress[512];
        char stopped[1024];
} World;

static usec_t world_now(Env *e, EnvClock clock) {
        World *w = (World *) e;

        return clock == ENV_CLOCK_REALTIME ? w->realtime : w->monotonic;
}

static int world_random(Env *e, void *p, size_t n) {
        for (uint8_t *q = p; n > 0; n--)
                *q++ = ((World *) e)->random++;
        return 0;
}

static int world_timer_add(Env *e, usec_t at, EnvTimerHandler handler, void *userdata, EnvSource **ret) {
        World *w = (World *) e;

        w->timer_at = at;
        w->timer = handler;
        w->timer_userdata = userdata;
        *ret = (EnvSource *) w;
        return 0;
}

static int world_timer_set(EnvSource *s, usec_t at) {
        ((World *) s)->timer_at = at;
        return 0;
}

static EnvSource *world_source_free(EnvSource *s) {
        ((World *) s)->timer_at = USEC_INFINITY;
        return NULL;
}

static const EnvOps world_ops = {
        .now = world_now,
        .random_bytes = world_random,
        .timer_add = world_timer_add,
        .timer_set = world_timer_set,
        .source_free = world_source_free,
};

/* Both clocks go on, and the timer fires when its time has come. */
static void go_on(World *w, usec_t span) {
        for (usec_t end = w->monotonic + span; w->monotonic < end;) {
                usec_t step = MIN(end, MAX(w->timer_at, w->monotonic + 1)) - w->monotonic;

                w->monotonic += step;
                w->realtime += step;
                if (w->timer_at <= w->monotonic)
                        ASSERT_OK(w->timer((EnvSource *) w, w->monotonic, w->timer_userdata));
        }
}

static void on_queued(void *userdata) {
        ((World *) userdata)->n_queued++;
}

static void on_ended(bool claimed, void *userdata) {
        ((World *) userdata)->n_ended++;
        ((World *) userdata)->n_left += claimed;
}

static void on_stopped(const char *id, void *userdata) {
        World *w = userdata;

        strncat(w->stopped, id, sizeof(w->stopped) - strlen(w->stopped) - 2);
        strcat(w->stopped, " ");
}

static void on_changed(int64_t seq, void *userdata) {
        ((World *) userdata)->n_changed++;
}

static void on_progress(const char *json, void *userdata) {
        World *w = userdata;

        w->n_progress++;
        (void) snprintf(w->progress, sizeof(w->progress), "%s", json);
}

/* A new process of the daemon on the same database. */
static void world_restart(World *w) {
        WorkloadManagerOptions options = {
                .env = &w->env,
                .db = w->db,
                .keys = w->keys,
                .log_root = w->directory,
                .hooks = { on_queued, on_stopped, on_ended, on_changed, on_progress, w },
        };

        w->manager = workload_manager_free(w->manager);
        ASSERT_OK(workload_manager_new(&options, &w->manager));
}

static World *world_new(void) {
        World *w = calloc(1, sizeof(*w));
        char path[128];
        uint8_t key[SEALING_KEY_SIZE] = { 1, 2, 3 };
        int from = -1;

        assert_non_null(w);
        *w = (World) {
                .env.ops = &world_ops,
                .realtime = UINT64_C(1800000000) * USEC_PER_SEC,
                .monotonic = 1000 * USEC_PER_SEC,
                .directory = "/tmp/test-workload-manager.XXXXXX",
        };
        assert_non_null(mkdtemp(w->directory));
        (void) snprintf(path, sizeof(path), "%s/gantry.db", w->directory);
        ASSERT_OK(db_open(path, DB_MIGRATE, &w->db, NULL));
        ASSERT_OK(db_migrate(w->db, w->realtime, &from, NULL));
        ASSERT_OK(metadata_set(w->db, METADATA_DEPLOYMENT_ID, "0190a1b2-0000-7000-8000-000000000000", NULL));
        ASSERT_OK(sealing_keys_new(key, NULL, &w->keys));
        world_restart(w);
        return w;
}

static void world_free(World **w) {
        workload_manager_free((*w)->manager);
        sealing_keys_free((*w)->keys);
        db_free((*w)->db);
        ASSERT_OK(remove_tree((*w)->directory));
        free(*w);
}
#define _cleanup_world_ _cleanup_(world_free)

static void create(World *w, const char *id, const char *more) {
        static unsigned n;
        char text[512];
        bool created = false;

        (void) snprintf(text, sizeof(text), "{\"id\":\"%s\",\"autoId\":\"0190a1b2-0000-7000-8000-%012u\",\"type\":\"check\","
                        "\"input\":{\"actor\":{\"id\":\"a1\",\"role\":\"source\",\"configuration\":{}}}%s}", id, n++, more);
        ASSERT_OK(workload_manager_create(w->manager, text, strlen(text), &created, NULL));
        assert_true(created);
}

static int64_t claim(World *w, const char *id) {
        _cleanup_(workload_claim_done) WorkloadClaim c = {};
        _cleanup_free_ char *dataplane_id = NULL, *token = NULL;

        ASSERT_OK(workload_manager_register(w->manager, "local", &dataplane_id, &token, NULL));
        ASSERT_OK(workload_manager_claim(w->manager, id, dataplane_id, &c, NULL));
        return c.lease_epoch;
}

static int64_t run(World *w, const char *id) {
        int64_t epoch = claim(w, id);

        assert_true(epoch > 0);
        ASSERT_OK(workload_manager_launched(w->manager, id, epoch, NULL));
        ASSERT_OK(workload_manager_running(w->manager, id, epoch, NULL));
        return epoch;
}

static void assert_status(World *w, const char *id, WorkloadStatus status, const char *source) {
        _cleanup_(workload_freep) Workload *got = NULL;

        ASSERT_OK(workload_manager_get(w->manager, id, &got, NULL));
        assert_string_equal(workload_status_to_string(got->status), workload_status_to_string(status));
        if (source)
                assert_string_equal(got->termination_source, source);
}

static int tell_progress(World *w, const char *id, int64_t epoch, int records) {
        _cleanup_json_ JsonObject *streams = NULL;
        char text[64];

        (void) snprintf(text, sizeof(text), "[{\"name\":\"s\",\"recordsEmitted\":%d}]", records);
        ASSERT_OK(json_parse(text, strlen(text), &streams, NULL));
        return workload_manager_progress(w->manager, id, epoch, streams, NULL);
}

/* A sync that runs, as "x". */
static int64_t run_sync(World *w) {
        static const char sync[] = "{\"id\":\"x\",\"autoId\":\"0190a1b2-0000-7000-8000-00000000ffff\",\"type\":\"sync\",\"jobId\":7,"
                                   "\"attempt\":2,\"connectionId\":\"c\",\"input\":{\"source\":{\"id\":\"a\",\"configuration\":{}},"
                                   "\"destination\":{\"id\":\"b\",\"configuration\":{}}}}";
        bool created = false;

        ASSERT_OK(workload_manager_create(w->manager, sync, strlen(sync), &created, NULL));
        return run(w, "x");
}

TEST(progress_is_passed_on_four_times_a_second_and_not_stored) {
        _cleanup_world_ World *w = world_new();
        _cleanup_(workload_freep) Workload *got = NULL;
        unsigned changed;
        int64_t epoch;

        epoch = run_sync(w);
        changed = w->n_changed;
        for (int i = 1; i <= 100; i++) {
                ASSERT_OK(tell_progress(w, "x", epoch, i));
                go_on(w, 10 * USEC_PER_MSEC);
        }
        assert_int_equal(w->n_progress, 4);
        assert_string_equal(w->progress, "{\"jobId\":7,\"attempt\":2,\"streams\":[{\"name\":\"s\",\"recordsEmitted\":76}]}");
        assert_int_equal(w->n_changed, changed);
        ASSERT_OK(workload_manager_get(w->manager, "x", &got, NULL));
        assert_null(got->stats);
        /* Another lease, another's workload, a check's. */
        ASSERT_ERROR(tell_progress(w, "x", epoch + 1, 1), ESTALE);
        ASSERT_ERROR(tell_progress(w, "nothing", epoch, 1), ENOENT);
        create(w, "y", "");
        ASSERT_OK(tell_progress(w, "y", run(w, "y"), 1));
        assert_int_equal(w->n_progress, 4);
}

TEST(what_nobody_claims_fails_at_its_deadline) {
        _cleanup_world_ World *w = world_new();

        create(w, "x", "");
        go_on(w, 29 * 60 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_PENDING, NULL);
        go_on(w, 2 * 60 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_FAILURE, "workload-monitor");
        assert_int_equal(w->n_ended, 1);
        /* Nobody ran it. */
        assert_string_equal(w->stopped, "");
        assert_int_equal(claim(w, "x"), 0);
}

TEST(what_was_claimed_and_not_launched_fails) {
        _cleanup_world_ World *w = world_new();

        create(w, "x", "");
        assert_int_equal(claim(w, "x"), 1);
        go_on(w, 31 * 60 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_FAILURE, "workload-monitor");
        assert_string_equal(w->stopped, "x ");
}

TEST(a_runner_that_falls_silent_loses_its_lease_after_two_minutes) {
        _cleanup_world_ World *w = world_new();
        int64_t epoch;

        create(w, "x", "");
        epoch = run(w, "x");
        for (unsigned i = 0; i < 60; i++) {
                go_on(w, 10 * USEC_PER_SEC);
                ASSERT_OK(workload_manager_heartbeat(w->manager, "x", epoch, NULL));
        }
        go_on(w, 115 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_RUNNING, NULL);
        go_on(w, 20 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_FAILURE, "workload-monitor");
        ASSERT_ERROR(workload_manager_heartbeat(w->manager, "x", epoch, NULL), ESTALE);
        ASSERT_ERROR(workload_manager_success(w->manager, "x", epoch, "{}", NULL), ESTALE);
        assert_string_equal(w->stopped, "x ");
}

TEST(a_daemon_that_was_away_lets_runners_renew_before_it_judges) {
        _cleanup_world_ World *w = world_new();
        int64_t epoch;

        create(w, "x", "");
        create(w, "y", "");
        epoch = run(w, "x");
        (void) run(w, "y");
        /* Ten minutes without us. */
        w->manager = workload_manager_free(w->manager);
        go_on(w, 600 * USEC_PER_SEC);
        world_restart(w);
        assert_int_equal(workload_manager_sweep(w->manager, NULL), 0);
        go_on(w, 10 * USEC_PER_SEC);
        ASSERT_OK(workload_manager_heartbeat(w->manager, "x", epoch, NULL));
        go_on(w, 60 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_RUNNING, NULL);
        assert_status(w, "y", WORKLOAD_FAILURE, "workload-monitor");
}

/* The launcher may not have been there, nor may we: it is told until there is an end. */
TEST(what_is_told_to_end_is_told_so_until_it_has) {
        _cleanup_world_ World *w = world_new();
        int64_t epoch = run_sync(w);
        unsigned changed = w->n_changed;

        go_on(w, WORKLOAD_START_GRACE_USEC);
        ASSERT_OK(workload_manager_cancel(w->manager, "x", "user", "because", NULL));
        assert_string_equal(w->stopped, "x ");
        assert_int_equal(w->n_changed, changed + 1);
        assert_int_equal(w->n_ended, 0);
        assert_true(workload_manager_is_cancelling(w->manager, "x"));
        ASSERT_OK(workload_manager_cancel(w->manager, "x", "user", "again", NULL));
        assert_string_equal(w->stopped, "x x ");
        assert_int_equal(w->n_changed, changed + 1);
        go_on(w, WORKLOAD_SWEEP_USEC);
        assert_string_equal(w->stopped, "x x x ");
        world_restart(w);
        workload_manager_remind(w->manager);
        assert_string_equal(w->stopped, "x x x x ");
        assert_int_equal(workload_manager_heartbeat(w->manager, "x", epoch, NULL), 1);
        ASSERT_OK(workload_manager_failure(w->manager, "x", epoch, "worker", "stopped", "{}", NULL));
        assert_int_equal(w->n_ended, 1);
        assert_status(w, "x", WORKLOAD_CANCELLED, "user");
        go_on(w, 60 * USEC_PER_SEC);
        ASSERT_OK(workload_manager_cancel(w->manager, "x", "user", "late", NULL));
        assert_string_equal(w->stopped, "x x x x ");
        assert_int_equal(w->n_ended, 1);
}

TEST(what_is_told_to_end_and_does_not_is_cancelled_in_three_minutes) {
        _cleanup_world_ World *w = world_new();
        int64_t epoch = run_sync(w);

        go_on(w, 60 * USEC_PER_SEC);
        ASSERT_OK(workload_manager_cancel(w->manager, "x", "user", "because", NULL));
        for (unsigned i = 0; i < 17; i++) {
                go_on(w, 10 * USEC_PER_SEC);
                assert_int_equal(workload_manager_heartbeat(w->manager, "x", epoch, NULL), 1);
        }
        assert_status(w, "x", WORKLOAD_RUNNING, NULL);
        assert_true(workload_manager_is_busy(w->manager));
        go_on(w, 25 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_CANCELLED, "user");
        assert_int_equal(w->n_ended, 1);
        ASSERT_ERROR(workload_manager_heartbeat(w->manager, "x", epoch, NULL), ESTALE);
        /* That it did not go well is agreed with its runner; what it has done is not taken any more. */
        ASSERT_ERROR(workload_manager_success(w->manager, "x", epoch, "{}", NULL), ESTALE);
        ASSERT_OK(workload_manager_failure(w->manager, "x", epoch, "worker", "late", NULL, NULL));
        assert_int_equal(w->n_ended, 1);
}

TEST(a_wall_clock_that_jumps_ends_no_lease) {
        _cleanup_world_ World *w = world_new();
        int64_t epoch;

        create(w, "x", "");
        epoch = run(w, "x");
        go_on(w, 60 * USEC_PER_SEC);
        w->realtime += 3600 * USEC_PER_SEC;
        for (unsigned i = 0; i < 30; i++) {
                go_on(w, 10 * USEC_PER_SEC);
                ASSERT_OK(workload_manager_heartbeat(w->manager, "x", epoch, NULL));
        }
        assert_status(w, "x", WORKLOAD_RUNNING, NULL);
        /* And one that is really silent is found all the same. */
        go_on(w, 300 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_FAILURE, "workload-monitor");
}

/* Its runner says nothing more than that it lives. */
static void beat_for(World *w, int64_t epoch, usec_t span) {
        for (usec_t t = 0; t < span; t += 10 * USEC_PER_SEC) {
                go_on(w, 10 * USEC_PER_SEC);
                assert_int_equal(workload_manager_heartbeat(w->manager, "x", epoch, NULL), 1);
        }
}

TEST(a_wall_clock_that_is_set_does_not_put_off_the_end_of_a_cancel_nor_bring_it_at_once) {
        static const int64_t jumps[] = { -86400, 3600, -86400 }; /* the last while we are away */

        for (size_t i = 0; i < ELEMENTSOF(jumps); i++) {
                _cleanup_world_ World *w = world_new();
                int64_t epoch = run_sync(w);

                go_on(w, 60 * USEC_PER_SEC);
                ASSERT_OK(workload_manager_cancel(w->manager, "x", "user", "because", NULL));
                go_on(w, USEC_PER_SEC);
                w->realtime += (usec_t) jumps[i] * USEC_PER_SEC;
                if (i == 2)
                        world_restart(w);
                beat_for(w, epoch, 110 * USEC_PER_SEC);
                assert_status(w, "x", WORKLOAD_RUNNING, NULL);
                go_on(w, 130 * USEC_PER_SEC);
                assert_status(w, "x", WORKLOAD_CANCELLED, "user");
        }
}

TEST(only_what_somebody_had_claimed_may_have_left_something) {
        _cleanup_world_ World *w = world_new();
        int64_t epoch;

        create(w, "cancelled", "");
        ASSERT_OK(workload_manager_cancel(w->manager, "cancelled", "user", "because", NULL));
        create(w, "late", "");
        go_on(w, WORKLOAD_CLAIM_USEC + 60 * USEC_PER_SEC);
        assert_status(w, "late", WORKLOAD_FAILURE, "workload-monitor");
        assert_int_equal(w->n_ended, 2);
        assert_int_equal(w->n_left, 0);
        create(w, "silent", "");
        (void) run(w, "silent");
        go_on(w, 300 * USEC_PER_SEC);
        assert_status(w, "silent", WORKLOAD_FAILURE, "workload-monitor");
        create(w, "done", "");
        epoch = run(w, "done");
        ASSERT_OK(workload_manager_success(w->manager, "done", epoch, "{}", NULL));
        create(w, "stopped", "");
        (void) run(w, "stopped");
        ASSERT_OK(workload_manager_cancel(w->manager, "stopped", "user", "because", NULL));
        assert_int_equal(w->n_ended, 5);
        assert_int_equal(w->n_left, 3);
}

TEST(a_deadline_that_was_given_counts) {
        _cleanup_world_ World *w = world_new();
        char more[64];

        (void) snprintf(more, sizeof(more), ",\"deadline\":%llu", (unsigned long long) (w->realtime + 60 * USEC_PER_SEC));
        create(w, "x", more);
        go_on(w, 50 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_PENDING, NULL);
        go_on(w, 25 * USEC_PER_SEC);
        assert_status(w, "x", WORKLOAD_FAILURE, "workload-monitor");
}

TEST(what_was_polled_comes_back_after_five_minutes) {
        _cleanup_world_ World *w = world_new();

        create(w, "x", "");
        create(w, "y", ",\"priority\":\"high\"");
        for (unsigned i = 0; i < 3; i++) {
                _cleanup_(workload_array_done) WorkloadArray got = {};

                ASSERT_OK(workload_manager_poll(w->manager, -1, 10, &got, NULL));
                if (i == 1) {
                        assert_int_equal(got.n, 0);
                        go_on(w, 5 * 60 * USEC_PER_SEC);
                        continue;
                }
                assert_int_equal(got.n, 2);
                assert_string_equal(got.items[0]->id, "y");
                assert_string_equal(got.items[1]->id, "x");
        }
}

TEST(control_messages_are_bounded_and_come_back_with_time) {
        _cleanup_world_ World *w = world_new();
        int64_t epoch;
        int n = 0, r;

        create(w, "x", "");
        epoch = run(w, "x");
        for (;; n++) {
                _cleanup_free_ char *actor_id = NULL;

                r = workload_manager_control(w->manager, "x", epoch, "source", 2, &actor_id, NULL);
                if (r < 0)
                        break;
                assert_string_equal(actor_id, "a1");
        }
        assert_int_equal(r, -EDQUOT);
        assert_int_equal(n, WORKLOAD_CONTROL_BURST);
        go_on(w, WORKLOAD_CONTROL_INTERVAL_USEC);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_free_ char *actor_id = NULL;

                r = workload_manager_control(w->manager, "x", epoch, "destination", 2, &actor_id, NULL);
                assert_int_equal(r, i == 0 ? 0 : -EDQUOT);
                assert_null(actor_id);
        }
}

TEST(tokens_are_of_one_workload_and_one_key) {
        _cleanup_(workload_caller_freep) WorkloadCaller *caller = NULL;
        _cleanup_free_ char *dataplane_id = NULL, *token = NULL, *second = NULL, *same_id = NULL;
        _cleanup_(workload_claim_done) WorkloadClaim c = {};
        _cleanup_world_ World *w = world_new();

        create(w, "x", "");
        ASSERT_OK(workload_manager_register(w->manager, "local", &dataplane_id, &token, NULL));
        ASSERT_OK(workload_manager_claim(w->manager, "x", dataplane_id, &c, NULL));
        ASSERT_OK(workload_manager_authenticate(w->manager, c.token, false, &caller, NULL));
        assert_string_equal(caller->workload_id, "x");
        assert_int_equal(caller->lease_epoch, 1);
        assert_null(caller->dataplane_id);
        caller = workload_caller_free(caller);
        ASSERT_OK(workload_manager_authenticate(w->manager, token, false, &caller, NULL));
        assert_string_equal(caller->dataplane_id, dataplane_id);
        caller = workload_caller_free(caller);
        /* A new registration, the same dataplane, another token. */
        ASSERT_OK(workload_manager_register(w->manager, "local", &same_id, &second, NULL));
        assert_string_equal(same_id, dataplane_id);
        ASSERT_ERROR(workload_manager_authenticate(w->manager, token, false, &caller, NULL), EKEYREJECTED);
        for (char *p = c.token; *p; p++) {
                char was = *p;

                *p = was == 'A' ? 'B' : 'A';
                /* The last character of base64url may carry bits that nobody reads. */
                if (p[1])
                        ASSERT_ERROR(workload_manager_authenticate(w->manager, c.token, false, &caller, NULL), EKEYREJECTED);
                *p = was;
        }
}

/* Stores a secret of actor "a1" as gantry-server does. */
static void put_secret(World *w, const char *id, const char *text) {
        Secret s = { .id = (char *) id, .owner_id = (char *) "a1" };

        ASSERT_OK(sealing_seal(w->keys, &(SealingPlace) { "secret", id, "a1" }, text, strlen(text), &s.sealed.p,
                               &s.sealed.n));
        ASSERT_OK(secret_store_put(w->db, &s, w->realtime, NULL));
        free(s.sealed.p);
}

static void assert_not_stored(World *w, const char *text) {
        static const char *const files[] = { "gantry.db", "gantry.db-wal" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = path_join(w->directory, files[i]), *content = NULL;
                size_t n;

                ASSERT_OK(read_file(path, 64U * 1024U * 1024U, &content, &n, NULL));
                assert_null(memmem(content, n, text, strlen(text)));
        }
}

TEST(T73_secrets_are_in_clear_in_the_claim_and_nowhere_else) {
        _cleanup_free_ char *dataplane_id = NULL, *token = NULL, *sealed = NULL, *foreign = NULL, *text = NULL;
        _cleanup_(workload_claim_done) WorkloadClaim c = {}, refused = {};
        _cleanup_world_ World *w = world_new();
        bool created;

        put_secret(w, "s1", "stored-hunter22");
        ASSERT_OK(sealing_seal_text(w->keys, &(SealingPlace) { "workload", "x", "" }, "given-hunter33", &sealed));
        ASSERT_OK(sealing_seal_text(w->keys, &(SealingPlace) { "workload", "other", "" }, "foreign", &foreign));
        assert_true(asprintf(&text, "{\"id\":\"x\",\"autoId\":\"0190a1b2-0000-7000-8000-0000000000ff\",\"type\":\"check\","
                             "\"input\":{\"actor\":{\"configuration\":{\"a\":{\"_secret\":\"s1\"},\"b\":{\"_sealed\":"
                             "\"%s\"}}}}}", sealed) > 0);
        ASSERT_OK(workload_manager_create(w->manager, text, strlen(text), &created, NULL));
        ASSERT_OK(workload_manager_register(w->manager, "local", &dataplane_id, &token, NULL));
        ASSERT_OK(workload_manager_claim(w->manager, "x", dataplane_id, &c, NULL));
        assert_string_equal(buffer_string(&c.input),
                            "{\"actor\":{\"configuration\":{\"a\":\"stored-hunter22\",\"b\":\"given-hunter33\"}},"
                            "\"state\":[],\"secrets\":[\"stored-hunter22\",\"given-hunter33\"]}");
        assert_not_stored(w, "hunter22");
        assert_not_stored(w, "hunter33");
        assert_not_stored(w, c.token);
        assert_not_stored(w, token);

        /* What was sealed for another workload ends this one. */
        free(text);
        assert_true(asprintf(&text, "{\"id\":\"y\",\"autoId\":\"0190a1b2-0000-7000-8000-0000000000fe\",\"type\":\"check\","
                             "\"input\":{\"actor\":{\"configuration\":{\"b\":{\"_sealed\":\"%s\"}}}}}", foreign) > 0);
        ASSERT_OK(workload_manager_create(w->manager, text, strlen(text), &created, NULL));
        ASSERT_OK(workload_manager_claim(w->manager, "y", dataplane_id, &refused, NULL));
        assert_int_equal(refused.lease_epoch, 0);
        assert_status(w, "y", WORKLOAD_FAILURE, "workload-manager");
}

TEST(ends_are_listed_until_they_are_acknowledged_also_after_a_restart) {
        _cleanup_(workload_array_done) WorkloadArray got = {};
        _cleanup_world_ World *w = world_new();

        create(w, "x", "");
        ASSERT_OK(workload_manager_success(w->manager, "x", run(w, "x"), "{}", NULL));
        assert_int_equal(w->n_ended, 1);
        assert_true(workload_manager_is_busy(w->manager));
        world_restart(w);
        ASSERT_OK(workload_manager_list_ended(w->manager, &got, NULL));
        assert_int_equal(got.n, 1);
        workload_array_done(&got);
        ASSERT_OK(workload_manager_acknowledge(w->manager, "x", NULL));
        ASSERT_OK(workload_manager_list_ended(w->manager, &got, NULL));
        assert_int_equal(got.n, 0);
        assert_false(workload_manager_is_busy(w->manager));
}

TEST(every_change_is_announced_and_a_heartbeat_is_none) {
        _cleanup_world_ World *w = world_new();
        unsigned n;
        int64_t epoch;

        create(w, "x", "");
        assert_int_equal(w->n_changed, 1);
        epoch = run(w, "x");
        n = w->n_changed;
        ASSERT_OK(workload_manager_heartbeat(w->manager, "x", epoch, NULL));
        assert_int_equal(w->n_changed, n);
        ASSERT_OK(workload_manager_cancel(w->manager, "x", "user", "because", NULL));
        assert_int_equal(w->n_changed, n + 1);
        assert_string_equal(w->stopped, "x ");
}
