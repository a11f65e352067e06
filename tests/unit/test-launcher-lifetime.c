/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run whose surroundings go: answers of systemd's that come when the run has ended, a host of which nobody knows
 * whether it isolates. The bus has its other end here, the API is a server. */

#include "launcher/executor-systemd.h"
#include "launcher/launcher-internal.h"
#include "shared/env-event.h"
#include "unit/api-harness.h"
#include "unit/bus-harness.h"

TEST_MAIN()

#define AUTO_ID "0190a6c2-7c1e-7abc-8def-0123456789ab"
#define ANSWER(status, n, body) "HTTP/1.1 " status "\r\nContent-Length: " #n "\r\nConnection: close\r\n\r\n" body

typedef struct World {
        Launcher launcher;
        Pair pair;
        Server api;
} World;

static void on_changed(const ExecutorHandle *h, void *userdata) {}

static void world_init(World *w, const char *const answers[]) {
        *w = (World) {};
        server_start(&w->api, answers);
        pair_init(&w->pair);
        ASSERT_OK(env_event_new(&w->launcher.env));
        ASSERT_OK(executor_systemd_new(w->pair.near, &(ExecutorEvents) { .changed = on_changed, .userdata = w },
                                       &w->launcher.executor));
        ASSERT_OK(workload_client_new(w->launcher.env, w->api.path, &w->launcher.api));
        w->launcher.dataplane_id = (char *) "d";
        pair_settle(&w->pair);
}

static void world_done(World *w) {
        workload_client_free(w->launcher.api);
        executor_free(w->launcher.executor);
        while (w->launcher.runs)
                run_free(w->launcher.runs);
        env_event_free(w->launcher.env);
        pair_done(&w->pair);
        server_stop(&w->api);
}

static Run *running(World *w) {
        Run *r = run_new(&w->launcher, "w", AUTO_ID, "check", 0, -1);

        assert_non_null(r);
        r->epoch = 1;
        r->state = RUN_RUNNING;
        r->slice = strdup("gantry-jobs-check.slice");
        assert_non_null(r->slice);
        return r;
}

/* The API's answers come until the runs have gone. */
static void until_gone(World *w) {
        while (w->launcher.runs)
                ASSERT_OK(sd_event_run(env_event_loop(w->launcher.env), UINT64_MAX));
}

/* The bus has gone, and none of its calls was told so yet. */
static void lose_bus(World *w) {
        sd_bus_close(w->pair.far);
        while (sd_bus_is_open(w->pair.near) > 0)
                ASSERT_OK(sd_event_run(w->pair.event, UINT64_MAX));
}

/* Its units can't be stopped: it is forgotten at once. */
TEST(a_run_may_end_while_it_is_looked_at) {
        static const char *const answers[] = { "", NULL };
        World w;

        world_init(&w, answers);
        run_check(running(&w));
        run_check(w.launcher.runs);
        pair_settle(&w.pair);
        lose_bus(&w);
        assert_true(unit_manager_is_busy(executor_systemd_units(w.launcher.executor)));
        run_cancel(w.launcher.runs);
        assert_null(w.launcher.runs);
        pair_settle(&w.pair);
        assert_false(unit_manager_is_busy(executor_systemd_units(w.launcher.executor)));
        world_done(&w);
}

/* A unit that ends changes its state more than once, and each time it is looked at. The first answer is that of a bus
 * that has gone, and the second one comes when the API has spoken and the run is over. */
TEST(a_run_may_end_between_two_answers) {
        static const char *const answers[] = { ANSWER("404 Not Found", 2, "{}"), NULL };
        World w;

        world_init(&w, answers);
        run_check(running(&w));
        run_check(w.launcher.runs);
        pair_settle(&w.pair);
        lose_bus(&w);
        while (w.launcher.runs->state == RUN_RUNNING)
                ASSERT_OK(sd_event_run(w.pair.event, UINT64_MAX));
        assert_true(unit_manager_is_busy(executor_systemd_units(w.launcher.executor)));
        until_gone(&w);
        pair_settle(&w.pair);
        assert_false(unit_manager_is_busy(executor_systemd_units(w.launcher.executor)));
        world_done(&w);
}

/* What systemd says of the worker of an earlier lease is not about this one. */
TEST(an_answer_about_another_lease_is_passed_over) {
        static const char *const answers[] = { "", NULL };
        sd_bus_message *m;
        World w;

        world_init(&w, answers);
        run_check(running(&w));
        pair_settle(&w.pair);
        w.launcher.runs->epoch = 2;
        m = pair_take(&w.pair, "GetAll");
        ASSERT_OK(sd_bus_reply_method_return(m, "a{sv}", 0));
        sd_bus_message_unref(m);
        pair_settle(&w.pair);
        assert_int_equal(w.launcher.runs->state, RUN_RUNNING);
        w.launcher.runs->epoch = 1;
        run_check(w.launcher.runs);
        pair_settle(&w.pair);
        m = pair_take(&w.pair, "GetAll");
        ASSERT_OK(sd_bus_reply_method_return(m, "a{sv}", 0)); /* there is no such unit */
        sd_bus_message_unref(m);
        pair_settle(&w.pair);
        assert_int_equal(w.launcher.runs->state, RUN_JUDGING);
        world_done(&w);
}

#define CLAIM(n, reference) \
        ANSWER("200 OK", n, "{\"claimed\":true,\"leaseEpoch\":3,\"workloadToken\":\"t\",\"input\":{\"actor\":{\"reference\":\"" \
               reference "\"}}}")

/* What the API is told of a workload that is claimed now. */
static char *fate_of(World *w, const char *const answers[]) {
        world_init(w, answers);
        run_claim(run_new(&w->launcher, "w", AUTO_ID, "check", 0, -1));
        until_gone(w);
        return server_requests(&w->api);
}

/* isolation_new() has failed, or nobody has called it. */
TEST(where_isolation_could_not_be_tried_strangers_do_not_run) {
        static const char *const answers[] = { CLAIM(99, "pypi:stranger"), ANSWER("200 OK", 2, "{}"), NULL };
        _cleanup_free_ char *requests = NULL;
        World w;

        requests = fate_of(&w, answers);
        assert_non_null(strstr(requests, "/workload/failure"));
        assert_non_null(strstr(requests, "This host does not isolate connectors (it could not be tried)"));
        assert_int_equal(w.pair.n_held, 1); /* nothing was asked of systemd but Subscribe */
        world_done(&w);
}

TEST(where_isolation_could_not_be_tried_native_connectors_do) {
        static const char *const answers[] = { CLAIM(102, "native:no-such-x"), ANSWER("200 OK", 2, "{}"), NULL };
        _cleanup_free_ char *requests = NULL;
        World w;

        requests = fate_of(&w, answers);
        assert_null(strstr(requests, "does not isolate"));
        assert_non_null(strstr(requests, "There is no native connector"));
        world_done(&w);
}
