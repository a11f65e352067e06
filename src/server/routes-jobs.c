/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /jobs of the public API.
 *
 * Lists are paged in two ways: by offset, as Airbyte's clients do, and by `after`, the number of the last
 * job seen, which skips nothing and repeats nothing while jobs are added. The second works for orders by
 * creation alone, since only those are the numbers' own. */

#include "basic/parse-util.h"
#include "server/api.h"
#include "server/job-service.h"
#include "server/routes-jobs.h"

/* A job's number in a path. One that isn't a number names no job. */
static int id_of(Call *c, HttpRequest *q, int64_t *ret) {
        if (parse_i64(http_request_path_value(q, "jobId"), ret) < 0)
                return call_fail(c, -EINVAL, NULL, "A job's id is a number");
        return 0;
}

static int read_time(Call *c, HttpRequest *q, const char *name, usec_t *ret) {
        const char *s = http_request_query(q, name);

        if (!s)
                return 0;
        if (parse_timestamp(s, ret) < 0)
                return call_fail(c, -EINVAL, NULL, "'%s' must be a time such as 2026-11-23T05:26:53Z", name);
        return 0;
}

static int read_order(Call *c, HttpRequest *q, JobOrder *ret) {
        static const char *const names[] = {
                [JOB_ORDER_CREATED_ASCENDING] = "createdAt|ASC",
                [JOB_ORDER_CREATED_DESCENDING] = "createdAt|DESC",
                [JOB_ORDER_UPDATED_ASCENDING] = "updatedAt|ASC",
                [JOB_ORDER_UPDATED_DESCENDING] = "updatedAt|DESC",
        };
        const char *s = http_request_query(q, "orderBy");

        *ret = JOB_ORDER_CREATED_DESCENDING;
        if (!s)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i], s)) {
                        *ret = i;
                        return 0;
                }
        return call_fail(c, -EINVAL, NULL, "'orderBy' must be createdAt or updatedAt, '|', and ASC or DESC");
}

static int read_filter(Call *c, HttpRequest *q, JobFilter *f) {
        const char *type = http_request_query(q, "jobType"), *status = http_request_query(q, "status");
        int r;

        *f = JOB_FILTER_ALL;
        f->connection_id = http_request_query(q, "connectionId");
        if (type && (f->type = job_type_from_string(type)) < 0)
                return call_fail(c, -EINVAL, NULL, "There is no job type '%s'", type);
        if (status && (f->status = job_status_from_string(status)) < 0)
                return call_fail(c, -EINVAL, NULL, "There is no job status '%s'", status);
        r = read_time(c, q, "createdAtStart", &f->created_from);
        if (r >= 0)
                r = read_time(c, q, "createdAtEnd", &f->created_until);
        if (r >= 0)
                r = read_time(c, q, "updatedAtStart", &f->updated_from);
        if (r >= 0)
                r = read_time(c, q, "updatedAtEnd", &f->updated_until);
        return r < 0 ? r : read_order(c, q, &f->order);
}

static int list(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_listing_ Listing l = {};
        JsonObject *data = json_object_new_array();
        JobArray found = {};
        JobFilter filter = {};
        bool by_number = false;
        int r = api_listing(c, q, &l);

        if (r >= 0)
                r = read_filter(c, q, &filter);
        if (r >= 0)
                by_number = filter.order == JOB_ORDER_CREATED_ASCENDING ||
                        filter.order == JOB_ORDER_CREATED_DESCENDING;
        if (by_number)
                r = listing_set_after(c, http_request_query(q, "after"), /* numbers= */ true, &l);
        if (r >= 0)
                r = job_service_list(c, &l, &filter, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = job_view(found.items[i], &o);
                if (r >= 0)
                        r = out_append(data, o);
        }
        job_array_done(&found);
        if (r >= 0)
                return api_page(c, q, &l, data, by_number ? "jobId" : NULL, ret);
        json_object_put(data);
        return r;
}

static int create(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *connection_id, *type;
        int r, t;

        r = body_need_string(c, c->body, "connectionId", &connection_id);
        if (r >= 0)
                r = body_need_string(c, c->body, "jobType", &type);
        if (r < 0)
                return r;
        t = job_type_from_string(type);
        if (t < 0)
                return call_fail(c, -EINVAL, NULL, "There is no job type '%s'", type);
        /* Airbyte's answer: a refresh needs to know its streams, which this call can't say. */
        if (t == JOB_REFRESH)
                return call_fail(c, -EDOM, NULL, "A refresh can't be started by this call");
        return job_service_start(c, connection_id, t, NULL);
}

static int get(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(job_freep) Job *j = NULL;
        int64_t id;
        int r = id_of(c, q, &id);

        if (r >= 0)
                r = job_service_get(c, id, ROLE_READER, &j);
        return r < 0 ? r : job_view(j, ret);
}

static int cancel(Call *c, HttpRequest *q, JsonObject **ret) {
        int64_t id;
        int r = id_of(c, q, &id);

        return r < 0 ? r : job_service_cancel(c, id);
}

#define JOBS "/api/public/v1/jobs"
#define JOB JOBS "/{jobId}"

static const ApiRoute routes_jobs_rows[] = {
        { "GET", JOBS, list, .id = "listJobs", .tag = "Jobs", .response = "JobsResponse",
          .query = "connectionId limit offset after jobType workspaceIds[] status createdAtStart createdAtEnd "
                   "updatedAtStart updatedAtEnd orderBy" },
        { "POST", JOBS, create, .id = "createJob", .tag = "Jobs", .request = "JobCreateRequest",
          .response = "JobResponse" },
        { "GET", JOB, get, .id = "getJob", .tag = "Jobs", .response = "JobResponse" },
        { "DELETE", JOB, cancel, .id = "cancelJob", .tag = "Jobs", .response = "JobResponse",
          .description = "Answers when the job has ended, with its status by then. One that takes longer than "
                         "ten seconds to make durable what it has moved is answered as running: the cancel is "
                         "stored and goes on." },
};
API_TABLE(routes_jobs);
