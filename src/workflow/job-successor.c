/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What waits here lives in memory only, on purpose: its caller has had no answer, so nothing has been
 * promised. A daemon that dies takes the wish along, the caller's call fails, and it asks again.
 *
 * The running job is told to end once. It may take a minute to do so (a destination finishes its commit),
 * and each round of the manager's timer tries to start: the database refuses a second live job of a
 * connection, so that the try is the test. Should another job slip in between the two, it is told to end
 * as well, because `cancelled` names the job and not the fact. */

#include "db/job-store.h"
#include "workflow/job-successor.h"

bool job_type_replaces(JobType type) {
        return type == JOB_CLEAR || type == JOB_RESET || type == JOB_REFRESH;
}

static JobSuccessor *successor_free(JobSuccessor *s) {
        if (!s)
                return NULL;
        free(s->connection_id);
        free(s->job_type);
        free(s->options);
        free(s);
        return NULL;
}
DEFINE_CLEANUP(JobSuccessor, successor_free);

int job_successor_add(WorkflowManager *m, const char *connection_id, const char *job_type, const char *options,
                      WorkflowJobStarted done, void *userdata) {
        _cleanup_(successor_freep) JobSuccessor *s = calloc(1, sizeof(*s));
        JobSuccessor **last = &m->successors;

        if (!s)
                return -ENOMEM;
        *s = (JobSuccessor) { .connection_id = strdup(connection_id), .job_type = strdup(job_type),
                              .options = strdup(options), .done = done, .userdata = userdata };
        if (!s->connection_id || !s->job_type || !s->options)
                return -ENOMEM;
        while (*last)
                last = &(*last)->next;
        *last = TAKE_PTR(s);
        workflow_manager_arm(m);
        return 0;
}

/* What runs now is told to end, once. -EBUSY: it was. */
static int clear_the_way(WorkflowManager *m, JobSuccessor *s, Error **reterr_error) {
        _cleanup_(job_freep) Job *live = NULL;
        _cleanup_buffer_ Buffer reason = {};
        int r;

        r = job_store_get_live(m->options.db, s->connection_id, &live, reterr_error);
        if (r == -ENOENT || (r >= 0 && live->id == s->cancelled))
                return -EBUSY;
        if (r >= 0)
                r = buffer_appendf(&reason, "A %s takes its place", s->job_type);
        if (r >= 0)
                r = workflow_manager_cancel(m, live->id, buffer_string(&reason), reterr_error);
        if (r < 0)
                return r;
        s->cancelled = live->id;
        return -EBUSY;
}

void job_successor_process(WorkflowManager *m) {
        JobSuccessor **p = &m->successors;

        while (*p) {
                _cleanup_(successor_freep) JobSuccessor *s = NULL;
                _cleanup_error_ Error *error = NULL;
                int64_t job_id = 0;
                int r;

                r = workflow_manager_start_job(m, (*p)->connection_id, (*p)->job_type, (*p)->options, &job_id, &error);
                if (r == -EBUSY) {
                        error_free(TAKE_PTR(error));
                        r = clear_the_way(m, *p, &error);
                }
                if (r == -EBUSY) {
                        p = &(*p)->next;
                        continue;
                }
                s = *p;
                *p = s->next;
                s->done(job_id, r, error, s->userdata);
        }
}

void job_successor_free_all(WorkflowManager *m) {
        while (m->successors) {
                JobSuccessor *s = m->successors;

                m->successors = s->next;
                successor_free(s);
        }
}
