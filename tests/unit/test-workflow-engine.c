/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The engine over every crash: each call of the store in turn fails, does its work and says that it failed, or is the last
 * thing that the process does. Whatever it was, the workflow comes to the same end, and what its steps wrote is there
 * once. */

#include <limits.h>

#include "unit/workflow-harness.h"

TEST_MAIN()

static int write_step(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        return ledger_write(workflow_userdata(c), userdata);
}

static int no_input(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        *ret = json_object_new_string(userdata);
        return *ret ? 0 : -ENOMEM;
}

/* A small job: a check, then work that can be cancelled, a wait, an end. */
static int job(WorkflowContext *c) {
        _cleanup_json_ JsonObject *result = NULL;
        usec_t now;
        int r;

        if ((r = workflow_step(c, "begin", write_step, (void *) "begin", NULL)) < 0 ||
            (r = workflow_activity(c, "check", "w_check", no_input, (void *) "c", NULL)) < 0 ||
            (r = workflow_step(c, "checked", write_step, (void *) "checked", NULL)) < 0)
                return r;
        r = workflow_activity(c, "sync", "w_sync", no_input, (void *) "s", &result);
        if (r == -EINPROGRESS && workflow_signal(c, "cancel", NULL) > 0) {
                r = workflow_activity_cancel(c, "w_sync", "somebody");
                if (r >= 0)
                        r = workflow_activity(c, "sync", "w_sync", no_input, NULL, &result);
        }
        if (r < 0)
                return r;
        if ((r = workflow_now(c, &now)) < 0)
                return r;
        r = workflow_sleep_until(c, "rest", now + 100 * USEC_PER_SEC);
        if (r == -EINPROGRESS && workflow_signal(c, "cancel", NULL) > 0)
                r = 0;
        if (r < 0)
                return r;
        r = workflow_step(c, "end", write_step, (void *) "end", NULL);
        if (r < 0)
                return r;
        workflow_set_result(c, json_object_get(result));
        return 0;
}

static int job_failed(WorkflowContext *c, const char *reason, Error **reterr_error) {
        return ledger_write(workflow_userdata(c), "failed");
}

static const WorkflowCode job_codes[] = { { "job", job, job_failed }, {} };

static int prepare(void *userdata, char **ret_id, JsonObject **ret_input, Error **reterr_error) {
        int r = ledger_write(userdata, "row");

        if (r < 0)
                return r;
        *ret_id = strdup("w");
        return *ret_id ? 0 : -ENOMEM;
}

/* A caller who asks until it is accepted, as one must: "it failed" may mean that it was done. */
static void start(World *w, const char *type) {
        for (;;) {
                int r = workflow_engine_start(w->engine, type, prepare, w, NULL);

                if (w->crashed)
                        world_reboot(w);
                if (r >= 0 || r == -EEXIST)
                        return;
        }
}

static bool signal_now(World *w) {
        int r = workflow_engine_signal(w->engine, "w", "cancel", NULL, NULL);

        if (w->crashed)
                world_reboot(w);
        return r >= 0 || r == -ESRCH;
}

static void assert_ledger(const World *w, const char *const *expected) {
        size_t n = 0;

        for (; expected[n]; n++) {
                assert_true(n < w->disk.n_ledger);
                assert_string_equal(w->disk.ledger[n], expected[n]);
        }
        assert_int_equal(w->disk.n_ledger, n);
}

static void assert_job_done(const World *w) {
        assert_ledger(w, (const char *[]) { "row", "begin", "checked", "end", NULL });
        assert_int_equal(w->disk.n_rows, 1);
        assert_true(w->disk.rows[0].closed);
        assert_false(w->disk.rows[0].failed);
        assert_int_equal(workflow_engine_n_open(w->engine), 0);
}

