/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How far running jobs are: what their workers tell a few times a second, which is never stored, and before
 * that (we have just started) what they last had stored. The event streams hear it, and whoever asks for a
 * job is shown it. */

#include "db/job-store.h"
#include "server/call.h"

int job_progress_new(Server *s, JobProgress **ret);
JobProgress *job_progress_free(JobProgress *p);
DEFINE_CLEANUP(JobProgress, job_progress_free);

/* {"jobId", "attempt", "streams": [STREAM_STATS]}, from gantry-workload. -ESRCH: that attempt does not run. */
int job_progress_put(Call *c, JsonObject *body);

/* Adds what the attempt that runs has committed so far to a job's numbers. */
void job_progress_add(Server *s, Job *j);
/* Likewise all four counts of an attempt that runs. Returns its STREAM_STATS, a new reference, or NULL. */
JsonObject *job_progress_add_attempt(Server *s, Attempt *a);
typedef enum JobProgressForm {
        JOB_PROGRESS_FLAT,   /* {"streamName", "streamNamespace", "status", and all eight counts} */
        JOB_PROGRESS_NESTED, /* {"streamName", "streamNamespace", "stats": {those of six that were told}} */
} JobProgressForm;
/* STREAM_STATS in the names of the API. */
int job_progress_view(JsonObject *told, JobProgressForm form, JsonObject **ret);

/* How far everything is that runs, as events, for who has just come. */
typedef void (*JobProgressTell)(const char *workspace_id, JsonObject *event, void *userdata);
void job_progress_tell_all(Server *s, JobProgressTell tell, void *userdata);
