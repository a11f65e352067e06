/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rows of `change` become signals, whoever has written them: a cursor walks along after the last one
 * that was told, in batches, and of several rows about one object only the last is told. Rows that were
 * pruned before they could be told are passed over; clients that must not miss one ask anew.
 *
 * Jobs are objects only while they live. `live` is what clients have been told to be there, loaded once and
 * then kept in step with the signals, so that each object comes and goes exactly once.
 *
 * Who listens has subscribed, and is tracked by the bus itself: the daemon may not leave while somebody
 * does, and live numbers, which come without a row, are told to nobody else (docs/decisions/0017). The
 * tracker has no handler, as sd-bus would call it again and again while nobody is in it. */

#include <stdio.h>
#include <stdlib.h>

#include "basic/log.h"
#include "basic/parse-util.h"
#include "basic/strv.h"
#include "db/actor-store.h"
#include "db/change-store.h"
#include "db/job-store.h"
#include "server/bus-signals.h"
#include "server/bus.h"

/* Rows read at a time. */
#define BATCH 500U

struct BusSignals {
        Server *server;
        sd_bus_track *subscribers;
        int64_t seq;   /* the last row that was told */
        int64_t *live; /* jobs that clients know as objects */
        size_t n_live, room;
};

/* Where it stands in the set, or n_live. */
static size_t find_live(const BusSignals *b, int64_t id) {
        size_t i = 0;

        while (i < b->n_live && b->live[i] != id)
                i++;
        return i;
}

static int add_live(BusSignals *b, int64_t id) {
        if (b->n_live == b->room) {
                size_t room = b->room ? 2 * b->room : 16;
                int64_t *more = reallocarray(b->live, room, sizeof(*more));

                if (!more)
                        return -ENOMEM;
                b->live = more;
                b->room = room;
        }
        b->live[b->n_live++] = id;
        return 0;
}

/* An object that is there no more has nothing to say. */
static void emit_changed(BusSignals *b, const char *kind, const char *interface, const char *id) {
        _cleanup_free_ char *path = NULL;

        if (bus_object_path(kind, id, &path) >= 0)
                (void) sd_bus_emit_properties_changed_strv(b->server->bus, path, interface, NULL);
}

static void tell_actor(BusSignals *b, const char *id) {
        _cleanup_(actor_freep) Actor *a = NULL;

        if (actor_store_get(b->server->db, id, &a, NULL) < 0)
                return;
        if (a->role == ACTOR_SOURCE)
                emit_changed(b, "source", SERVER_INTERFACE ".Source", id);
        else
                emit_changed(b, "destination", SERVER_INTERFACE ".Destination", id);
}

/* A job is an object for those who watch from its first row to the one that ends it. */
static void tell_job(BusSignals *b, int64_t id) {
        _cleanup_(job_freep) Job *j = NULL;
        _cleanup_free_ char *path = NULL;
        size_t at = find_live(b, id);
        char text[24];

        (void) snprintf(text, sizeof(text), "%lld", (long long) id);
        if (job_store_get(b->server->db, id, &j, NULL) < 0 || bus_object_path("job", text, &path) < 0)
                return;
        if (at == b->n_live && !job_status_is_terminal(j->status) && add_live(b, id) >= 0) {
                (void) sd_bus_emit_object_added(b->server->bus, path);
                return;
        }
        emit_changed(b, "job", SERVER_INTERFACE ".Job", text);
        if (at < b->n_live && job_status_is_terminal(j->status)) {
                (void) sd_bus_emit_object_removed(b->server->bus, path);
                b->live[at] = b->live[--b->n_live];
        }
}

void bus_signals_progress(BusSignals *b, int64_t job_id) {
        _cleanup_free_ char *path = NULL;
        char text[24];

        /* The bus alone knows who has a match for it; those who want it have said so to us. */
        if (!bus_signals_has_subscribers(b))
                return;
        (void) snprintf(text, sizeof(text), "%lld", (long long) job_id);
        if (bus_object_path("job", text, &path) >= 0)
                (void) sd_bus_emit_properties_changed(b->server->bus, path, SERVER_INTERFACE ".Job",
                                                      "RecordsCommitted", "BytesCommitted", NULL);
}

