/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything is counted in the database when somebody asks: no counter lives in a daemon that leaves when
 * idle. Hence only gauges of what is stored, and nothing per request. The cost is one pass over live jobs
 * and a look per connection, for the first thousand of them. */

#include "db/connection-store.h"
#include "db/job-store.h"
#include "db/workload-store.h"
#include "server/metrics.h"

/* Connections that get series of their own; beyond it the sums must do. */
#define CONNECTIONS_MAX 1000U

static int write_head(Buffer *b, const char *name, const char *type, const char *help) {
        return buffer_appendf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Ids are UUIDs and names of states are ours: neither needs an escape in a label. */
static int write_live_jobs(Server *s, Buffer *b) {
        int64_t counts[_JOB_STATUS_MAX] = {};
        JobArray live = {};
        int r = job_store_list_live(s->db, &live, NULL);

        for (size_t i = 0; r >= 0 && i < live.n; i++)
                counts[live.items[i]->status]++;
        job_array_done(&live);
        if (r >= 0)
                r = write_head(b, "gantry_jobs", "gauge", "Jobs that have not ended, by status.");
        for (JobStatus i = 0; r >= 0 && i < _JOB_STATUS_MAX; i++)
                if (!job_status_is_terminal(i))
                        r = buffer_appendf(b, "gantry_jobs{status=\"%s\"} %lld\n", job_status_to_string(i),
                                           (long long) counts[i]);
        return r;
}

static int write_queue(Server *s, Buffer *b) {
        int64_t depth[_WORKLOAD_PRIORITY_MAX];
        int r = workload_store_depth(s->db, depth, NULL);

        if (r >= 0)
                r = write_head(b, "gantry_queue_length", "gauge", "Workloads that wait for a launcher.");
        for (WorkloadPriority i = 0; r >= 0 && i < _WORKLOAD_PRIORITY_MAX; i++)
                r = buffer_appendf(b, "gantry_queue_length{priority=\"%s\"} %lld\n",
                                   workload_priority_to_string(i),
                                   (long long) depth[i]);
        return r;
}

static int write_connection(Server *s, const Connection *c, Buffer *states, Buffer *successes,
                            Buffer *streaks) {
        JobStreak streak = {};
        int r = job_store_streak(s->db, c->id, &streak, NULL);

        if (r >= 0)
                r = buffer_appendf(states, "gantry_connection_active{connection=\"%s\"} %d\n", c->id,
                                   c->status == CONNECTION_ACTIVE);
        if (r >= 0 && streak.last_success_at > 0)
                r = buffer_appendf(successes,
                                   "gantry_connection_last_success_timestamp_seconds{connection=\"%s\"} %.3f\n", c->id,
                                   (double) streak.last_success_at / USEC_PER_SEC);
        if (r >= 0)
                r = buffer_appendf(streaks, "gantry_connection_failed_jobs{connection=\"%s\"} %lld\n", c->id,
                                   (long long) streak.failed);
        return r;
}

static int write_connections(Server *s, Buffer *b) {
        _cleanup_buffer_ Buffer states = {}, successes = {}, streaks = {};
        ConnectionArray all = {};
        ConnectionFilter filter = { .status = _CONNECTION_STATUS_INVALID };
        int r = connection_store_list(s->db, &filter, &(ListOptions) { .limit = CONNECTIONS_MAX }, &all,
                                      NULL);

        if (r >= 0)
                r = write_head(&states, "gantry_connection_active", "gauge",
                               "1 for a connection that is switched on.");
        if (r >= 0)
                r = write_head(&successes, "gantry_connection_last_success_timestamp_seconds", "gauge",
                               "When its last job succeeded.");
        if (r >= 0)
                r = write_head(&streaks, "gantry_connection_failed_jobs", "gauge",
                               "Jobs that failed since the last that succeeded.");
        for (size_t i = 0; r >= 0 && i < all.n; i++)
                r = write_connection(s, all.items[i], &states, &successes, &streaks);
        connection_array_done(&all);
        if (r >= 0)
                r = buffer_append(b, buffer_bytes(&states), states.len);
        if (r >= 0)
                r = buffer_append(b, buffer_bytes(&successes), successes.len);
        if (r >= 0)
                r = buffer_append(b, buffer_bytes(&streaks), streaks.len);
        return r;
}

int metrics_write(Server *s, Buffer *b) {
        int r = write_head(b, "gantry_build_info", "gauge", "The version that runs.");

        if (r >= 0)
                r = buffer_appendf(b, "gantry_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
        if (r >= 0)
                r = write_live_jobs(s, b);
        if (r >= 0)
                r = write_queue(s, b);
        return r < 0 ? r : write_connections(s, b);
}
