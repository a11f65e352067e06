/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs from their start to their end, on a real database, with the process dying after every commit and before every word
 * to the world. */

#include <limits.h>

#include "basic/uuid.h"
#include "unit/workflow-manager-harness.h"

TEST_MAIN()

#define CATALOG                                                                                                  \
        "{\"streams\":[{\"name\":\"users\",\"json_schema\":{\"type\":\"object\",\"properties\":"                  \
        "{\"id\":{\"type\":\"integer\"},\"name\":{\"type\":\"string\"}}},"                                         \
        "\"supported_sync_modes\":[\"full_refresh\",\"incremental\"],\"default_cursor_field\":[\"id\"],"           \
        "\"source_defined_primary_key\":[[\"id\"]]}]}"
#define STATS(n) "[{\"name\":\"users\",\"recordsEmitted\":" n ",\"bytesEmitted\":100,\"recordsCommitted\":" n \
                 ",\"bytesCommitted\":90,\"recordsFiltered\":0,\"recordsRejected\":0,\"complete\":true}]"

static void end(FakeWorkload *workload, const char *status, const char *output, const char *reason) {
        workload->status = status;
        workload->output = output;
        workload->reason = reason;
}

static bool end_preliminary(FakeWorkload *workload) {
        if (streq(workload->type, "check"))
                end(workload, "success", "{\"status\":\"succeeded\"}", NULL);
        else if (streq(workload->type, "discover"))
                end(workload, "success", "{\"catalog\":" CATALOG "}", NULL);
        else
                return false;
        return true;
}

static void all_goes_well(World *w, FakeWorkload *workload) {
        if (!end_preliminary(workload))
                end(workload, "success", "{\"status\":\"completed\",\"streams\":" STATS("5") "}", NULL);
}

static void nothing_moves(World *w, FakeWorkload *workload) {
        if (!end_preliminary(workload))
                end(workload, "success", "{\"status\":\"failed\",\"streams\":" STATS("0")
                    ",\"failures\":[{\"failureOrigin\":\"source\",\"failureType\":\"system_error\"}]}", NULL);
}

static void some_moves(World *w, FakeWorkload *workload) {
        if (!end_preliminary(workload))
                end(workload, "success", "{\"status\":\"failed\",\"streams\":" STATS("3")
                    ",\"failures\":[{\"failureOrigin\":\"source\",\"failureType\":\"transient_error\"}]}", NULL);
}

static void configuration_is_wrong(World *w, FakeWorkload *workload) {
        if (!end_preliminary(workload))
                end(workload, "success", "{\"status\":\"failed\",\"failures\":[{\"failureOrigin\":\"destination\","
                    "\"failureType\":\"config_error\",\"externalMessage\":\"no such table\"}]}", NULL);
}

static void check_fails(World *w, FakeWorkload *workload) {
        end(workload, "success", "{\"status\":\"failed\",\"message\":\"wrong password\"}", NULL);
}

/* The runner's own word: what a connector told in a TRACE. */
static void discover_tells_why(World *w, FakeWorkload *workload) {
        if (streq(workload->type, "check"))
                end(workload, "success", "{\"status\":\"succeeded\"}", NULL);
        else
                end(workload, "failure", "{\"failures\":[{\"failureOrigin\":\"source\",\"failureType\":\"config_error\","
                    "\"externalMessage\":\"no permission\"}]}", "it failed");
}

static void launch_fails_twice(World *w, FakeWorkload *workload) {
        if (end_preliminary(workload))
                return;
        if (workload->attempt < 2)
                end(workload, "failure", NULL, "the unit did not start");
        else
                all_goes_well(w, workload);
}

static int64_t start_job(World *w, const char *type, const char *options) {
        int64_t id = 0;
        int r;

        r = workflow_manager_start_job(w->manager, "c", type, options, &id, NULL);
        if (w->crashed)
                world_reboot(w);
        ASSERT_OK(r);
        return id;
}

static Job *get_job(World *w, int64_t id) {
        Job *job = NULL;

        ASSERT_OK(job_store_get(w->db.db, id, &job, NULL));
        return job;
}

static size_t count_workloads(const World *w, const char *type) {
        size_t n = 0;

        for (size_t i = 0; i < w->n_workloads; i++)
                n += streq(w->workloads[i].type, type);
        return n;
}

