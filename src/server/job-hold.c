/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job's end is a row of `change` like any other: the holds have one position in that table, which stands
 * still while nothing is held, and is set before the job of the first one is looked at, so that no end
 * falls in between. Only rows of jobs that somebody waits for cost a look at the job. Whoever writes the
 * end, and however often gantry-workflow has died until then, the row comes with it; if its signal is lost
 * the bound is left, and the answer tells what the job is by then.
 *
 * A client that goes away meanwhile is not noticed: its answer goes nowhere, at the latest at the bound.
 * Each hold is a call that waits, which keeps the daemon from leaving for idleness; when it is told to
 * leave, all are answered with the job as it is. `done` runs only after its hold has left the list. */

#include <stdlib.h>

#include "basic/parse-util.h"
#include "db/change-store.h"
#include "db/job-store.h"
#include "server/job-hold.h"

/* Rows read at a time. */
#define BATCH 500U
#define TIMER_ACCURACY_USEC (50 * USEC_PER_MSEC)

typedef struct Hold Hold;
struct Hold {
        Hold *next;
        Call *call;
        int64_t job_id;
        usec_t until;
        JobHoldDone done;
};

struct JobHolds {
        Server *server;
        Hold *first;
        unsigned n;
        int64_t seq; /* the last row that was looked at */
        sd_event_source *timer;
};

static bool is_held(const JobHolds *h, int64_t job_id) {
        for (const Hold *i = h->first; i; i = i->next)
                if (i->job_id == job_id)
                        return true;
        return false;
}

/* What can't be read is waited for to the bound. */
static bool has_ended(const JobHolds *h, int64_t job_id) {
        _cleanup_(job_freep) Job *j = NULL;
        int r = job_store_get(h->server->db, job_id, &j, NULL);

        return r < 0 ? r == -ENOENT : job_status_is_terminal(j->status);
}

/* Answers those of the job (0: of none), and those whose time is over. */
static void let_go(JobHolds *h, int64_t job_id, usec_t now) {
        Hold *gone = NULL, **last = &gone;

        for (Hold **i = &h->first; *i;) {
                Hold *k = *i;

                if (k->job_id != job_id && k->until > now) {
                        i = &k->next;
                        continue;
                }
                *i = k->next;
                k->next = NULL;
                *last = k;
                last = &k->next;
                h->n--;
        }
        while (gone) {
                Hold *k = gone;

                gone = k->next;
                k->done(k->call, k->job_id);
                free(k);
        }
}

static void arm(JobHolds *h) {
        usec_t first = USEC_INFINITY;

        for (const Hold *i = h->first; i; i = i->next)
                first = MIN(first, i->until);
        if (first == USEC_INFINITY) {
                (void) sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time(h->timer, first);
        (void) sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t at, void *userdata) {
        JobHolds *h = userdata;

        let_go(h, 0, env_now(h->server->env, ENV_CLOCK_MONOTONIC));
        arm(h);
        return 0;
}

static void look_at(JobHolds *h, int64_t job_id) {
        if (is_held(h, job_id) && has_ended(h, job_id))
                let_go(h, job_id, 0);
}

/* Rows that nobody has looked at are gone: they may have been anybody's. */
static void look_at_all(JobHolds *h) {
        int64_t ended;

        do {
                ended = 0;
                for (const Hold *i = h->first; i && ended == 0; i = i->next)
                        if (has_ended(h, i->job_id))
                                ended = i->job_id;
                if (ended != 0)
                        let_go(h, ended, 0);
        } while (ended != 0);
}

void job_holds_notify(JobHolds *h) {
        size_t n = BATCH;

        while (h->first && n == BATCH) {
                ChangeArray rows = {};
                int64_t id;
                int r = change_list(h->server->db, h->seq, BATCH, &rows, NULL);

                if (r == -ESTALE) {
                        if (change_last(h->server->db, &h->seq, NULL) >= 0)
                                look_at_all(h);
                        return;
                }
                n = rows.n;
                for (size_t i = 0; i < rows.n; i++) {
                        h->seq = rows.items[i]->seq;
                        if (rows.items[i]->kind == CHANGE_JOB && parse_i64(rows.items[i]->id, &id) >= 0)
                                look_at(h, id);
                }
                change_array_done(&rows);
        }
}

static int hold(JobHolds *h, Call *c, int64_t job_id, usec_t until, JobHoldDone done) {
        Hold *k;

        if (h->n == JOB_HOLDS_MAX || env_now(h->server->env, ENV_CLOCK_MONOTONIC) >= until)
                return -EAGAIN;
        if (!h->first && change_last(h->server->db, &h->seq, NULL) < 0)
                return -EIO;
        if (has_ended(h, job_id))
                return -EALREADY;
        k = malloc(sizeof(*k));
        if (!k)
                return -ENOMEM;
        *k = (Hold) { h->first, c, job_id, until, done };
        h->first = k;
        h->n++;
        arm(h);
        return 0;
}

void job_hold(Call *c, int64_t job_id, usec_t until, JobHoldDone done) {
        if (hold(c->server->holds, c, job_id, until, done) < 0)
                done(c, job_id);
}

int job_holds_new(Server *s, JobHolds **ret) {
        _cleanup_(job_holds_freep) JobHolds *h = calloc(1, sizeof(*h));
        int r;

        if (!h)
                return -ENOMEM;
        h->server = s;
        r = sd_event_add_time(daemon_event(s->daemon), &h->timer, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC,
                              on_timer, h);
        if (r >= 0)
                r = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

JobHolds *job_holds_free(JobHolds *h) {
        if (!h)
                return NULL;
        let_go(h, 0, USEC_INFINITY);
        sd_event_source_disable_unref(h->timer);
        free(h);
        return NULL;
}
