/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One run's end, step by step: the API and the executor answer when the test says so. What the launcher
 * hears first (a cancel, a claim, its own list) is the test's to choose. */

#include <stdio.h>

#include "launcher/launcher-internal.h"
#include "unit/test.h"

TEST_MAIN()

typedef struct Waiting {
        WorkloadHandler handler;
        void *userdata;
} Waiting;

/* The API, in the client's place. */
static struct {
        Waiting claim, told, get;
        unsigned n_claims, n_told, n_polls;
        char claimed[64], reason[128];
} api;

static int note(Waiting *w, WorkloadHandler h, void *userdata) {
        *w = (Waiting) { h, userdata };
        return 0;
}

static void answer(Waiting *w, int r, const char *text) {
        _cleanup_json_ JsonObject *reply = NULL;
        Waiting taken = *w;

        assert_non_null(taken.handler);
        *w = (Waiting) {};
        if (text)
                ASSERT_OK(json_parse(text, strlen(text), &reply, NULL));
        taken.handler(r, reply, NULL, taken.userdata);
}

int workload_client_claim(WorkloadClient *c, const char *dataplane_id, const char *workload_id, WorkloadHandler h,
                          void *userdata) {
        api.n_claims++;
        (void) snprintf(api.claimed, sizeof(api.claimed), "%s", workload_id);
        return note(&api.claim, h, userdata);
}

int workload_client_failure(WorkloadClient *c, const WorkloadLease *l, const char *source, const char *reason,
                            JsonObject *output, WorkloadHandler h, void *userdata) {
        api.n_told++;
        (void) snprintf(api.reason, sizeof(api.reason), "%s", reason);
        return note(&api.told, h, userdata);
}

int workload_client_poll(WorkloadClient *c, const char *dataplane_id, const char *priority, unsigned quantity,
                         WorkloadHandler h, void *userdata) {
        api.n_polls++;
        return 0;
}

int workload_client_get(WorkloadClient *c, const char *workload_id, WorkloadHandler h, void *userdata) {
        return note(&api.get, h, userdata);
}

/* Not called here, but of the launcher. */
int workload_client_new(Env *env, const char *socket_path, WorkloadClient **ret) {
        return -ENOTSUP;
}
WorkloadClient *workload_client_free(WorkloadClient *c) {
        return NULL;
}
int workload_client_set_token(WorkloadClient *c, const char *token) {
        return -ENOTSUP;
}
size_t workload_client_n_pending(const WorkloadClient *c) {
        return 0;
}
int workload_client_initialize(WorkloadClient *c, const char *name, WorkloadHandler h, void *userdata) {
        return -ENOTSUP;
}
int workload_client_dataplane_heartbeat(WorkloadClient *c, const char *id, WorkloadHandler h,
                                        void *userdata) {
        return -ENOTSUP;
}
int workload_client_launched(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata) {
        return -ENOTSUP;
}
int workload_client_list_live(WorkloadClient *c, const char *id, WorkloadHandler h, void *userdata) {
        return -ENOTSUP;
}
int workload_client_success(WorkloadClient *c, const WorkloadLease *l, JsonObject *output, WorkloadHandler h,
                            void *userdata) {
        return -ENOTSUP;
}

/* The executor. */
static struct {
        unsigned n_cancels;
        ExecutorDone done;
        void *userdata;
} units;

static int units_cancel(Executor *e, const ExecutorHandle *h, ExecutorDone done, void *userdata) {
        units.n_cancels++;
        units.done = done;
        units.userdata = userdata;
        return 0;
}

static void units_are_gone(void) {
        ExecutorDone done = units.done;

        assert_non_null(done);
        units.done = NULL;
        done(0, NULL, units.userdata);
}

static const ExecutorOps units_ops = { .name = "test", .cancel = units_cancel };

typedef struct World {
        Launcher launcher;
        Executor executor;
} World;

static void world_init(World *w) {
        static char id[] = "d";

        memset(&api, 0, sizeof(api));
        memset(&units, 0, sizeof(units));
        *w = (World) { .executor.ops = &units_ops,
                       .launcher = { .dataplane_id = id, .ready = true, .polling = true } };
        w->launcher.executor = &w->executor;
}

static void world_done(World *w) {
        while (w->launcher.runs)
                run_free(w->launcher.runs);
}
#define _cleanup_world_ _cleanup_(world_done)

static Run *sync_in(World *w, const char *id, const char *mutex_key, RunState state) {
        Run *r = run_new(&w->launcher, id, "0192-run", "sync", 7, 0);

        assert_non_null(r);
        r->state = state;
        r->epoch = state == RUN_WAITING || state == RUN_CLAIMING ? 0 : 1;
        r->mutex_key = strdup(mutex_key);
        r->slice = r->epoch > 0 ? strdup("gantry-jobs-j7a0.slice") : NULL;
        return r;
}

