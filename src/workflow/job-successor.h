/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Jobs that take the place of a running one. In Airbyte a clear, a reset or a refresh cancels what runs on the
 * connection and begins when that has ended, while a sync is refused (W02). Only then its caller is answered: what
 * waits here is not stored, and a caller without an answer asks again. */

#include "workflow/workflow-manager-internal.h"

bool job_type_replaces(JobType type);

/* Remembers a start that met a running job. `done` will come. */
int job_successor_add(WorkflowManager *m, const char *connection_id, const char *job_type, const char *options,
                      WorkflowJobStarted done, void *userdata);
/* Starts those whose connections have become free, and cancels what still runs on the others'. */
void job_successor_process(WorkflowManager *m);
void job_successor_free_all(WorkflowManager *m);
