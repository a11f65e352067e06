/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.gantry.Workflow1 and what the manager says to the other daemons: docs/INTERFACES.md. */

#include <systemd/sd-bus.h>

#include "workflow/workflow-manager.h"

#define WORKFLOW_BUS_NAME "org.gantry.Workflow1"

typedef struct WorkflowBus WorkflowBus;

/* `touch`: somebody has asked for something. */
int workflow_bus_new(sd_bus *bus, void (*touch)(void *userdata), void *userdata, WorkflowBus **ret);
WorkflowBus *workflow_bus_free(WorkflowBus *b);
DEFINE_CLEANUP(WorkflowBus, workflow_bus_free);

/* For the manager's options. Nothing is sent before workflow_bus_add(). */
WorkflowPort workflow_bus_port(WorkflowBus *b);
/* Puts the object on the bus. */
int workflow_bus_add(WorkflowBus *b, WorkflowManager *m);

/* Whether somebody waits for an answer, or a wake-up is needed that nobody has promised yet: asks for it
 * again. */
bool workflow_bus_is_busy(WorkflowBus *b);
