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
        unsigned batches;
} Cron;

static inline usec_t cron_now(Cron *c) {
        return env_now(c->env, ENV_CLOCK_REALTIME);
}

/* Writes go in batches, since whoever else writes has to wait: a batch takes new steps for BATCH_USEC only, so
 * that with the last step and the commit it stays below 50 ms, and behind it the lock is free for as long as it
 * was held. */
#define BATCH_USEC (10 * USEC_PER_MSEC)

/* A few rows; in a transaction. 1: there is more to do; 0: done. */
typedef int (*CronStep)(Cron *c, void *userdata, Error **reterr_error);

/* Runs steps in as many transactions as it takes. */
int cron_batches(Cron *c, CronStep step, void *userdata, Error **reterr_error);
