/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is kept of a workload's result beside the history: the last check of an actor, and catalogs. */

#include "workflow/workflow-world.h"

/* The host's `digest` (workflow/workflow-engine.h). */
/* The long part of it: the catalog of a discover is read and written as a text. Needs no transaction. */
int workload_condense(const char *name, JsonObject *workload, JsonObject **ret, Error **reterr_error);
int workload_digest(WorkflowWorld *w, const char *name, JsonObject *request, JsonObject *workload,
                    JsonObject **ret, Error **reterr_error);
