/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How much a batch of gantry-cron takes on, by what the one before took. */

#include "cron/cron.h"
#include "unit/test.h"

TEST_MAIN()

/* A machine on which the last step and the commit take `extra`. */
static usec_t settle(usec_t budget, usec_t extra, unsigned batches, usec_t *ret_held) {
        for (unsigned i = 0; i < batches; i++) {
                *ret_held = budget + extra;
                budget = cron_batch_budget(budget, *ret_held);
        }
        return budget;
}

TEST(a_quick_machine_takes_on_more_and_stays_below_the_limit) {
        usec_t held, budget = settle(cron_batch_budget(0, 0), USEC_PER_MSEC / 2, 100, &held);

        assert_true(budget > cron_batch_budget(0, 0));
        assert_true(held <= BATCH_USEC);
}

TEST(a_slow_disk_makes_batches_small) {
        usec_t held, budget = settle(10 * USEC_PER_MSEC, 40 * USEC_PER_MSEC, 3, &held);

        assert_true(budget < USEC_PER_MSEC);
        /* And they don't come to nothing. */
        budget = settle(budget, 40 * USEC_PER_MSEC, 100, &held);
        assert_true(budget > 0 && held < 41 * USEC_PER_MSEC);
}

TEST(one_stall_is_forgotten_slowly) {
        usec_t budget = cron_batch_budget(8 * USEC_PER_MSEC, 120 * USEC_PER_MSEC), held;

        assert_int_equal(budget, USEC_PER_MSEC);
        assert_true(settle(budget, USEC_PER_MSEC, 5, &held) < 2 * USEC_PER_MSEC);
        assert_true(settle(budget, USEC_PER_MSEC, 50, &held) > 5 * USEC_PER_MSEC);
}
