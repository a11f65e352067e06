/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Logs come last, since they go by what rows are left. Candidates are listed without a lock, in pages
 * behind a cursor (by age and id, so that rows which may not go are passed once and not asked for again),
 * and each deletion asks once more whether its row may go. Killed at any moment, it has done a part, and
 * the next run begins at the oldest again.
 *
 * A job is never deleted for its age alone: the newest of a connection, its last success and the ones
 * that its streams' newest statistics are of stay (sql/queries/retention.sql). */

#include <inttypes.h>

#include "basic/buffer.h"
#include "basic/log.h"
#include "cron/duty-prune.h"
#include "cron/log-prune.h"
#include "db/change-store.h"
#include "db/prune-store.h"
#include "db/session-store.h"
#include "db/timeline-store.h"
#include "db/workflow-store.h"
#include "db/workload-store.h"

/* Rows a step, candidates a list: small against a batch, large against the cost of a call. */
#define STEP_ROWS 8U
#define STEP_STATS 200U
#define LIST_ROWS 500U

/* What was deleted, for one line at the end. */
typedef struct Tally {
        Buffer text;
        unsigned parts;
} Tally;

static int tally_add(Tally *t, uint64_t n, const char *what) {
        if (n == 0)
                return 0;
        return buffer_appendf(&t->text, "%s%" PRIu64 " %s", t->parts++ > 0 ? ", " : "", n, what);
}

/* --- what is only a matter of age --- */

typedef struct AgePrune {
        int (*prune)(Db *db, usec_t before, size_t limit, Error **reterr_error);
        usec_t before;
        uint64_t n;
} AgePrune;

static int age_step(Cron *c, void *userdata, Error **reterr_error) {
        AgePrune *a = userdata;
        int n = a->prune(c->db, a->before, STEP_ROWS, reterr_error);

        if (n < 0)
                return n;
        a->n += (uint64_t) n;
        return n == (int) STEP_ROWS;
}

