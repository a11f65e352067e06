/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An Env of a clock that only moves when told, timers, and numbers that look random and are the same each
 * time. A world embeds it first. */

#include "basic/env.h"
#include "unit/test.h"

#define TIMERS_MAX 4

struct EnvSource {
        bool used;
        usec_t at;
        EnvTimerHandler handler;
        void *userdata;
};

typedef struct TestClock {
        Env env; /* first */
        usec_t now, set_back; /* the wall clock is behind by that */
        uint64_t random;
        struct EnvSource timers[TIMERS_MAX];
} TestClock;

static usec_t test_clock_now(Env *e, EnvClock clock) {
        const TestClock *c = (TestClock *) e;

        return clock == ENV_CLOCK_REALTIME ? c->now - c->set_back : c->now;
}

static int test_clock_random(Env *e, void *p, size_t n) {
        TestClock *c = (TestClock *) e;

        for (size_t i = 0; i < n; i++) {
                c->random = c->random * 6364136223846793005ULL + 1442695040888963407ULL;
                ((uint8_t *) p)[i] = (uint8_t) (c->random >> 56);
        }
        return 0;
}

static int test_clock_timer_add(Env *e, usec_t at, EnvTimerHandler handler, void *userdata, EnvSource **ret) {
        TestClock *c = (TestClock *) e;

        for (size_t i = 0; i < TIMERS_MAX; i++)
                if (!c->timers[i].used) {
                        c->timers[i] = (struct EnvSource) { true, at, handler, userdata };
                        *ret = c->timers + i;
                        return 0;
                }
        return -ENOSPC;
}

static int test_clock_timer_set(EnvSource *s, usec_t at) {
        s->at = at;
        return 0;
}

static EnvSource *test_clock_source_free(EnvSource *s) {
        s->used = false;
        return NULL;
}

static const EnvOps test_clock_ops = {
        .now = test_clock_now,
        .random_bytes = test_clock_random,
        .timer_add = test_clock_timer_add,
        .timer_set = test_clock_timer_set,
        .source_free = test_clock_source_free,
};

/* Runs the first timer that is due; false: there is none. */
static bool test_clock_fire(TestClock *c) {
        for (EnvSource *t = c->timers; t < c->timers + TIMERS_MAX; t++)
                if (t->used && t->at <= c->now) {
                        t->at = USEC_INFINITY;
                        ASSERT_OK(t->handler(t, c->now, t->userdata));
                        return true;
                }
        return false;
}
