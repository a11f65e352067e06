/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stream that has got fields, or has left the connection, is read from its beginning once, whatever comes between the
 * moment in which that was seen and the sync that reads it: a plan that fails, a workload that is refused, an attempt
 * that comes half way, a crash, a disk that fails at any call. */

#include <limits.h>

#include "db/backfill-store.h"
#include "unit/db-vfs.h"
#include "unit/workflow-schema-harness.h"

TEST_MAIN()

/* The disk is in memory, so that it can fail. */
__attribute__((constructor)) static void set_up(void) {
        vfs_register();
}

static void open_on_failing_disk(World *w) {
        TestDb t = {};
        int from;

        vfs_reset();
        memcpy(t.directory, "/tmp/gantry-db-XXXXXX", sizeof("/tmp/gantry-db-XXXXXX"));
        assert_non_null(mkdtemp(t.directory));
        (void) snprintf(t.path, sizeof(t.path), "%s/gantry.db", t.directory);
        /* Whether it exists is asked of the real disk. */
        ASSERT_OK(write_file_atomic(t.path, "", 0, 0600, NULL));
        ASSERT_OK(db_open(t.path, DB_MIGRATE, &t.db, NULL));
        ASSERT_OK(db_migrate(t.db, NOW, &from, NULL));
        db_free(t.db);
        ASSERT_OK(db_open(t.path, DB_READ_WRITE, &t.db, NULL));
        ASSERT_OK(test_db_fill(t.db));
        world_init_on(w, &t, well);
}

/* A world that backfills, with a state; its next discover brings a new column. */
static void prepare(World *w) {
        open_on_failing_disk(w);
        begin_in(w, DEDUP, NON_BREAKING_PROPAGATE_COLUMNS, /* backfill= */ true);
        ASSERT_OK(state_store_set(w->db.db, "c", STREAM_STATE, strlen(STREAM_STATE), w->clock.now, NULL));
}

static void set_spec(World *w, const char *spec) {
        ASSERT_OK(definition_store_set_spec(w->db.db, "dd", spec, w->clock.now, NULL));
}

/* "", "owed" or "begun" */
static const char *row(World *w) {
        _cleanup_(backfill_array_done) BackfillArray rows = {};

        ASSERT_OK(backfill_store_list(w->db.db, "c", &rows, NULL));
        assert_in_range(rows.n, 0, 1);
        return rows.n == 0 ? "" : rows.items[0]->begun ? "begun" : "owed";
}

static size_t dropped(World *w) {
        return json_object_array_length(json_member(world_last(w, "sync")->request, "dropStates"));
}

static bool told(World *w, int64_t job_id, int attempt) {
        _cleanup_(stream_stats_array_done) StreamStatsArray stats = {};

        ASSERT_OK(stream_stats_store_list(w->db.db, job_id, attempt, &stats, NULL));
        assert_int_equal(stats.n, 1);
        return stats.items[0]->was_backfilled;
}

TEST(a_backfill_outlives_a_plan_that_fails) {
        _cleanup_world_ World w;
        size_t n;
        int64_t id;

        prepare(&w);
        n = count(&w, "sync");
        set_spec(&w, APPENDS_ONLY);
        id = sync_after(&w, 25, new_column);
        assert_status(&w, id, JOB_FAILED);
        assert_int_equal(count(&w, "sync"), n);
        assert_string_equal(row(&w), "owed");
        set_spec(&w, DEDUPLICATES);
        id = sync_after(&w, 0, new_column);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_int_equal(dropped(&w), 1);
        assert_true(told(&w, id, 0));
        assert_string_equal(row(&w), "");
        id = sync_after(&w, 0, new_column);
        assert_int_equal(dropped(&w), 0);
        assert_false(told(&w, id, 0));
}

TEST(a_workload_that_is_refused_has_dropped_nothing) {
        _cleanup_world_ World w;

        prepare(&w);
        w.refuse = "sync";
        offered = new_column;
        w.clock.now += 25 * HOUR;
        (void) start(&w, "c");
        world_run(&w, w.clock.now + USEC_PER_SEC);
        assert_string_equal(row(&w), "owed");
        w.refuse = NULL;
        world_run(&w, w.clock.now + HOUR);
        assert_status(&w, 2, JOB_SUCCEEDED);
        assert_int_equal(dropped(&w), 1);
        assert_string_equal(row(&w), "");
}