TEST(a_workflow_runs_to_its_end) {
        _cleanup_world_ World w;
        const History *h = &w.disk.rows[0].history;

        world_init(&w, job_codes);
        start(&w, "job");
        world_run(&w);
        assert_job_done(&w);
        assert_string_equal(w.result, "\"done\"");
        assert_int_equal(w.n_closed, 1);
        assert_int_equal(h->events[0].type, HISTORY_STARTED);
        assert_int_equal(h->events[h->n - 1].type, HISTORY_COMPLETED);
        /* The wait was waited for. */
        assert_true(w.now >= 1100 * USEC_PER_SEC);
}

/* As on a slow or emulated processor: what is due must not run away from who compares. */
TEST(a_clock_that_moves_on_with_each_look_stops_nobody) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        w.look_takes = 1;
        start(&w, "job");
        world_run(&w);
        assert_job_done(&w);
}

/* The story with a fault at call `n`, and a cancel after `cancel_after` steps (UINT_MAX: none). false: the fault was not
 * reached. */
static bool play(Fault fault, unsigned n, unsigned cancel_after) {
        _cleanup_world_ World w;
        bool cancelled = cancel_after == UINT_MAX;

        world_init(&w, job_codes);
        w.fault = fault;
        w.fault_at = w.n_calls + n;
        start(&w, "job");
        for (unsigned i = 0;; i++) {
                if (!cancelled && i >= cancel_after)
                        cancelled = signal_now(&w);
                if (!world_step(&w) && !w.crashed)
                        break;
                assert_in_range(i, 0, 10000);
        }
        assert_job_done(&w);
        return w.hit;
}

TEST(every_fault_at_every_call_leads_to_the_same_end) {
        unsigned points = 0;

        for (Fault fault = FAULT_FAILS; fault < _FAULT_MAX; fault++)
                for (unsigned n = 1; play(fault, n, UINT_MAX); n++)
                        points++;
        print_message("# %u points\n", points);
        assert_true(points > 100);
}

TEST(a_signal_at_every_moment_with_every_fault_leads_to_an_end) {
        unsigned points = 0;

        for (unsigned cancel_after = 0; cancel_after < 14; cancel_after++)
                for (Fault fault = FAULT_FAILS; fault < _FAULT_MAX; fault++)
                        for (unsigned n = 1; play(fault, n, cancel_after); n++)
                                points++;
        print_message("# %u points\n", points);
        assert_true(points > 1000);
}

/* A new process for each thing that happens outside. */
static void run_with_restarts(World *w, usec_t pause) {
        do {
                w->now += pause;
                for (unsigned i = 0; i < 2; i++) {
                        world_reboot(w);
                        workflow_engine_process(w->engine);
                }
        } while (world_step(w));
}

TEST(a_restart_after_every_event_leads_to_the_same_end) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        start(&w, "job");
        run_with_restarts(&w, 0);
        assert_job_done(&w);
        /* Each start asks again for what is open: once would have been too few, and the second harmless. */
        assert_true(w.activities[0].n_started > 1);
}

TEST(a_signal_before_the_work_is_asked_for_counts) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        start(&w, "job");
        assert_true(signal_now(&w));
        world_run(&w);
        assert_job_done(&w);
        assert_string_equal(w.result, "\"cancelled\"");
        /* The wait was cut. */
        assert_true(w.now < 1100 * USEC_PER_SEC);
}

TEST(a_signal_after_the_end_is_refused) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        start(&w, "job");
        world_run(&w);
        ASSERT_ERROR(workflow_engine_signal(w.engine, "w", "cancel", NULL, NULL), ESRCH);
        ASSERT_ERROR(workflow_engine_signal(w.engine, "nobody", "cancel", NULL, NULL), ESRCH);
}

TEST(a_second_completion_changes_nothing_and_an_unknown_one_is_refused) {
        _cleanup_world_ World w;
        _cleanup_json_ JsonObject *other = json_object_new_string("other");

        world_init(&w, job_codes);
        start(&w, "job");
        workflow_engine_process(w.engine);
        ASSERT_ERROR(workflow_engine_complete(w.engine, "w_else", other, NULL), ENOENT);
        /* It will be asked for, but has not been yet. */
        ASSERT_ERROR(workflow_engine_complete(w.engine, "w_sync", other, NULL), ENOENT);
        world_run(&w);
        assert_job_done(&w);
        ASSERT_OK(workflow_engine_complete(w.engine, "w_sync", other, NULL));
        ASSERT_OK(workflow_engine_complete(w.engine, "w_check", other, NULL));
        assert_string_equal(w.result, "\"done\"");
}

