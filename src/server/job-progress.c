/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The last word of each running job is kept in memory and nowhere else: it comes a few times a second,
 * and a lost one is followed by the next. After a start there is none; then what the worker last had
 * stored with its workload is shown. Numbers of an attempt that has ended are the database's alone.
 *
 * A word is taken only of a job's last attempt while that one runs, and used under the same condition,
 * since the attempt may have ended in between: then its numbers are stored and would count twice. Entries
 * aren't dropped when a job ends, which nobody tells us, but when the array is full: then those that run
 * no more go, and at the bound the one that came first. They are searched in a line; jobs that run at
 * once are few. */

#include <limits.h>
#include <stdlib.h>

#include "db/attempt-store.h"
#include "db/workload-store.h"
#include "server/bus-signals.h"
#include "server/event-feed.h"
#include "server/job-progress.h"
#include "server/out.h"

/* Jobs of which the last word is kept; the oldest gives way. */
#define ENTRIES_MAX 1024U

typedef struct Entry {
        int64_t job_id;
        int attempt;
        usec_t at;
        JsonObject *streams;
} Entry;

struct JobProgress {
        Server *server;
        Entry *entries; /* in the order in which they came */
        size_t n, room;
};

static void drop(JobProgress *p, size_t i) {
        json_object_put(p->entries[i].streams);
        memmove(p->entries + i, p->entries + i + 1, (p->n - i - 1) * sizeof(*p->entries));
        p->n--;
}

static Entry *find(JobProgress *p, int64_t job_id) {
        for (size_t i = 0; i < p->n; i++)
                if (p->entries[i].job_id == job_id)
                        return &p->entries[i];
        return NULL;
}

/* Those that run no more are in nobody's way, but for the room. */
static void sweep(JobProgress *p) {
        for (size_t i = p->n; i > 0; i--) {
                _cleanup_(job_freep) Job *j = NULL;

                if (job_store_get(p->server->db, p->entries[i - 1].job_id, &j, NULL) < 0 ||
                    job_status_is_terminal(j->status))
                        drop(p, i - 1);
        }
        if (p->n == ENTRIES_MAX)
                drop(p, 0);
}

static int keep(JobProgress *p, int64_t job_id, int attempt, JsonObject *streams) {
        Entry *e = find(p, job_id);

        if (e) {
                json_object_put(e->streams);
        } else {
                if (p->n == p->room)
                        sweep(p);
                if (p->n == p->room) {
                        size_t room = MIN(p->room ? 2 * p->room : 8, (size_t) ENTRIES_MAX);
                        Entry *more = reallocarray(p->entries, room, sizeof(*more));

                        if (!more)
                                return -ENOMEM;
                        p->entries = more;
                        p->room = room;
                }
                e = &p->entries[p->n++];
        }
        *e = (Entry) { job_id, attempt, server_now(p->server), json_object_get(streams) };
        return 0;
}

/* The attempt must be the job's last, and run: a worker that was given up may still be talking. */
static int load(Server *s, int64_t job_id, int attempt, Job **ret, Error **reterr_error) {
        _cleanup_(attempt_freep) Attempt *a = NULL;
        _cleanup_(job_freep) Job *j = NULL;
        int r = job_store_get(s->db, job_id, &j, reterr_error);

        if (r >= 0)
                r = attempt_store_get(s->db, job_id, attempt, &a, reterr_error);
        if (r < 0)
                return r;
        if (job_status_is_terminal(j->status) || a->status != ATTEMPT_RUNNING || attempt != j->attempts - 1)
                return error_set(reterr_error, -ESRCH, "Attempt %d of job %lld does not run", attempt,
                                 (long long) job_id);
        *ret = TAKE_PTR(j);
        return 0;
}

static int make_event(const Job *j, int attempt, usec_t now, JsonObject *streams, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_i64(&out, "jobId", j->id);
        out_i64(&out, "attempt", attempt);
        out_string(&out, "connectionId", j->connection_id);
        out_i64(&out, "at", (int64_t) now);
        out_value(&out, "streams", json_object_get(streams));
        return out_take(&out, ret);
}

int job_progress_put(Call *c, JsonObject *body) {
        _cleanup_json_ JsonObject *event = NULL;
        _cleanup_(job_freep) Job *j = NULL;
        JsonObject *streams = NULL;
        int64_t job_id = 0, attempt = 0;
        Server *s = c->server;
        int r = json_get_i64(body, "jobId", &job_id, "The body", &c->error);

        if (r >= 0)
                r = json_get_i64(body, "attempt", &attempt, "The body", &c->error);
        if (r >= 0)
                r = json_get_array(body, "streams", &streams, "The body", &c->error);
        if (r >= 0 && (!streams || attempt < 0 || attempt > INT_MAX))
                r = call_fail(c, -EINVAL, NULL, "The body has no streams, or no such attempt");
        if (r >= 0)
                r = load(s, job_id, (int) attempt, &j, &c->error);
        if (r >= 0)
                r = keep(s->progress, job_id, (int) attempt, streams);
        if (r >= 0)
                r = make_event(j, (int) attempt, server_now(s), streams, &event);
        if (r < 0)
                return r;
        event_feed_progress(s->feed, j->workspace_id, event);
        bus_signals_progress(s->signals, job_id);
        return 0;
}

