/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The first half of `gantry sync`: all that must be known before a record moves. */

#include "cli/sync-run.h"

/* Endpoints, store, check and discover (or the catalog of the last run), plan, generations. 1: go on to
 * move; 0: it was a dry run and is done. On errors `failure_origin` and `failure_type` say whose fault. */
int sync_run_prepare(SyncRun *run, Error **reterr_error);

/* The configurations of both ends as one number, never 0: what the last good run is known by. */
uint64_t sync_run_key(const SyncRun *run);
