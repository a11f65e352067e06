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
#include "worker/stream-selection.h"
#include "workflow/actor-input.h"
#include "workflow/job-event.h"
#include "workflow/schema-policy.h"
#include "workflow/sync-backfill.h"
#include "workflow/sync-schema.h"
#include "workflow/workload-request.h"

/* What a timeline's event may hold of schemas; beyond that it names the fields alone. */
#define EVENT_SIZE_MAX (256U * 1024U)

typedef struct Schema {
        Connection *connection;
        ActorInput source, destination;
        CatalogFetch *base, *newest; /* base NULL: the connection has never known one */
        Catalog *before, *after;
        JsonObject *configurations;
        ConnectorSpec *spec;
        SchemaChange change;
} Schema;

static void schema_done(Schema *s) {
        connection_free(s->connection);
        actor_input_done(&s->source);
        actor_input_done(&s->destination);
        catalog_fetch_free(s->base);
        catalog_fetch_free(s->newest);
        catalog_free(s->before);
        catalog_free(s->after);
        json_putp(&s->configurations);
        connector_spec_free(s->spec);
        schema_change_done(&s->change);
}

bool sync_schema_is_behind(const Connection *c, const CatalogFetch *newest) {
        return !streq_ptr(c->source_catalog_id, newest->id);
}

/* --- reading --- */

static int load_catalog(Db *db, const CatalogFetch *f, Catalog **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = catalog_store_get(db, f->catalog_hash, &text, &n, reterr_error);
        if (r >= 0)
                r = json_parse(text, n, &o, reterr_error);
        return r >= 0 ? catalog_from_json(o, ret, reterr_error) : r;
}

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

/* Only where they differ in content: most discovers bring what is known. */
static int load_catalogs(Db *db, Schema *s, Error **reterr_error) {
        int r;

        if ((r = load_catalog(db, s->base, &s->before, reterr_error)) < 0 ||
            (r = load_catalog(db, s->newest, &s->after, reterr_error)) < 0)
                return r;
        return connector_spec_from_text(s->destination.definition->spec, &s->spec, reterr_error);
}

static int load(Db *db, const SyncRun *run, Schema *s, Error **reterr_error) {
        int r;

        if ((r = connection_store_get(db, run->connection_id, &s->connection, reterr_error)) < 0 ||
            (r = actor_input_load(db, s->connection->source_id, &s->source, reterr_error)) < 0 ||
            (r = actor_input_load(db, s->connection->destination_id, &s->destination, reterr_error)) < 0 ||
            (r = load_fetches(db, s, reterr_error)) < 0)
                return r;
        if (!s->connection->catalog)
                return 0;
        return json_parse(s->connection->catalog, strlen(s->connection->catalog), &s->configurations, reterr_error);
}