TEST(two_completions_before_the_next_run_leave_one_event) {
        _cleanup_world_ World w;
        _cleanup_json_ JsonObject *a = json_object_new_string("a"), *b = json_object_new_string("b");
        unsigned n = 0;

        world_init(&w, job_codes);
        start(&w, "job");
        workflow_engine_process(w.engine);
        ASSERT_OK(workflow_engine_complete(w.engine, "w_check", a, NULL));
        ASSERT_OK(workflow_engine_complete(w.engine, "w_check", b, NULL));
        for (size_t i = 0; i < w.disk.rows[0].history.n; i++)
                n += w.disk.rows[0].history.events[i].type == HISTORY_ACTIVITY_COMPLETED;
        assert_int_equal(n, 1);
}

TEST(the_same_workflow_is_not_started_twice) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        start(&w, "job");
        ASSERT_ERROR(workflow_engine_start(w.engine, "job", prepare, &w, NULL), EEXIST);
        world_run(&w);
        assert_job_done(&w);
}

/* --- code that has changed under its workflows --- */

static int other_name(WorkflowContext *c) {
        int r = workflow_step(c, "start", write_step, (void *) "start", NULL);

        return r < 0 ? r : workflow_activity(c, "check", "w_check", no_input, (void *) "c", NULL);
}

static int other_kind(WorkflowContext *c) {
        return workflow_activity(c, "begin", "begin", no_input, (void *) "c", NULL);
}

static int ends_early(WorkflowContext *c) {
        return workflow_step(c, "begin", write_step, (void *) "begin", NULL);
}

static int swallows(WorkflowContext *c) {
        (void) workflow_step(c, "start", write_step, (void *) "start", NULL);
        return 0;
}

TEST(a_replay_that_asks_for_something_else_fails_loudly) {
        static int (*const codes[])(WorkflowContext *) = { other_name, other_kind, ends_early, swallows };

        for (size_t i = 0; i < ELEMENTSOF(codes); i++) {
                _cleanup_world_ World w;
                const WorkflowCode changed[] = { { "job", codes[i], job_failed }, {} };

                world_init(&w, job_codes);
                start(&w, "job");
                workflow_engine_process(w.engine);
                w.codes = changed;
                world_reboot(&w);
                world_run(&w);
                assert_true(w.disk.rows[0].closed && w.disk.rows[0].failed);
                assert_non_null(strstr(w.reason, "Replay differs from the history"));
                /* Nothing of the run that went wrong, and what it left behind was put right. */
                assert_ledger(&w, (const char *[]) { "row", "begin", "failed", NULL });
        }
}

TEST(P08_a_workflow_whose_history_is_damaged_is_given_up) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        start(&w, "job");
        workflow_engine_process(w.engine);
        w.damaged = true;
        world_reboot(&w);
        world_run(&w);
        assert_true(w.disk.rows[0].closed && w.disk.rows[0].failed);
        assert_string_equal(w.reason, "the history is damaged");
        assert_int_equal(workflow_engine_n_open(w.engine), 0);
}

TEST(a_workflow_of_an_unknown_type_fails_loudly) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        start(&w, "wedding");
        world_run(&w);
        assert_true(w.disk.rows[0].failed);
        assert_non_null(strstr(w.reason, "wedding"));
}

static int bad_step(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        ASSERT_OK(ledger_write(workflow_userdata(c), "lost"));
        return error_set(reterr_error, -ERANGE, "it can't be");
}

static int bad(WorkflowContext *c) {
        return workflow_step(c, "bad", bad_step, NULL, NULL);
}

