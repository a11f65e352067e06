/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The manager's port: calls to gantry-workload and gantry-launcher, none of which blocks. */

#include "workflow/workflow-bus-internal.h"

WorkflowPort workflow_port_of(WorkflowBus *b);
/* Asks the launcher for the wake-up at b->wake_at, or to forget it. */
void workflow_port_send_timer(WorkflowBus *b);