/* Whatever happened: the job and its attempts have ended, each attempt's end fits, and the timeline tells of it once. */
static void assert_ended(World *w, int64_t id, JobStatus status, int attempts) {
        _cleanup_(job_freep) Job *job = get_job(w, id);
        _cleanup_(attempt_array_done) AttemptArray list = {};
        _cleanup_(timeline_event_array_done) TimelineEventArray events = {};
        _cleanup_(workflow_array_done) WorkflowArray open = {};
        const ListOptions all = {};
        size_t n = 0;

        assert_string_equal(job_status_to_string(job->status), job_status_to_string(status));
        ASSERT_OK(attempt_store_list(w->db.db, id, &list, NULL));
        assert_int_equal(list.n, attempts);
        for (size_t i = 0; i < list.n; i++)
                assert_int_equal(list.items[i]->status, i + 1 == list.n && status == JOB_SUCCEEDED ? ATTEMPT_SUCCEEDED
                                                                                                   : ATTEMPT_FAILED);
        ASSERT_OK(timeline_store_list(w->db.db, "c", NULL, &all, &events, NULL));
        for (size_t i = 0; i < events.n; i++)
                n += events.items[i]->job_id == id;
        assert_int_equal(n, 1);
        ASSERT_OK(workflow_store_list_open(w->db.db, &all, &open, NULL));
        assert_int_equal(open.n, 0);
        n = 0;
        for (size_t i = 0; i < w->n_workloads; i++)
                n += streq(w->workloads[i].type, "sync") &&
                        json_object_get_int64(json_member(w->workloads[i].request, "jobId")) == id;
        assert_in_range(n, 0, attempts);
}

TEST(a_sync_checks_discovers_and_moves) {
        _cleanup_world_ World w;
        _cleanup_(generation_array_done) GenerationArray generations = {};
        _cleanup_(stream_stats_array_done) StreamStatsArray stats = {};
        JsonObject *input, *catalog;
        int64_t id;

        world_init(&w, all_goes_well);
        id = start_job(&w, "sync", "");
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, id, JOB_SUCCEEDED, 1);
        assert_int_equal(count_workloads(&w, "check"), 2);
        assert_int_equal(count_workloads(&w, "discover"), 1);
        input = json_member(world_last(&w, "sync")->request, "input");
        assert_string_equal(world_last(&w, "sync")->id, "c_1_0_sync");
        assert_string_equal(json_object_get_string(json_member(world_last(&w, "sync")->request, "mutexKey")), "c");
        assert_int_equal(json_object_get_int(json_member(input, "syncId")), id);
        catalog = json_object_array_get_idx(json_member(json_member(input, "sourceCatalog"), "streams"), 0);
        assert_int_equal(json_object_get_int(json_member(catalog, "sync_id")), id);
        ASSERT_OK(generation_store_list(w.db.db, "c", &generations, NULL));
        assert_int_equal(generations.n, 1);
        ASSERT_OK(stream_stats_store_list(w.db.db, id, 0, &stats, NULL));
        assert_int_equal(stats.n, 1);
        assert_int_equal(stats.items[0]->records_committed, 5);
        assert_int_equal(stats.items[0]->status, STREAM_COMPLETE);
}

TEST(what_was_checked_and_discovered_is_not_due_again) {
        _cleanup_world_ World w;

        world_init(&w, all_goes_well);
        (void) start_job(&w, "sync", "");
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, 1, JOB_SUCCEEDED, 1);
        (void) start_job(&w, "sync", "");
        world_run(&w, NOW + 120 * USEC_PER_SEC);
        assert_ended(&w, 2, JOB_SUCCEEDED, 1);
        assert_int_equal(w.n_workloads, 3 + 2);
        /* A day later the catalog is old; the checks still hold. */
        w.clock.now = NOW + 25 * 3600 * USEC_PER_SEC;
        (void) start_job(&w, "sync", "");
        world_run(&w, w.clock.now + 60 * USEC_PER_SEC);
        assert_int_equal(count_workloads(&w, "discover"), 2);
        assert_int_equal(count_workloads(&w, "check"), 2);
}

/* "job-9" is behind "job-10" as a text only. */
TEST(the_timeline_has_the_newest_job_first_and_ids_that_are_uuids) {
        _cleanup_world_ World w;
        _cleanup_(timeline_event_array_done) TimelineEventArray events = {};

        world_init(&w, all_goes_well);
        for (unsigned i = 0; i < 11; i++) {
                (void) start_job(&w, "sync", "");
                world_run(&w, w.clock.now + 60 * USEC_PER_SEC);
        }
        ASSERT_OK(timeline_store_list(w.db.db, "c", NULL, &(ListOptions) {}, &events, NULL));
        assert_int_equal(events.n, 11);
        for (size_t i = 0; i < events.n; i++) {
                assert_int_equal(events.items[i]->job_id, 11 - i);
                assert_true(uuid_is_valid(events.items[i]->id));
        }
}

