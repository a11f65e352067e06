/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/hashmap.h"
#include "workflow/history-db.h"
#include "workflow/workflow-manager.h"

typedef struct Waiter {
        char *workflow_id;
        WorkflowDone done;
        void *userdata;
        struct Waiter *next;
} Waiter;

struct WorkflowManager {
        WorkflowManagerOptions options;
        WorkflowWorld world;
        HistoryDb history;
        HistoryStore store;
        WorkflowHost host;
        WorkflowEngine *engine;
        Hashmap *dispatches; /* by id */
        Hashmap *shared;     /* what is asked for -> id of the open workflow (char *) */
        Waiter *waiters;
        EnvSource *timer;
        usec_t next_run;     /* of the schedules, wall clock */
        usec_t wake_at;      /* what the port was told last */
};

/* Looks at everything again, soon. */
void workflow_manager_arm(WorkflowManager *m);
