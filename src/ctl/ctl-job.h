/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Following a job: its logs as they come, its progress, its end. */

#include "ctl/ctl-objects.h"
#include "shared/progress.h"

typedef enum CtlFollow {
        CTL_FOLLOW_WAIT = 1 << 0,     /* until the job has ended */
        CTL_FOLLOW_LOGS = 1 << 1,     /* print its log lines */
        CTL_FOLLOW_PROGRESS = 1 << 2, /* how far it is, on standard error */
} CtlFollow;

/* What --progress says, PROGRESS_AUTO without it. EXIT_USAGE when it is none of its words. */
int ctl_job_progress_mode(const Ctl *c, ProgressMode *ret);
/* `attempt` negative: all of them, one after the other (with CTL_FOLLOW_WAIT), or the last. `n_lines`: of those
 * that are there already, only so many of the last; 0 = all. Returns the exit code that the job's end means, EXIT_OK
 * for one that goes on. --progress says how progress is shown: by itself as a bar on a terminal, else as lines
 * where the job is followed, and not at all where it is only waited for, with --quiet and with --json. */
int ctl_job_follow(Ctl *c, int64_t job_id, int attempt, unsigned n_lines, CtlFollow follow);

/* What the end of a job, as JSON, means as an exit code: 0, 1, 3 some of it was moved, 6 cancelled; 0 while it runs. */
int ctl_job_exit_code(JsonObject *job);
bool ctl_job_has_ended(JsonObject *job);
/* Tells the end of one that has ended, and why. */
void ctl_job_say_end(const Ctl *c, JsonObject *job);