TEST(a_second_job_of_a_connection_is_refused_while_one_runs) {
        _cleanup_world_ World w;
        int64_t id;

        world_init(&w, all_goes_well);
        (void) start_job(&w, "sync", "");
        ASSERT_ERROR(workflow_manager_start_job(w.manager, "c", "sync", "", &id, NULL), EBUSY);
        ASSERT_ERROR(workflow_manager_start_job(w.manager, "nobody", "sync", "", &id, NULL), ENOENT);
        ASSERT_ERROR(workflow_manager_start_job(w.manager, "c", "dance", "", &id, NULL), EINVAL);
        ASSERT_ERROR(workflow_manager_start_job(w.manager, "c", "sync", "[]", &id, NULL), EINVAL);
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, 1, JOB_SUCCEEDED, 1);
}

TEST(complete_failures_are_retried_with_growing_pauses_and_then_given_up) {
        _cleanup_world_ World w;
        int64_t id;

        world_init(&w, nothing_moves);
        id = start_job(&w, "sync", "");
        world_run(&w, NOW + 9 * USEC_PER_SEC);
        assert_int_equal(count_workloads(&w, "sync"), 1);
        assert_int_equal(w.wake_at, NOW + 10 * USEC_PER_SEC);
        assert_false(workflow_manager_is_busy(w.manager));
        world_run(&w, NOW + 11 * USEC_PER_SEC);
        assert_int_equal(count_workloads(&w, "sync"), 2);
        world_run(&w, NOW + 41 * USEC_PER_SEC);
        assert_int_equal(count_workloads(&w, "sync"), 3);
        world_run(&w, NOW + 131 * USEC_PER_SEC);
        assert_int_equal(count_workloads(&w, "sync"), 4);
        world_run(&w, NOW + 402 * USEC_PER_SEC);
        assert_ended(&w, id, JOB_FAILED, 5);
}

TEST(what_failed_decides_how_often_it_is_tried) {
        static const struct {
                const char *name;
                WorldScript script;
                usec_t within;
                JobStatus status;
                int attempts;
                const char *says[2], *says_not; /* of the job's failure */
                size_t workloads;               /* in all; 0: whatever */
        } cases[] = {
                { "partial failures are retried at once", some_moves, 1, JOB_FAILED, 20, {}, NULL, 0 },
                { "a wrong configuration is not", configuration_is_wrong, 3600, JOB_FAILED, 1, { "no such table" }, NULL, 0 },
                /* The destination is not asked when the source has failed. */
                { "a failed check ends the job", check_fails, 3600, JOB_FAILED, 1, { "wrong password", "config_error" },
                  NULL, 1 },
                { "what a connector says of its failure decides", discover_tells_why, 3600, JOB_FAILED, 1,
                  { "no permission" }, "it failed", 0 },
                { "a launch that failed is retried", launch_fails_twice, 3600, JOB_SUCCEEDED, 3, {}, NULL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_world_ World w;
                _cleanup_(job_freep) Job *job = NULL;
                int64_t id;

                print_message("%s\n", cases[i].name);
                world_init(&w, cases[i].script);
                id = start_job(&w, "sync", "");
                world_run(&w, NOW + cases[i].within * USEC_PER_SEC);
                assert_ended(&w, id, cases[i].status, cases[i].attempts);
                job = get_job(&w, id);
                for (size_t k = 0; k < ELEMENTSOF(cases[i].says); k++)
                        if (cases[i].says[k])
                                assert_non_null(strstr(job->failure, cases[i].says[k]));
                if (cases[i].says_not)
                        assert_null(strstr(job->failure, cases[i].says_not));
                if (cases[i].workloads > 0)
                        assert_int_equal(w.n_workloads, cases[i].workloads);
        }
}

TEST(a_stream_that_is_gone_is_a_configuration_error) {
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_(job_freep) Job *job = NULL;
        int64_t id;

        world_init(&w, all_goes_well);
        ASSERT_OK(connection_store_get(w.db.db, "c", &c, NULL));
        free(c->catalog);
        c->catalog = strdup("{\"streams\":[{\"name\":\"ghosts\",\"syncMode\":\"full_refresh_append\"}]}");
        ASSERT_OK(connection_store_update(w.db.db, c, NOW, NULL));
        id = start_job(&w, "sync", "");
        world_run(&w, NOW + 3600 * USEC_PER_SEC);
        assert_ended(&w, id, JOB_FAILED, 1);
        job = get_job(&w, id);
        assert_non_null(strstr(job->failure, "ghosts"));
        assert_int_equal(count_workloads(&w, "sync"), 0);
}

/* Before there is a job. One that moves whatever there is finds out in its attempt. */
TEST(a_stream_that_the_connection_has_not_is_refused_with_the_nearest_that_it_has) {
        static const char wrong[] = "{\"streams\":[{\"name\":\"userz\"}]}";
        _cleanup_world_ World w;
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_error_ Error *error = NULL;
        int64_t id = 0;

        world_init(&w, all_goes_well);
        ASSERT_OK(workflow_manager_start_job(w.manager, "c", "sync", wrong, &id, NULL));
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, id, JOB_FAILED, 1);
        ASSERT_OK(connection_store_get(w.db.db, "c", &c, NULL));
        free(c->catalog);
        c->catalog = strdup("{\"streams\":[{\"name\":\"users\",\"syncMode\":\"full_refresh_append\"}]}");
        ASSERT_OK(connection_store_update(w.db.db, c, NOW, NULL));
        ASSERT_ERROR(workflow_manager_start_job(w.manager, "c", "sync", wrong, &id, &error), EINVAL);
        assert_non_null(strstr(error_message(error, 0), "has no stream 'userz', did you mean 'users'?"));
        /* The name alone is not the stream. */
        ASSERT_ERROR(workflow_manager_start_job(w.manager, "c", "clear",
                                                "{\"streams\":[{\"name\":\"users\",\"namespace\":\"n\"}]}", &id, NULL),
                     EINVAL);
        ASSERT_OK(workflow_manager_start_job(w.manager, "c", "sync", "{\"streams\":[{\"name\":\"users\"}]}", &id, NULL));
}

