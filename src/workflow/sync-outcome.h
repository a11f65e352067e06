/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How an attempt ended, what that means for its job, and what is written down of both. */

#include "workflow/sync-attempt.h"

/* Steps; `userdata` is the SyncRun. They answer {"next":"retry"|"end","at":µs,"status"}. */
int sync_step_finish(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);
/* Cancelled between two attempts. */
int sync_step_cancel_waiting(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);

/* Ends a job that has no workflow (any more): running attempts and the job fail with `reason`. In the
 * caller's transaction. */
int job_end_as_failed(WorkflowWorld *w, int64_t job_id, const char *reason, usec_t now, Error **reterr_error);
