/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "workflow/retry-rules.h"

const RetryLimits retry_limits_default = {
        .successive_complete = 5,
        .total_complete = 10,
        .successive_partial = 1000,
        .total_partial = 20,
        .delay = 10 * USEC_PER_SEC,
        .delay_max = 30 * 60 * USEC_PER_SEC,
};

bool retry_rules_next(const RetryLimits *limits, RetryCounts *counts, bool partial, usec_t *ret_delay) {
        usec_t delay = limits->delay;

        if (partial) {
                counts->successive_partial++;
                counts->total_partial++;
                counts->successive_complete = 0;
                *ret_delay = 0;
        } else {
                counts->successive_complete++;
                counts->total_complete++;
                counts->successive_partial = 0;
                for (int i = 1; i < counts->successive_complete && delay < limits->delay_max; i++)
                        delay = MIN(delay * 3, limits->delay_max);
                *ret_delay = delay;
        }
        return counts->successive_complete < limits->successive_complete &&
                counts->total_complete < limits->total_complete &&
                counts->successive_partial < limits->successive_partial &&
                counts->total_partial < limits->total_partial;
}
