/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Syncs whose source changes its schema, on a real database, with the process dying at every point; and the histories of a
 * version that knew nothing of it. */

#include <limits.h>

#include "unit/workflow-schema-harness.h"

TEST_MAIN()

TEST(the_first_sync_goes_by_what_it_discovers_and_tells_nobody) {
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_free_ char *events = NULL;

        begin(&w, DEDUP, NON_BREAKING_IGNORE, false);
        c = get_connection(&w, "c");
        assert_non_null(c->source_catalog_id);
        events = timeline_of(&w, "c", 1, NULL);
        assert_string_equal(events, "SYNC_SUCCEEDED");
}

TEST(a_sync_with_a_young_catalog_neither_discovers_nor_compares) {
        _cleanup_world_ World w;
        _cleanup_free_ char *step = NULL;
        int64_t id;

        begin(&w, DEDUP, NON_BREAKING_PROPAGATE_FULLY, false);
        id = sync_after(&w, 23, new_column);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_int_equal(count(&w, "discover"), 1);
        assert_null(schema_step(&w, id));
}

TEST(P10_the_same_catalog_once_more_is_taken_without_a_word) {
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *before = NULL, *after = NULL;
        _cleanup_(catalog_fetch_freep) CatalogFetch *old = NULL, *new = NULL;
        _cleanup_free_ char *events = NULL;
        int64_t id;

        begin(&w, DEDUP, NON_BREAKING_DISABLE, false);
        before = get_connection(&w, "c");
        id = sync_after(&w, 25, old_catalog);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_int_equal(count(&w, "discover"), 2);
        after = get_connection(&w, "c");
        assert_string_not_equal(before->source_catalog_id, after->source_catalog_id);
        assert_int_equal(before->revision, after->revision);
        ASSERT_OK(catalog_fetch_store_get(w.db.db, before->source_catalog_id, &old, NULL));
        ASSERT_OK(catalog_fetch_store_get(w.db.db, after->source_catalog_id, &new, NULL));
        assert_string_equal(old->catalog_hash, new->catalog_hash);
        assert_string_equal(before->catalog_hash, after->catalog_hash);
        events = timeline_of(&w, "c", id, NULL);
        assert_string_equal(events, "SYNC_SUCCEEDED");
}

TEST(a_new_column_is_propagated_or_ignored_as_the_connection_wants) {
        static const struct {
                NonBreakingPreference preference;
                bool propagated;
        } cases[] = { { NON_BREAKING_IGNORE, false }, { NON_BREAKING_PROPAGATE_COLUMNS, true }, { NON_BREAKING_PROPAGATE_FULLY, true } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_world_ World w;
                _cleanup_(connection_freep) Connection *before = NULL, *after = NULL;
                _cleanup_free_ char *catalog = NULL, *events = NULL, *summary = NULL;
                int64_t id;

                begin(&w, DEDUP, cases[i].preference, false);
                before = get_connection(&w, "c");
                id = sync_after(&w, 25, new_column);
                assert_status(&w, id, JOB_SUCCEEDED);
                catalog = last_source_catalog(&w);
                assert_int_equal(!!strstr(catalog, "city"), cases[i].propagated);
                after = get_connection(&w, "c");
                assert_int_equal(after->status, CONNECTION_ACTIVE);
                assert_int_equal(streq(before->source_catalog_id, after->source_catalog_id), !cases[i].propagated);
                assert_int_equal(before->revision, after->revision);
                events = timeline_of(&w, "c", id, &summary);
                assert_string_equal(events, cases[i].propagated ? "SCHEMA_UPDATE SYNC_SUCCEEDED" : "SYNC_SUCCEEDED");
                if (cases[i].propagated)
                        assert_non_null(strstr(summary, "\"add_field\",\"fieldName\":[\"city\"]"));
                assert_int_equal(json_object_array_length(json_member(world_last(&w, "sync")->request, "dropStates")), 0);
        }
}

