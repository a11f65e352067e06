/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the duties of gantry-cron(8) have in common. Each is a function that can be killed at any moment and does
 * the rest when it is run again. */

#include "basic/env.h"
#include "cron/retention.h"
#include "db/db.h"

#define CRON_LOGS "/var/lib/gantry/logs"
#define CRON_BACKUPS "/var/lib/gantry/backups"

typedef struct Cron {
        Env *env;
        Db *db;
        const char *database, *logs, *backups, *settings, *data;
        Retention keep;
        usec_t longest; /* that a batch has held the write lock */
        usec_t budget;  /* of the next batch */
        unsigned batches;
} Cron;

static inline usec_t cron_now(Cron *c) {
        return env_now(c->env, ENV_CLOCK_REALTIME);
}

/* Writes go in batches, since whoever else writes has to wait. A batch shall have the lock for BATCH_USEC, its last
 * step and its commit included, which take what the machine and its disk take: so each batch takes new steps for a
 * time that the one before tells. Behind it the lock is free for as long as it was held. */
#define BATCH_USEC (15 * USEC_PER_MSEC)

/* How long the next batch takes new steps, after one that did so for `budget` and had the lock for `held`; the first
 * is given 0. Much too long shrinks it at once; it grows slowly. */
usec_t cron_batch_budget(usec_t budget, usec_t held);

/* A few rows; in a transaction. 1: there is more to do; 0: done. */
typedef int (*CronStep)(Cron *c, void *userdata, Error **reterr_error);

/* Runs steps in as many transactions as it takes. */
int cron_batches(Cron *c, CronStep step, void *userdata, Error **reterr_error);
