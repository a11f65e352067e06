/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shows how far a sync is: a line that redraws itself on a terminal, plain or JSON lines elsewhere, on
 * standard error. */

#include "cli/sync-options.h"

typedef struct SyncProgress SyncProgress;

int sync_progress_new(Env *env, ProgressMode mode, SyncProgress **ret);
SyncProgress *sync_progress_free(SyncProgress *p);
DEFINE_CLEANUP(SyncProgress, sync_progress_free);

/* Numbers have moved. */
void sync_progress_update(SyncProgress *p, const Replication *r);
/* Takes the line away, so that something else can be written; the next update draws it again. */
void sync_progress_clear(SyncProgress *p);
