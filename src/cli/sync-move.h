/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The second half of `gantry sync`: the connectors run, records move, states are stored. */

#include "cli/sync-run.h"

/* Moves the records; the result is in run->replication. Negative only when it could not even begin. */
int sync_run_move(SyncRun *run, Error **reterr_error);
