/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Syncs whose source changes its schema, on a real database, with the process dying at every point; and the histories of a
 * version that knew nothing of it. */

#include <limits.h>

#include "db/state-store.h"
#include "unit/workflow-manager-harness.h"

TEST_MAIN()

#define HOUR (3600 * USEC_PER_SEC)
#define USERS(fields_)                                                                                        \
        "{\"name\":\"users\",\"json_schema\":{\"type\":\"object\",\"properties\":{" fields_ "}},"                \
        "\"supported_sync_modes\":[\"full_refresh\",\"incremental\"]}"
#define CATALOG(streams_) "{\"catalog\":{\"streams\":[" streams_ "]}}"
#define ID "\"id\":{\"type\":\"integer\"}"
#define AT "\"at\":{\"type\":\"integer\"}"
#define CITY "\"city\":{\"type\":\"string\"}"
#define DEDUP "{\"streams\":[{\"name\":\"users\",\"syncMode\":\"incremental_deduped_history\",\"cursorField\":[\"at\"]," \
              "\"primaryKey\":[[\"id\"]]}]}"
#define OVERWRITE "{\"streams\":[{\"name\":\"users\",\"syncMode\":\"full_refresh_overwrite\"}]}"

static const char old_catalog[] = CATALOG(USERS(ID "," AT)), new_column[] = CATALOG(USERS(ID "," AT "," CITY)),
                  no_cursor[] = CATALOG(USERS(ID)),
                  new_stream[] = CATALOG(USERS(ID "," AT) ",{\"name\":\"more\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]}");

/* What the source has to offer just now. */
static const char *offered;

static void well(World *w, FakeWorkload *workload) {
        workload->status = "success";
        workload->output = streq(workload->type, "check") ? "{\"status\":\"succeeded\"}"
                           : streq(workload->type, "discover") ? offered
                           : "{\"status\":\"completed\",\"streams\":[{\"name\":\"users\",\"recordsEmitted\":1,\"recordsCommitted\":1,"
                             "\"complete\":true}]}";
}

static Connection *get_connection(World *w, const char *id) {
        Connection *c = NULL;

        ASSERT_OK(connection_store_get(w->db.db, id, &c, NULL));
        return c;
}

static void configure(World *w, const char *selection, NonBreakingPreference preference, bool backfill) {
        _cleanup_(connection_freep) Connection *c = get_connection(w, "c");

        free(c->catalog);
        c->catalog = strdup(selection);
        c->non_breaking_preference = preference;
        c->backfill = backfill;
        ASSERT_OK(connection_store_update(w->db.db, c, w->now, NULL));
}

/* A world whose connection has been discovered and synced once. */
static void begin(World *w, const char *selection, NonBreakingPreference preference, bool backfill) {
        int64_t id;

        offered = old_catalog;
        world_init(w, well);
        ASSERT_OK(definition_store_set_spec(w->db.db, "dd", "{\"connectionSpecification\":{},\"supported_destination_sync_modes\":"
                                            "[\"append\",\"overwrite\",\"append_dedup\"]}", NOW, NULL));
        configure(w, selection, preference, backfill);
        ASSERT_OK(workflow_manager_start_job(w->manager, "c", "sync", "", &id, NULL));
        world_run(w, NOW + 60 * USEC_PER_SEC);
}

static int64_t start(World *w, const char *connection) {
        int64_t id = 0;
        int r = workflow_manager_start_job(w->manager, connection, "sync", "", &id, NULL);

        if (w->crashed)
                world_reboot(w);
        ASSERT_OK(r);
        return id;
}

/* Another sync, after `hours` and with what the source offers then. */
static int64_t sync_after(World *w, unsigned hours, const char *catalog) {
        int64_t id;

        offered = catalog;
        w->now += hours * HOUR;
        id = start(w, "c");
        world_run(w, w->now + 60 * USEC_PER_SEC);
        return id;
}

static void assert_status(World *w, int64_t id, JobStatus status) {
        _cleanup_(job_freep) Job *job = NULL;

        ASSERT_OK(job_store_get(w->db.db, id, &job, NULL));
        assert_string_equal(job_status_to_string(job->status), job_status_to_string(status));
}

static size_t count(const World *w, const char *type) {
        size_t n = 0;

        for (size_t i = 0; i < w->n_workloads; i++)
                n += streq(w->workloads[i].type, type);
        return n;
}

static char *last_source_catalog(World *w) {
        return json_to_string(json_member(json_member(world_last(w, "sync")->request, "input"), "sourceCatalog"));
}

/* The job's events on the timeline, oldest first by their meaning: "TYPE TYPE". */
static char *timeline_of(World *w, const char *connection, int64_t job_id, char **ret_summary) {
        _cleanup_(timeline_event_array_done) TimelineEventArray events = {};
        _cleanup_buffer_ Buffer b = {};
        const ListOptions all = {};

        ASSERT_OK(timeline_store_list(w->db.db, connection, NULL, &all, &events, NULL));
        for (size_t i = events.n; i-- > 0;)
                if (events.items[i]->job_id == job_id) {
                        ASSERT_OK(buffer_appendf(&b, "%s%s", b.len > 0 ? " " : "", events.items[i]->event_type));
                        if (ret_summary && !*ret_summary)
                                *ret_summary = strdup(events.items[i]->summary);
                }
        return buffer_steal_string(&b);
}