static unsigned failures_left;

/* The first syncs come half way. */
static void half_way(World *w, FakeWorkload *workload) {
        well(w, workload);
        if (!streq(workload->type, "sync") || failures_left == 0)
                return;
        failures_left--;
        workload->status = "failure";
        workload->reason = "the source has gone";
        workload->output = "{\"status\":\"failed\",\"streams\":[{\"name\":\"users\",\"recordsEmitted\":1,\"recordsCommitted\":1,"
                           "\"complete\":false}]}";
}

TEST(a_state_is_dropped_once_and_the_attempts_go_on_from_there) {
        _cleanup_world_ World w;
        int64_t id;

        prepare(&w);
        w.script = half_way;
        failures_left = 2;
        id = sync_after(&w, 25, new_column);
        world_run(&w, w.clock.now + 10 * HOUR);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_int_equal(count(&w, "sync"), 4);
        assert_int_equal(json_object_array_length(json_member(w.workloads[w.n_workloads - 3].request, "dropStates")), 1);
        assert_int_equal(json_object_array_length(json_member(w.workloads[w.n_workloads - 2].request, "dropStates")), 0);
        assert_int_equal(dropped(&w), 0);
        for (int attempt = 0; attempt < 3; attempt++)
                assert_true(told(&w, id, attempt));
        assert_string_equal(row(&w), "");
}

static const char two_columns[] = CATALOG(USERS(ID "," AT "," CITY ",\"zip\":{\"type\":\"string\"}"));

TEST(a_field_that_comes_while_one_has_begun_is_owed_anew) {
        _cleanup_world_ World w;
        int64_t id;

        prepare(&w);
        w.script = half_way;
        failures_left = UINT_MAX;
        assert_status(&w, sync_after(&w, 25, new_column), JOB_FAILED);
        failures_left = 0;
        assert_string_equal(row(&w), "begun");
        id = sync_after(&w, 25, two_columns);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_int_equal(dropped(&w), 1);
        assert_string_equal(row(&w), "");
}

TEST(who_turns_the_backfill_off_or_moves_the_stream_in_full_owes_nothing) {
        static const struct {
                const char *selection;
                bool backfill;
        } cases[] = { { DEDUP, false }, { OVERWRITE, true } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_world_ World w;
                int64_t id;

                prepare(&w);
                set_spec(&w, APPENDS_ONLY);
                (void) sync_after(&w, 25, new_column);
                assert_string_equal(row(&w), "owed");
                set_spec(&w, DEDUPLICATES);
                configure(&w, cases[i].selection, NON_BREAKING_PROPAGATE_COLUMNS, cases[i].backfill);
                id = sync_after(&w, 0, new_column);
                assert_status(&w, id, JOB_SUCCEEDED);
                assert_string_equal(row(&w), "");
                assert_int_equal(dropped(&w), cases[i].backfill); /* a stream in full has no state */
        }
}

TEST(a_stream_that_is_not_selected_keeps_what_it_is_owed) {
        _cleanup_world_ World w;

        prepare(&w);
        set_spec(&w, APPENDS_ONLY);
        (void) sync_after(&w, 25, CATALOG(USERS(ID "," AT "," CITY) ",{\"name\":\"more\",\"json_schema\":{},"
                                          "\"supported_sync_modes\":[\"full_refresh\"]}"));
        configure(&w, "{\"streams\":[{\"name\":\"more\",\"syncMode\":\"full_refresh_append\"}]}", NON_BREAKING_PROPAGATE_COLUMNS, true);
        assert_status(&w, sync_after(&w, 0, NULL), JOB_SUCCEEDED);
        assert_string_equal(row(&w), "owed");
        set_spec(&w, DEDUPLICATES);
        configure(&w, DEDUP, NON_BREAKING_PROPAGATE_COLUMNS, true);
        assert_status(&w, sync_after(&w, 0, NULL), JOB_SUCCEEDED);
        assert_int_equal(dropped(&w), 1);
        assert_string_equal(row(&w), "");
}