TEST(a_clear_has_no_source_and_starts_a_generation) {
        _cleanup_world_ World w;
        JsonObject *input, *stream;
        int64_t id;

        world_init(&w, all_goes_well);
        (void) start_job(&w, "sync", "");
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        id = start_job(&w, "clear", "");
        world_run(&w, NOW + 120 * USEC_PER_SEC);
        assert_int_equal(id, 2);
        input = json_member(world_last(&w, "sync")->request, "input");
        assert_null(json_member(input, "source"));
        stream = json_object_array_get_idx(json_member(json_member(input, "sourceCatalog"), "streams"), 0);
        assert_string_equal(json_object_get_string(json_member(stream, "destination_sync_mode")), "overwrite");
        assert_int_equal(json_object_get_int64(json_member(stream, "minimum_generation_id")),
                         json_object_get_int64(json_member(stream, "generation_id")));
        assert_int_equal(json_object_array_length(json_member(world_last(&w, "sync")->request, "dropStates")), 1);
}

TEST(a_truncating_refresh_goes_on_until_it_has_completed) {
        _cleanup_world_ World w;
        _cleanup_(generation_array_done) GenerationArray before = {}, after = {};

        world_init(&w, configuration_is_wrong);
        (void) start_job(&w, "refresh", "{\"refreshMode\":\"Truncate\"}");
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, 1, JOB_FAILED, 1);
        ASSERT_OK(generation_store_list(w.db.db, "c", &before, NULL));
        assert_int_equal(before.n, 1);
        assert_true(before.items[0]->refreshing);
        w.script = all_goes_well;
        (void) start_job(&w, "sync", "");
        world_run(&w, NOW + 120 * USEC_PER_SEC);
        ASSERT_OK(generation_store_list(w.db.db, "c", &after, NULL));
        assert_false(after.items[0]->refreshing);
}

/* --- crashes --- */

static void assert_story_ended(World *w, int64_t id, JobStatus status, int attempts) {
        assert_ended(w, id, status, attempts);
        /* No attempt ran twice: its workload's name is one. */
        for (size_t i = 0; i < w->n_workloads; i++)
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(w->workloads[i].id, w->workloads[k].id);
}