static int decide(Db *db, Schema *s, Error **reterr_error) {
        SchemaChangeRequest q;
        int r;

        /* Nothing to compare with, or nothing that differs: the zero of the verdicts is "unchanged". */
        if (!s->base || streq(s->base->catalog_hash, s->newest->catalog_hash))
                return 0;
        r = load_catalogs(db, s, reterr_error);
        if (r < 0)
                return r;
        q = (SchemaChangeRequest) {
                .before = s->before, .after = s->after, .configurations = s->configurations, .destination = s->spec,
                .policy = s->connection->non_breaking_preference,
        };
        return schema_change_decide(&q, &s->change, reterr_error);
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

static const char *reason_of(SchemaVerdict v) {
        return v == SCHEMA_BREAKING ? "SCHEMA_CHANGES_ARE_BREAKING"
               : v == SCHEMA_DISABLED ? "DISABLE_CONNECTION_IF_ANY_SCHEMA_CHANGES" : NULL;
}

/* 1: it is another one now. */
static int set_selection(Schema *s) {
        char *text;

        if (!s->change.configurations || json_equal(s->change.configurations, s->configurations))
                return 0;
        text = json_to_string(s->change.configurations);
        if (!text)
                return -ENOMEM;
        free(s->connection->catalog);
        s->connection->catalog = text;
        return 1;
}

/* The revision is the editors': it rises where something changes that is set of the connection, not where it
 * goes by a newer catalog. */
static int store_connection(Db *db, Schema *s, usec_t now, Error **reterr_error) {
        SchemaVerdict v = s->change.verdict;
        Connection *c = s->connection;
        bool breaking = v == SCHEMA_BREAKING, follows = v == SCHEMA_UNCHANGED || v == SCHEMA_PROPAGATED;
        int r, edited = breaking != c->breaking_change;

        c->breaking_change = breaking;
        r = set_selection(s);
        edited |= r > 0;
        if (r >= 0 && reason_of(v)) {
                edited = true;
                c->status = CONNECTION_INACTIVE;
                r = replace(&c->status_reason, reason_of(v));
        }
        if (r >= 0 && follows)
                r = replace(&c->source_catalog_id, s->newest->id);
        if (r < 0)
                return r;
        if (edited)
                return connection_store_update(db, c, now, reterr_error);
        return follows ? connection_store_set_source_catalog(db, c->id, s->newest->id, now, reterr_error) : 0;
}

static int make_summary(const Schema *s, CatalogDiffFlags flags, char **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *diff = NULL;
        const char *reason = reason_of(s->change.verdict);
        int r;

        r = o ? catalog_diff_to_json(&s->change.diff, flags, &diff) : -ENOMEM;
        if (r >= 0)
                r = json_add(o, "catalogDiff", TAKE_PTR(diff));
        if (r >= 0)
                r = json_add_string(o, reason ? "disabledReason" : "updateReason",
                                    reason ?: "SCHEMA_CHANGE_AUTO_PROPAGATE");
        if (r < 0)
                return r;
        *ret = json_to_string(o);
        return *ret ? 0 : -ENOMEM;
}

static bool has_applied(const CatalogDiff *d) {
        for (size_t i = 0; i < d->n_transforms; i++)
                if (d->transforms[i].applied)
                        return true;
        return false;
}

/* An attempt tells it once, and before the job's end. */
static int tell_timeline(Db *db, const SyncRun *run, const Schema *s, usec_t now, Error **reterr_error) {
        bool disabled = reason_of(s->change.verdict);
        CatalogDiffFlags flags = disabled ? 0 : CATALOG_DIFF_APPLIED_ONLY;
        _cleanup_free_ char *summary = NULL;
        TimelineEvent e = { .connection_id = s->connection->id, .job_id = run->job_id };
        int r;

        if (!disabled && !has_applied(&s->change.diff))
                return 0;
        r = make_summary(s, flags, &summary);
        if (r >= 0 && strlen(summary) > EVENT_SIZE_MAX) {
                free(TAKE_PTR(summary));
                r = make_summary(s, flags | CATALOG_DIFF_NO_SCHEMAS, &summary);
        }
        if (r < 0)
                return r;
        e.summary = summary;
        e.event_type = (char *) (disabled ? "CONNECTION_DISABLED" : "SCHEMA_UPDATE");
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
        const SchemaChange *change = &s->change;
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

        r = reason_of(s->change.verdict) ? explain(&s->change, &why) : 0;
        if (r >= 0)
                r = store_connection(db, s, now, reterr_error);
        if (r >= 0)
                r = tell_timeline(db, run, s, now, reterr_error);
        if (r >= 0)
                r = json_add_string(o, "verdict", schema_verdict_to_string(s->change.verdict));
        if (r >= 0)
                r = json_add_string(o, "catalogId", s->newest->id);
        if (r >= 0)
                r = json_add(o, "changes", json_object_new_int64((int64_t) s->change.diff.n_transforms));
        if (r >= 0)
                r = s->change.verdict == SCHEMA_PROPAGATED
                            ? sync_backfill_owe(db, s->connection, s->change.backfill, now, reterr_error) : 0;
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
                r = decide(db, &s, &error);
        if (r < 0 && workflow_error_is_transient(r))
                return error_set(reterr_error, r, "%s", error_message(error, r));
        /* What can't be compared is told, and a person has to look at it. */
        r = r < 0 ? add_failure(o, "source", "config_error", error_message(error, r), now)
                  : apply(run, &s, o, now, reterr_error);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