TEST(a_new_stream_joins_only_where_everything_is_propagated) {
        for (NonBreakingPreference p = NON_BREAKING_PROPAGATE_COLUMNS; p <= NON_BREAKING_PROPAGATE_FULLY; p++) {
                _cleanup_world_ World w;
                _cleanup_(connection_freep) Connection *before = NULL, *after = NULL;
                _cleanup_free_ char *catalog = NULL;

                begin(&w, DEDUP, p, false);
                before = get_connection(&w, "c");
                assert_status(&w, sync_after(&w, 25, new_stream), JOB_SUCCEEDED);
                /* A selection that has changed is somebody's to see; a catalog alone isn't. */
                after = get_connection(&w, "c");
                assert_int_equal(after->revision, before->revision + (p == NON_BREAKING_PROPAGATE_FULLY));
                catalog = last_source_catalog(&w);
                assert_int_equal(!!strstr(catalog, "\"more\""), p == NON_BREAKING_PROPAGATE_FULLY);
        }
}

static void assert_turned_off(World *w, int64_t id, const char *reason, bool breaking) {
        _cleanup_(connection_freep) Connection *c = get_connection(w, "c");
        _cleanup_free_ char *events = NULL, *summary = NULL;

        assert_status(w, id, JOB_CANCELLED);
        assert_int_equal(c->status, CONNECTION_INACTIVE);
        assert_string_equal(c->status_reason, reason);
        assert_int_equal(c->breaking_change, breaking);
        assert_int_equal(c->next_run, 0);
        events = timeline_of(w, "c", id, &summary);
        assert_string_equal(events, "CONNECTION_DISABLED SYNC_CANCELLED");
        assert_non_null(strstr(summary, reason));
        assert_non_null(strstr(summary, "catalogDiff"));
}

TEST(any_change_turns_a_connection_off_that_wants_it_so) {
        _cleanup_world_ World w;
        size_t n;
        int64_t id;

        begin(&w, DEDUP, NON_BREAKING_DISABLE, false);
        n = count(&w, "sync");
        id = sync_after(&w, 25, new_column);
        assert_turned_off(&w, id, "DISABLE_CONNECTION_IF_ANY_SCHEMA_CHANGES", false);
        assert_int_equal(count(&w, "sync"), n);
        ASSERT_ERROR(workflow_manager_start_job(w.manager, "c", "sync", "", &id, NULL), EEXIST);
}

/* A second connection of the same source, which doesn't need what goes. */
static void add_other(World *w) {
        _cleanup_(connection_freep) Connection *c = get_connection(w, "c");

        free(c->id);
        c->id = strdup("c2");
        free(c->catalog);
        c->catalog = strdup(OVERWRITE);
        c->non_breaking_preference = NON_BREAKING_PROPAGATE_COLUMNS;
        ASSERT_OK(connection_store_insert(w->db.db, c, w->clock.now, NULL));
}

TEST(P09_a_breaking_change_turns_off_that_connection_and_no_other) {
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *before = NULL, *other = NULL, *after = NULL;
        _cleanup_free_ char *catalog = NULL, *events = NULL;
        int64_t id;

        begin(&w, DEDUP, NON_BREAKING_PROPAGATE_FULLY, false);
        add_other(&w);
        before = get_connection(&w, "c2");
        id = sync_after(&w, 25, no_cursor);
        assert_turned_off(&w, id, "SCHEMA_CHANGES_ARE_BREAKING", true);
        other = get_connection(&w, "c2");
        assert_int_equal(other->revision, before->revision);
        assert_int_equal(other->status, CONNECTION_ACTIVE);
        /* Its own sync shares the discover and takes what it can go on with. */
        id = start(&w, "c2");
        world_run(&w, w.clock.now + 60 * USEC_PER_SEC);
        assert_status(&w, id, JOB_SUCCEEDED);
        assert_int_equal(count(&w, "discover"), 2);
        catalog = last_source_catalog(&w);
        assert_null(strstr(catalog, "\"at\""));
        events = timeline_of(&w, "c2", id, NULL);
        assert_string_equal(events, "SCHEMA_UPDATE SYNC_SUCCEEDED");
        after = get_connection(&w, "c2");
        assert_false(after->breaking_change);
}

