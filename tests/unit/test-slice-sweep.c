/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The slices that attempts of an earlier launcher have left: which of what systemd lists are stopped, and that the
 * launcher goes on whatever becomes of it. Without an end to the sweep it would never take a workload. */

#include "launcher/executor-systemd.h"
#include "unit/bus-harness.h"

TEST_MAIN()

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER "/org/freedesktop/systemd1", SYSTEMD ".Manager"
#define LIVING "gantry-jobs-j7a0.slice"
#define LEFT "gantry-jobs-j7a1.slice"
#define CHECK "gantry-jobs-check0190a6c27c1e7abc8def0123456789ab.slice"

typedef struct World {
        Pair pair;
        Executor *executor;
        unsigned n_done;
        int r;
} World;

static void on_changed(const ExecutorHandle *h, void *userdata) {}

static bool lives(const char *slice, void *userdata) {
        return streq(slice, LIVING);
}

static void on_done(int r, const Error *error, void *userdata) {
        World *w = userdata;

        w->n_done++;
        w->r = r;
}

static void world_init(World *w) {
        *w = (World) { .r = -EINPROGRESS };
        pair_init(&w->pair);
        ASSERT_OK(executor_systemd_new(w->pair.near, &(ExecutorEvents) { .changed = on_changed, .userdata = w }, &w->executor));
        pair_settle(&w->pair);
        sd_bus_message_unref(pair_take(&w->pair, "Subscribe"));
}

static void world_done(World *w) {
        executor_free(w->executor);
        pair_done(&w->pair);
}

static void sweep(World *w) {
        const char *pattern;

        ASSERT_OK(w->executor->ops->sweep(w->executor, lives, on_done, w));
        pair_settle(&w->pair);
        assert_int_equal(w->n_done, 0);
        ASSERT_OK(sd_bus_message_skip(w->pair.held[0], "as"));
        ASSERT_OK(sd_bus_message_enter_container(w->pair.held[0], 'a', "s"));
        ASSERT_OK(sd_bus_message_read(w->pair.held[0], "s", &pattern));
        assert_string_equal(pattern, "gantry-jobs-*.slice");
}

static void list(World *w, const char *const names[], size_t n) {
        sd_bus_message *call = pair_take(&w->pair, "ListUnitsByPatterns"), *m = NULL;

        ASSERT_OK(sd_bus_message_new_method_return(call, &m));
        ASSERT_OK(sd_bus_message_open_container(m, 'a', "(ssssssouso)"));
        for (size_t i = 0; i < n; i++)
                ASSERT_OK(sd_bus_message_append(m, "(ssssssouso)", names[i], "", "loaded", "active", "active", "", "/unit", 0, "",
                                                "/job"));
        ASSERT_OK(sd_bus_message_close_container(m));
        ASSERT_OK(sd_bus_send(w->pair.far, m, NULL));
        sd_bus_message_unref(m);
        sd_bus_message_unref(call);
        pair_settle(&w->pair);
}

/* Answers the oldest StopUnit with a job, or that error, and returns which unit it was for; NULL: there is none. */
static const char *answer_stop(World *w, unsigned job, const char *error) {
        static char name[128];
        const char *unit, *mode;
        char path[64];
        sd_bus_message *m;

        if (w->pair.n_held == 0)
                return NULL;
        m = pair_take(&w->pair, "StopUnit");
        ASSERT_OK(sd_bus_message_read(m, "ss", &unit, &mode));
        assert_string_equal(mode, "replace");
        snprintf(name, sizeof(name), "%s", unit);
        snprintf(path, sizeof(path), "/org/freedesktop/systemd1/job/%u", job);
        if (error)
                ASSERT_OK(sd_bus_reply_method_errorf(m, error, "as the test wants"));
        else
                ASSERT_OK(sd_bus_reply_method_return(m, "o", path));
        sd_bus_message_unref(m);
        pair_settle(&w->pair);
        return name;
}

