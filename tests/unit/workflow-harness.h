/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A world for the workflow engine: a clock that only moves when told, a store in memory with real transactions, and a host
 * whose activities end when told. Any call of the store can be made to fail, to do its work and say that it failed, or to
 * be the last that the process makes; then a new engine takes over what was committed. */

#include "unit/test.h"
#include "workflow/workflow-engine.h"

#define ROWS_MAX 8
#define LEDGER_MAX 64
#define ACTIVITIES_MAX 32

typedef enum Fault {
        FAULT_NONE,
        FAULT_FAILS,          /* the call does nothing and says so */
        FAULT_DONE_BUT_FAILS, /* the call does its work and says that it failed */
        FAULT_CRASH,          /* the process dies in front of the call */
        FAULT_CRASH_AFTER,    /* the process dies when the call has done its work */
        _FAULT_MAX,
} Fault;

typedef struct Row {
        char *id, *type;
        bool closed, failed;
        History history;
} Row;

/* What is durable: workflows, and what steps have written. */
typedef struct Disk {
        Row rows[ROWS_MAX];
        size_t n_rows;
        char *ledger[LEDGER_MAX];
        size_t n_ledger;
} Disk;

typedef struct Activity {
        char *name, *id;
        JsonObject *input;
        bool cancelled, ended;
        unsigned n_started;
} Activity;

typedef struct World {
        Env env;
        HistoryStore store;
        WorkflowHost host;
        usec_t now, timer_at;
        bool damaged; /* histories can't be read */
        usec_t look_takes; /* time that passes with each look at the clock */
        EnvTimerHandler timer;
        void *timer_data;
        WorkflowEngine *engine;
        const WorkflowCode *codes;
        Disk disk, open; /* `open`: inside a transaction */
        bool in_transaction;

        Fault fault;
        unsigned n_calls, fault_at; /* the call, counted from 1 */
        bool crashed, hit;

        Activity activities[ACTIVITIES_MAX]; /* outside: survives crashes */
        size_t n_activities;
        unsigned n_closed;
        char *result, *reason;
} World;

static void disk_done(Disk *d) {
        for (size_t i = 0; i < d->n_rows; i++) {
                free(d->rows[i].id);
                free(d->rows[i].type);
                history_done(&d->rows[i].history);
        }
        for (size_t i = 0; i < d->n_ledger; i++)
                free(d->ledger[i]);
        *d = (Disk) {};
}

static void disk_copy(const Disk *from, Disk *to) {
        disk_done(to);
        for (size_t i = 0; i < from->n_rows; i++) {
                const Row *row = from->rows + i;
                Row *copy = to->rows + to->n_rows++;

                *copy = (Row) { .id = strdup(row->id), .type = strdup(row->type), .closed = row->closed,
                                .failed = row->failed };
                for (size_t k = 0; k < row->history.n; k++) {
                        const HistoryEvent *e = row->history.events + k;

                        ASSERT_OK(history_append(&copy->history, e->type, e->name, e->key, e->payload, e->at));
                }
        }
        for (size_t i = 0; i < from->n_ledger; i++)
                to->ledger[to->n_ledger++] = strdup(from->ledger[i]);
}

static Row *disk_find(Disk *d, const char *id) {
        for (size_t i = 0; i < d->n_rows; i++)
                if (streq(d->rows[i].id, id))
                        return d->rows + i;
        return NULL;
}

/* Every call of the store passes here first. <0: it fails and does nothing. */
static int world_call(World *w) {
        if (w->crashed)
                return -ESHUTDOWN;
        if (++w->n_calls != w->fault_at || w->fault == FAULT_NONE)
                return 0;
        w->hit = true;
        if (w->fault == FAULT_CRASH)
                w->crashed = true;
        return w->fault == FAULT_FAILS ? -EIO : w->fault == FAULT_CRASH ? -ESHUTDOWN : 0;
}

/* And here when it has done its work. */
static int world_return(World *w, int r) {
        if (!w->hit || w->n_calls != w->fault_at || r < 0)
                return r;
        if (w->fault == FAULT_CRASH_AFTER)
                w->crashed = true;
        return w->fault == FAULT_DONE_BUT_FAILS ? -EIO : w->fault == FAULT_CRASH_AFTER ? -ESHUTDOWN : r;
}

