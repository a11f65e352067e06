/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* polkit's answers, and what may happen before they are there (T65). */

#include "shared/bus-error.h"
#include "shared/bus-polkit.h"
#include "unit/bus-harness.h"

TEST_MAIN()

#define ACTION "org.gantry.read"
#define OBJECT "/org/gantry/Test", "org.gantry.Test"

typedef struct World {
        Pair pair;
        Polkit *polkit;
        sd_bus_slot *object;
        unsigned n_done, n_refused;
        unsigned n_answers;
        char error[128];
} World;

static int method_act(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        World *w = userdata;
        int r = polkit_check(w->polkit, m, ACTION, NULL, reterr);

        if (r == 0)
                return 1;
        if (r < 0) {
                w->n_refused++;
                return r;
        }
        w->n_done++;
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Act", NULL, NULL, method_act, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void world_init(World *w) {
        *w = (World) {};
        pair_init(&w->pair);
        w->polkit = polkit_new();
        assert_non_null(w->polkit);
        ASSERT_OK(sd_bus_add_object_vtable(w->pair.near, &w->object, OBJECT, vtable, w));
}

static void world_done(World *w) {
        sd_bus_slot_unref(w->object);
        polkit_free(w->polkit);
        pair_done(&w->pair);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        World *w = userdata;

        w->n_answers++;
        snprintf(w->error, sizeof(w->error), "%s", e ? e->name : "");
        return 0;
}

static void act(World *w) {
        ASSERT_OK(sd_bus_call_method_async(w->pair.far, NULL, NULL, OBJECT, "Act", on_reply, w, NULL));
        pair_settle(&w->pair);
}

static void answer(World *w, bool allowed, bool challenge) {
        sd_bus_message *m = pair_take(&w->pair, "CheckAuthorization");

        ASSERT_OK(sd_bus_reply_method_return(m, "(bba{ss})", allowed, challenge, 0));
        sd_bus_message_unref(m);
}

TEST(the_answer_decides) {
        static const struct {
                bool allowed, challenge;
                const char *error;
        } table[] = {
                { true, false, "" },
                { false, false, BUS_ERROR_ACCESS_DENIED },
                { false, true, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                World w;

                world_init(&w);
                act(&w);
                assert_true(polkit_is_busy(w.polkit));
                assert_int_equal(w.n_done + w.n_refused, 0);
                answer(&w, table[i].allowed, table[i].challenge);
                pair_settle(&w.pair);
                assert_int_equal(w.n_answers, 1);
                assert_string_equal(w.error, table[i].error);
                assert_int_equal(w.n_done, table[i].allowed);
                assert_false(polkit_is_busy(w.polkit));
                world_done(&w);
        }
}

/* Root is not bounded; who else runs this is a user like any other. */
TEST(of_one_users_calls_few_wait) {
        World w;

        world_init(&w);
        for (unsigned i = 0; i < 3 * POLKIT_PENDING_PER_USER_MAX; i++)
                act(&w);
        if (geteuid() != 0) {
                assert_int_equal(w.n_refused, 2 * POLKIT_PENDING_PER_USER_MAX);
                assert_string_equal(w.error, BUS_ERROR_BUSY);
        }
        while (w.pair.n_held > 0)
                answer(&w, true, false);
        pair_settle(&w.pair);
        assert_int_equal(w.n_answers, 3 * POLKIT_PENDING_PER_USER_MAX);
        assert_false(polkit_is_busy(w.polkit));
        world_done(&w);
}

TEST(an_answer_that_nobody_comes_for_is_forgotten) {
        World w;

        world_init(&w);
        act(&w);
        w.object = sd_bus_slot_unref(w.object);
        answer(&w, true, false);
        pair_settle(&w.pair);
        assert_int_equal(w.n_done + w.n_refused, 0);
        assert_int_equal(w.n_answers, 1);
        assert_string_equal(w.error, SD_BUS_ERROR_UNKNOWN_OBJECT);
        assert_false(polkit_is_busy(w.polkit));
        world_done(&w);
}

/* Who calls and who decides are one connection here: with it both are gone. */
TEST(a_connection_that_goes_while_polkit_thinks_denies) {
        World w;

        world_init(&w);
        act(&w);
        act(&w);
        sd_bus_close(w.pair.far);
        pair_settle(&w.pair);
        assert_int_equal(w.n_done, 0);
        world_done(&w);
}

TEST(a_connection_that_goes_behind_its_answer_denies_or_does_it_once) {
        World w;

        world_init(&w);
        act(&w);
        answer(&w, true, false);
        ASSERT_OK(sd_bus_flush(w.pair.far));
        sd_bus_close(w.pair.far);
        pair_settle(&w.pair);
        assert_true(w.n_done <= 1);
        world_done(&w);
}

TEST(it_may_be_freed_in_any_state) {
        World w;

        for (unsigned steps = 0; steps < 6; steps++) {
                world_init(&w);
                act(&w);
                if (steps > 0)
                        answer(&w, true, false);
                /* Sent, read, put back, dispatched. */
                for (unsigned i = 1; i < steps; i++)
                        ASSERT_OK(sd_event_run(w.pair.event, 1000));
                w.object = sd_bus_slot_unref(w.object);
                w.polkit = polkit_free(w.polkit);
                pair_settle(&w.pair);
                world_done(&w);
        }
}

TEST(each_question_has_a_name_of_its_own) {
        const char *first, *second, *action;
        sd_bus_message *m[2];
        World w;

        world_init(&w);
        act(&w);
        act(&w);
        for (size_t i = 0; i < 2; i++) {
                m[i] = pair_take(&w.pair, "CheckAuthorization");
                ASSERT_OK(sd_bus_message_skip(m[i], "(sa{sv})"));
                ASSERT_OK(sd_bus_message_read(m[i], "s", &action));
                ASSERT_OK(sd_bus_message_skip(m[i], "a{ss}u"));
                ASSERT_OK(sd_bus_message_read(m[i], "s", i == 0 ? &first : &second));
        }
        assert_string_not_equal(first, second);
        assert_true(*first && *second);
        sd_bus_message_unref(m[0]);
        sd_bus_message_unref(m[1]);
        world_done(&w);
}

TEST(a_question_without_an_answer_is_called_off_and_denied) {
        World w;
        sd_bus_message *m;

        world_init(&w);
        act(&w);
        m = pair_take(&w.pair, "CheckAuthorization");
        ASSERT_OK(sd_bus_reply_method_errorf(m, SD_BUS_ERROR_NO_REPLY, "as a time-out of the bus"));
        sd_bus_message_unref(m);
        pair_settle(&w.pair);
        m = pair_take(&w.pair, "CancelCheckAuthorization");
        sd_bus_message_unref(m);
        /* Root needs no polkit. */
        assert_int_equal(w.n_done, geteuid() == 0);
        assert_int_equal(w.n_refused, geteuid() != 0);
        world_done(&w);
}
