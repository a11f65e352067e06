/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One attempt of a sync between two connectors that the launcher has started; a clear has a destination
 * only. */

#include "orchestrator/worker-link.h"

typedef struct WorkerSync WorkerSync;

int worker_sync_new(Env *env, WorkerStart *start, WorkerLink *link, WorkerSync **ret, Error **reterr_error);
/* Ends what still runs. */
WorkerSync *worker_sync_free(WorkerSync *s);
DEFINE_CLEANUP(WorkerSync, worker_sync_free);

/* Nothing new is read; what is committed stays and is stored. */
int worker_sync_cancel(WorkerSync *s, const char *reason);