static bool play(WorldScript script, unsigned crash_at, JobStatus status, int attempts) {
        _cleanup_world_ World w;
        int64_t id;

        world_init(&w, script);
        w.crash_at = w.n_points + crash_at;
        id = start_job(&w, "sync", "");
        world_run(&w, NOW + 3600 * USEC_PER_SEC);
        assert_story_ended(&w, id, status, attempts);
        return w.hit;
}

TEST(a_crash_at_every_point_leads_to_the_same_end) {
        unsigned points = 0;

        for (unsigned n = 1; play(all_goes_well, n, JOB_SUCCEEDED, 1); n++)
                points++;
        for (unsigned n = 1; play(launch_fails_twice, n, JOB_SUCCEEDED, 3); n++)
                points++;
        print_message("# %u points\n", points);
        assert_true(points > 40);
}

static void on_job_started(int64_t job_id, int r, const Error *error, void *userdata) {
        ASSERT_OK(r);
        *(int64_t *) userdata = job_id;
}

/* A person cancels after `after` things have happened; the process dies at a point. */
static bool play_cancel(unsigned after, unsigned crash_at) {
        _cleanup_world_ World w;
        _cleanup_(job_freep) Job *job = NULL;
        _cleanup_(attempt_array_done) AttemptArray attempts = {};
        bool cancelled = false;
        int64_t id;

        world_init(&w, nothing_moves);
        w.crash_at = w.n_points + crash_at;
        id = start_job(&w, "sync", "");
        for (unsigned i = 0;; i++) {
                if (!cancelled && i >= after) {
                        int r = workflow_manager_cancel_job(w.manager, id, NULL);

                        if (w.crashed)
                                world_reboot(&w);
                        cancelled = r >= 0;
                        ASSERT_OK(r);
                }
                if (!world_step(&w, NOW + 3600 * USEC_PER_SEC))
                        break;
        }
        job = get_job(&w, id);
        assert_int_equal(job->status, JOB_CANCELLED);
        ASSERT_OK(attempt_store_list(w.db.db, id, &attempts, NULL));
        for (size_t i = 0; i < attempts.n; i++)
                assert_int_equal(attempts.items[i]->status, ATTEMPT_FAILED);
        return w.hit;
}

TEST(a_cancel_at_any_moment_and_a_crash_at_any_point_end_as_cancelled) {
        unsigned points = 0;

        for (unsigned after = 0; after < 40; after += 7)
                for (unsigned n = 1 + after % 3; play_cancel(after, n); n += 3)
                        points++;
        print_message("# %u points\n", points);
        assert_true(points > 20);
}

/* A sync whose workload is under way and doesn't end by itself. */
static int64_t start_moving(World *w) {
        int64_t id = start_job(w, "sync", "");

        while (!world_last(w, "sync"))
                assert_true(world_step(w, NOW));
        w->hold = true;
        world_run(w, NOW + USEC_PER_SEC);
        assert_string_equal(world_last(w, "sync")->status, "pending");
        return id;
}

static void assert_running(World *w, int64_t id) {
        _cleanup_(job_freep) Job *job = get_job(w, id);
        int64_t other;

        assert_int_equal(job->status, JOB_RUNNING);
        ASSERT_ERROR(workflow_manager_start_job(w->manager, "c", "sync", "", &other, NULL), EBUSY);
}

/* From the word to the end the job runs, its connection is taken, and what its runner hands over counts. */
TEST(a_cancelled_job_counts_what_its_runner_hands_over) {
        _cleanup_world_ World w;
        _cleanup_(attempt_array_done) AttemptArray attempts = {};
        _cleanup_(job_freep) Job *job = NULL;
        int64_t id;

        world_init(&w, all_goes_well);
        id = start_moving(&w);
        ASSERT_OK(workflow_manager_cancel_job(w.manager, id, NULL));
        while (!world_last(&w, "sync")->told_to_end) {
                assert_running(&w, id);
                assert_true(world_step(&w, w.clock.now));
        }
        assert_running(&w, id);
        world_reboot(&w);
        assert_running(&w, id);
        ASSERT_OK(workflow_manager_cancel_job(w.manager, id, NULL)); /* again */
        w.handed_over = "{\"status\":\"cancelled\",\"streams\":" STATS("3") ",\"failures\":[]}";
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, id, JOB_CANCELLED, 1);
        assert_int_equal(count_workloads(&w, "sync"), 1);
        job = get_job(&w, id);
        assert_int_equal(job->records_committed, 3);
        ASSERT_OK(attempt_store_list(w.db.db, id, &attempts, NULL));
        assert_int_equal(attempts.items[0]->records_committed, 3);
        assert_non_null(strstr(attempts.items[0]->failure, "manual_cancellation"));
        ASSERT_ERROR(workflow_manager_cancel_job(w.manager, id, NULL), ESRCH);
}

