/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers that wait for the end of a job, as Airbyte's server holds the answer of a cancel until the workflow
 * has ended: who cancels and then starts finds the connection free. */

#include "server/call.h"

/* From the arrival of the call. Clients that give up do so after 15 s and more (dagster's time-out). */
#define JOB_HOLD_USEC (10 * USEC_PER_SEC)
/* Held at a time, half of what the HTTP server has connections; the rest is answered at once. */
#define JOB_HOLDS_MAX 256U

typedef void (*JobHoldDone)(Call *c, int64_t job_id);

int job_holds_new(Server *s, JobHolds **ret);
/* Lets all go at once. */
JobHolds *job_holds_free(JobHolds *h);
DEFINE_CLEANUP(JobHolds, job_holds_free);

/* Calls `done` once when the job has ended, at `until` (of the monotonic clock), or when the server leaves:
 * whichever comes first, at once where there is nothing to wait for or no room. `c` waits already, see
 * call_later(). */
void job_hold(Call *c, int64_t job_id, usec_t until, JobHoldDone done);
/* Rows of `change` may have come. */
void job_holds_notify(JobHolds *h);
