/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Logs are directories below one root: `<job>/` with its attempts, and `other/<workload>/` for what no job has.
 * They go when their owner is gone from the database, when they are older than LogsMaxAge=, and, the oldest first,
 * while they take more than LogsMaxUse=. Those of what has not ended stay. Names that are none of these do, too. */

#include "cron/cron.h"

/* Adds to *n_removed and *n_bytes how many jobs' or workloads' logs were removed, and their size. */
int log_prune(Cron *c, uint64_t *n_removed, uint64_t *n_bytes, Error **reterr_error);
