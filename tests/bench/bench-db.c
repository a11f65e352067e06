/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What listing and getting cost in a small and in a large database, side by side: each call many times on random rows,
 * alternating between the two files, so that both see the same machine. Reads are told in CPU time, which other programs
 * don't disturb; what ends with a sync in wall time.
 *
 *   tests/bench/bench-db [CONNECTIONS [JOBS [CALLS]]] */

#include <sqlite3.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/parse-util.h"
#include "db/connection-store.h"
#include "db/job-store.h"
#include "db/migrate.h"

/* Both have as many jobs to a connection, so that a page holds as many rows. */
#define SMALL 100
#define PAGE 20
/* What fills a page in the small one, too, wherever it begins. */
#define PART 5
/* A daemon at work has seen some of its database; how much, its cache decides. Calls that take long are not
 * about the cache. */
#define WARM_UP 3000
#define WARM_UP_USEC 1e6
#define NOW (UINT64_C(1790000000) * USEC_PER_SEC)

typedef struct World {
        Db *db;
        uint64_t connections, jobs;
        uint64_t random;
} World;

static uint64_t pick(World *w, uint64_t n) {
        w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (w->random >> 33) % n;
}

/* Filled directly: what is measured is reading, and the stores' own writes would take an hour. */
static const char fill[] =
        "INSERT INTO workspace (id, name, created_at, updated_at) VALUES ('w', 'W', 1, 1), ('w2', 'W2', 1, 1);"
        "INSERT INTO definition (id, role, name, reference, connector_type, executor, network, created_at, updated_at)"
        " VALUES ('ds', 'source', 'S', 'r', 't', 'lite', 'none', 1, 1), ('dd', 'destination', 'D', 'r', 't', 'lite', 'none', 1, 1);"
        "INSERT INTO actor (id, workspace_id, definition_id, role, name, configuration, created_at, updated_at)"
        " VALUES ('s', 'w', 'ds', 'source', 'S', '{}', 1, 1), ('d', 'w', 'dd', 'destination', 'D', '{}', 1, 1);"
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %llu)"
        " INSERT INTO connection (id, workspace_id, source_id, destination_id, name, status, schedule_type, schedule_data,"
        " namespace_definition, non_breaking_preference, next_run, created_at, updated_at)"
        " SELECT printf('c%%08d', i), CASE i %% 10 WHEN 0 THEN 'w2' ELSE 'w' END, 's', 'd', printf('Connection %%d', i), 'active',"
        " 'basic', '{\"units\":1,\"timeUnit\":\"hours\"}', 'source', 'ignore', 1790000000000000 + i, 1, 1 FROM n;"
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %llu)"
        " INSERT INTO job (id, connection_id, workspace_id, type, status, config, created_at, updated_at, ended_at)"
        " SELECT i, printf('c%%08d', i %% %llu), CASE i %% %llu %% 10 WHEN 0 THEN 'w2' ELSE 'w' END, 'sync',"
        " CASE i %% 7 WHEN 0 THEN 'failed' ELSE 'succeeded' END, '{\"trigger\":\"schedule\"}', 1790000000000000 + i,"
        " 1790000000000000 + i * 3 %% 1000003, 1790000000000000 + i FROM n;"
        "UPDATE counter SET n = %llu WHERE name = 'job'";

