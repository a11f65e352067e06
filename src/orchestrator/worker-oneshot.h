/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A check, discover or spec: one connector's answer, handed on. */

#include "orchestrator/worker-link.h"

typedef struct WorkerOneshot WorkerOneshot;

int worker_oneshot_new(Env *env, WorkerStart *start, WorkerLink *link, WorkerOneshot **ret,
                       Error **reterr_error);
/* Ends what still runs. */
WorkerOneshot *worker_oneshot_free(WorkerOneshot *o);
DEFINE_CLEANUP(WorkerOneshot, worker_oneshot_free);
