/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "shared/bus-polkit.h"
#include "workflow/workflow-bus.h"

/* A message that will be answered when something is over. */
typedef struct Pending {
        WorkflowBus *bus;
        sd_bus_message *message;
        char *workload_id; /* WorkloadFinished; NULL: a Run… */
        struct Pending *next;
} Pending;

struct WorkflowBus {
        sd_bus *bus; /* borrowed */
        WorkflowManager *manager;
        void (*touch)(void *userdata);
        void *userdata;
        Pending *pending;
        Polkit *polkit;
        sd_bus_slot *object, *workflows, *timer_call;
        usec_t wake_at;      /* what the launcher is to be asked for */
        usec_t wake_promised; /* and what it has promised */
};

/* org.gantry.Workflow1.Workflows; the userdata is the bus. */
extern const sd_bus_vtable workflow_bus_workflows[];

/* Answers those who told of the end of this workload. */
void workflow_bus_settled(WorkflowBus *b, const char *workload_id, bool stored);