static int make(World *w, const char *path) {
        _cleanup_(db_freep) Db *db = NULL;
        _cleanup_free_ char *sql = NULL;
        unsigned long long c = w->connections, j = w->jobs;
        sqlite3 *handle;
        int from, r;

        r = db_open(path, DB_MIGRATE, &db, NULL);
        if (r >= 0)
                r = db_migrate(db, NOW, &from, NULL);
        if (r < 0)
                return r;
        if (asprintf(&sql, fill, c, j, c, c, j) < 0)
                return -ENOMEM;
        if (sqlite3_open(path, &handle) != SQLITE_OK)
                return -EIO;
        r = sqlite3_exec(handle, "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;", NULL, NULL, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_exec(handle, sql, NULL, NULL, NULL);
        if (r != SQLITE_OK)
                fprintf(stderr, "bench-db: %s\n", sqlite3_errmsg(handle));
        sqlite3_close(handle);
        return r == SQLITE_OK ? db_open(path, DB_READ_WRITE, &w->db, NULL) : -EIO;
}

static void connection_id(World *w, char id[static 24]) {
        (void) snprintf(id, 24, "c%08llu", (unsigned long long) pick(w, w->connections));
}

static int list_connections(World *w, const char *workspace, const ListOptions *options) {
        _cleanup_(connection_array_done) ConnectionArray found = {};
        char *workspaces[] = { (char *) workspace, NULL };
        ConnectionFilter f = { .status = _CONNECTION_STATUS_INVALID, .workspace_ids = workspaces };

        return connection_store_list(w->db, &f, options, &found, NULL);
}

static int list_jobs(World *w, JobFilter f, const ListOptions *options) {
        _cleanup_(job_array_done) JobArray found = {};

        return job_store_list(w->db, &f, options, &found, NULL);
}

static int connection_get(World *w) {
        _cleanup_(connection_freep) Connection *c = NULL;
        char id[24];

        connection_id(w, id);
        return connection_store_get(w->db, id, &c, NULL);
}
static int connection_first(World *w) {
        return list_connections(w, NULL, &(ListOptions) { .limit = PAGE });
}
static int connection_after(World *w) {
        char id[24];

        connection_id(w, id);
        return list_connections(w, NULL, &(ListOptions) { .limit = PAGE, .after = id });
}
static int connection_of_workspace(World *w) {
        char id[24];

        /* Every tenth is that workspace's. */
        (void) snprintf(id, sizeof(id), "c%08llu", (unsigned long long) pick(w, w->connections - 10 * PART));
        return list_connections(w, "w2", &(ListOptions) { .limit = PART, .after = id });
}
static int connection_offset(World *w) {
        return list_connections(w, NULL,
                                &(ListOptions) { .limit = PAGE, .offset = pick(w, w->connections) });
}
static int connection_due(World *w) {
        _cleanup_(connection_array_done) ConnectionArray found = {};

        return connection_store_list_due(w->db, USEC_INFINITY, PAGE, &found, NULL);
}
static int connection_update(World *w) {
        char id[24];

        connection_id(w, id);
        return connection_store_set_next_run(w->db, id, NOW + pick(w, 1000000), NULL);
}
static int job_get(World *w) {
        _cleanup_(job_freep) Job *j = NULL;

        return job_store_get(w->db, 1 + (int64_t) pick(w, w->jobs), &j, NULL);
}
static int job_latest(World *w) {
        _cleanup_(job_freep) Job *j = NULL;
        char id[24];

        connection_id(w, id);
        return job_store_get_latest(w->db, id, &j, NULL);
}
static int job_newest(World *w) {
        JobFilter f = JOB_FILTER_ALL;

        f.order = JOB_ORDER_CREATED_DESCENDING;
        return list_jobs(w, f, &(ListOptions) { .limit = PAGE });
}
static int job_updated(World *w) {
        JobFilter f = JOB_FILTER_ALL;
        char *workspaces[] = { (char *) "w2", NULL };

        f.order = JOB_ORDER_UPDATED_DESCENDING;
        f.workspace_ids = workspaces;
        return list_jobs(w, f, &(ListOptions) { .limit = PAGE });
}
static int job_failed(World *w) {
        JobFilter f = JOB_FILTER_ALL;

        f.order = JOB_ORDER_CREATED_DESCENDING;
        f.status = JOB_FAILED;
        return list_jobs(w, f, &(ListOptions) { .limit = PAGE });
}
static int job_of_connection(World *w) {
        JobFilter f = JOB_FILTER_ALL;
        char id[24];

        connection_id(w, id);
        f.connection_id = id;
        f.order = JOB_ORDER_CREATED_DESCENDING;
        return list_jobs(w, f, &(ListOptions) { .limit = PAGE });
}
static int job_after(World *w) {
        return list_jobs(w, JOB_FILTER_ALL,
                         &(ListOptions) { .limit = PAGE, .after_number = (int64_t) pick(w, w->jobs) });
}
static int job_offset(World *w) {
        return list_jobs(w, JOB_FILTER_ALL, &(ListOptions) { .limit = PAGE, .offset = pick(w, w->jobs) });
}
static int job_streak(World *w) {
        JobStreak s;
        char id[24];

        connection_id(w, id);
        return job_store_streak(w->db, id, &s, NULL);
}
static int job_create(World *w) {
        Job j = { .config = (char *) "{}" };
        char id[24];
        int r;

        connection_id(w, id);
        j.connection_id = id;
        r = job_store_create(w->db, &j, NOW, NULL);
        return r < 0 ? r : job_store_set_status(w->db, j.id, JOB_CANCELLED, NULL, NOW, NULL);
}

static const struct {
        const char *name;
        int (*run)(World *w);
        clockid_t clock; /* CLOCK_REALTIME = 0 means CPU time */
} calls[] = {
        { "connection: get", connection_get },
        { "connection: first page", connection_first },
        { "connection: page after an id", connection_after },
        { "connection: page of a workspace", connection_of_workspace },
        { "connection: page at an offset", connection_offset },
        { "connection: next due", connection_due },
        { "connection: set next run (synced)", connection_update, CLOCK_MONOTONIC },
        { "job: get", job_get },
        { "job: a connection's newest", job_latest },
        { "job: newest page", job_newest },
        { "job: page after a number", job_after },
        { "job: page of a connection", job_of_connection },
        { "job: last updated of a workspace", job_updated },
        { "job: newest failed", job_failed },
        { "job: page at an offset", job_offset },
        { "job: streak of failures", job_streak },
        { "job: create and cancel (synced twice)", job_create, CLOCK_MONOTONIC },
};

static double now(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock ?: CLOCK_THREAD_CPUTIME_ID, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static int measure(World worlds[static 2], int (*call)(World *w), clockid_t clock, uint64_t n,
                   double ret_p50[static 2], double ret_p99[static 2]) {
        _cleanup_free_ double *times[2] = { calloc(n, sizeof(double)), calloc(n, sizeof(double)) };
        uint64_t warm_up = clock ? 20 : WARM_UP;
        double begin = now(CLOCK_MONOTONIC);

        for (uint64_t i = 0; i < warm_up && now(CLOCK_MONOTONIC) - begin < WARM_UP_USEC; i++)
                for (int k = 0; k < 2; k++) {
                        int r = call(&worlds[k]);

                        if (r < 0)
                                return r;
                }
        for (uint64_t i = 0; i < n; i++)
                for (int k = 0; k < 2; k++) {
                        double start = now(clock);
                        int r = call(&worlds[k]);

                        if (r < 0)
                                return r;
                        times[k][i] = now(clock) - start;
                }
        for (int k = 0; k < 2; k++) {
                qsort(times[k], n, sizeof(double), compare);
                ret_p50[k] = times[k][n / 2];
                ret_p99[k] = times[k][n * 99 / 100];
                free(times[k]);
                times[k] = NULL;
        }
        return 0;
}

static int run(const char *directory, uint64_t connections, uint64_t jobs, uint64_t n) {
        World worlds[2] = { { .connections = SMALL, .jobs = MAX(SMALL * jobs / connections, (uint64_t) 1) },
                            { .connections = connections, .jobs = jobs } };
        int r = 0;

        for (int k = 0; k < 2 && r >= 0; k++) {
                char path[80];

                (void) snprintf(path, sizeof(path), "%s/%d.db", directory, k);
                r = make(&worlds[k], path);
        }
        printf("%-40s %10s %10s %10s %10s %10s %10s\n", "µs", "small p50", "p99", "large p50", "p99",
               "p50 ratio", "p99 ratio");
        for (size_t i = 0; i < ELEMENTSOF(calls) && r >= 0; i++) {
                double p50[2], p99[2];

                r = measure(worlds, calls[i].run, calls[i].clock, n, p50, p99);
                if (r >= 0)
                        printf("%-40s %10.1f %10.1f %10.1f %10.1f %10.2f %10.2f\n", calls[i].name, p50[0],
                               p99[0], p50[1], p99[1], p50[1] / p50[0], p99[1] / p99[0]);
        }
        db_free(worlds[0].db);
        db_free(worlds[1].db);
        return r;
}

int main(int argc, char *argv[]) {
        uint64_t connections = 100000, jobs = 1000000, n = 1000;
        char directory[] = "/var/tmp/gantry-bench-db-XXXXXX";
        int r;

        if ((argc > 1 && parse_u64(argv[1], &connections) < 0) ||
            (argc > 2 && parse_u64(argv[2], &jobs) < 0) || (argc > 3 && parse_u64(argv[3], &n) < 0) ||
            connections == 0 || jobs == 0 || n == 0) {
                fprintf(stderr, "usage: bench-db [CONNECTIONS [JOBS [CALLS]]]\n");
                return 2;
        }
        if (!mkdtemp(directory))
                return 1;
        r = run(directory, connections, jobs, n);
        (void) remove_tree(directory);
        if (r < 0)
                fprintf(stderr, "bench-db: %s\n", strerror(-r));
        return r < 0;
}
