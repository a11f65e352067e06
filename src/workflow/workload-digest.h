/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is kept of a workload's result beside the history: the last check of an actor, and catalogs. */

#include "workflow/workflow-world.h"

/* The host's `digest` (workflow/workflow-engine.h). */
int workload_digest(WorkflowWorld *w, const char *name, JsonObject *request, JsonObject *workload,
                    JsonObject **ret, Error **reterr_error);