TEST(a_breaking_change_is_found_again_until_the_streams_are_set_anew) {
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *c = NULL, *after = NULL;
        int64_t id;

        begin(&w, DEDUP, NON_BREAKING_IGNORE, false);
        (void) sync_after(&w, 25, no_cursor);
        c = get_connection(&w, "c");
        c->status = CONNECTION_ACTIVE;
        ASSERT_OK(connection_store_update(w.db.db, c, w.clock.now, NULL));
        id = sync_after(&w, 0, no_cursor);
        assert_turned_off(&w, id, "SCHEMA_CHANGES_ARE_BREAKING", true);
        /* The source has mended it. */
        connection_free(c);
        c = get_connection(&w, "c");
        c->status = CONNECTION_ACTIVE;
        ASSERT_OK(connection_store_update(w.db.db, c, w.clock.now, NULL));
        id = sync_after(&w, 25, old_catalog);
        assert_status(&w, id, JOB_SUCCEEDED);
        after = get_connection(&w, "c");
        assert_false(after->breaking_change);
}

static size_t dropped_with(const char *state, bool backfill, const char *catalog, bool *ret_told) {
        _cleanup_world_ World w;
        _cleanup_(stream_stats_array_done) StreamStatsArray stats = {};
        int64_t id;

        begin(&w, DEDUP, NON_BREAKING_PROPAGATE_COLUMNS, backfill);
        ASSERT_OK(state_store_set(w.db.db, "c", state, strlen(state), w.clock.now, NULL));
        id = sync_after(&w, 25, catalog);
        assert_status(&w, id, JOB_SUCCEEDED);
        ASSERT_OK(stream_stats_store_list(w.db.db, id, 0, &stats, NULL));
        assert_int_equal(stats.n, 1);
        *ret_told = stats.items[0]->was_backfilled;
        return json_object_array_length(json_member(world_last(&w, "sync")->request, "dropStates"));
}

TEST(a_backfill_drops_the_state_of_a_stream_that_stands_by_itself) {
        bool told;

        assert_int_equal(dropped_with(STREAM_STATE, true, new_column, &told), 1);
        assert_true(told);
        assert_int_equal(dropped_with(STREAM_STATE, false, new_column, &told), 0);
        assert_false(told);
        assert_int_equal(dropped_with(GLOBAL_STATE, true, new_column, &told), 0);
        assert_false(told);
        /* A type that has changed is no new column. */
        assert_int_equal(dropped_with(STREAM_STATE, true, CATALOG(USERS(ID ",\"at\":{\"type\":\"number\"}")), &told), 0);
}

TEST(another_version_of_a_native_connector_is_discovered_anew) {
        _cleanup_world_ World w;
        _cleanup_(definition_freep) Definition *d = NULL;

        begin(&w, DEDUP, NON_BREAKING_PROPAGATE_FULLY, false);
        ASSERT_OK(definition_store_get(w.db.db, "ds", &d, NULL));
        free(d->docker_image_tag);
        d->docker_image_tag = strdup("2");
        ASSERT_OK(definition_store_update(w.db.db, d, w.clock.now, NULL));
        assert_status(&w, sync_after(&w, 1, new_column), JOB_SUCCEEDED);
        assert_int_equal(count(&w, "discover"), 2);
}

TEST(a_stream_that_is_gone_can_be_cleared_and_not_synced) {
        _cleanup_world_ World w;
        _cleanup_(job_freep) Job *job = NULL;
        int64_t id;

        begin(&w, OVERWRITE, NON_BREAKING_IGNORE, false);
        id = sync_after(&w, 25, CATALOG("{\"name\":\"more\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]}"));
        ASSERT_OK(job_store_get(w.db.db, id, &job, NULL));
        assert_int_equal(job->status, JOB_FAILED);
        assert_non_null(strstr(job->failure, "'users' is no longer offered"));
        ASSERT_OK(workflow_manager_start_job(w.manager, "c", "clear", "", &id, NULL));
        world_run(&w, w.clock.now + 60 * USEC_PER_SEC);
        assert_status(&w, id, JOB_SUCCEEDED);
}