/* The worker says its last word while its units are stopped; then the API is told, in case it has not. */
static void cancel_then_answer(int r) {
        _cleanup_world_ World w;

        world_init(&w);
        (void) sync_in(&w, "a", "c", RUN_RUNNING);
        ASSERT_OK(launcher_cancel(&w.launcher, "a"));
        assert_int_equal(units.n_cancels, 1);
        assert_int_equal(api.n_told, 0);
        /* Again, as long as it has not ended. */
        ASSERT_OK(launcher_cancel(&w.launcher, "a"));
        assert_int_equal(units.n_cancels, 1);
        units_are_gone();
        assert_int_equal(api.n_told, 1);
        answer(&api.told, r, NULL);
        assert_null(w.launcher.runs);
        ASSERT_ERROR(launcher_cancel(&w.launcher, "a"), ESRCH);
}

TEST(a_cancelled_run_is_stopped_then_told_whatever_the_api_says) {
        cancel_then_answer(0);
        cancel_then_answer(-ESTALE);
        cancel_then_answer(-EAGAIN);
}

TEST(a_cancel_while_it_is_claimed_launches_nothing_and_is_told) {
        _cleanup_world_ World w;
        Run *r;

        world_init(&w);
        r = sync_in(&w, "a", "c", RUN_WAITING);
        run_claim(r);
        ASSERT_OK(launcher_cancel(&w.launcher, "a"));
        answer(&api.claim, 0, "{\"claimed\":true,\"leaseEpoch\":3,\"workloadToken\":\"t\",\"input\":{}}");
        assert_int_equal(r->epoch, 3);
        assert_int_equal(api.n_told, 1);
        assert_non_null(strstr(api.reason, "cancelled before it was launched"));
        answer(&api.told, 0, NULL);
        assert_int_equal(units.n_cancels, 0);
        assert_null(w.launcher.runs);
}

TEST(a_cancel_before_the_claim_leaves_it_to_the_api) {
        _cleanup_world_ World w;

        world_init(&w);
        (void) sync_in(&w, "a", "c", RUN_WAITING);
        ASSERT_OK(launcher_cancel(&w.launcher, "a"));
        assert_null(w.launcher.runs);
        assert_int_equal(api.n_claims, 0);
}

/* It may be known from the list alone: nobody was there to hear the word. */
TEST(what_was_cancelled_while_no_launcher_was_there_is_known_from_the_list) {
        static const char list[] =
                "{\"workloads\":[{\"dataplaneId\":\"d\",\"leaseEpoch\":2,\"id\":\"a\",\"autoId\":\"0192-a\","
                "\"type\":\"sync\",\"jobId\":7,\"attempt\":0,\"mutexKey\":\"c\",\"cancelRequestedAt\":5},"
                "{\"dataplaneId\":\"d\",\"leaseEpoch\":4,\"id\":\"b\",\"autoId\":\"0192-b\",\"type\":\"sync\","
                "\"jobId\":8,\"attempt\":0}]}";
        _cleanup_json_ JsonObject *reply = NULL;
        _cleanup_world_ World w;
        const Run *a, *b;

        world_init(&w);
        ASSERT_OK(json_parse(list, strlen(list), &reply, NULL));
        launcher_take_claimed(&w.launcher, 0, reply, NULL);
        a = launcher_find(&w.launcher, "a");
        b = launcher_find(&w.launcher, "b");
        assert_non_null(a);
        assert_non_null(b);
        assert_true(a->cancelled);
        assert_false(b->cancelled);
        assert_string_equal(a->mutex_key, "c");
        assert_null(b->mutex_key);
        assert_int_equal(a->epoch, 2);
}

/* Two of one key would write into the same tables: the next one waits for the units of the other, whatever
 * the API says. */
TEST(the_next_of_a_key_waits_until_the_other_is_gone) {
        _cleanup_world_ World w;

        world_init(&w);
        (void) sync_in(&w, "old", "c", RUN_RUNNING);
        (void) sync_in(&w, "next", "c", RUN_WAITING);
        ASSERT_OK(launcher_cancel(&w.launcher, "old"));
        launcher_run_gone(&w.launcher); /* some other run is */
        assert_int_equal(api.n_claims, 0);
        (void) sync_in(&w, "else", "another", RUN_WAITING);
        launcher_run_gone(&w.launcher);
        assert_int_equal(api.n_claims, 1);
        assert_string_equal(api.claimed, "else");
        units_are_gone();
        answer(&api.told, 0, NULL);
        assert_int_equal(api.n_claims, 2);
        assert_string_equal(api.claimed, "next");
}