TEST(a_job_whose_sync_succeeds_before_it_is_stopped_has_succeeded) {
        _cleanup_world_ World w;
        int64_t id;

        world_init(&w, all_goes_well);
        id = start_moving(&w);
        w.handed_over = NULL;
        ASSERT_OK(workflow_manager_cancel_job(w.manager, id, NULL));
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, id, JOB_SUCCEEDED, 1);
        ASSERT_ERROR(workflow_manager_cancel_job(w.manager, id, NULL), ESRCH);
}

/* A clear waits for the end, not for the word. */
TEST(what_takes_a_running_jobs_place_waits_for_its_end) {
        _cleanup_world_ World w;
        _cleanup_(job_freep) Job *job = NULL;
        int64_t id, started = 0;

        world_init(&w, all_goes_well);
        id = start_moving(&w);
        assert_int_equal(workflow_manager_replace_job(w.manager, "c", "clear", "", on_job_started, &started, &started,
                                                      NULL), 1);
        while (!world_last(&w, "sync")->told_to_end) {
                assert_int_equal(started, 0);
                assert_true(world_step(&w, w.clock.now));
        }
        assert_int_equal(started, 0);
        assert_running(&w, id);
        w.hold = false;
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, id, JOB_CANCELLED, 1);
        assert_int_equal(started, id + 1);
        job = get_job(&w, started);
        assert_int_equal(job->status, JOB_SUCCEEDED);
}

TEST(an_end_that_nobody_was_told_of_is_found_at_the_start) {
        _cleanup_world_ World w;
        int64_t id;

        world_init(&w, all_goes_well);
        w.hold = true;
        id = start_job(&w, "sync", "");
        for (unsigned i = 0; i < 4; i++) {
                world_run(&w, w.clock.now + USEC_PER_SEC);
                assert_string_equal(w.workloads[w.n_workloads - 1].status, "pending");
                all_goes_well(&w, w.workloads + w.n_workloads - 1);
                w.workloads[w.n_workloads - 1].notified = true;
                world_reboot(&w);
        }
        world_run(&w, w.clock.now + USEC_PER_SEC);
        assert_ended(&w, id, JOB_SUCCEEDED, 1);
}

TEST(a_job_that_has_ended_can_not_be_cancelled) {
        _cleanup_world_ World w;
        int64_t id;

        world_init(&w, all_goes_well);
        id = start_job(&w, "sync", "");
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        ASSERT_ERROR(workflow_manager_cancel_job(w.manager, id, NULL), ESRCH);
        ASSERT_ERROR(workflow_manager_cancel_job(w.manager, 99, NULL), ENOENT);
}

TEST(a_job_without_a_workflow_is_closed_at_the_start) {
        _cleanup_world_ World w;
        Job job = { .connection_id = (char *) "c", .workspace_id = (char *) "w", .type = JOB_SYNC,
                    .config = (char *) "{}" };
        int number;

        world_init(&w, all_goes_well);
        ASSERT_OK(job_store_create(w.db.db, &job, NOW, NULL));
        ASSERT_OK(attempt_store_create(w.db.db, job.id, NOW, &number, NULL));
        ASSERT_OK(job_store_set_status(w.db.db, job.id, JOB_RUNNING, NULL, NOW, NULL));
        world_reboot(&w);
        assert_ended(&w, job.id, JOB_FAILED, 1);
        /* And a new one can start. */
        (void) start_job(&w, "sync", "");
}

TEST(an_attempt_that_was_left_behind_does_not_hold_the_job_up) {
        _cleanup_world_ World w;
        int64_t id;
        int number;

        world_init(&w, all_goes_well);
        id = start_job(&w, "sync", "");
        ASSERT_OK(attempt_store_create(w.db.db, id, NOW, &number, NULL));
        world_run(&w, NOW + USEC_PER_SEC);
        assert_ended(&w, id, JOB_SUCCEEDED, 2);
}

/* --- schedules --- */

static void set_schedule(World *w, const char *data) {
        _cleanup_(connection_freep) Connection *c = NULL;

        ASSERT_OK(connection_store_get(w->db.db, "c", &c, NULL));
        c->schedule_type = SCHEDULE_BASIC;
        free(c->schedule_data);
        c->schedule_data = strdup(data);
        ASSERT_OK(connection_store_update(w->db.db, c, w->clock.now, NULL));
        ASSERT_OK(workflow_manager_connection_changed(w->manager, "c", NULL));
}