static void tell(BusSignals *b, const Change *change) {
        char number[24];
        int64_t id;

        switch (change->kind) {
        case CHANGE_ACTOR:
                tell_actor(b, change->id);
                break;
        case CHANGE_CONNECTION:
                emit_changed(b, "connection", SERVER_INTERFACE ".Connection", change->id);
                break;
        case CHANGE_JOB:
        case CHANGE_ATTEMPT: /* <job>/<number> */
                (void) snprintf(number, sizeof(number), "%.*s", (int) strcspn(change->id, "/"), change->id);
                if (parse_i64(number, &id) >= 0)
                        tell_job(b, id);
                break;
        default:
                break;
        }
}

/* Whether a later row of the batch says the same: once is enough. */
static bool comes_again(const ChangeArray *rows, size_t i) {
        for (size_t k = i + 1; k < rows->n; k++)
                if (rows->items[k]->kind == rows->items[i]->kind &&
                    streq(rows->items[k]->id, rows->items[i]->id))
                        return true;
        return false;
}

void bus_signals_notify(BusSignals *b) {
        for (;;) {
                ChangeArray rows = {};
                size_t n;
                int r = change_list(b->server->db, b->seq, BATCH, &rows, NULL);

                /* What has been pruned meanwhile nobody can be told. */
                if (r == -ESTALE)
                        r = change_last(b->server->db, &b->seq, NULL);
                for (size_t i = 0; r >= 0 && i < rows.n; i++) {
                        if (!comes_again(&rows, i))
                                tell(b, rows.items[i]);
                        b->seq = rows.items[i]->seq;
                }
                n = rows.n;
                change_array_done(&rows);
                if (r < 0 || n < BATCH)
                        return;
        }
}

int bus_signals_subscribe(BusSignals *b, sd_bus_message *m) {
        int r = sd_bus_track_add_sender(b->subscribers, m);

        return r < 0 ? r : 0;
}

int bus_signals_unsubscribe(BusSignals *b, sd_bus_message *m) {
        int r = sd_bus_track_remove_sender(b->subscribers, m);

        return r < 0 ? r : 0;
}

bool bus_signals_has_subscribers(BusSignals *b) {
        return b && sd_bus_track_count(b->subscribers) > 0;
}

static int list_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                        sd_bus_error *reterr) {
        _cleanup_strv_ char **nodes = NULL;
        BusSignals *b = userdata;
        JobArray live = {};
        int r = job_store_list_live(b->server->db, &live, NULL);

        for (size_t i = 0; r >= 0 && i < live.n; i++) {
                _cleanup_free_ char *path = NULL;
                char text[24];

                (void) snprintf(text, sizeof(text), "%lld", (long long) live.items[i]->id);
                r = bus_object_path("job", text, &path);
                if (r >= 0)
                        r = strv_extend(&nodes, path);
        }
        job_array_done(&live);
        if (r >= 0)
                *ret_nodes = TAKE_PTR(nodes);
        return r;
}

static int load_live(BusSignals *b) {
        JobArray live = {};
        int r = job_store_list_live(b->server->db, &live, NULL);

        for (size_t i = 0; r >= 0 && i < live.n; i++)
                r = add_live(b, live.items[i]->id);
        job_array_done(&live);
        return r;
}

int bus_signals_new(Server *s, BusSignals **ret) {
        _cleanup_(bus_signals_freep) BusSignals *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return -ENOMEM;
        b->server = s;
        r = change_last(s->db, &b->seq, NULL);
        if (r >= 0)
                r = load_live(b);
        if (r >= 0)
                /* Without a handler: one would be called again and again while nobody is in it. */
                r = sd_bus_track_new(s->bus, &b->subscribers, NULL, NULL);
        if (r >= 0)
                r = sd_bus_add_object_manager(s->bus, NULL, SERVER_PATH);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(s->bus, NULL, SERVER_PATH, list_objects, b);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(b);
        return 0;
}

BusSignals *bus_signals_free(BusSignals *b) {
        if (!b)
                return NULL;
        sd_bus_track_unref(b->subscribers);
        free(b->live);
        free(b);
        return NULL;
}