static int store_begin(void *userdata, Error **reterr_error) {
        World *w = userdata;
        int r = world_call(w);

        if (r < 0)
                return r;
        assert_false(w->in_transaction);
        disk_copy(&w->disk, &w->open);
        w->in_transaction = true;
        return 0;
}

static int store_commit(void *userdata, Error **reterr_error) {
        World *w = userdata;
        int r = world_call(w);

        if (r < 0)
                return r;
        assert_true(w->in_transaction);
        disk_copy(&w->open, &w->disk);
        w->in_transaction = false;
        return world_return(w, 0);
}

static void store_rollback(void *userdata) {
        ((World *) userdata)->in_transaction = false;
}

static int store_list_open(void *userdata, HistoryListHandler handler, void *data, Error **reterr_error) {
        World *w = userdata;
        int r = world_call(w);

        for (size_t i = 0; r >= 0 && i < w->disk.n_rows; i++)
                if (!w->disk.rows[i].closed)
                        r = handler(w->disk.rows[i].id, w->disk.rows[i].type, data);
        return r;
}

static int store_load(void *userdata, const char *id, History *ret, Error **reterr_error) {
        World *w = userdata;
        Row *row = disk_find(w->in_transaction ? &w->open : &w->disk, id);
        int r = world_call(w);

        if (r < 0)
                return r;
        if (!row)
                return -ENOENT;
        if (w->damaged)
                return error_set(reterr_error, -EBADMSG, "the history is damaged");
        for (size_t i = 0; i < row->history.n; i++) {
                const HistoryEvent *e = row->history.events + i;

                ASSERT_OK(history_append(ret, e->type, e->name, e->key, e->payload, e->at));
        }
        return world_return(w, 0);
}

static int store_create(void *userdata, const char *id, const char *type, const char *input, usec_t now,
                        Error **reterr_error) {
        World *w = userdata;
        int r = world_call(w);

        if (r < 0)
                return r;
        assert_true(w->in_transaction);
        if (disk_find(&w->open, id))
                return -EEXIST;
        w->open.rows[w->open.n_rows++] = (Row) { .id = strdup(id), .type = strdup(type) };
        return world_return(w, 0);
}

static int store_append(void *userdata, const char *id, size_t seq, const HistoryEvent *e,
                        Error **reterr_error) {
        World *w = userdata;
        Row *row = disk_find(&w->open, id);
        int r = world_call(w);

        if (r < 0)
                return r;
        assert_true(w->in_transaction);
        assert_non_null(row);
        assert_int_equal(seq, row->history.n);
        ASSERT_OK(history_append(&row->history, e->type, e->name, e->key, e->payload, e->at));
        return world_return(w, 0);
}

static int store_wait(void *userdata, const char *id, size_t n_events, usec_t next_timer, usec_t now,
                      Error **reterr_error) {
        World *w = userdata;
        int r = world_call(w);

        return r < 0 ? r : world_return(w, 0);
}

static int store_close(void *userdata, const char *id, bool failed, const char *payload, usec_t now,
                       Error **reterr_error) {
        World *w = userdata;
        Row *row = disk_find(&w->open, id);
        int r = world_call(w);

        if (r < 0)
                return r;
        assert_non_null(row);
        row->closed = true;
        row->failed = failed;
        return world_return(w, 0);
}

static int store_knows_activity(void *userdata, const char *activity_id, Error **reterr_error) {
        World *w = userdata;
        int r = world_call(w);

        for (size_t i = 0; r == 0 && i < w->disk.n_rows; i++)
                if (history_find(&w->disk.rows[i].history, HISTORY_ACTIVITY_SCHEDULED, activity_id, 0, SIZE_MAX) >= 0)
                        r = 1;
        return r;
}

/* What a step writes: kept if and only if the transaction commits. */
static int ledger_write(World *w, const char *what) {
        int r = world_call(w);

        if (r < 0)
                return r;
        assert_true(w->in_transaction);
        assert_in_range(w->open.n_ledger, 0, LEDGER_MAX - 1);
        w->open.ledger[w->open.n_ledger++] = strdup(what);
        return world_return(w, 0);
}

static void host_start_activity(const char *name, const char *id, JsonObject *input, void *userdata) {
        World *w = userdata;

        if (w->crashed)
                return;
        for (size_t i = 0; i < w->n_activities; i++)
                if (streq(w->activities[i].id, id)) {
                        w->activities[i].n_started++;
                        return;
                }
        assert_in_range(w->n_activities, 0, ACTIVITIES_MAX - 1);
        w->activities[w->n_activities++] = (Activity) { .name = strdup(name), .id = strdup(id), .n_started = 1,
                                                        .input = json_object_get(input) };
}