static void end_job(World *w, unsigned job, const char *result) {
        sd_bus_message *m = NULL;
        char path[64];

        snprintf(path, sizeof(path), "/org/freedesktop/systemd1/job/%u", job);
        ASSERT_OK(sd_bus_message_new_signal(w->pair.far, &m, MANAGER, "JobRemoved"));
        ASSERT_OK(sd_bus_message_append(m, "uoss", job, path, "x.slice", result));
        ASSERT_OK(sd_bus_message_set_sender(m, SYSTEMD));
        ASSERT_OK(sd_bus_send(w->pair.far, m, NULL));
        sd_bus_message_unref(m);
        pair_settle(&w->pair);
}

static const char *const three[] = { LEFT, LIVING, CHECK };

TEST(what_nobody_lives_in_is_stopped_and_waited_for) {
        World w;

        world_init(&w);
        sweep(&w);
        list(&w, three, ELEMENTSOF(three));
        assert_string_equal(answer_stop(&w, 1, NULL), LEFT);
        assert_string_equal(answer_stop(&w, 2, NULL), CHECK);
        assert_null(answer_stop(&w, 3, NULL));
        end_job(&w, 2, "done");
        assert_int_equal(w.n_done, 0);
        end_job(&w, 1, "done");
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.r, 0);
        /* Once more, by a launcher that has nothing to do. */
        ASSERT_OK(w.executor->ops->sweep(w.executor, lives, on_done, &w));
        pair_settle(&w.pair);
        list(&w, NULL, 0);
        assert_int_equal(w.n_done, 2);
        world_done(&w);
}

/* Only names that this suite gives: whatever else systemd may list is not ours to stop. */
TEST(names_of_other_forms_are_left_alone) {
        static const char *const names[] = {
                "-.slice", "", ".slice", "gantry-jobs-", "gantry-jobs.slice", "gantry-jobs-.slice", "system.slice", "user-0.slice",
                "gantry-jobs-mine.slice", "gantry-jobs-j.slice", "gantry-jobs-j7.slice", "gantry-jobs-ja0.slice", "gantry-jobs-j7a.slice",
                "gantry-jobs-j7a0b.slice", "gantry-jobs-j-7a0.slice", "gantry-jobs-j7a-1.slice", "gantry-jobs-j7a1-mine.slice",
                "gantry-jobs-j7a1.slice.d", "gantry-jobs-j7a1.service", "xgantry-jobs-j7a1.slice", "gantry-jobs-j7a1\\x2d.slice",
                "gantry-jobs-0190a6c27c1e7abc8def0123456789ab.slice", "gantry-jobs-check0190a6c27c1e7abc8def0123456789a.slice",
                "gantry-jobs-check0190A6C27c1e7abc8def0123456789ab.slice", "gantry-jobs-check\n0190a6c27c1e7abc8def0123456789ab.slice",
                "gantry-jobs-check0190a6c2-7c1e-7abc-8def-0123456789ab.slice",
        };
        World w;

        world_init(&w);
        sweep(&w);
        list(&w, names, ELEMENTSOF(names));
        assert_null(answer_stop(&w, 1, NULL));
        assert_int_equal(w.n_done, 1);
        world_done(&w);
}

TEST(a_slice_that_is_listed_twice_and_many_at_once) {
        char names[HELD_MAX - 2][64];
        const char *list_of[ELEMENTSOF(names)];
        World w;

        for (unsigned i = 0; i < ELEMENTSOF(names); i++) {
                snprintf(names[i], sizeof(names[i]), "gantry-jobs-j%ua0.slice", 100 + i / 2);
                list_of[i] = names[i];
        }
        world_init(&w);
        sweep(&w);
        list(&w, list_of, ELEMENTSOF(names));
        for (unsigned i = 0; i < ELEMENTSOF(names); i++)
                assert_string_equal(answer_stop(&w, i / 2, NULL), names[i]);
        for (unsigned i = 0; i < ELEMENTSOF(names) / 2; i++) {
                assert_int_equal(w.n_done, 0);
                end_job(&w, i, "done");
        }
        assert_int_equal(w.n_done, 1);
        world_done(&w);
}