static size_t count_jobs(World *w) {
        _cleanup_(job_array_done) JobArray jobs = {};
        const ListOptions all = {};

        ASSERT_OK(job_store_list(w->db.db, &JOB_FILTER_ALL, &all, &jobs, NULL));
        return jobs.n;
}

TEST(a_basic_schedule_runs_on_time_and_a_manual_run_moves_it) {
        _cleanup_world_ World w;

        world_init(&w, all_goes_well);
        set_schedule(&w, "{\"units\":1,\"timeUnit\":\"hours\"}");
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_int_equal(count_jobs(&w), 1);
        assert_int_equal(w.wake_at, NOW + 3600 * USEC_PER_SEC);
        world_run(&w, NOW + 1800 * USEC_PER_SEC);
        (void) start_job(&w, "sync", "");
        world_run(&w, NOW + 5000 * USEC_PER_SEC);
        assert_int_equal(count_jobs(&w), 2);
        world_run(&w, NOW + 5401 * USEC_PER_SEC);
        assert_int_equal(count_jobs(&w), 3);
}

TEST(missed_runs_are_made_up_for_once) {
        _cleanup_world_ World w;

        world_init(&w, all_goes_well);
        set_schedule(&w, "{\"units\":1,\"timeUnit\":\"hours\"}");
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        w.clock.now = NOW + 100 * 3600 * USEC_PER_SEC;
        world_reboot(&w);
        world_run(&w, w.clock.now + 60 * USEC_PER_SEC);
        assert_int_equal(count_jobs(&w), 2);
}

#define DAY (24 * 3600 * USEC_PER_SEC)

TEST(a_clock_that_was_set_back_does_not_stop_schedules) {
        for (unsigned running = 0; running < 2; running++) {
                _cleanup_world_ World w;

                world_init(&w, all_goes_well);
                set_schedule(&w, "{\"units\":1,\"timeUnit\":\"hours\"}");
                world_run(&w, NOW + 60 * USEC_PER_SEC);
                assert_int_equal(count_jobs(&w), 1);
                w.clock.set_back = DAY;
                if (!running)
                        world_reboot(&w);
                ASSERT_OK(workflow_manager_review_schedules(w.manager));
                assert_true(workflow_manager_is_busy(w.manager));
                world_run(&w, w.clock.now);
                assert_false(workflow_manager_is_busy(w.manager));
                assert_int_equal(w.wake_at, w.clock.now - DAY + 3600 * USEC_PER_SEC);
                /* Looking again puts nothing off. */
                world_run(&w, w.clock.now + 1800 * USEC_PER_SEC);
                ASSERT_OK(workflow_manager_review_schedules(w.manager));
                world_run(&w, w.clock.now + 1805 * USEC_PER_SEC);
                assert_int_equal(count_jobs(&w), 2);
                world_run(&w, w.clock.now + 3605 * USEC_PER_SEC);
                assert_int_equal(count_jobs(&w), 3);
        }
}

TEST(a_review_of_schedules_moves_none_that_is_right) {
        _cleanup_world_ World w;

        world_init(&w, all_goes_well);
        set_schedule(&w, "{\"units\":1,\"timeUnit\":\"hours\"}");
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        ASSERT_OK(workflow_manager_review_schedules(w.manager));
        world_run(&w, NOW + 600 * USEC_PER_SEC);
        assert_int_equal(w.wake_at, NOW + 3600 * USEC_PER_SEC);
        /* Set forward: the run is due. */
        w.clock.set_back = 0 - DAY;
        ASSERT_OK(workflow_manager_review_schedules(w.manager));
        world_run(&w, w.clock.now + 60 * USEC_PER_SEC);
        assert_int_equal(count_jobs(&w), 2);
}

TEST(a_run_that_takes_longer_than_its_interval_does_not_pile_up) {
        _cleanup_world_ World w;

        world_init(&w, all_goes_well);
        set_schedule(&w, "{\"units\":5,\"timeUnit\":\"minutes\"}");
        world_run(&w, NOW);
        w.hold = true;
        world_run(&w, NOW + 3600 * USEC_PER_SEC);
        assert_int_equal(count_jobs(&w) <= 2, true);
        w.hold = false;
        world_run(&w, NOW + 3700 * USEC_PER_SEC);
        assert_in_range(count_jobs(&w), 2, 4);
}