/* Whether the job's history has the step, and what it recorded. */
static char *schema_step(World *w, int64_t job_id) {
        _cleanup_(workflow_event_array_done) WorkflowEventArray events = {};
        char id[32];

        (void) snprintf(id, sizeof(id), "job-%lld", (long long) job_id);
        ASSERT_OK(workflow_store_history(w->db.db, id, &events, NULL));
        for (size_t i = 0; i < events.n; i++)
                if (events.items[i]->payload && strstr(events.items[i]->payload, "\"name\":\"schema\""))
                        return strdup(events.items[i]->payload);
        return NULL;
}

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
                _cleanup_free_ char *catalog = NULL;

                begin(&w, DEDUP, p, false);
                assert_status(&w, sync_after(&w, 25, new_stream), JOB_SUCCEEDED);
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
        ASSERT_OK(connection_store_insert(w->db.db, c, w->now, NULL));
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
        world_run(&w, w.now + 60 * USEC_PER_SEC);
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
        ASSERT_OK(connection_store_update(w.db.db, c, w.now, NULL));
        id = sync_after(&w, 0, no_cursor);
        assert_turned_off(&w, id, "SCHEMA_CHANGES_ARE_BREAKING", true);
        /* The source has mended it. */
        connection_free(c);
        c = get_connection(&w, "c");
        c->status = CONNECTION_ACTIVE;
        ASSERT_OK(connection_store_update(w.db.db, c, w.now, NULL));
        id = sync_after(&w, 25, old_catalog);
        assert_status(&w, id, JOB_SUCCEEDED);
        after = get_connection(&w, "c");
        assert_false(after->breaking_change);
}

#define STATE(kind_, body_) "[{\"type\":\"" kind_ "\"," body_ "}]"
#define STREAM_STATE STATE("STREAM", "\"stream\":{\"stream_descriptor\":{\"name\":\"users\"},\"stream_state\":{\"at\":5}}")
#define GLOBAL_STATE STATE("GLOBAL", "\"global\":{\"shared_state\":{\"lsn\":1},\"stream_states\":[{\"stream_descriptor\":" \
                           "{\"name\":\"users\"},\"stream_state\":{}}]}")

static size_t dropped_with(const char *state, bool backfill, const char *catalog, bool *ret_told) {
        _cleanup_world_ World w;
        _cleanup_(stream_stats_array_done) StreamStatsArray stats = {};
        int64_t id;

        begin(&w, DEDUP, NON_BREAKING_PROPAGATE_COLUMNS, backfill);
        ASSERT_OK(state_store_set(w.db.db, "c", state, strlen(state), w.now, NULL));
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
        ASSERT_OK(definition_store_update(w.db.db, d, w.now, NULL));
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
        world_run(&w, w.now + 60 * USEC_PER_SEC);
        assert_status(&w, id, JOB_SUCCEEDED);
}

/* --- crashes --- */

typedef struct Story {
        NonBreakingPreference preference;
        const char *catalog;
        JobStatus status;
        const char *events;
} Story;

static bool play(const Story *s, unsigned crash_at) {
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_free_ char *events = NULL;
        int64_t id;

        begin(&w, DEDUP, s->preference, true);
        ASSERT_OK(state_store_set(w.db.db, "c", STREAM_STATE, strlen(STREAM_STATE), w.now, NULL));
        offered = s->catalog;
        w.now += 25 * HOUR;
        w.crash_at = w.n_points + crash_at;
        id = start(&w, "c");
        world_run(&w, w.now + HOUR);
        assert_status(&w, id, s->status);
        events = timeline_of(&w, "c", id, NULL);
        assert_string_equal(events, s->events);
        c = get_connection(&w, "c");
        assert_int_equal(c->status == CONNECTION_ACTIVE, s->status == JOB_SUCCEEDED);
        /* What was decided was decided once, and the workload carries it out. */
        assert_int_equal(c->revision, 4);
        if (s->status == JOB_SUCCEEDED)
                assert_int_equal(json_object_array_length(json_member(world_last(&w, "sync")->request, "dropStates")), 1);
        for (size_t i = 0; i < w.n_workloads; i++)
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(w.workloads[i].id, w.workloads[k].id);
        return w.hit;
}

TEST(a_crash_at_every_point_of_a_changed_schema_leads_to_the_same_end) {
        static const Story stories[] = {
                { NON_BREAKING_PROPAGATE_FULLY, new_column, JOB_SUCCEEDED, "SCHEMA_UPDATE SYNC_SUCCEEDED" },
                { NON_BREAKING_DISABLE, new_column, JOB_CANCELLED, "CONNECTION_DISABLED SYNC_CANCELLED" },
                { NON_BREAKING_IGNORE, no_cursor, JOB_CANCELLED, "CONNECTION_DISABLED SYNC_CANCELLED" },
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
        ASSERT_OK(workflow_store_restart(w->db.db, workflow_id, workflow->input, w->now, NULL));
        ASSERT_OK(workflow_store_append(w->db.db, workflow, 0, kept, n, w->now, NULL));
}

/* The daemon is replaced while workload `at` of the attempt runs. */
static bool upgrade_at(size_t at) {
        _cleanup_world_ World w;
        _cleanup_free_ char *step = NULL;
        size_t n;
        int64_t id;

        offered = old_catalog;
        world_init(&w, well);
        ASSERT_OK(definition_store_set_spec(w.db.db, "dd", "{\"connectionSpecification\":{},\"supported_destination_sync_modes\":"
                                            "[\"append\",\"overwrite\",\"append_dedup\"]}", NOW, NULL));
        configure(&w, DEDUP, NON_BREAKING_PROPAGATE_FULLY, false);
        w.hold = true;
        id = start(&w, "c");
        world_run(&w, w.now + USEC_PER_SEC);
        for (n = 0; n < at; n++) {
                well(&w, w.workloads + w.n_workloads - 1);
                world_run(&w, w.now + USEC_PER_SEC);
        }
        make_old(&w, "job-1");
        world_reboot(&w);
        w.hold = false;
        world_run(&w, w.now + HOUR);
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
