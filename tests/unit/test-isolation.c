/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the launcher believes of a host on which the tries don't go as they should: one can't be begun, systemd refuses
 * its unit, nobody answers, the bus goes. Whatever happens, what was not shown counts as not holding, and it is told
 * once. How the tries go where all is well is for hosts (tests/host/test-launch-escapes.py). */

#include <limits.h>

#include "basic/file-util.h"
#include "launcher/isolation.h"
#include "shared/env-event.h"
#include "unit/bus-harness.h"

TEST_MAIN()

#define SYSTEMD "org.freedesktop.systemd1"
#define N_TRIES 3
/* Each watches a control socket and two pipes. */
#define N_WATCHED (3 * N_TRIES)
#define NOTHING UINT_MAX

typedef struct World {
        Pair pair;
        Env *env;
        EnvOps ops; /* the Env's, with faults */
        const EnvOps *real;
        UnitManager *units;
        Isolation *isolation;
        char directory[64], file[96], boot_id[40];
        unsigned n_known;
        unsigned n_watched, fail_at, fail_from; /* calls of io_add */
        bool without_timer;
        EnvSource *patience;
} World;

/* An EnvOps has no userdata. */
static World *world;

static int io_add(Env *e, int fd, uint32_t events, int priority, EnvIoHandler handler, void *userdata, EnvSource **ret) {
        unsigned n = world->n_watched++;

        if (n == world->fail_at || n >= world->fail_from)
                return -ENOSPC; /* as epoll_ctl() where a user may watch no more */
        return world->real->io_add(e, fd, events, priority, handler, userdata, ret);
}

/* Over when the test wants. */
static int timer_add(Env *e, usec_t at, EnvTimerHandler handler, void *userdata, EnvSource **ret) {
        int r = world->without_timer ? -ENOMEM : world->real->timer_add(e, USEC_INFINITY, handler, userdata, ret);

        world->patience = r < 0 ? NULL : *ret;
        return r;
}

static void on_known(void *userdata) {
        World *w = userdata;

        assert_true(isolation_is_known(w->isolation));
        w->n_known++;
}

static void on_unit_changed(const UnitInfo *u, void *userdata) {}

static void settle(World *w) {
        for (unsigned quiet = 0; quiet < 3; quiet++) {
                while (sd_event_run(env_event_loop(w->env), 1000) > 0)
                        quiet = 0;
                pair_settle(&w->pair);
        }
}

static void world_init(World *w) {
        _cleanup_free_ char *text = NULL;

        *w = (World) { .fail_at = NOTHING, .fail_from = NOTHING };
        world = w;
        pair_init(&w->pair);
        ASSERT_OK(env_event_new(&w->env));
        w->real = w->env->ops;
        w->ops = *w->real;
        w->ops.io_add = io_add;
        w->ops.timer_add = timer_add;
        w->env->ops = &w->ops;
        ASSERT_OK(unit_manager_new(w->pair.near, "gantry-run-", &(UnitManagerEvents) { .changed = on_unit_changed, .userdata = w },
                                   &w->units));
        pair_settle(&w->pair);
        snprintf(w->directory, sizeof(w->directory), "/tmp/gantry-test-XXXXXX");
        assert_non_null(mkdtemp(w->directory));
        snprintf(w->file, sizeof(w->file), "%s/isolation.json", w->directory);
        ASSERT_OK(read_file("/proc/sys/kernel/random/boot_id", 100, &text, NULL, NULL));
        snprintf(w->boot_id, sizeof(w->boot_id), "%.36s", text);
}

static int begin(World *w) {
        return isolation_new(&(IsolationOptions) { .env = w->env, .units = w->units, .shim = "/usr/lib/gantry/gantry-shim",
                                                   .fence = "/usr/lib/gantry/gantry-fence", .file = w->file,
                                                   .known = on_known, .userdata = w }, &w->isolation);
}

static void world_done(World *w) {
        isolation_free(w->isolation);
        unit_manager_free(w->units);
        settle(w); /* nobody is told any more */
        pair_done(&w->pair);
        env_event_free(w->env);
        ASSERT_OK(remove_tree(w->directory));
}

/* Of the calls that nobody has answered yet. */
static size_t n_held(const World *w, const char *member) {
        size_t n = 0;

        for (size_t i = 0; i < w->pair.n_held; i++)
                n += streq(sd_bus_message_get_member(w->pair.held[i]), member);
        return n;
}

/* Their descriptors go afterwards: else a unit's socket would say first that nobody is there. */
static void refuse(World *w, const char *member) {
        sd_bus_message *taken[HELD_MAX];
        size_t n = 0;

        while (n_held(w, member) > 0) {
                taken[n] = pair_take(&w->pair, member);
                ASSERT_OK(sd_bus_reply_method_errorf(taken[n++], SD_BUS_ERROR_FAILED, "as the test wants"));
        }
        settle(w);
        while (n > 0)
                sd_bus_message_unref(taken[--n]);
        settle(w);
}

/* What the next launcher reads is what this one says; it was told, if it was to be, once. */
static const char *concluded(World *w, unsigned n_known) {
        _cleanup_json_ JsonObject *o = NULL;
        const char *kept = NULL, *missing;

        assert_true(isolation_is_known(w->isolation));
        assert_int_equal(w->n_known, n_known);
        missing = isolation_missing(w->isolation);
        assert_non_null(missing);
        ASSERT_OK(json_parse_file(w->file, 10000, &o, NULL));
        assert_int_equal(json_get_string(o, "missing", &kept, "file", NULL), 1);
        assert_string_equal(kept, missing);
        assert_true(missing[strlen(missing) - 1] == ')');
        return missing;
}

