/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A package becomes a connector: it is installed, then asked for its specification. Two workloads; whatever
 * dies in between, the second follows the first. Input: install_workflow_input(). Result: the first one's,
 * whose output {"reference","version",…} has "spec" as well, null with "specMessage" where it has none. */

#include "workflow/workflow-context.h"

int install_workflow(WorkflowContext *c);
/* `run` makes the ids of its workloads unique; they are in the input: {"activityId", "request", "specId"}. */
int install_workflow_input(Env *env, const char *reference, const char *run, usec_t now, JsonObject **ret);