TEST(a_step_that_fails_for_good_fails_the_workflow_and_is_undone) {
        static const WorkflowCode codes[] = { { "bad", bad, job_failed }, {} };
        _cleanup_world_ World w;

        world_init(&w, codes);
        start(&w, "bad");
        world_run(&w);
        assert_true(w.disk.rows[0].failed);
        assert_string_equal(w.reason, "it can't be");
        assert_ledger(&w, (const char *[]) { "row", "failed", NULL });
}

/* Values of the world are the same in each replay, whatever the clock says then. */
static int clockwork(WorkflowContext *c) {
        usec_t a, b;
        uint64_t n;
        int r;

        if ((r = workflow_now(c, &a)) < 0 || (r = workflow_random(c, &n)) < 0 ||
            (r = workflow_sleep_until(c, "s", a + 5 * USEC_PER_SEC)) < 0 || (r = workflow_now(c, &b)) < 0 ||
            (r = workflow_activity(c, "x", "w_x", no_input, (void *) "x", NULL)) < 0)
                return r;
        workflow_set_result(c, json_object_new_int64((int64_t) (b - a)));
        return 0;
}

TEST(clock_and_random_are_recorded) {
        static const WorkflowCode codes[] = { { "clockwork", clockwork, NULL }, {} };
        _cleanup_world_ World w;

        world_init(&w, codes);
        start(&w, "clockwork");
        run_with_restarts(&w, USEC_PER_SEC / 4);
        assert_false(w.disk.rows[0].failed);
        assert_in_range(atoll(w.result), 5 * USEC_PER_SEC, 10 * USEC_PER_SEC);
}

TEST(a_timer_that_became_due_while_nobody_ran_fires_at_the_start) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        start(&w, "job");
        while (workflow_engine_next_timer(w.engine) == USEC_INFINITY)
                assert_true(world_step(&w));
        w.now += 3600 * USEC_PER_SEC;
        world_reboot(&w);
        assert_true(workflow_engine_is_busy(w.engine));
        workflow_engine_process(w.engine);
        assert_job_done(&w);
}

TEST(waiting_is_not_being_busy) {
        _cleanup_world_ World w;

        world_init(&w, job_codes);
        assert_false(workflow_engine_is_busy(w.engine));
        start(&w, "job");
        assert_true(workflow_engine_is_busy(w.engine));
        workflow_engine_process(w.engine);
        assert_false(workflow_engine_is_busy(w.engine));
        assert_int_equal(workflow_engine_n_open(w.engine), 1);
}

/* --- what takes long --- */

static unsigned n_prepared, n_wanted, n_runs_over;

static int hungry_step(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        int r = ledger_write(workflow_userdata(c), "tried");

        return r < 0 ? r : n_prepared < n_wanted ? -ERESTART : 0;
}

static int hungry(WorkflowContext *c) {
        int r = workflow_step(c, "begin", write_step, (void *) "begin", NULL);

        return r < 0 ? r : workflow_step(c, "hungry", hungry_step, NULL, NULL);
}

static void prepare_outside(void *userdata) {
        assert_false(((World *) userdata)->in_transaction);
        n_prepared++;
}

static void run_is_over(void *userdata) {
        assert_false(((World *) userdata)->in_transaction);
        n_runs_over++;
}

/* Up to ten things are prepared at once; a run that asks for more has a rest. */
TEST(what_a_step_waits_for_is_made_outside_and_its_run_is_made_once) {
        static const WorkflowCode codes[] = { { "hungry", hungry, NULL }, {} };

        for (n_wanted = 0; n_wanted < 25; n_wanted += 4) {
                _cleanup_world_ World w;
                usec_t began;

                n_prepared = n_runs_over = 0;
                world_init(&w, codes);
                w.host.prepare = prepare_outside;
                w.host.run_over = run_is_over;
                began = w.now;
                start(&w, "hungry");
                world_run(&w);
                assert_ledger(&w, (const char *[]) { "row", "begin", "tried", NULL });
                assert_int_equal(n_prepared, n_wanted);
                assert_int_equal(n_runs_over, 1 + (n_wanted > 0 ? (n_wanted - 1) / 10 : 0));
                assert_int_equal(w.now > began, n_wanted > 10);
                assert_false(w.disk.rows[0].failed);
        }
}
