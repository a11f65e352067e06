/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Deletes what is old: jobs with their attempts and statistics, timeline, workflows, workloads, sessions, changes,
 * discovers and catalogs; then the logs that nobody has any more. What a coming sync needs is not among it. */

#include "cron/cron.h"

int duty_prune(Cron *c, Error **reterr_error);
