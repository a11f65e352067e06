/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* There is no queue of events: the table `change` is the queue, a listener is a position in it. To notify
 * is to have each listener read on from where it is, so that a slow or late one needs no memory, and one
 * that reconnects with Last-Event-ID is a listener like any other. Each row is judged by the listener's
 * rights at the moment it is sent.
 *
 * A stream that can't keep up is broken off by http_stream_write(); its client comes back and catches up.
 * If rows were pruned meanwhile it is told "reset": read everything anew.
 *
 * on_close() may come while the list is being walked, so it only lets go of the stream; listeners are
 * freed by sweep(), which runs where nobody walks. */

#include "db/actor-store.h"
#include "db/attempt-store.h"
#include "db/change-store.h"
#include "db/connection-store.h"
#include "db/definition-store.h"
#include "db/job-store.h"
#include "db/tag-store.h"
#include "basic/parse-util.h"
#include "server/event-feed.h"
#include "server/job-progress.h"
#include "server/out.h"

/* Rows read at a time. */
#define BATCH 500U
/* Who has left so much lying is told of no progress until it is taken: there will be newer. */
#define WAITING_MAX (64U * 1024U)

typedef struct Listener Listener;
struct Listener {
        EventFeed *feed;
        Listener *next;
        HttpStream *stream; /* NULL: its client has gone, it is swept at the next occasion */
        Call *call;         /* who listens; without a request of its own */
        int64_t seq;        /* the last row that was told */
};

struct EventFeed {
        Server *server;
        Listener *listeners;
        unsigned n_listeners;
        sd_event_source *ping;
};

static void listener_free(Listener *l) {
        http_stream_free(l->stream);
        call_unref(l->call);
        free(l);
}

static void sweep(EventFeed *f) {
        for (Listener **i = &f->listeners; *i;) {
                Listener *l = *i;

                if (l->stream) {
                        i = &l->next;
                        continue;
                }
                *i = l->next;
                f->n_listeners--;
                listener_free(l);
        }
}

static void on_close(void *userdata) {
        Listener *l = userdata;

        l->stream = http_stream_free(l->stream);
}

/* The workspace that a row belongs to; NULL: the instance's (or it is no longer there). Ids of changes
 * begin with the object's, and go on behind a slash for parts of it. */
static int workspace_of(Server *s, const Change *change, char **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        _cleanup_(tag_freep) Tag *t = NULL;
        _cleanup_(job_freep) Job *j = NULL;
        _cleanup_free_ char *id = strndup(change->id, strcspn(change->id, "/"));
        const char *found = NULL;
        int64_t number;

        if (!id)
                return -ENOMEM;
        switch (change->kind) {
        case CHANGE_WORKSPACE:
                found = id;
                break;
        case CHANGE_ACTOR:
        case CHANGE_CATALOG:
                if (actor_store_get(s->db, id, &a, NULL) >= 0)
                        found = a->workspace_id;
                break;
        case CHANGE_CONNECTION:
        case CHANGE_TIMELINE:
        case CHANGE_STATE:
                if (connection_store_get(s->db, id, &connection, NULL) >= 0)
                        found = connection->workspace_id;
                break;
        case CHANGE_JOB:
        case CHANGE_ATTEMPT:
                if (parse_i64(id, &number) >= 0 && job_store_get(s->db, number, &j, NULL) >= 0)
                        found = j->workspace_id;
                break;
        case CHANGE_DEFINITION:
                if (definition_store_get(s->db, id, &d, NULL) >= 0)
                        found = d->workspace_id;
                break;
        case CHANGE_TAG:
                if (tag_store_get(s->db, id, &t, NULL) >= 0)
                        found = t->workspace_id;
                break;
        default:
                break;
        }
        if (found) {
                *ret = strdup(found);
                return *ret ? 0 : -ENOMEM;
        }
        return 0;
}

static bool may_see(Listener *l, const Change *change) {
        _cleanup_free_ char *workspace = NULL;
        bool yes;

        if (call_require(l->call, NULL, ROLE_READER) >= 0)
                return true;
        yes = workspace_of(l->feed->server, change, &workspace) >= 0 && workspace &&
                call_require(l->call, workspace, ROLE_READER) >= 0;
        error_free(TAKE_PTR(l->call->error));
        return yes;
}

static int write_change(Listener *l, const Change *change) {
        _cleanup_buffer_ Buffer b = {};
        _cleanup_json_ JsonObject *o = NULL;
        Out out = out_object();
        int r;

        out_string(&out, "kind", change_kind_to_string(change->kind));
        out_string(&out, "id", change->id);
        out_i64(&out, "at", (int64_t) change->at);
        r = out_take(&out, &o);
        if (r >= 0)
                r = buffer_appendf(&b, "id: %lld\nevent: change\ndata: ", (long long) change->seq);
        if (r >= 0)
                r = json_append(&b, o);
        if (r >= 0)
                r = buffer_append_string(&b, "\n\n");
        return r < 0 ? r : http_stream_write(l->stream, buffer_bytes(&b), b.len);
}