TEST(a_clear_settles_what_is_owed) {
        _cleanup_world_ World w;
        int64_t id;

        prepare(&w);
        set_spec(&w, APPENDS_ONLY);
        (void) sync_after(&w, 25, new_column);
        set_spec(&w, DEDUPLICATES);
        ASSERT_OK(workflow_manager_start_job(w.manager, "c", "clear", "", &id, NULL));
        world_run(&w, w.clock.now + 60 * USEC_PER_SEC);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_string_equal(row(&w), "");
        (void) sync_after(&w, 0, new_column);
        assert_int_equal(dropped(&w), 0);
}

/* --- streams that leave and come back --- */

#define MORE "{\"name\":\"more\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]}"
/* With cursor and key of its own, so that its best mode is the one that it was selected with. */
#define KEYED_USERS "{\"name\":\"users\",\"json_schema\":{\"type\":\"object\",\"properties\":{" ID "," AT "}},"                 \
                    "\"supported_sync_modes\":[\"full_refresh\",\"incremental\"],\"default_cursor_field\":[\"at\"]," \
                    "\"source_defined_primary_key\":[[\"id\"]]}"
static const char with_more[] = CATALOG(KEYED_USERS "," MORE), without_users[] = CATALOG(MORE);

/* A world that follows fully and wants no backfills, of users and more; users has a state. */
static void prepare_two(World *w, const char *state) {
        open_on_failing_disk(w);
        begin_in(w, DEDUP, NON_BREAKING_PROPAGATE_FULLY, /* backfill= */ false);
        assert_status(w, sync_after(w, 25, with_more), JOB_SUCCEEDED);
        ASSERT_OK(state_store_set(w->db.db, "c", state, strlen(state), w->clock.now, NULL));
}

/* Whether a sync was asked to drop users' state. */
static bool drops_users(const FakeWorkload *workload) {
        JsonObject *states = json_member(workload->request, "dropStates");

        for (size_t i = 0; streq(workload->type, "sync") && i < json_object_array_length(states); i++)
                if (streq(json_object_get_string(json_member(json_object_array_get_idx(states, i), "name")), "users"))
                        return true;
        return false;
}

static size_t times_dropped(const World *w) {
        size_t n = 0;

        for (size_t i = 0; i < w->n_workloads; i++)
                n += drops_users(w->workloads + i);
        return n;
}

static int64_t generation(World *w) {
        _cleanup_(generation_array_done) GenerationArray all = {};

        ASSERT_OK(generation_store_list(w->db.db, "c", &all, NULL));
        for (size_t i = 0; i < all.n; i++)
                if (streq(all.items[i]->stream_name, "users"))
                        return all.items[i]->generation_id;
        fail_msg("users has no generation");
        return -1;
}

static void leave(World *w) {
        ASSERT_OK(backfill_store_owe(w->db.db, "c", &(StreamRef) { NULL, "users" }, /* forced= */ true, w->clock.now, NULL));
}

TEST(P10_a_stream_that_has_gone_leaves_its_state_with_the_next_sync) {
        static const char *const sorts[] = { STREAM_STATE, GLOBAL_STATE };

        for (size_t i = 0; i < ELEMENTSOF(sorts); i++) {
                _cleanup_world_ World w;
                int64_t before;

                prepare_two(&w, sorts[i]);
                before = generation(&w);
                assert_status(&w, sync_after(&w, 25, without_users), JOB_SUCCEEDED);
                assert_true(drops_users(world_last(&w, "sync")));
                assert_string_equal(row(&w), "");
                assert_int_equal(generation(&w), before + 1);
                assert_status(&w, sync_after(&w, 25, with_more), JOB_SUCCEEDED);
                assert_int_equal(times_dropped(&w), 1);
                assert_int_equal(generation(&w), before + 1);
        }
}