TEST(nothing_that_can_be_begun_is_known_at_once) {
        World w;

        world_init(&w);
        w.fail_from = 0;
        ASSERT_OK(begin(&w));
        assert_string_equal(concluded(&w, 0), "the rest (not tried), memory limits (not tried), denied addresses (not tried)");
        settle(&w);
        assert_int_equal(n_held(&w, "StartTransientUnit"), 0);
        refuse(&w, "StopUnit");
        (void) concluded(&w, 0);
        world_done(&w);
}

/* The others are on their way: they come to their end, and none of them meets freed memory. */
TEST(one_that_can_not_be_begun_leaves_the_others) {
        for (unsigned at = 0; at < N_WATCHED; at++) {
                size_t n;
                World w;

                world_init(&w);
                w.fail_at = at;
                ASSERT_OK(begin(&w));
                settle(&w);
                n = n_held(&w, "StartTransientUnit");
                /* Without a /run/gantry the one with a network can't be begun, either. */
                assert_true(n == N_TRIES - 1 || n == N_TRIES - 2 || w.n_watched <= at);
                assert_false(isolation_is_known(w.isolation));
                refuse(&w, "StartTransientUnit");
                assert_non_null(strstr(concluded(&w, 1), "(not tried)"));
                refuse(&w, "StopUnit");
                (void) concluded(&w, 1);
                world_done(&w);
        }
}

TEST(without_a_timer_it_fails_and_leaves_nothing) {
        World w;

        world_init(&w);
        w.without_timer = true;
        assert_true(begin(&w) < 0);
        assert_null(w.isolation);
        settle(&w);
        assert_false(unit_manager_is_busy(w.units));
        assert_int_equal(w.n_known, 0);
        assert_int_equal(access(w.file, F_OK), -1);
        world_done(&w);
}

TEST(units_that_systemd_refuses_have_shown_nothing) {
        World w;

        world_init(&w);
        ASSERT_OK(begin(&w));
        settle(&w);
        assert_int_equal(w.n_known, 0);
        refuse(&w, "StartTransientUnit");
        assert_non_null(strstr(concluded(&w, 1), "units (they don't start), units (they don't start)"));
        assert_non_null(strstr(isolation_missing(w.isolation), "denied addresses ("));
        world_done(&w);
}

/* What comes when it is decided changes nothing. */
TEST(units_that_do_not_answer_in_time_have_shown_nothing) {
        World w;

        world_init(&w);
        ASSERT_OK(begin(&w));
        settle(&w);
        ASSERT_OK(w.env->ops->timer_set(w.patience, 1));
        settle(&w);
        assert_non_null(strstr(concluded(&w, 1), "units (no answer), units (no answer)"));
        assert_true(n_held(&w, "StopUnit") >= 2 * (N_TRIES - 1));
        refuse(&w, "StartTransientUnit");
        refuse(&w, "StopUnit");
        assert_non_null(strstr(concluded(&w, 1), "units (no answer), units (no answer)"));
        world_done(&w);
}

TEST(a_bus_that_goes_ends_all_tries) {
        World w;

        world_init(&w);
        ASSERT_OK(begin(&w));
        settle(&w);
        sd_bus_close(w.pair.far);
        settle(&w);
        (void) concluded(&w, 1);
        world_done(&w);
}

TEST(it_may_be_freed_while_it_tries) {
        World w;

        world_init(&w);
        ASSERT_OK(begin(&w));
        settle(&w);
        world_done(&w);
        assert_int_equal(w.n_known, 0);
}

static void keep(World *w, const char *boot_id, const char *rest) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_appendf(&b, "{\"bootId\":\"%s\"%s", boot_id, rest));
        ASSERT_OK(write_file_atomic(w->file, buffer_bytes(&b), b.len, 0600, NULL));
}

TEST(what_this_boot_has_shown_is_not_tried_again) {
        World w;

        world_init(&w);
        keep(&w, w.boot_id, ",\"missing\":\"limits of tasks\"}");
        ASSERT_OK(begin(&w));
        assert_true(isolation_is_known(w.isolation));
        assert_string_equal(isolation_missing(w.isolation), "limits of tasks");
        isolation_free(w.isolation);
        keep(&w, w.boot_id, "}");
        ASSERT_OK(begin(&w));
        assert_true(isolation_is_known(w.isolation));
        assert_null(isolation_missing(w.isolation));
        settle(&w);
        assert_int_equal(n_held(&w, "StartTransientUnit"), 0);
        assert_int_equal(w.n_known, 0);
        world_done(&w);
}

TEST(what_can_not_be_read_or_is_of_another_boot_is_tried_again) {
        static const struct {
                const char *boot_id, *rest;
        } cases[] = {
                { "00000000-0000-0000-0000-000000000000", "}" }, { NULL, "" }, { NULL, ",\"missing\":5}" }, { NULL, "}}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World w;

                world_init(&w);
                keep(&w, cases[i].boot_id ?: w.boot_id, cases[i].rest);
                ASSERT_OK(begin(&w));
                assert_false(isolation_is_known(w.isolation));
                settle(&w);
                assert_true(n_held(&w, "StartTransientUnit") >= N_TRIES - 1);
                world_done(&w);
        }
}