/* What the listener has not heard yet. When rows that it missed are gone, it is told to read all anew. */
static int catch_up(Listener *l) {
        static const char reset[] = "event: reset\ndata: {}\n\n";
        Db *db = l->feed->server->db;
        int r;

        for (;;) {
                ChangeArray rows = {};
                size_t n;

                r = change_list(db, l->seq, BATCH, &rows, NULL);
                if (r == -ESTALE) {
                        r = change_last(db, &l->seq, NULL);
                        return r < 0 ? r : http_stream_write(l->stream, reset, sizeof(reset) - 1);
                }
                for (size_t i = 0; r >= 0 && i < rows.n; i++) {
                        if (may_see(l, rows.items[i]))
                                r = write_change(l, rows.items[i]);
                        l->seq = rows.items[i]->seq;
                }
                n = rows.n;
                change_array_done(&rows);
                if (r < 0 || n < BATCH)
                        return r;
        }
}

void event_feed_notify(EventFeed *f) {
        sweep(f);
        for (Listener *l = f->listeners; l; l = l->next)
                if (l->stream && catch_up(l) < 0)
                        l->stream = http_stream_free(l->stream);
}

static int format_progress(JsonObject *progress, Buffer *b) {
        int r = buffer_append_string(b, "event: progress\ndata: ");

        if (r >= 0)
                r = json_append(b, progress);
        return r < 0 ? r : buffer_append_string(b, "\n\n");
}

static void write_progress(Listener *l, const char *workspace_id, const Buffer *b) {
        if (!l->stream || http_stream_waiting(l->stream) > WAITING_MAX)
                return;
        if (call_require(l->call, workspace_id, ROLE_READER) >= 0 &&
            http_stream_write(l->stream, buffer_bytes(b), b->len) < 0)
                l->stream = http_stream_free(l->stream);
        error_free(TAKE_PTR(l->call->error));
}

void event_feed_progress(EventFeed *f, const char *workspace_id, JsonObject *progress) {
        _cleanup_buffer_ Buffer b = {};

        sweep(f);
        if (!f->listeners || format_progress(progress, &b) < 0)
                return;
        for (Listener *l = f->listeners; l; l = l->next)
                write_progress(l, workspace_id, &b);
}

static void tell_newcomer(const char *workspace_id, JsonObject *progress, void *userdata) {
        _cleanup_buffer_ Buffer b = {};

        if (format_progress(progress, &b) >= 0)
                write_progress(userdata, workspace_id, &b);
}

static int on_ping(sd_event_source *source, uint64_t now, void *userdata) {
        EventFeed *f = userdata;

        sweep(f);
        for (Listener *l = f->listeners; l; l = l->next)
                if (l->stream && http_stream_write(l->stream, ":\n\n", 3) < 0)
                        l->stream = http_stream_free(l->stream);
        if (!f->listeners)
                return 0;
        (void) sd_event_source_set_time_relative(source, EVENT_PING_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int event_feed_new(Server *s, EventFeed **ret) {
        _cleanup_(event_feed_freep) EventFeed *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        f->server = s;
        r = sd_event_add_time(daemon_event(s->daemon), &f->ping, CLOCK_MONOTONIC, 0, USEC_PER_SEC, on_ping,
                              f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->ping, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

EventFeed *event_feed_free(EventFeed *f) {
        if (!f)
                return NULL;
        while (f->listeners) {
                Listener *l = f->listeners;

                f->listeners = l->next;
                listener_free(l);
        }
        sd_event_source_disable_unref(f->ping);
        free(f);
        return NULL;
}

static Listener *listener_new(EventFeed *f, Call *c) {
        Listener *l = calloc(1, sizeof(*l));

        if (!l)
                return NULL;
        l->feed = f;
        l->call = call_new(f->server);
        if (l->call) {
                l->call->kind = c->kind;
                l->call->principal_id = strdup(c->principal_id);
        }
        if (!l->call || !l->call->principal_id) {
                listener_free(l);
                return NULL;
        }
        return l;
}

int event_feed_subscribe(EventFeed *f, Call *c, int64_t since) {
        Listener *l;
        int r;

        sweep(f);
        if (f->n_listeners == EVENT_STREAMS_MAX)
                return call_fail(c, -EAGAIN, NULL, "Too many streams of events are open");
        l = listener_new(f, c);
        if (!l)
                return -ENOMEM;
        l->seq = since;
        r = since < 0 ? change_last(f->server->db, &l->seq, &c->error) : 0;
        if (r >= 0)
                r = http_stream_begin(c->request, "text/event-stream", on_close, l, &l->stream);
        if (r < 0) {
                listener_free(l);
                return r;
        }
        l->next = f->listeners;
        f->listeners = l;
        if (f->n_listeners++ == 0) {
                (void) sd_event_source_set_time_relative(f->ping, EVENT_PING_USEC);
                (void) sd_event_source_set_enabled(f->ping, SD_EVENT_ONESHOT);
        }
        if (http_stream_write(l->stream, "retry: 2000\n\n", 13) < 0 || catch_up(l) < 0)
                l->stream = http_stream_free(l->stream);
        job_progress_tell_all(f->server, tell_newcomer, l);
        return 0;
}
