/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The launcher's side of systemd's manager: what is answered late, merged, or not at all. */

#include "launcher/unit-manager.h"
#include "unit/bus-harness.h"

TEST_MAIN()

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER "/org/freedesktop/systemd1", SYSTEMD ".Manager"
#define JOB "/org/freedesktop/systemd1/job/7"

typedef struct World {
        Pair pair;
        UnitManager *units;
        unsigned n_done, n_listed, n_results;
        int r;
        char message[256];
        bool again; /* on_done() asks for more */
} World;

static void on_unit_changed(const UnitInfo *u, void *userdata) {}

static void on_done(const char *name, int r, const Error *error, void *userdata) {
        World *w = userdata;

        w->n_done++;
        w->r = r;
        snprintf(w->message, sizeof(w->message), "%s", r < 0 ? error_message(error, r) : "");
        if (w->again) {
                w->again = false;
                (void) unit_manager_stop(w->units, name, on_done, w);
        }
}

static void on_listed(const UnitInfo units[], size_t n, int r, void *userdata) {
        World *w = userdata;

        w->n_listed++;
        w->r = r;
}

static void on_result(const char *name, const UnitResult *result, int r, void *userdata) {
        World *w = userdata;

        w->n_results++;
        w->r = r;
}

static void world_init(World *w) {
        *w = (World) { .r = -EINPROGRESS };
        pair_init(&w->pair);
        ASSERT_OK(unit_manager_new(w->pair.near, "gantry-run-",
                                   &(UnitManagerEvents) { .changed = on_unit_changed, .userdata = w }, &w->units));
        pair_settle(&w->pair);
        sd_bus_message_unref(pair_take(&w->pair, "Subscribe"));
}

static void world_done(World *w) {
        unit_manager_free(w->units);
        pair_done(&w->pair);
}

/* The job of the oldest call of this name. */
static void give_job(World *w, const char *member) {
        sd_bus_message *m = pair_take(&w->pair, member);

        ASSERT_OK(sd_bus_reply_method_return(m, "o", JOB));
        sd_bus_message_unref(m);
        pair_settle(&w->pair);
}

static void give_error(World *w, const char *member, const char *name) {
        sd_bus_message *m = pair_take(&w->pair, member);

        ASSERT_OK(sd_bus_reply_method_errorf(m, name, "as the test wants"));
        sd_bus_message_unref(m);
        pair_settle(&w->pair);
}

static void end_job(World *w, const char *result) {
        sd_bus_message *m = NULL;

        ASSERT_OK(sd_bus_message_new_signal(w->pair.far, &m, MANAGER, "JobRemoved"));
        ASSERT_OK(sd_bus_message_append(m, "uoss", 7, JOB, "x.service", result));
        ASSERT_OK(sd_bus_message_set_sender(m, SYSTEMD));
        ASSERT_OK(sd_bus_send(w->pair.far, m, NULL));
        sd_bus_message_unref(m);
        pair_settle(&w->pair);
}

static void stop(World *w) {
        ASSERT_OK(unit_manager_stop(w->units, "x.service", on_done, w));
        pair_settle(&w->pair);
}

TEST(a_job_is_done_when_systemd_has_removed_it) {
        World w;

        world_init(&w);
        stop(&w);
        give_job(&w, "StopUnit");
        assert_int_equal(w.n_done, 0);
        assert_true(unit_manager_is_busy(w.units));
        end_job(&w, "done");
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.r, 0);
        assert_false(unit_manager_is_busy(w.units));
        world_done(&w);
}

TEST(a_job_that_failed_says_how) {
        World w;

        world_init(&w);
        stop(&w);
        give_job(&w, "StopUnit");
        end_job(&w, "timeout");
        ASSERT_ERROR(w.r, ENOEXEC);
        assert_non_null(strstr(w.message, "timeout"));
        world_done(&w);
}