/* --- discovers that are shared --- */

/* Two connections whose catalog is old start a sync; nothing has ended yet. */
static void start_both(World *w, int64_t *ret_first, int64_t *ret_second) {
        begin(w, DEDUP, NON_BREAKING_PROPAGATE_COLUMNS, false);
        add_other(w);
        offered = new_column;
        w->clock.now += 25 * HOUR;
        w->hold = true;
        *ret_first = start(w, "c");
        *ret_second = start(w, "c2");
        world_run(w, w->clock.now + USEC_PER_SEC);
        assert_int_equal(count(w, "discover"), 2);
        assert_string_equal(world_last(w, "discover")->status, "pending");
        /* Who waits for another's workload has nothing to do. */
        assert_false(workflow_manager_is_busy(w->manager));
}

static void go_on(World *w) {
        w->hold = false;
        world_run(w, w->clock.now + HOUR);
}

TEST(two_connections_of_a_source_discover_once) {
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *first = NULL, *second = NULL;
        int64_t a, b;

        start_both(&w, &a, &b);
        world_reboot(&w);
        world_run(&w, w.clock.now + USEC_PER_SEC);
        go_on(&w);
        assert_status(&w, a, JOB_SUCCEEDED);
        assert_status(&w, b, JOB_SUCCEEDED);
        assert_int_equal(count(&w, "discover"), 2);
        first = get_connection(&w, "c");
        second = get_connection(&w, "c2");
        assert_string_equal(first->source_catalog_id, second->source_catalog_id);
}

static unsigned discovers_that_fail;

static void discover_fails(World *w, FakeWorkload *workload) {
        well(w, workload);
        if (!streq(workload->type, "discover") || discovers_that_fail == 0)
                return;
        discovers_that_fail--;
        workload->status = "failure";
        workload->output = NULL;
        workload->reason = "the source is down";
}

TEST(a_shared_discover_that_fails_fails_for_all_and_is_tried_again_once) {
        _cleanup_world_ World w;
        _cleanup_(attempt_freep) Attempt *attempt = NULL;
        int64_t a, b;

        start_both(&w, &a, &b);
        w.script = discover_fails;
        discovers_that_fail = 1;
        go_on(&w);
        assert_status(&w, a, JOB_SUCCEEDED);
        assert_status(&w, b, JOB_SUCCEEDED);
        ASSERT_OK(attempt_store_get(w.db.db, b, 0, &attempt, NULL));
        assert_non_null(strstr(attempt->failure, "the source is down"));
        assert_int_equal(count(&w, "discover"), 3);
}

TEST(a_job_that_is_cancelled_takes_no_other_with_it) {
        for (unsigned first = 0; first < 2; first++) {
                _cleanup_world_ World w;
                int64_t a, b;

                start_both(&w, &a, &b);
                ASSERT_OK(workflow_manager_cancel_job(w.manager, first ? a : b, NULL));
                world_run(&w, w.clock.now + USEC_PER_SEC);
                assert_status(&w, first ? a : b, JOB_CANCELLED);
                assert_status(&w, first ? b : a, JOB_RUNNING);
                /* The next one asks by itself. One that has only waited leaves nothing to be done. */
                assert_int_equal(count(&w, "discover"), first ? 3 : 2);
                assert_string_equal(world_last(&w, "discover")->status, "pending");
                go_on(&w);
                assert_status(&w, first ? b : a, JOB_SUCCEEDED);
                assert_int_equal(count(&w, "discover"), first ? 3 : 2);
        }
}

static void note_answer(JsonObject *result, const char *reason, void *userdata) {
        *(bool *) userdata = streq_ptr(json_object_get_string(json_member(result, "status")), "success");
}

