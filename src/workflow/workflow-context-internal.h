/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One run of a workflow's code over its history; what the engine and the context's functions share. */

#include "workflow/workflow-context.h"
#include "workflow/history.h"
#include "workflow/history-store.h"

struct WorkflowContext {
        Env *env;
        const HistoryStore *store;
        void *userdata;
        const char *id;
        History *history;
        JsonObject *input;
        JsonObject *result;
        usec_t now;
        size_t cursor; /* events before it have been asked for or passed over in this run */
        int error;     /* latched: the run is over */
        Error *why;
};

/* The place of the next recorded command, or history->n: what came from outside before it was visible here. */
size_t workflow_context_horizon(const WorkflowContext *c);

/* The code has returned: -EPROTO when it left recorded commands unasked for. */
int workflow_context_check_end(WorkflowContext *c);
