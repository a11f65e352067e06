/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The server stores no job. Starting and cancelling are calls to gantry-workflow, which has stored the
 * wish when it answers; the job is then read from the database and shown as it is at that moment. A clear
 * or refresh on a connection whose job runs is answered when that job has ended, thus possibly minutes
 * later. A cancel is answered at the job's end, too, but waits for it some seconds only (job-hold.h).
 *
 * Roles: to run a sync is a runner's, but what empties or rereads a destination changes data and takes an
 * editor. */

#include <stdio.h>

#include "server/job-hold.h"
#include "server/job-progress.h"
#include "server/job-service.h"
#include "server/out.h"
#include "server/workflow-client.h"

typedef struct Pending {
        int64_t job_id;
        usec_t until; /* of a cancel: when it is answered at the latest */
        JobView view;
} Pending;

int job_service_get(Call *c, int64_t id, Role need, Job **ret) {
        _cleanup_(job_freep) Job *j = NULL;
        int r = job_store_get(c->server->db, id, &j, &c->error);

        if (r == -ENOENT)
                return call_fail(c, r, NULL, "There is no such job");
        if (r >= 0)
                r = call_require_object(c, j->workspace_id, need, "job");
        if (r < 0)
                return r;
        job_progress_add(c->server, j);
        *ret = TAKE_PTR(j);
        return 0;
}

int job_service_list(Call *c, const Listing *l, JobFilter *filter, JobArray *ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        int r;

        if (filter->connection_id) {
                r = connection_store_get(c->server->db, filter->connection_id, &connection, &c->error);
                if (r == -ENOENT)
                        return call_fail(c, r, NULL, "There is no such connection");
                if (r >= 0)
                        r = call_require_object(c, connection->workspace_id, ROLE_READER, "connection");
                if (r < 0)
                        return r;
        }
        filter->workspace_ids = l->workspace_ids;
        r = l->none ? 0 : job_store_list(c->server->db, filter, &l->options, ret, &c->error);
        for (size_t i = 0; r >= 0 && i < ret->n; i++)
                job_progress_add(c->server, ret->items[i]);
        return r;
}

static int view_public(Call *c, const Job *j, JsonObject **ret) {
        return job_view(j, ret);
}

static int pending_new(Call *c, int64_t job_id, JobView view) {
        Pending *p = malloc(sizeof(*p));

        if (!p)
                return -ENOMEM;
        *p = (Pending) { job_id, env_now(c->server->env, ENV_CLOCK_MONOTONIC) + JOB_HOLD_USEC, view };
        if (c->data_free)
                c->data_free(c->data);
        c->data = p;
        c->data_free = free;
        return 0;
}

/* Answers with the job as it is now. */
static void show(Call *c, int64_t id) {
        _cleanup_(job_freep) Job *j = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        Pending *p = c->data;
        int r = job_store_get(c->server->db, id, &j, &c->error);

        if (r >= 0) {
                job_progress_add(c->server, j);
                r = p->view(c, j, &o);
        }
        call_complete(c, r, o);
}

static void on_started(Call *c, int r, sd_bus_message *reply) {
        int64_t id;

        if (r >= 0)
                r = sd_bus_message_read(reply, "x", &id);
        if (r < 0)
                call_complete(c, r, NULL);
        else
                show(c, id);
}

static bool is_cancelled(Call *c, int64_t id) {
        _cleanup_(job_freep) Job *j = NULL;

        return job_store_get(c->server->db, id, &j, NULL) >= 0 && j->status == JOB_CANCELLED;
}

static void on_cancelled(Call *c, int r, sd_bus_message *reply) {
        Pending *p = c->data;

        /* The call may have been sent twice, and somebody else may have cancelled it: what was wished has come. */
        if (r == -ESRCH && is_cancelled(c, p->job_id)) {
                c->error = error_free(c->error);
                r = 0;
        }
        if (r == -ESRCH)
                r = call_fail(c, r, NULL, "Job is not currently running");
        if (r < 0)
                call_complete(c, r, NULL);
        else
                job_hold(c, p->job_id, p->until, show);
}

