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

/* See job-successor.h. */
typedef struct JobSuccessor {
        char *connection_id, *job_type, *options;
        int64_t cancelled; /* the job that was told to end, 0 = none yet */
        WorkflowJobStarted done;
        void *userdata;
        struct JobSuccessor *next;
} JobSuccessor;

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
        JobSuccessor *successors;
        EnvSource *timer;
        bool armed;          /* something has happened since the timer came last */
        usec_t next_run;     /* of the schedules, wall clock */
        usec_t wake_at;      /* what the port was told last */
        char *review;        /* the connection whose next run was computed anew last; NULL: no review */
        bool may_be_orphans; /* a workflow has failed: its job may be left without one */
};

/* As workflow_manager_cancel_job(), for the reason given. */
int workflow_manager_cancel(WorkflowManager *m, int64_t job_id, const char *reason, Error **reterr_error);
/* Looks at everything again, soon. */
void workflow_manager_arm(WorkflowManager *m);
