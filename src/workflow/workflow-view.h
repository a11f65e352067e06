/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workflows as people see them: JSON for org.gantry.Workflow1.Workflows. Times are microseconds since 1970. */

#include "db/workflow-store.h"
#include "shared/json-util.h"

/* {"id","type","status","connectionId","jobId","workloadId","events","wakeAt","createdAt","updatedAt","endedAt"}; what
 * isn't set is left out. */
int workflow_view(const Workflow *w, JsonObject **ret);
/* The same with "input", "result" and "history", an array of {"seq","type","at","name","key","value"}. Where a secret
 * was referred to or sealed, there is a mask. */
int workflow_view_whole(const Workflow *w, const WorkflowEventArray *events, JsonObject **ret);
