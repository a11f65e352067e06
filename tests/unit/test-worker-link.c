/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The worker's line to the API under a made-up clock: what keeps it, what ends it, what takes the hurry
 * away. */

#include "orchestrator/worker-link.h"
#include "unit/clock-harness.h"
#include "unit/worker-harness.h"

TEST_MAIN()

typedef struct World {
        TestClock clock; /* first */
        WorkerStart start;
        WorkerLink *link;
        unsigned n_lost, n_cancelled, n_finished;
} World;

/* Time passes, second by second. */
static void go_on(World *w, unsigned seconds) {
        for (unsigned n = 0; n < seconds; n++) {
                w->clock.now += USEC_PER_SEC;
                while (test_clock_fire(&w->clock))
                        ;
        }
}

static void on_lost(const char *why, void *userdata) {
        ((World *) userdata)->n_lost++;
}

static void on_cancelled(void *userdata) {
        ((World *) userdata)->n_cancelled++;
}

static void on_finished(int r, void *userdata) {
        ((World *) userdata)->n_finished++;
}

/* A worker that runs, and is known to. */
static void world_init(World *w) {
        WorkerLinkEvents events = { .lost = on_lost, .cancelled = on_cancelled, .finished = on_finished,
                                    .userdata = w };
        static char id[] = "w", token[] = "t", path[] = "/nowhere";

        *w = (World) { .clock = { .env.ops = &test_clock_ops, .now = 1000 * USEC_PER_SEC },
                       .start = { .id = id, .token = token, .api = path, .epoch = 1 } };
        ASSERT_OK(worker_link_new(&w->clock.env, &w->start, &events, &w->link));
        api_answer(WORD_RUNNING, 0, NULL);
}

static void world_done(World *w) {
        worker_link_free(w->link);
}
#define _cleanup_world_ _cleanup_(world_done)

TEST(beats_keep_the_line_and_silence_ends_it_after_90_seconds) {
        _cleanup_world_ World w;

        world_init(&w);
        for (unsigned i = 1; i <= 30; i++) {
                go_on(&w, 10);
                assert_int_equal(api.n[WORD_BEAT], i);
                api_answer(WORD_BEAT, 0, NULL);
        }
        go_on(&w, 89);
        assert_int_equal(w.n_lost, 0);
        go_on(&w, 1);
        assert_int_equal(w.n_lost, 1);
        assert_int_equal(w.n_cancelled, 0);
}

TEST(progress_that_is_taken_renews_nothing) {
        _cleanup_world_ World w;

        world_init(&w);
        for (unsigned i = 0; i < 89; i++) {
                worker_link_progress(w.link, "[]");
                assert_int_equal(api.n[WORD_PROGRESS], i + 1);
                go_on(&w, 1);
                api_answer(WORD_PROGRESS, 0, NULL);
        }
        assert_int_equal(w.n_lost, 0);
        go_on(&w, 1);
        assert_int_equal(w.n_lost, 1);
}

TEST(progress_waits_for_the_answer_and_until_it_is_known_to_run) {
        _cleanup_world_ World w;
        WorkerLinkEvents events = {};
        WorkerLink *early;

        world_init(&w);
        worker_link_progress(w.link, "[1]");
        worker_link_progress(w.link, "[2]");
        assert_string_equal(api.streams, "[1]");
        /* An API of before an upgrade doesn't know the word. */
        api_answer(WORD_PROGRESS, -ENOENT, NULL);
        worker_link_progress(w.link, "[3]");
        assert_string_equal(api.streams, "[3]");
        assert_int_equal(w.n_lost, 0);
        worker_link_free(w.link);
        w.link = NULL;
        ASSERT_OK(worker_link_new(&w.clock.env, &w.start, &events, &early));
        worker_link_progress(early, "[4]");
        assert_int_equal(api.n[WORD_PROGRESS], 0);
        worker_link_free(early);
}

TEST(progress_that_meets_its_own_end_is_no_loss) {
        _cleanup_world_ World w;

        world_init(&w);
        worker_link_progress(w.link, "[]");
        worker_link_finish(w.link, NULL, NULL);
        assert_int_equal(api.n[WORD_END], 1);
        /* The end is stored, its answer is on the way: what comes too late for the API says nothing. */
        api_answer(WORD_PROGRESS, -ESTALE, NULL);
        assert_int_equal(w.n_lost, 0);
        worker_link_progress(w.link, "[]");
        assert_int_equal(api.n[WORD_PROGRESS], 1);
        api_answer(WORD_END, 0, NULL);
        assert_int_equal(w.n_finished, 1);
}

TEST(progress_of_a_lease_that_is_over_is_a_loss) {
        _cleanup_world_ World w;

        world_init(&w);
        worker_link_progress(w.link, "[]");
        api_answer(WORD_PROGRESS, -ESTALE, NULL);
        assert_int_equal(w.n_lost, 1);
}

TEST(who_is_stopped_asks_why_and_hurries_until_it_knows) {
        _cleanup_world_ World w;

        world_init(&w);
        assert_int_equal(worker_link_last_patience(w.link), 60 * USEC_PER_SEC);
        worker_link_hurry(w.link);
        assert_int_equal(api.n[WORD_BEAT], 1);
        assert_int_equal(worker_link_last_patience(w.link), WORKER_HURRIED_USEC);
        /* The machine is being shut down, or somebody stopped the units. */
        api_answer(WORD_BEAT, 0, NULL);
        assert_int_equal(w.n_cancelled, 0);
        go_on(&w, 9);
        assert_int_equal(w.n_lost, 0);
        go_on(&w, 1);
        assert_int_equal(w.n_lost, 1);
}

TEST(who_is_cancelled_hears_it_once_and_has_time) {
        _cleanup_world_ World w;

        world_init(&w);
        worker_link_hurry(w.link);
        api_answer(WORD_BEAT, 0, "{\"cancelRequested\":true}");
        assert_int_equal(w.n_cancelled, 1);
        assert_int_equal(worker_link_last_patience(w.link), 60 * USEC_PER_SEC);
        worker_link_hurry(w.link); /* stopped, too, by who has heard it later */
        assert_int_equal(worker_link_last_patience(w.link), 60 * USEC_PER_SEC);
        go_on(&w, 10);
        api_answer(WORD_BEAT, 0, "{\"cancelRequested\":true}");
        assert_int_equal(w.n_cancelled, 1);
        go_on(&w, 80);
        assert_int_equal(w.n_lost, 0);
        worker_link_finish(w.link, "stopped", NULL);
        assert_string_equal(api.reason, "stopped");
        /* Only the telling is late: that is waited for. */
        go_on(&w, 300);
        assert_int_equal(w.n_lost, 0);
        api_answer(WORD_END, 0, NULL);
        assert_int_equal(w.n_finished, 1);
}

TEST(a_beat_alone_tells_of_a_cancel) {
        _cleanup_world_ World w;

        world_init(&w);
        go_on(&w, 10);
        api_answer(WORD_BEAT, 0, "{\"cancelRequested\":true}");
        assert_int_equal(w.n_cancelled, 1);
        assert_int_equal(w.n_lost, 0);
}

TEST(a_lost_lease_is_no_cancel) {
        _cleanup_world_ World w;

        world_init(&w);
        go_on(&w, 10);
        api_answer(WORD_BEAT, -ESTALE, "{\"cancelRequested\":true}");
        assert_int_equal(w.n_lost, 1);
        assert_int_equal(w.n_cancelled, 0);
        worker_link_hurry(w.link);
        assert_int_equal(api.n[WORD_BEAT], 1);
}