/* Whatever the connection's policy makes of it. */
TEST(P10_a_stream_that_was_missed_is_owed_by_each_policy) {
        for (NonBreakingPreference p = 0; p < _NON_BREAKING_PREFERENCE_MAX; p++) {
                _cleanup_world_ World w;
                _cleanup_(connection_freep) Connection *c = NULL;

                prepare_two(&w, STREAM_STATE);
                c = get_connection(&w, "c");
                configure(&w, c->catalog, p, /* backfill= */ false);
                (void) sync_after(&w, 25, without_users);
                assert_string_equal(row(&w), p == NON_BREAKING_PROPAGATE_FULLY ? "" : "owed");
                assert_int_equal(times_dropped(&w), p == NON_BREAKING_PROPAGATE_FULLY);
        }
}

TEST(a_stream_that_has_left_is_read_in_as_many_attempts_as_it_takes) {
        _cleanup_world_ World w;
        int64_t id, before;

        prepare_two(&w, STREAM_STATE);
        before = generation(&w);
        leave(&w);
        w.script = half_way;
        failures_left = 2;
        id = sync_after(&w, 0, with_more);
        world_run(&w, w.clock.now + 10 * HOUR);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_int_equal(times_dropped(&w), 1);
        assert_int_equal(generation(&w), before + 1);
        assert_string_equal(row(&w), "");
}

static World *leaving;

/* While its sync runs, somebody takes it out and puts it back. */
static void leaves_meanwhile(World *w, FakeWorkload *workload) {
        well(w, workload);
        if (leaving && streq(workload->type, "sync"))
                leave(leaving);
        leaving = NULL;
}

TEST(an_attempt_settles_only_what_it_has_seen) {
        _cleanup_world_ World w;

        prepare_two(&w, STREAM_STATE);
        leave(&w);
        w.clock.now += USEC_PER_SEC;
        w.script = leaves_meanwhile;
        leaving = &w;
        assert_status(&w, sync_after(&w, 0, with_more), JOB_SUCCEEDED);
        assert_string_equal(row(&w), "owed");
        assert_status(&w, sync_after(&w, 0, with_more), JOB_SUCCEEDED);
        assert_string_equal(row(&w), "");
        assert_int_equal(times_dropped(&w), 2);
}

TEST(a_clear_of_another_stream_takes_the_state_of_one_that_has_left) {
        _cleanup_world_ World w;
        int64_t id;

        prepare_two(&w, STREAM_STATE);
        leave(&w);
        ASSERT_OK(workflow_manager_start_job(w.manager, "c", "clear", "{\"streams\":[{\"name\":\"more\"}]}", &id, NULL));
        world_run(&w, w.clock.now + 60 * USEC_PER_SEC);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_true(drops_users(world_last(&w, "sync")));
        assert_string_equal(row(&w), "");
}

/* --- crashes and a disk that fails --- */

static int64_t start_whatever(World *w) {
        for (unsigned i = 0; i < 5; i++) {
                int64_t id = 0;

                if (workflow_manager_start_job(w->manager, "c", "sync", "", &id, NULL) >= 0)
                        return id;
                world_run(w, w->clock.now + 60 * USEC_PER_SEC);
        }
        fail_msg("no job can be started");
        return 0;
}

/* The plan fails behind the propagation, a person mends what is wrong, and the next job reads the stream. Of all the
 * syncs that there were exactly one has dropped the state. */
static bool tell(unsigned crash_at, unsigned fault_at) {
        _cleanup_world_ World w;
        size_t n_dropped = 0;
        bool hit;

        prepare(&w);
        set_spec(&w, APPENDS_ONLY);
        offered = new_column;
        w.clock.now += 25 * HOUR;
        w.crash_at = crash_at > 0 ? w.n_points + crash_at : 0;
        if (fault_at > 0)
                vfs_arm(VFS_IO_ERROR, fault_at);
        (void) start_whatever(&w);
        world_run(&w, w.clock.now + HOUR);
        hit = vfs_disarm() || w.hit;
        if (w.crashed)
                world_reboot(&w);
        assert_string_equal(row(&w), "owed");
        set_spec(&w, DEDUPLICATES);
        w.crash_at = !hit && crash_at > 0 ? w.crash_at : 0;
        if (!hit && fault_at > 1000)
                vfs_arm(VFS_IO_ERROR, fault_at - 1000);
        (void) start_whatever(&w);
        world_run(&w, w.clock.now + HOUR);
        hit |= vfs_disarm() || w.hit;
        if (w.crashed)
                world_reboot(&w);
        assert_string_equal(row(&w), "");
        w.crash_at = 0;
        (void) start_whatever(&w);
        world_run(&w, w.clock.now + HOUR);
        for (size_t i = 0; i < w.n_workloads; i++)
                n_dropped += streq(w.workloads[i].type, "sync") &&
                        json_object_array_length(json_member(w.workloads[i].request, "dropStates")) > 0;
        assert_int_equal(n_dropped, 1);
        return hit;
}