TEST(a_person_waits_for_no_job_and_a_job_does_for_a_person) {
        for (unsigned person_first = 0; person_first < 2; person_first++) {
                _cleanup_world_ World w;
                JsonObject *cached = NULL;
                bool answered = false;
                int64_t id = 0;

                begin(&w, DEDUP, NON_BREAKING_PROPAGATE_COLUMNS, false);
                w.clock.now += 25 * HOUR;
                w.hold = true;
                if (!person_first)
                        id = start(&w, "c");
                world_run(&w, w.clock.now + USEC_PER_SEC);
                ASSERT_OK(workflow_manager_discover(w.manager, "s", true, note_answer, &answered, &cached, NULL));
                world_run(&w, w.clock.now + USEC_PER_SEC);
                if (person_first)
                        id = start(&w, "c");
                world_run(&w, w.clock.now + USEC_PER_SEC);
                assert_int_equal(count(&w, "discover"), person_first ? 2 : 3);
                go_on(&w);
                assert_true(answered);
                assert_status(&w, id, JOB_SUCCEEDED);
                assert_int_equal(count(&w, "discover"), person_first ? 2 : 3);
        }
}

TEST(another_configuration_is_another_question) {
        _cleanup_world_ World w;
        _cleanup_(actor_freep) Actor *source = NULL;
        int64_t a, b;

        begin(&w, DEDUP, NON_BREAKING_PROPAGATE_COLUMNS, false);
        add_other(&w);
        w.clock.now += 25 * HOUR;
        w.hold = true;
        a = start(&w, "c");
        world_run(&w, w.clock.now + USEC_PER_SEC);
        /* The source is edited while it is asked. */
        ASSERT_OK(actor_store_get(w.db.db, "s", &source, NULL));
        free(source->configuration);
        source->configuration = strdup("{\"host\":\"other\"}");
        ASSERT_OK(actor_store_update(w.db.db, source, w.clock.now, NULL));
        b = start(&w, "c2");
        world_run(&w, w.clock.now + USEC_PER_SEC);
        /* It is checked first, then asked. */
        well(&w, world_last(&w, "check"));
        world_run(&w, w.clock.now + USEC_PER_SEC);
        assert_int_equal(count(&w, "discover"), 3);
        go_on(&w);
        assert_status(&w, a, JOB_SUCCEEDED);
        assert_status(&w, b, JOB_SUCCEEDED);
}

static bool play_both(unsigned crash_at) {
        _cleanup_world_ World w;
        int64_t a, b;

        begin(&w, DEDUP, NON_BREAKING_PROPAGATE_COLUMNS, false);
        add_other(&w);
        offered = new_column;
        w.clock.now += 25 * HOUR;
        w.crash_at = w.n_points + crash_at;
        a = start(&w, "c");
        b = start(&w, "c2");
        world_run(&w, w.clock.now + HOUR);
        assert_status(&w, a, JOB_SUCCEEDED);
        assert_status(&w, b, JOB_SUCCEEDED);
        assert_int_equal(count(&w, "discover"), 2);
        return w.hit;
}

TEST(a_crash_at_every_point_of_a_shared_discover_leads_to_one) {
        unsigned n;

        for (n = 1; play_both(n); n++)
                ;
        print_message("# %u points\n", n - 1);
        assert_true(n > 10);
}

/* --- crashes --- */

typedef struct Story {
        NonBreakingPreference preference;
        const char *catalog;
        JobStatus status;
        const char *events;
        int64_t revision; /* 2 from what was set before */
} Story;

static bool play(const Story *s, unsigned crash_at) {
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_free_ char *events = NULL;
        int64_t id;

        begin(&w, DEDUP, s->preference, true);
        ASSERT_OK(state_store_set(w.db.db, "c", STREAM_STATE, strlen(STREAM_STATE), w.clock.now, NULL));
        offered = s->catalog;
        w.clock.now += 25 * HOUR;
        w.crash_at = w.n_points + crash_at;
        id = start(&w, "c");
        world_run(&w, w.clock.now + HOUR);
        assert_status(&w, id, s->status);
        events = timeline_of(&w, "c", id, NULL);
        assert_string_equal(events, s->events);
        c = get_connection(&w, "c");
        assert_int_equal(c->status == CONNECTION_ACTIVE, s->status == JOB_SUCCEEDED);
        /* What was decided was decided once, and the workload carries it out. */
        assert_int_equal(c->revision, s->revision);
        if (s->status == JOB_SUCCEEDED)
                assert_int_equal(json_object_array_length(json_member(world_last(&w, "sync")->request, "dropStates")), 1);
        for (size_t i = 0; i < w.n_workloads; i++)
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(w.workloads[i].id, w.workloads[k].id);
        return w.hit;
}

