/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A job from its first attempt to its end: sync, refresh, clear. Input: {"jobId","connectionId"}. */

#include "workflow/workflow-context.h"

int sync_workflow(WorkflowContext *c);
int sync_workflow_failed(WorkflowContext *c, const char *reason, Error **reterr_error);
