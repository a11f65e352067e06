/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The whole core of gantry-workflow on a real database, in a world whose clock only moves when told: workloads end as the
 * test's script says, and the process may die after any commit and before any word to the world. */

#include <unistd.h>

#include "db/attempt-store.h"
#include "db/catalog-store.h"
#include "db/definition-store.h"
#include "db/generation-store.h"
#include "db/job-store.h"
#include "db/timeline-store.h"
#include "db/workflow-store.h"
#include "unit/clock-harness.h"
#include "unit/db-harness.h"
#include "workflow/workflow-manager.h"

#define WORKLOADS_MAX 64
#define REPLIES_MAX 64

typedef struct FakeWorkload {
        char *id, *type;
        JsonObject *request;
        const char *status; /* "pending" until it has ended */
        const char *output; /* JSON */
        const char *reason;
        bool notified, told_to_end;
        int attempt;
} FakeWorkload;

typedef struct Reply {
        enum { REPLY_CREATED, REPLY_REFUSED, REPLY_GOT, REPLY_CANCELLED } kind;
        char *id;
        bool created;
} Reply;

typedef struct World World;
/* How a workload ends: sets status, output, reason. */
typedef void (*WorldScript)(World *w, FakeWorkload *workload);

struct World {
        TestClock clock; /* first */
        TestDb db;
        SealingKeys *keys;
        WorkflowManager *manager;
        FakeWorkload workloads[WORKLOADS_MAX]; /* outside: survive a crash */
        size_t n_workloads;
        Reply replies[REPLIES_MAX];
        size_t n_replies;
        WorldScript script;
        bool hold; /* workloads don't end */
        const char *handed_over; /* output of a sync that was told to end; NULL: what the script says, late as it is */
        const char *refuse; /* workloads of this type are refused */
        unsigned n_points, crash_at; /* commits and words to the world */
        bool crashed, hit;
        usec_t wake_at;
};

static bool world_point(World *w) {
        if (w->crashed)
                return false;
        if (++w->n_points == w->crash_at) {
                w->hit = w->crashed = true;
                return false;
        }
        return true;
}

static void add_reply(World *w, int kind, const char *id, bool created) {
        assert_in_range(w->n_replies, 0, REPLIES_MAX - 1);
        w->replies[w->n_replies++] = (Reply) { .kind = kind, .id = strdup(id), .created = created };
}

static FakeWorkload *world_workload(World *w, const char *id) {
        for (size_t i = 0; i < w->n_workloads; i++)
                if (streq(w->workloads[i].id, id))
                        return w->workloads + i;
        return NULL;
}

/* The last one of that type, or NULL. */
static _unused_ FakeWorkload *world_last(World *w, const char *type) {
        for (size_t i = w->n_workloads; i-- > 0;)
                if (streq(w->workloads[i].type, type))
                        return w->workloads + i;
        return NULL;
}

static void port_create(const char *id, JsonObject *request, void *userdata) {
        World *w = userdata;
        FakeWorkload *known = world_workload(w, id);

        if (!world_point(w))
                return;
        if (streq_ptr(json_object_get_string(json_member(request, "type")), w->refuse)) {
                add_reply(w, REPLY_REFUSED, id, false);
                return;
        }
        if (!known) {
                assert_in_range(w->n_workloads, 0, WORKLOADS_MAX - 1);
                w->workloads[w->n_workloads++] = (FakeWorkload) {
                        .id = strdup(id), .request = json_object_get(request), .status = "pending",
                        .type = strdup(json_object_get_string(json_member(request, "type"))),
                        .attempt = json_object_get_int(json_member(request, "attempt")),
                };
        }
        add_reply(w, REPLY_CREATED, id, !known);
        /* Done, but the process doesn't live to hear it. */
        (void) world_point(w);
}

static void port_get(const char *id, void *userdata) {
        if (world_point(userdata))
                add_reply(userdata, REPLY_GOT, id, false);
}

static void end_told(FakeWorkload *workload, const char *output) {
        if (!streq(workload->status, "pending"))
                return;
        workload->status = "cancelled";
        workload->reason = "somebody";
        workload->output = output;
}

static void port_cancel(const char *id, const char *reason, void *userdata) {
        World *w = userdata;
        FakeWorkload *workload = world_workload(w, id);

        if (!world_point(w))
                return;
        /* A sync has something to hand over first. */
        if (workload && streq(workload->status, "pending"))
                workload->told_to_end = true;
        if (workload && !streq(workload->type, "sync"))
                end_told(workload, NULL);
        add_reply(w, REPLY_CANCELLED, id, false);
        (void) world_point(w);
}

static void port_settled(const char *id, bool stored, void *userdata) {
        FakeWorkload *workload = world_workload(userdata, id);

        if (workload && stored && !((World *) userdata)->crashed)
                workload->notified = true;
}

static void port_changed(int64_t seq, void *userdata) {
        (void) world_point(userdata);
}

static void port_wake_at(usec_t at, void *userdata) {
        ((World *) userdata)->wake_at = at;
}

static void world_boot(World *w) {
        const WorkflowManagerOptions options = {
                .env = &w->clock.env, .db = w->db.db, .keys = w->keys,
                .port = { port_create, port_get, port_cancel, port_settled, port_changed, port_wake_at, w },
        };

        ASSERT_OK(workflow_manager_new(&options, &w->manager));
        ASSERT_OK(workflow_manager_start(w->manager, NULL));
}