/* --- asked for by somebody --- */

typedef struct Answer {
        unsigned n;
        char *result;
        char *reason;
} Answer;

static void on_answer(JsonObject *result, const char *reason, void *userdata) {
        Answer *a = userdata;

        a->n++;
        free(a->result);
        free(a->reason);
        a->result = result ? json_to_string(result) : NULL;
        a->reason = reason ? strdup(reason) : NULL;
}

static void answer_done(Answer *a) {
        free(a->result);
        free(a->reason);
}

TEST(callers_of_the_same_discover_share_one_run) {
        _cleanup_world_ World w;
        _cleanup_(answer_done) Answer a = {}, b = {};
        _cleanup_json_ JsonObject *cached = NULL;

        world_init(&w, all_goes_well);
        assert_int_equal(workflow_manager_discover(w.manager, "s", true, on_answer, &a, &cached, NULL), 0);
        assert_int_equal(workflow_manager_discover(w.manager, "s", false, on_answer, &b, &cached, NULL), 0);
        assert_true(workflow_manager_is_busy(w.manager));
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_int_equal(w.n_workloads, 1);
        assert_int_equal(a.n, 1);
        assert_int_equal(b.n, 1);
        assert_non_null(strstr(a.result, "catalogId"));
        assert_null(strstr(a.result, "json_schema"));
        assert_int_equal(workflow_manager_discover(w.manager, "s", false, on_answer, &a, &cached, NULL), 1);
        assert_false(workflow_manager_is_busy(w.manager));
        ASSERT_ERROR(workflow_manager_discover(w.manager, "d", false, on_answer, &a, &cached, NULL), EINVAL);
        ASSERT_ERROR(workflow_manager_discover(w.manager, "x", false, on_answer, &a, &cached, NULL), ENOENT);
}

TEST(a_configuration_to_try_is_sealed_and_says_nothing_of_the_stored_one) {
        _cleanup_world_ World w;
        _cleanup_(answer_done) Answer a = {};
        _cleanup_(actor_freep) Actor *actor = NULL;
        _cleanup_free_ char *request = NULL;
        const char *config = "{\"host\":\"db\",\"password\":\"hunter2\"}";

        world_init(&w, all_goes_well);
        ASSERT_OK(definition_store_set_spec(w.db.db, "ds", "{\"connectionSpecification\":{\"type\":\"object\","
                                            "\"properties\":{\"host\":{\"type\":\"string\"},\"password\":{\"type\":"
                                            "\"string\",\"airbyte_secret\":true}}}}", NOW, NULL));
        ASSERT_OK(workflow_manager_check(w.manager, "s", config, strlen(config), on_answer, &a, NULL));
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_int_equal(a.n, 1);
        assert_non_null(strstr(a.result, "succeeded"));
        request = json_to_string(w.workloads[0].request);
        assert_null(strstr(request, "hunter2"));
        assert_non_null(strstr(request, "_sealed"));
        assert_non_null(strstr(request, "\"host\":\"db\""));
        ASSERT_OK(actor_store_get(w.db.db, "s", &actor, NULL));
        assert_int_equal(actor->check_status, CHECK_NONE);
}

TEST(a_check_that_takes_too_long_is_stopped) {
        _cleanup_world_ World w;
        _cleanup_(answer_done) Answer a = {};

        world_init(&w, all_goes_well);
        w.hold = true;
        ASSERT_OK(workflow_manager_check(w.manager, "s", NULL, 0, on_answer, &a, NULL));
        world_run(&w, NOW + 599 * USEC_PER_SEC);
        assert_int_equal(a.n, 0);
        world_run(&w, NOW + 660 * USEC_PER_SEC);
        assert_int_equal(a.n, 1);
        assert_string_equal(w.workloads[0].status, "cancelled");
}

TEST(a_deleted_connection_has_its_job_cancelled) {
        _cleanup_world_ World w;
        int64_t id;

        world_init(&w, all_goes_well);
        w.hold = true;
        id = start_job(&w, "sync", "");
        world_run(&w, NOW + USEC_PER_SEC);
        ASSERT_OK(connection_store_delete(w.db.db, "c", w.clock.now, NULL));
        ASSERT_OK(workflow_manager_connection_changed(w.manager, "c", NULL));
        world_run(&w, NOW + 60 * USEC_PER_SEC);
        assert_ended(&w, id, JOB_CANCELLED, 1);
}
