/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection goes by one discovered catalog, source_catalog_id, whatever newer ones there are: its own
 * discovers, those of other connections of the same source, and those that somebody has asked for. This step
 * moves it on, or doesn't, or turns the connection off. It looks at one connection only: each of a source's
 * others decides at its own next sync, with the same catalog.
 *
 * Most of the time nothing differs: two fetches with the same hash are the same catalog, and then neither is
 * read. The new id is taken all the same, so that the next sync sees at once that there is nothing to do.
 * Where a change is ignored, the ids stay apart and each sync compares again; that is the price of noticing
 * that it has become a breaking one.
 *
 * The step's value says why the attempt ends, where it does. What is to be read anew (a backfill) is owed by
 * a row of its own, so that it outlives an attempt that never comes to read. */

#include <stdio.h>

#include "db/catalog-store.h"
#include "db/connection-store.h"
#include "workflow/actor-input.h"
#include "workflow/job-event.h"
#include "workflow/schema-decision.h"
#include "workflow/sync-backfill.h"
#include "workflow/sync-schema.h"
#include "workflow/workload-request.h"

typedef struct Schema {
        Connection *connection;
        ActorInput source, destination;
        CatalogFetch *base, *newest; /* base NULL: the connection has never known one */
        const SchemaDecision *decision;
} Schema;

static void schema_done(Schema *s) {
        connection_free(s->connection);
        actor_input_done(&s->source);
        actor_input_done(&s->destination);
        catalog_fetch_free(s->base);
        catalog_fetch_free(s->newest);
}

bool sync_schema_is_behind(const Connection *c, const CatalogFetch *newest) {
        return !streq_ptr(c->source_catalog_id, newest->id);
}

/* --- reading --- */

static int load_fetches(Db *db, Schema *s, Error **reterr_error) {
        int r;

        r = catalog_fetch_store_latest(db, s->source.actor->id, s->source.hash, NULL, &s->newest, NULL);
        /* Its configuration has changed since the discover: the next attempt asks again. */
        if (r == -ENOENT)
                r = catalog_fetch_store_latest(db, s->source.actor->id, NULL, NULL, &s->newest, reterr_error);
        if (r < 0 || !s->connection->source_catalog_id)
                return r;
        return catalog_fetch_store_get(db, s->connection->source_catalog_id, &s->base, reterr_error);
}

static int load(Db *db, const SyncRun *run, Schema *s, Error **reterr_error) {
        int r;

        if ((r = connection_store_get(db, run->connection_id, &s->connection, reterr_error)) < 0 ||
            (r = actor_input_load(db, s->connection->source_id, &s->source, reterr_error)) < 0 ||
            (r = actor_input_load(db, s->connection->destination_id, &s->destination, reterr_error)) < 0 ||
            (r = load_fetches(db, s, reterr_error)) < 0)
                return r;
        return 0;
}

/* Nothing to compare with, or nothing that differs: most discovers bring what is known. Otherwise both
 * catalogs are read and compared outside of the transaction. */
static int decide(const SyncRun *run, Schema *s, Error **reterr_error) {
        static const SchemaDecision unchanged;
        SchemaQuestion q = {
                .before = s->base ? s->base->catalog_hash : NULL, .after = s->newest->catalog_hash,
                .selection = s->connection->catalog, .destination_spec = s->destination.definition->spec,
                .policy = s->connection->non_breaking_preference,
        };

        s->decision = &unchanged;
        if (!q.before || streq(q.before, q.after))
                return 0;
        return schema_decision_get(&run->world->prepared, &q, &s->decision, reterr_error);
}

/* --- what is written --- */

static int replace(char **p, const char *value) {
        char *copy = value ? strdup(value) : NULL;

        if (value && !copy)
                return -ENOMEM;
        free(*p);
        *p = copy;
        return 0;
}

/* The revision is the editors': it rises where something changes that is set of the connection, not where it
 * goes by a newer catalog. */
static int store_connection(Db *db, Schema *s, usec_t now, Error **reterr_error) {
        const SchemaDecision *d = s->decision;
        SchemaVerdict v = d->change.verdict;
        Connection *c = s->connection;
        bool breaking = v == SCHEMA_BREAKING, follows = v == SCHEMA_UNCHANGED || v == SCHEMA_PROPAGATED;
        bool edited = breaking != c->breaking_change || d->selection || schema_reason(v);
        int r = 0;

        c->breaking_change = breaking;
        if (d->selection)
                r = replace(&c->catalog, d->selection);
        if (r >= 0 && schema_reason(v)) {
                c->status = CONNECTION_INACTIVE;
                r = replace(&c->status_reason, schema_reason(v));
        }
        if (r >= 0 && follows)
                r = replace(&c->source_catalog_id, s->newest->id);
        if (r < 0)
                return r;
        if (edited)
                return connection_store_update(db, c, now, reterr_error);
        return follows ? connection_store_set_source_catalog(db, c->id, s->newest->id, now, reterr_error) : 0;
}