static void host_cancel_activity(const char *id, const char *reason, void *userdata) {
        World *w = userdata;

        for (size_t i = 0; !w->crashed && i < w->n_activities; i++)
                if (streq(w->activities[i].id, id))
                        w->activities[i].cancelled = true;
}

static void host_closed(const char *id, const char *type, JsonObject *result, const char *reason,
                        void *userdata) {
        World *w = userdata;

        w->n_closed++;
        free(w->result);
        free(w->reason);
        w->result = result ? json_to_string(result) : NULL;
        w->reason = reason ? strdup(reason) : NULL;
}

static usec_t world_now(Env *e, EnvClock clock) {
        World *w = (World *) e;

        return w->now += w->look_takes;
}

static int world_random(Env *e, void *p, size_t n) {
        memset(p, 7, n);
        return 0;
}

static int world_timer_add(Env *e, usec_t at, EnvTimerHandler handler, void *userdata, EnvSource **ret) {
        World *w = (World *) e;

        w->timer = handler;
        w->timer_data = userdata;
        w->timer_at = at;
        *ret = (EnvSource *) w;
        return 0;
}

static int world_timer_set(EnvSource *s, usec_t at) {
        ((World *) s)->timer_at = at;
        return 0;
}

static EnvSource *world_source_free(EnvSource *s) {
        ((World *) s)->timer_at = USEC_INFINITY;
        return NULL;
}

static const EnvOps world_ops = {
        .now = world_now,
        .random_bytes = world_random,
        .timer_add = world_timer_add,
        .timer_set = world_timer_set,
        .source_free = world_source_free,
};

static void world_boot(World *w) {
        ASSERT_OK(workflow_engine_new(&w->env, &w->store, &w->host, w->codes, w, &w->engine));
        ASSERT_OK(workflow_engine_resume(w->engine, NULL));
}

static void world_init(World *w, const WorkflowCode *codes) {
        *w = (World) {
                .env = { .ops = &world_ops },
                .store = { store_begin, store_commit, store_rollback, store_list_open, store_load, store_create,
                           store_append, store_wait, store_close, store_knows_activity, w },
                .host = { .start_activity = host_start_activity, .cancel_activity = host_cancel_activity,
                          .closed = host_closed, .userdata = w },
                .now = 1000 * USEC_PER_SEC,
                .codes = codes,
        };
        world_boot(w);
}

static void world_done(World *w) {
        workflow_engine_free(w->engine);
        disk_done(&w->disk);
        disk_done(&w->open);
        for (size_t i = 0; i < w->n_activities; i++) {
                free(w->activities[i].name);
                free(w->activities[i].id);
                json_object_put(w->activities[i].input);
        }
        free(w->result);
        free(w->reason);
}
#define _cleanup_world_ _cleanup_(world_done)

/* The process is gone, a new one starts on what was committed. */
static void world_reboot(World *w) {
        workflow_engine_free(w->engine);
        w->in_transaction = false;
        w->crashed = false;
        w->fault = FAULT_NONE;
        world_boot(w);
}

/* One thing happens: the engine's timer, else an activity ends, else time passes. false: nothing is left to happen. */
static bool world_step(World *w) {
        if (w->crashed)
                world_reboot(w);
        if (w->timer_at <= w->now) {
                w->timer((EnvSource *) w, w->now, w->timer_data);
                return true;
        }
        for (size_t i = 0; i < w->n_activities; i++) {
                Activity *a = w->activities + i;
                _cleanup_json_ JsonObject *result = NULL;

                if (a->ended)
                        continue;
                result = json_object_new_string(a->cancelled ? "cancelled" : "done");
                /* The one who ran it tells until it is heard. */
                a->ended = workflow_engine_complete(w->engine, a->id, result, NULL) >= 0;
                if (a->ended || w->crashed)
                        return true;
        }
        if (w->timer_at == USEC_INFINITY)
                return false;
        w->now = w->timer_at;
        return true;
}

static void world_run(World *w) {
        for (unsigned i = 0; world_step(w); i++)
                assert_in_range(i, 0, 10000);
}