static int prune_by_age(Cron *c, Tally *t, Error **reterr_error) {
        usec_t now = cron_now(c);
        const struct {
                const char *what;
                AgePrune prune;
        } all[] = {
                { "timeline events", { timeline_store_prune, retention_before(now, c->keep.timeline), 0 } },
                { "workflows", { workflow_store_prune, retention_before(now, c->keep.workflows), 0 } },
                { "workloads", { workload_store_prune, retention_before(now, c->keep.workloads), 0 } },
                { "changes", { change_prune, retention_before(now, c->keep.changes), 0 } },
                { "sessions", { session_store_prune, now, 0 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                AgePrune a = all[i].prune;
                int r;

                if (a.before == 0)
                        continue;
                r = cron_batches(c, age_step, &a, reterr_error);
                if (r >= 0)
                        r = tally_add(t, a.n, all[i].what);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- jobs --- */

typedef struct JobPrune {
        JobArray jobs; /* candidates */
        size_t at;
        uint64_t n;
} JobPrune;

static int job_step(Cron *c, void *userdata, Error **reterr_error) {
        JobPrune *p = userdata;
        int r;

        if (p->at == p->jobs.n)
                return 0;
        r = prune_job(c->db, p->jobs.items[p->at]->id, STEP_STATS, reterr_error);
        if (r < 0)
                return r;
        /* 2: a part of its statistics is gone, and the job comes once more. */
        if (r != 2)
                p->at++;
        p->n += r == 1;
        return p->at < p->jobs.n;
}

/* Deletes the candidates and moves the cursor behind them. 1: there may be more. */
static int prune_candidates(Cron *c, JobPrune *p, PruneCursor *cursor, Error **reterr_error) {
        size_t n = p->jobs.n;
        int r;

        if (n == 0)
                return 0;
        *cursor = (PruneCursor) { .at = p->jobs.items[n - 1]->updated_at, .number = p->jobs.items[n - 1]->id };
        p->at = 0;
        r = cron_batches(c, job_step, p, reterr_error);
        job_array_done(&p->jobs);
        return r < 0 ? r : n == LIST_ROWS;
}

static int prune_old_jobs(Cron *c, uint64_t *n, Error **reterr_error) {
        usec_t before = retention_before(cron_now(c), c->keep.jobs);
        PruneCursor cursor = {};
        JobPrune p = {};
        int r;

        if (before == 0)
                return 0;
        do {
                r = prune_list_jobs(c->db, before, &cursor, LIST_ROWS, &p.jobs, reterr_error);
                if (r >= 0)
                        r = prune_candidates(c, &p, &cursor, reterr_error);
        } while (r > 0);
        *n += p.n;
        return r;
}

static int prune_surplus_of(Cron *c, const char *connection_id, uint64_t *n, Error **reterr_error) {
        PruneCursor cursor = {};
        JobPrune p = {};
        int r;

        do {
                r = prune_list_surplus_jobs(c->db, connection_id, c->keep.jobs_per_connection, &cursor, LIST_ROWS,
                                            &p.jobs, reterr_error);
                if (r >= 0)
                        r = prune_candidates(c, &p, &cursor, reterr_error);
        } while (r > 0);
        *n += p.n;
        return r;
}

static int prune_surplus_jobs(Cron *c, uint64_t *n, Error **reterr_error) {
        _cleanup_free_ char *connection_id = NULL;
        int r = 0;

        if (c->keep.jobs_per_connection > INT64_MAX)
                return 0;
        for (;;) {
                char *next;

                r = prune_next_connection(c->db, connection_id ?: "", &next, reterr_error);
                if (r < 0)
                        return r == -ENOENT ? 0 : r;
                free(connection_id);
                connection_id = next;
                r = prune_surplus_of(c, connection_id, n, reterr_error);
                if (r < 0)
                        return r;
        }
}

static int prune_jobs(Cron *c, Tally *t, Error **reterr_error) {
        uint64_t n = 0;
        int r;

        r = prune_old_jobs(c, &n, reterr_error);
        if (r >= 0)
                r = prune_surplus_jobs(c, &n, reterr_error);
        return r < 0 ? r : tally_add(t, n, "jobs");
}

/* --- discovers and catalogs --- */

typedef struct CatalogPrune {
        int (*list)(Db *db, usec_t before, const PruneCursor *after, size_t limit, CatalogFetchArray *ret,
                    Error **reterr_error);
        int (*prune)(Db *db, const char *id, Error **reterr_error);
        CatalogFetchArray found;
        size_t at;
        uint64_t n;
} CatalogPrune;

static int catalog_step(Cron *c, void *userdata, Error **reterr_error) {
        CatalogPrune *p = userdata;
        int r;

        if (p->at == p->found.n)
                return 0;
        r = p->prune(c->db, p->found.items[p->at++]->id, reterr_error);
        if (r < 0)
                return r;
        p->n += (uint64_t) r;
        return p->at < p->found.n;
}

static int prune_catalogs_by(Cron *c, CatalogPrune *p, Error **reterr_error) {
        usec_t before = retention_before(cron_now(c), c->keep.catalogs);
        _cleanup_free_ char *last = NULL;
        PruneCursor cursor = {};
        size_t n;
        int r;

        if (before == 0)
                return 0;
        do {
                r = p->list(c->db, before, &cursor, LIST_ROWS, &p->found, reterr_error);
                if (r < 0)
                        return r;
                n = p->found.n;
                if (n == 0)
                        return 0;
                free(last);
                last = TAKE_PTR(p->found.items[n - 1]->id);
                p->found.items[n - 1]->id = last ? strdup(last) : NULL;
                cursor = (PruneCursor) { .at = p->found.items[n - 1]->created_at, .id = last };
                p->at = 0;
                r = p->found.items[n - 1]->id ? cron_batches(c, catalog_step, p, reterr_error) : -ENOMEM;
                catalog_fetch_array_done(&p->found);
        } while (r >= 0 && n == LIST_ROWS);
        return r;
}

static int prune_catalogs(Cron *c, Tally *t, Error **reterr_error) {
        CatalogPrune fetches = { .list = prune_list_fetches, .prune = prune_fetch },
                     catalogs = { .list = prune_list_catalogs, .prune = prune_catalog };
        int r;

        /* Discovers first: they hold catalogs. */
        r = prune_catalogs_by(c, &fetches, reterr_error);
        if (r >= 0)
                r = prune_catalogs_by(c, &catalogs, reterr_error);
        if (r >= 0)
                r = tally_add(t, fetches.n, "discovers");
        return r < 0 ? r : tally_add(t, catalogs.n, "catalogs");
}

static int prune_logs(Cron *c, Tally *t, Error **reterr_error) {
        uint64_t n = 0, bytes = 0;
        char size[FORMAT_BYTES_MAX];
        int r;

        r = log_prune(c, &n, &bytes, reterr_error);
        if (r < 0 || n == 0)
                return r;
        r = tally_add(t, n, "jobs' logs");
        return r < 0 ? r : buffer_appendf(&t->text, " (%s)", format_bytes(bytes, size));
}

int duty_prune(Cron *c, Error **reterr_error) {
        _cleanup_buffer_ Buffer text = {};
        Tally t = {};
        int r;

        r = prune_jobs(c, &t, reterr_error);
        if (r >= 0)
                r = prune_by_age(c, &t, reterr_error);
        if (r >= 0)
                r = prune_catalogs(c, &t, reterr_error);
        if (r >= 0)
                r = prune_logs(c, &t, reterr_error);
        text = t.text;
        /* Nothing to do is nothing to say. */
        if (t.parts > 0)
                log_info("Deleted %s; the longest write took %" PRIu64 " ms", buffer_string(&text) ?: "rows",
                         c->longest / USEC_PER_MSEC);
        return r;
}