/* An attempt tells it once, and before the job's end. */
static int tell_timeline(Db *db, const SyncRun *run, const Schema *s, usec_t now, Error **reterr_error) {
        bool disabled = schema_reason(s->decision->change.verdict);
        const TimelineEvent e = {
                .connection_id = s->connection->id, .job_id = run->job_id, .summary = s->decision->summary,
                .event_type = (char *) (disabled ? "CONNECTION_DISABLED" : "SCHEMA_UPDATE"),
        };

        if (!s->decision->summary)
                return 0;
        return job_event_tell(db, &e, (uint16_t) json_object_get_int(json_member(run->start, "attempt")),
                              now, reterr_error);
}

/* --- what is said --- */

static int explain_transform(const StreamTransform *t, char **ret) {
        for (size_t i = 0; i < t->n_fields; i++) {
                _cleanup_free_ char *path = NULL;

                if (!t->fields[i].breaking)
                        continue;
                path = strv_join(t->fields[i].name, ".");
                if (!path)
                        return -ENOMEM;
                return asprintf(ret, "Stream '%s' has lost its field '%s', which is the cursor or part of the primary "
                                "key here: the connection is turned off until its streams are set anew",
                                t->name, path) < 0 ? -ENOMEM : 1;
        }
        if (!t->key_breaking)
                return 0;
        return asprintf(ret, "The source has given stream '%s' another primary key: the connection is turned off "
                        "until its streams are set anew", t->name) < 0 ? -ENOMEM : 1;
}

/* Why the connection is turned off. */
static int explain(const SchemaChange *change, char **ret) {
        int r = 0;

        if (change->verdict == SCHEMA_BREAKING)
                for (size_t i = 0; r == 0 && i < change->diff.n_transforms; i++)
                        r = explain_transform(change->diff.transforms + i, ret);
        if (r != 0)
                return MIN(r, 0);
        *ret = strdup("The source's schema has changed: the connection is turned off, as it is configured to be");
        return *ret ? 0 : -ENOMEM;
}

static void note(const SyncRun *run, const Schema *s, const char *why) {
        const SchemaChange *change = &s->decision->change;
        JobNoteOptions options = { LOG_LEVEL_INFO, MESSAGE_SCHEMA_CHANGED, run->job_id, /* attempt= */ -1,
                                   run->connection_id, NULL, NULL };

        if (why) {
                options.level = LOG_LEVEL_WARNING;
                options.message_id = MESSAGE_CONNECTION_DISABLED;
                job_journal_note(&run->world->journal, &options, "Connection '%s' is turned off: %s",
                                 s->connection->name, why);
        } else if (change->diff.n_transforms > 0)
                job_journal_note(&run->world->journal, &options,
                                 "The source of connection '%s' has another schema, %zu changes: %s",
                                 s->connection->name, change->diff.n_transforms,
                                 schema_verdict_to_string(change->verdict));
}

/* --- the step --- */

static int add_failure(JsonObject *o, const char *origin, const char *type, const char *text, usec_t now) {
        JsonObject *failure = failure_make(origin, type, text, now);

        return failure ? json_add(o, "failure", failure) : -ENOMEM;
}

static int apply(SyncRun *run, Schema *s, JsonObject *o, usec_t now, Error **reterr_error) {
        _cleanup_free_ char *why = NULL;
        Db *db = run->world->db;
        int r;

        r = schema_reason(s->decision->change.verdict) ? explain(&s->decision->change, &why) : 0;
        if (r >= 0)
                r = store_connection(db, s, now, reterr_error);
        if (r >= 0)
                r = tell_timeline(db, run, s, now, reterr_error);
        if (r >= 0)
                r = json_add_string(o, "verdict", schema_verdict_to_string(s->decision->change.verdict));
        if (r >= 0)
                r = json_add_string(o, "catalogId", s->newest->id);
        if (r >= 0)
                r = json_add(o, "changes", json_object_new_int64((int64_t) s->decision->change.diff.n_transforms));
        if (r >= 0)
                r = s->decision->change.verdict == SCHEMA_PROPAGATED
                            ? sync_backfill_owe(db, s->connection, s->decision->change.backfill, now, reterr_error) : 0;
        if (r >= 0)
                r = sync_backfill_owe_gone(db, s->connection, s->decision->change.gone, now, reterr_error);
        if (r >= 0 && why)
                r = add_failure(o, "airbyte_platform", "manual_cancellation", why, now);
        if (r >= 0)
                note(run, s, why);
        return r;
}

int sync_step_schema(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        SyncRun *run = userdata;
        _cleanup_(schema_done) Schema s = {};
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        usec_t now = workflow_run_time(c);
        Db *db = run->world->db;
        int r;

        r = o ? load(db, run, &s, &error) : -ENOMEM;
        if (r >= 0 && s.connection->status == CONNECTION_DEPRECATED) {
                r = add_failure(o, "airbyte_platform", "manual_cancellation", "The connection was deleted", now);
                *ret = r >= 0 ? TAKE_PTR(o) : NULL;
                return r;
        }
        if (r >= 0)
                r = decide(run, &s, &error);
        if (r == -ERESTART)
                return r;
        if (r < 0 && workflow_error_is_transient(r))
                return error_set(reterr_error, r, "%s", error_message(error, r));
        /* What can't be compared is told, and a person has to look at it. */
        r = r < 0 ? add_failure(o, "source", "config_error", error_message(error, r), now)
                  : apply(run, &s, o, now, reterr_error);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
