/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Jobs: gantry-workflow's to run, ours to show, start and cancel. */

#include "db/job-store.h"
#include "server/connection-service.h"

int job_service_get(Call *c, int64_t id, Role need, Job **ret);
/* `filter` is the caller's wish; its workspaces are set here. */
int job_service_list(Call *c, const Listing *l, JobFilter *filter, JobArray *ret);
/* Always CALL_LATER or an error; the answer is the job's view. `streams` NULL: all. */
int job_service_start(Call *c, const char *connection_id, JobType type, JsonObject *options);
/* Likewise, once the job has ended or JOB_HOLD_USEC are over: the view tells which. -ESRCH (409) for one that
 * has ended before. */
int job_service_cancel(Call *c, int64_t id);
/* How a started or cancelled job is shown: the public API's form unless a call sets another. */
int job_view(const Job *j, JsonObject **ret);
typedef int (*JobView)(Call *c, const Job *j, JsonObject **ret);
int job_service_start_with_view(Call *c, const char *connection_id, JobType type, JsonObject *options, JobView view);
int job_service_cancel_with_view(Call *c, int64_t id, JobView view);
