/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Duties write beside daemons that serve people. So a batch is bounded by time, not by rows, and behind
 * it the duty sleeps for as long as it has held the write lock: others get half of the time. Checkpoints
 * are taken out of the commits and done between batches, since they cost more than a batch and the log
 * would grow without them. */

#include <unistd.h>

#include "cron/cron.h"
#include "db/maintenance.h"

/* Batches between two checkpoints: a log of some megabytes. */
#define CHECKPOINT_BATCHES 16U

/* What waits DB_BUSY_USEC in vain has met a busy hour: who has time tries again. */
#define BEGIN_TRIES 4U

static int begin(Cron *c, Db **ret, Error **reterr_error) {
        int r = -EBUSY;

        for (unsigned i = 0; i < BEGIN_TRIES && r == -EBUSY; i++)
                r = db_begin_immediate(c->db, ret, reterr_error);
        return r;
}

/* A batch has one step at least: the rest is for what is quick. */
#define BUDGET_MIN (USEC_PER_MSEC / 4)
#define BUDGET_FIRST (2 * USEC_PER_MSEC)
#define BUDGET_MAX (10 * USEC_PER_MSEC)

usec_t cron_batch_budget(usec_t budget, usec_t held) {
        if (budget == 0)
                return BUDGET_FIRST;
        if (held > BATCH_USEC)
                budget = budget * BATCH_USEC / held;
        else if (held < BATCH_USEC / 2)
                budget += budget / 8;
        return MIN(MAX(budget, BUDGET_MIN), BUDGET_MAX);
}

/* 1: there is more to do. */
static int one_batch(Cron *c, CronStep step, void *userdata, usec_t *ret_held, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        usec_t begun, end;
        int more, r;

        r = begin(c, &transaction, reterr_error);
        if (r < 0)
                return r;
        begun = env_now(c->env, ENV_CLOCK_MONOTONIC);
        do
                more = step(c, userdata, reterr_error);
        while (more > 0 && env_now(c->env, ENV_CLOCK_MONOTONIC) - begun < c->budget);
        if (more < 0)
                return more;
        r = db_commit(&transaction, reterr_error);
        end = env_now(c->env, ENV_CLOCK_MONOTONIC);
        *ret_held = end - begun;
        return r < 0 ? r : more;
}

int cron_batches(Cron *c, CronStep step, void *userdata, Error **reterr_error) {
        int more;

        db_checkpoint_apart(c->db);
        c->budget = cron_batch_budget(0, 0);
        do {
                usec_t held = 0;

                more = one_batch(c, step, userdata, &held, reterr_error);
                c->longest = MAX(c->longest, held);
                c->budget = cron_batch_budget(c->budget, held);
                if (++c->batches % CHECKPOINT_BATCHES == 0)
                        db_checkpoint(c->db);
                if (more > 0)
                        (void) usleep((useconds_t) MIN(held, USEC_PER_SEC / 2));
        } while (more > 0);
        return more;
}