/* systemd merges what asks for the same: one path, one signal. */
TEST(calls_that_became_one_job_are_all_done) {
        World w;

        world_init(&w);
        stop(&w);
        stop(&w);
        stop(&w);
        give_job(&w, "StopUnit");
        give_job(&w, "StopUnit");
        give_job(&w, "StopUnit");
        end_job(&w, "done");
        assert_int_equal(w.n_done, 3);
        assert_false(unit_manager_is_busy(w.units));
        world_done(&w);
}

TEST(who_is_done_may_ask_for_more) {
        World w;

        world_init(&w);
        stop(&w);
        stop(&w);
        give_job(&w, "StopUnit");
        give_job(&w, "StopUnit");
        w.again = true;
        end_job(&w, "done");
        assert_int_equal(w.n_done, 2);
        give_error(&w, "StopUnit", SYSTEMD ".NoSuchUnit");
        assert_int_equal(w.n_done, 3);
        world_done(&w);
}

TEST(what_is_not_there_is_stopped) {
        World w;

        world_init(&w);
        stop(&w);
        give_error(&w, "StopUnit", SYSTEMD ".NoSuchUnit");
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.r, 0);
        stop(&w);
        give_error(&w, "StopUnit", SD_BUS_ERROR_ACCESS_DENIED);
        assert_int_equal(w.n_done, 2);
        assert_true(w.r < 0);
        world_done(&w);
}

/* All that can be on its way at a time. */
static void ask_everything(World *w) {
        stop(w);
        give_job(w, "StopUnit"); /* this one has a job */
        stop(w);
        ASSERT_OK(unit_manager_set_timer(w->units, "gantry-timer-x.timer", 1, "x.service", on_done, w));
        ASSERT_OK(unit_manager_list(w->units, "*", on_listed, w));
        ASSERT_OK(unit_manager_get_result(w->units, "x.service", on_result, w));
        unit_manager_reset_failed(w->units, "x.service");
        pair_settle(&w->pair);
}

TEST(a_connection_that_goes_ends_all_calls_once) {
        World w;

        world_init(&w);
        ask_everything(&w);
        sd_bus_close(w.pair.far);
        pair_settle(&w.pair);
        assert_int_equal(w.n_done, 2); /* what is a job's end nobody tells any more */
        assert_int_equal(w.n_listed, 1);
        assert_int_equal(w.n_results, 1);
        assert_true(w.r < 0);
        world_done(&w);
}

TEST(more_that_is_asked_for_meanwhile_fails) {
        World w;

        world_init(&w);
        ask_everything(&w);
        w.again = true;
        sd_bus_close(w.pair.far);
        pair_settle(&w.pair);
        assert_true(unit_manager_stop(w.units, "x.service", on_done, &w) < 0);
        world_done(&w);
}

TEST(it_may_be_freed_while_all_is_on_its_way) {
        World w;

        world_init(&w);
        ask_everything(&w);
        w.units = unit_manager_free(w.units);
        end_job(&w, "done");
        give_error(&w, "ListUnitsByPatterns", SD_BUS_ERROR_FAILED);
        assert_int_equal(w.n_done + w.n_listed + w.n_results, 0);
        world_done(&w);
}

TEST(a_time_that_no_calendar_has_does_not_turn_into_now) {
        sd_bus_message *m;
        const char *name, *value = NULL;
        World w;

        world_init(&w);
        ASSERT_OK(unit_manager_set_timer(w.units, "gantry-timer-x.timer", USEC_INFINITY, "x.service", on_done, &w));
        pair_settle(&w.pair);
        m = pair_take(&w.pair, "StartTransientUnit");
        ASSERT_OK(sd_bus_message_skip(m, "ss"));
        ASSERT_OK(sd_bus_message_enter_container(m, 'a', "(sv)"));
        while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
                ASSERT_OK(sd_bus_message_read(m, "s", &name));
                if (streq(name, "TimersCalendar"))
                        ASSERT_OK(sd_bus_message_read(m, "v", "a(ss)", 1, NULL, &value));
                else
                        ASSERT_OK(sd_bus_message_skip(m, "v"));
                ASSERT_OK(sd_bus_message_exit_container(m));
        }
        assert_string_equal(value, "@18446744073710");
        sd_bus_message_unref(m);
        world_done(&w);
}