TEST(a_crash_at_every_point_of_a_changed_schema_leads_to_the_same_end) {
        static const Story stories[] = {
                { NON_BREAKING_PROPAGATE_FULLY, new_column, JOB_SUCCEEDED, "SCHEMA_UPDATE SYNC_SUCCEEDED", 2 },
                { NON_BREAKING_DISABLE, new_column, JOB_CANCELLED, "CONNECTION_DISABLED SYNC_CANCELLED", 3 },
                { NON_BREAKING_IGNORE, no_cursor, JOB_CANCELLED, "CONNECTION_DISABLED SYNC_CANCELLED", 3 },
        };
        unsigned points = 0;

        for (size_t i = 0; i < ELEMENTSOF(stories); i++)
                for (unsigned n = 1; play(stories + i, n); n++)
                        points++;
        print_message("# %u points\n", points);
        assert_true(points > 20);
}

/* --- histories of before --- */

/* What a version without the step has written of the same story: its first step says nothing of a schema, and the step
 * isn't there. */
static void make_old(World *w, const char *workflow_id) {
        _cleanup_(workflow_event_array_done) WorkflowEventArray events = {};
        _cleanup_(workflow_freep) Workflow *workflow = NULL;
        _cleanup_free_ WorkflowEvent *kept = NULL;
        size_t n = 0;

        ASSERT_OK(workflow_store_get(w->db.db, workflow_id, &workflow, NULL));
        ASSERT_OK(workflow_store_history(w->db.db, workflow_id, &events, NULL));
        kept = calloc(events.n + 1, sizeof(*kept));
        for (size_t i = 0; i < events.n; i++) {
                char *mark = events.items[i]->payload ? strstr(events.items[i]->payload, ",\"schema\":true") : NULL;

                if (events.items[i]->payload && strstr(events.items[i]->payload, "\"name\":\"schema\""))
                        continue;
                if (mark)
                        memmove(mark, mark + STRLEN(",\"schema\":true"), strlen(mark + STRLEN(",\"schema\":true")) + 1);
                kept[n++] = *events.items[i];
        }
        ASSERT_OK(workflow_store_restart(w->db.db, workflow_id, workflow->input, w->clock.now, NULL));
        ASSERT_OK(workflow_store_append(w->db.db, workflow, 0, kept, n, w->clock.now, NULL));
}

/* The daemon is replaced while workload `at` of the attempt runs. */
static bool upgrade_at(size_t at) {
        _cleanup_world_ World w;
        _cleanup_free_ char *step = NULL;
        size_t n;
        int64_t id;

        offered = old_catalog;
        world_init(&w, well);
        ASSERT_OK(definition_store_set_spec(w.db.db, "dd", DEDUPLICATES, NOW, NULL));
        configure(&w, DEDUP, NON_BREAKING_PROPAGATE_FULLY, false);
        w.hold = true;
        id = start(&w, "c");
        world_run(&w, w.clock.now + USEC_PER_SEC);
        for (n = 0; n < at; n++) {
                well(&w, w.workloads + w.n_workloads - 1);
                world_run(&w, w.clock.now + USEC_PER_SEC);
        }
        make_old(&w, "job-1");
        world_reboot(&w);
        w.hold = false;
        world_run(&w, w.clock.now + HOUR);
        assert_status(&w, id, JOB_SUCCEEDED);
        step = schema_step(&w, id);
        assert_null(step);
        assert_int_equal(w.n_workloads, 4);
        /* The next one follows the schema. */
        assert_status(&w, sync_after(&w, 25, new_column), JOB_SUCCEEDED);
        free(step);
        step = schema_step(&w, 2);
        assert_non_null(step);
        return at < 3;
}

TEST(a_sync_that_an_older_version_has_begun_goes_on_to_its_end) {
        for (size_t at = 0; upgrade_at(at); at++)
                ;
}
