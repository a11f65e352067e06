/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scopes of systemd's manager for processes that we started ourselves: a control group of their own, with
 * limits that count all of its processes together. Root's are the system manager's, everybody else's those
 * of their own manager. Calls wait for the manager, some milliseconds mostly, a few seconds at most. */

#include <sys/types.h>

#include "basic/error.h"

typedef struct ScopeManager ScopeManager;

typedef struct ScopeSpec {
        const char *name;        /* with ".scope", not in use yet */
        const char *description;
        const char *slice;       /* NULL = the manager's choice */
        pid_t pid;               /* moves in, and with it all that it starts from then on */
        uint64_t memory_max, tasks_max;
} ScopeSpec;

/* -EHOSTDOWN where PID 1 is no systemd, other errors where the manager can't be reached; with the reason. */
int scope_manager_open(ScopeManager **ret, Error **reterr_error);
ScopeManager *scope_manager_free(ScopeManager *m);
DEFINE_CLEANUP(ScopeManager, scope_manager_free);

/* Returns when the process is in its scope. The scope goes when its last process has ended. */
int scope_manager_start(ScopeManager *m, const ScopeSpec *spec, Error **reterr_error);