/* {"streams", "refreshMode"} as given, and who asked. */
static int make_options(Call *c, JsonObject *given, char **ret) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *principal = NULL;

        if (given && !json_object_is_type(given, json_type_object))
                return call_fail(c, -EINVAL, NULL, "The options must be a JSON object");
        o = given ? json_clone(given) : json_object_new_object();
        if (asprintf(&principal, "%s:%s", principal_kind_to_string(c->kind), strempty(c->principal_id)) < 0)
                return -ENOMEM;
        if (!o || json_add_string(o, "trigger", "manual") < 0 || json_add_string(o, "principal",
                                                                                 principal) < 0)
                return -ENOMEM;
        *ret = json_to_string(o);
        return *ret ? 0 : -ENOMEM;
}

int job_service_start_with_view(Call *c, const char *connection_id, JobType type, JsonObject *options,
                                JobView view) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = connection_service_get(c, connection_id, ROLE_RUNNER, &connection);
        /* What clears a destination is a change, not a run. */
        if (r >= 0 && type != JOB_SYNC)
                r = call_require(c, connection->workspace_id, ROLE_EDITOR);
        if (r < 0)
                return r;
        /* One that is turned off can still be emptied. */
        if (connection->status != CONNECTION_ACTIVE && (type == JOB_SYNC || type == JOB_REFRESH))
                return call_fail(c, -EEXIST, NULL, "The connection is %s",
                                 connection_status_to_string(connection->status));
        r = make_options(c, options, &text);
        if (r >= 0)
                r = pending_new(c, 0, view);
        return r < 0 ? r : workflow_start_job(c, connection_id, job_type_to_string(type), text, on_started);
}

int job_service_start(Call *c, const char *connection_id, JobType type, JsonObject *options) {
        return job_service_start_with_view(c, connection_id, type, options, view_public);
}

int job_service_cancel_with_view(Call *c, int64_t id, JobView view) {
        _cleanup_(job_freep) Job *j = NULL;
        int r = job_service_get(c, id, ROLE_RUNNER, &j);

        if (r < 0)
                return r;
        if (job_status_is_terminal(j->status))
                return call_fail(c, -ESRCH, NULL, "Job is not currently running");
        r = pending_new(c, id, view);
        return r < 0 ? r : workflow_cancel_job(c, id, on_cancelled);
}

int job_service_cancel(Call *c, int64_t id) {
        return job_service_cancel_with_view(c, id, view_public);
}

/* ISO 8601, as Java prints a Duration: PT1H2M3S. */
static void format_duration(usec_t d, char *s, size_t n) {
        uint64_t seconds = d / USEC_PER_SEC, hours = seconds / 3600, minutes = seconds / 60 % 60;
        int k = snprintf(s, n, "PT");

        if (hours)
                k += snprintf(s + k, n - (size_t) k, "%lluH", (unsigned long long) hours);
        if (minutes)
                k += snprintf(s + k, n - (size_t) k, "%lluM", (unsigned long long) minutes);
        if (seconds % 60 || (!hours && !minutes))
                (void) snprintf(s + k, n - (size_t) k, "%lluS", (unsigned long long) (seconds % 60));
}

int job_view(const Job *j, JsonObject **ret) {
        bool ended = job_status_is_terminal(j->status);
        _cleanup_out_ Out out = out_object();
        char duration[64];

        out_i64(&out, "jobId", j->id);
        out_string(&out, "status", job_status_to_string(j->status));
        out_string(&out, "jobType", job_type_to_string(j->type));
        out_rfc3339(&out, "startTime", j->started_at ?: j->created_at);
        out_string(&out, "connectionId", j->connection_id);
        if (ended)
                out_rfc3339(&out, "lastUpdatedAt", j->updated_at);
        if (j->status != JOB_PENDING && j->started_at) {
                format_duration((ended ? j->ended_at : MAX(j->updated_at, j->started_at)) - j->started_at,
                                duration,
                                sizeof(duration));
                out_string(&out, "duration", duration);
        }
        out_i64(&out, "bytesSynced", j->bytes_committed);
        out_i64(&out, "rowsSynced", j->records_committed);
        return out_take(&out, ret);
}