/* The process is gone; a new one opens the database. */
static void world_reboot(World *w) {
        workflow_manager_free(w->manager);
        db_free(w->db.db);
        w->crashed = false;
        for (size_t i = 0; i < w->n_replies; i++)
                free(w->replies[i].id);
        w->n_replies = 0;
        ASSERT_OK(db_open(w->db.path, DB_READ_WRITE, &w->db.db, NULL));
        world_boot(w);
}

/* On a database that is there. */
static void world_init_on(World *w, const TestDb *db, WorldScript script) {
        static const uint8_t key[SEALING_KEY_SIZE] = { 1, 2, 3 };

        *w = (World) { .clock = { .env.ops = &test_clock_ops, .now = NOW, .random = 1 }, .db = *db, .script = script,
                       .wake_at = USEC_INFINITY,
                       .handed_over = "{\"status\":\"cancelled\",\"failures\":[]}" };
        ASSERT_OK(sealing_keys_new(key, NULL, &w->keys));
        world_boot(w);
}

static _unused_ void world_init(World *w, WorldScript script) {
        TestDb db;

        test_db_new(&db);
        world_init_on(w, &db, script);
}

static void world_done(World *w) {
        workflow_manager_free(w->manager);
        sealing_keys_free(w->keys);
        test_db_done(&w->db);
        for (size_t i = 0; i < w->n_workloads; i++) {
                free(w->workloads[i].id);
                free(w->workloads[i].type);
                json_object_put(w->workloads[i].request);
        }
        for (size_t i = 0; i < w->n_replies; i++)
                free(w->replies[i].id);
}
#define _cleanup_world_ _cleanup_(world_done)

static JsonObject *workload_json(const FakeWorkload *workload) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        JsonObject *output = NULL, *failure;

        ASSERT_OK(json_add_string(o, "status", workload->status));
        if (workload->output)
                ASSERT_OK(json_parse(workload->output, strlen(workload->output), &output, NULL));
        ASSERT_OK(json_add(o, "output", output));
        if (!streq(workload->status, "success") && !streq(workload->status, "pending")) {
                failure = json_object_new_object();
                ASSERT_OK(json_add_string(failure, "source", "airbyte_platform"));
                ASSERT_OK(json_add_string(failure, "reason", workload->reason));
                ASSERT_OK(json_add(o, "failure", failure));
        }
        return TAKE_PTR(o);
}

static void deliver(World *w) {
        Reply reply = w->replies[0];

        memmove(w->replies, w->replies + 1, --w->n_replies * sizeof(Reply));
        if (reply.kind == REPLY_CREATED)
                workflow_manager_created(w->manager, reply.id, 0, reply.created, NULL);
        else if (reply.kind == REPLY_REFUSED)
                workflow_manager_created(w->manager, reply.id, -EINVAL, false, "it is refused");
        else if (reply.kind == REPLY_CANCELLED)
                workflow_manager_cancelled(w->manager, reply.id, 0);
        else {
                const FakeWorkload *workload = world_workload(w, reply.id);
                _cleanup_json_ JsonObject *o = workload ? workload_json(workload) : NULL;

                workflow_manager_got(w->manager, reply.id, workload ? 0 : -ENOENT, o);
        }
        free(reply.id);
}

/* What gantry-workload does: ends workloads, and tells of each until it is heard. */
static bool workloads_step(World *w) {
        for (size_t i = 0; i < w->n_workloads; i++) {
                FakeWorkload *workload = w->workloads + i;
                int r;

                if (streq(workload->status, "pending") && workload->told_to_end && w->handed_over) {
                        end_told(workload, w->handed_over);
                        return true;
                }
                if (streq(workload->status, "pending") && (!w->hold || workload->told_to_end)) {
                        w->script(w, workload);
                        return true;
                }
                if (streq(workload->status, "pending") || workload->notified)
                        continue;
                r = workflow_manager_finished(w->manager, workload->id, NULL);
                workload->notified = r == 0 || r == -ENOENT;
                if (!workload->notified && w->n_replies == 0 && !test_clock_fire(&w->clock))
                        continue;
                return true;
        }
        return false;
}

static bool advance(World *w, usec_t until) {
        usec_t next = USEC_INFINITY;

        for (size_t i = 0; i < TIMERS_MAX; i++)
                if (w->clock.timers[i].used)
                        next = MIN(next, w->clock.timers[i].at);
        if (next == USEC_INFINITY || next > until)
                return false;
        w->clock.now = MAX(w->clock.now, next);
        return true;
}

/* One thing happens; time passes, but not beyond `until`. */
static bool world_step(World *w, usec_t until) {
        if (w->crashed)
                world_reboot(w);
        if (w->n_replies > 0) {
                deliver(w);
                return true;
        }
        return test_clock_fire(&w->clock) || workloads_step(w) || advance(w, until) || w->crashed;
}

static void world_run(World *w, usec_t until) {
        for (unsigned i = 0; world_step(w, until); i++)
                assert_in_range(i, 0, 20000);
        w->clock.now = MAX(w->clock.now, until == USEC_INFINITY ? 0 : until);
}
