/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether and when a job is tried again after a failed attempt: Airbyte's rules. Pure. An attempt that
 * moved at least one record (committed or rejected) failed *partially*, any other *completely*. */

#include "basic/time-util.h"

typedef struct RetryLimits {
        int successive_complete, total_complete, successive_partial, total_partial;
        usec_t delay, delay_max; /* after the first complete failure; grows threefold */
} RetryLimits;

/* 5, 10, 1000, 20; 10 s, 30 min */
extern const RetryLimits retry_limits_default;

typedef struct RetryCounts {
        int successive_complete, total_complete, successive_partial, total_partial;
} RetryCounts;

/* Counts a failed attempt. Whether to try again, and after how long. */
bool retry_rules_next(const RetryLimits *limits, RetryCounts *counts, bool partial, usec_t *ret_delay);