void job_progress_tell_all(Server *s, JobProgressTell tell, void *userdata) {
        JobProgress *p = s->progress;

        for (size_t i = 0; p && i < p->n; i++) {
                const Entry *e = &p->entries[i];
                _cleanup_json_ JsonObject *event = NULL;
                _cleanup_(job_freep) Job *j = NULL;

                if (load(s, e->job_id, e->attempt, &j, NULL) >= 0 &&
                    make_event(j, e->attempt, e->at, e->streams, &event) >= 0)
                        tell(j->workspace_id, event, userdata);
        }
}

/* The STREAM_STATS of an attempt that runs; NULL: nobody knows. A new reference. */
static JsonObject *streams_of(Server *s, int64_t job_id, int attempt) {
        _cleanup_(attempt_freep) Attempt *a = NULL;
        _cleanup_free_ char *text = NULL;
        Entry *e = s->progress ? find(s->progress, job_id) : NULL;
        JsonObject *o = NULL;

        /* Numbers of one that has ended are stored where they belong. */
        if (attempt_store_get(s->db, job_id, attempt, &a, NULL) < 0 || a->status != ATTEMPT_RUNNING)
                return NULL;
        if (e && e->attempt == attempt)
                return json_object_get(e->streams);
        if (!a->workload_id ||
            workload_store_get_stats(s->db, a->workload_id, &text, NULL) < 0 ||
            json_parse(text, strlen(text), &o, NULL) < 0)
                return NULL;
        return o;
}

/* Numbers are somebody else's: a sum stops at the end of its range. */
static void add(int64_t *to, JsonObject *streams, const char *key) {
        for (size_t i = 0; i < json_object_array_length(streams); i++) {
                int64_t n = json_object_get_int64(json_member(json_object_array_get_idx(streams, i), key));

                if (__builtin_add_overflow(*to, n, to))
                        *to = INT64_MAX;
        }
}

void job_progress_add(Server *s, Job *j) {
        _cleanup_json_ JsonObject *streams = NULL;

        /* One that waits for its next attempt has its numbers already. */
        if (j->status != JOB_RUNNING || j->attempts == 0)
                return;
        streams = streams_of(s, j->id, j->attempts - 1);
        if (!json_object_is_type(streams, json_type_array))
                return;
        add(&j->records_committed, streams, "recordsCommitted");
        add(&j->bytes_committed, streams, "bytesCommitted");
}

JsonObject *job_progress_add_attempt(Server *s, Attempt *a) {
        JsonObject *streams;

        if (a->status != ATTEMPT_RUNNING)
                return NULL;
        streams = streams_of(s, a->job_id, a->number);
        if (!json_object_is_type(streams, json_type_array)) {
                json_object_put(streams);
                return NULL;
        }
        add(&a->records_emitted, streams, "recordsEmitted");
        add(&a->bytes_emitted, streams, "bytesEmitted");
        add(&a->records_committed, streams, "recordsCommitted");
        add(&a->bytes_committed, streams, "bytesCommitted");
        return streams;
}

int job_progress_new(Server *s, JobProgress **ret) {
        JobProgress *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->server = s;
        *ret = p;
        return 0;
}

JobProgress *job_progress_free(JobProgress *p) {
        if (!p)
                return NULL;
        while (p->n > 0)
                drop(p, p->n - 1);
        free(p->entries);
        free(p);
        return NULL;
}

static int view_stream(JsonObject *s, JobProgressForm form, JsonObject **ret) {
        /* The last two are in the flat form alone. */
        static const char *const counts[] = {
                "recordsEmitted", "bytesEmitted", "recordsCommitted", "bytesCommitted",
                "estimatedRecords", "estimatedBytes", "recordsFiltered", "recordsRejected",
        };
        bool nested = form == JOB_PROGRESS_NESTED;
        _cleanup_out_ Out out = out_object(), stats = out_object();
        JsonObject *o = NULL;
        int r;

        out_string(&out, "streamName", json_object_get_string(json_member(s, "name")));
        out_string(&out, "streamNamespace", json_object_get_string(json_member(s, "namespace")));
        if (!nested)
                out_string(&out, "status", json_object_get_string(json_member(s, "status")));
        for (size_t i = 0; i < ELEMENTSOF(counts) - (nested ? 2 : 0); i++) {
                JsonObject *n = json_member(s, counts[i]);

                if (n || !nested)
                        out_i64(nested ? &stats : &out, counts[i], json_object_get_int64(n));
        }
        if (nested) {
                r = out_take(&stats, &o);
                if (r < 0)
                        return r;
                out_value(&out, "stats", o);
        }
        return out_take(&out, ret);
}

int job_progress_view(JsonObject *told, JobProgressForm form, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(told); i++) {
                JsonObject *o = NULL;

                r = view_stream(json_object_array_get_idx(told, i), form, &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}