TEST(a_list_that_does_not_come_is_an_end_too) {
        static const char *const errors[] = { SD_BUS_ERROR_ACCESS_DENIED, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_SERVICE_UNKNOWN };

        for (size_t i = 0; i < ELEMENTSOF(errors) + 2; i++) {
                sd_bus_message *m;
                World w;

                world_init(&w);
                sweep(&w);
                m = pair_take(&w.pair, "ListUnitsByPatterns");
                if (i < ELEMENTSOF(errors))
                        ASSERT_OK(sd_bus_reply_method_errorf(m, errors[i], "as the test wants"));
                else if (i == ELEMENTSOF(errors)) /* another signature */
                        ASSERT_OK(sd_bus_reply_method_return(m, "as", 1, LEFT));
                else
                        ASSERT_OK(sd_bus_reply_method_return(m, ""));
                sd_bus_message_unref(m);
                pair_settle(&w.pair);
                assert_null(answer_stop(&w, 1, NULL));
                assert_int_equal(w.n_done, 1);
                world_done(&w);
        }
}

/* Each of the calls in turn, by each way to fail: the others are made all the same. */
TEST(one_that_can_not_be_stopped_keeps_nobody_up) {
        static const struct {
                const char *error, *result;
        } ways[] = { { SYSTEMD ".NoSuchUnit", NULL }, { SD_BUS_ERROR_ACCESS_DENIED, NULL }, { SD_BUS_ERROR_NO_REPLY, NULL },
                     { NULL, "failed" }, { NULL, "timeout" }, { NULL, "canceled" } };

        for (size_t i = 0; i < ELEMENTSOF(ways); i++)
                for (unsigned victim = 1; victim <= 2; victim++) {
                        World w;

                        world_init(&w);
                        sweep(&w);
                        list(&w, three, ELEMENTSOF(three));
                        for (unsigned n = 1; n <= 2; n++)
                                assert_non_null(answer_stop(&w, n, n == victim ? ways[i].error : NULL));
                        for (unsigned n = 1; n <= 2; n++)
                                if (n != victim || ways[i].result) {
                                        assert_int_equal(w.n_done, 0);
                                        end_job(&w, n, n == victim ? ways[i].result : "done");
                                }
                        assert_int_equal(w.n_done, 1);
                        assert_int_equal(w.r, 0);
                        world_done(&w);
                }
}

/* The bus goes behind each of the answers in turn. What was a job then nobody tells any more: the launcher leaves with its
 * bus, and nothing is left behind. */
TEST(a_bus_that_goes_ends_what_was_not_answered) {
        for (unsigned answered = 0; answered < 4; answered++) {
                World w;

                world_init(&w);
                sweep(&w);
                if (answered > 0)
                        list(&w, three, ELEMENTSOF(three));
                for (unsigned n = 1; n < answered; n++)
                        assert_non_null(answer_stop(&w, n, NULL));
                sd_bus_close(w.pair.far);
                pair_settle(&w.pair);
                assert_int_equal(w.n_done, answered < 2);
                world_done(&w);
                assert_int_equal(w.n_done, answered < 2);
        }
}

TEST(the_launcher_may_go_while_it_sweeps) {
        for (unsigned answered = 0; answered < 4; answered++) {
                World w;

                world_init(&w);
                sweep(&w);
                if (answered > 0)
                        list(&w, three, ELEMENTSOF(three));
                for (unsigned n = 1; n < answered; n++)
                        assert_non_null(answer_stop(&w, n, NULL));
                w.executor = executor_free(w.executor);
                if (answered == 3)
                        end_job(&w, 1, "done");
                assert_int_equal(w.n_done, 0);
                world_done(&w);
        }
}

TEST(one_sweep_at_a_time) {
        World w;

        world_init(&w);
        sweep(&w);
        assert_int_equal(w.executor->ops->sweep(w.executor, lives, on_done, &w), -EBUSY);
        list(&w, NULL, 0);
        assert_int_equal(w.n_done, 1);
        world_done(&w);
}