/* The second job's faults begin with 1001. */
static void arm(World *w, bool second, bool hit, unsigned crash_at, unsigned fault_at) {
        if (!second)
                w->crash_at = crash_at > 0 ? w->n_points + crash_at : 0;
        else if (hit)
                w->crash_at = 0;
        if (!hit && fault_at > 0 && second == (fault_at > 1000))
                vfs_arm(VFS_IO_ERROR, second ? fault_at - 1000 : fault_at);
}

static bool sync_through(World *w, const char *catalog) {
        bool hit;

        offered = catalog;
        w->clock.now += 25 * HOUR;
        (void) start_whatever(w);
        world_run(w, w->clock.now + HOUR);
        hit = vfs_disarm() || w->hit;
        if (w->crashed)
                world_reboot(w);
        return hit;
}

/* The source loses users and has it again: its state has gone with exactly one sync, and its generation is another
 * one. `fails`: the plan of the sync that sees it gone fails, so that the one that sees it come back has all to do. */
static bool tell_left(unsigned crash_at, unsigned fault_at, bool fails) {
        _cleanup_world_ World w;
        int64_t before;
        bool hit;

        prepare_two(&w, STREAM_STATE);
        before = generation(&w);
        if (fails)
                set_spec(&w, APPENDS_ONLY);
        arm(&w, /* second= */ false, /* hit= */ false, crash_at, fault_at);
        hit = sync_through(&w, without_users);
        assert_string_equal(row(&w), fails ? "owed" : "");
        if (fails)
                set_spec(&w, DEDUPLICATES);
        arm(&w, /* second= */ true, hit, crash_at, fault_at);
        hit |= sync_through(&w, with_more);
        w.crash_at = 0;
        assert_string_equal(row(&w), "");
        (void) sync_through(&w, with_more);
        assert_int_equal(times_dropped(&w), 1);
        assert_int_equal(generation(&w), before + 1);
        return hit;
}

TEST(a_crash_at_every_point_loses_no_backfill_and_makes_none_twice) {
        unsigned n;

        for (n = 1; tell(n, 0); n++)
                ;
        print_message("# %u points\n", n - 1);
        assert_true(n > 10);
}

/* Faults 1… of the first job, 1001… of the second. */
TEST(a_disk_that_fails_at_any_call_loses_no_backfill_and_makes_none_twice) {
        unsigned stride = getenv("GANTRY_TEST_FULL") ? 1 : getenv("GANTRY_TEST_SPARSE") ? 29 : 19, points = 0;

        for (unsigned n = 1; tell(0, n); n += stride)
                points++;
        for (unsigned n = 1001; tell(0, n); n += stride)
                points++;
        print_message("# %u points\n", points);
        assert_true(points > 10);
}

TEST(P10_a_crash_at_every_point_keeps_no_state_of_a_stream_that_has_left) {
        for (unsigned fails = 0; fails < 2; fails++) {
                unsigned n;

                for (n = 1; tell_left(n, 0, fails); n++)
                        ;
                print_message("# %u points\n", n - 1);
                assert_true(n > 10);
        }
}

TEST(P10_a_disk_that_fails_at_any_call_keeps_no_state_of_a_stream_that_has_left) {
        unsigned stride = getenv("GANTRY_TEST_FULL") ? 1 : getenv("GANTRY_TEST_SPARSE") ? 67 : 43, points = 0;

        for (unsigned fails = 0; fails < 2; fails++) {
                for (unsigned n = 1; tell_left(0, n, fails); n += stride)
                        points++;
                for (unsigned n = 1001; tell_left(0, n, fails); n += stride)
                        points++;
        }
        print_message("# %u points\n", points);
        assert_true(points > 10);
}
