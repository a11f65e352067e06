/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cron expressions in Quartz's dialect, which is Airbyte's: "second minute hour day-of-month month
 * day-of-week [year]", with L, W, # and ?. Pure but for the zone database. */

#include "basic/error.h"
#include "basic/time-util.h"

#define QUARTZ_CRON_MAX 256U /* bytes of an expression */

typedef struct QuartzCron QuartzCron;

/* -EINVAL: the sentence says what is wrong. An expression that never matches is wrong. */
int quartz_cron_parse(const char *s, QuartzCron **ret, Error **reterr_error);
QuartzCron *quartz_cron_free(QuartzCron *c);
DEFINE_CLEANUP(QuartzCron, quartz_cron_free);

/* The first matching second behind `after` (µs since 1970) on the clocks of `zone` (an IANA name; NULL: UTC).
 * A time that the change to summer time leaves out is moved by that hour; one that the change back repeats
 * counts once. -ENOENT: there is none until 2100; -EINVAL: there is no such zone. */
int quartz_cron_next(const QuartzCron *c, const char *zone, usec_t after, usec_t *ret);
