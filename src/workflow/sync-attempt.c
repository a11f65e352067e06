/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an attempt reads of the database, all of it in steps. The first step records what is due as plain
 * facts (which check, whether to discover), and the script decides by these alone; were it to look at the
 * rows itself, a replay after a finished check would find the check no longer due and take another way.
 *
 * Two numbers count attempts. `run->attempt` is the script's, from 0 on in each run; the database's is
 * what everybody sees, and names the workloads. They are the same unless an attempt was left behind by
 * something that no workflow drove.
 *
 * The plan is not recorded: it holds two catalogs and would be most of a history. It lives from the step
 * "plan" to the request of the sync, which are always of the same run and so of one transaction. A replay
 * has the workload's request in its history and needs no plan. */

#include "basic/strv.h"
#include "db/actor-store.h"
#include "db/attempt-store.h"
#include "db/connection-store.h"
#include "db/generation-store.h"
#include "db/job-store.h"
#include "workflow/actor-input.h"
#include "workflow/history-db.h"
#include "workflow/plan-question.h"
#include "workflow/sync-attempt.h"
#include "workflow/sync-backfill.h"
#include "workflow/sync-schema.h"
#include "workflow/workload-request.h"

static Db *db_of(WorkflowContext *c) {
        return ((WorkflowWorld *) workflow_userdata(c))->db;
}

static int parse(const char *text, JsonObject **ret, Error **reterr_error) {
        return text ? json_parse(text, strlen(text), ret, reterr_error) : 0;
}

/* What is wrong with the configuration is the attempt's failure, not an error of the step. */
static int add_failure(JsonObject *o, const char *origin, int r, const Error *error, usec_t now) {
        JsonObject *failure = failure_make(origin, "config_error", error_message(error, r), now);

        return failure ? json_add(o, "failure", failure) : -ENOMEM;
}

/* --- the first step --- */

/* Attempts are numbered by the database. One that somehow still runs is closed, and no time is lost
 * (W06). */
static int create_attempt(Db *db, int64_t job_id, usec_t now, int *ret_number, Error **reterr_error) {
        _cleanup_json_ JsonObject *failure = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = attempt_store_create(db, job_id, now, ret_number, NULL);
        if (r != -EBUSY)
                return r < 0 ? error_set(reterr_error, r, "The attempt can't be created") : 0;
        failure = failure_make("airbyte_platform", "system_error", "The attempt was abandoned", now);
        text = failure ? json_to_string(failure) : NULL;
        if (!text)
                return -ENOMEM;
        r = attempt_store_fail_running(db, job_id, text, now, reterr_error);
        return r < 0 ? r : attempt_store_create(db, job_id, now, ret_number, reterr_error);
}

static bool check_is_due(const ActorInput *a) {
        return a->actor->check_status != CHECK_SUCCEEDED || !streq_ptr(a->actor->check_hash, a->hash);
}

/* The newest catalog of the source; of its present configuration only, or of any. -ENOENT. */
static int latest_catalog(Db *db, const ActorInput *source, bool any, CatalogFetch **ret) {
        return catalog_fetch_store_latest(db, source->actor->id, any ? NULL : source->hash, NULL, ret, NULL);
}

static int add_bool(JsonObject *o, const char *key, bool value) {
        return json_add(o, key, json_object_new_boolean(value));
}

/* A sync whose catalog is known and young pays one query for that, and nothing else. */
static int add_discover_due(Db *db, const Connection *connection, const ActorInput *source, bool clear, usec_t now,
                            JsonObject *o) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *f = NULL;
        bool due;
        int r;

        r = latest_catalog(db, source, /* any= */ clear, &f);
        if (r < 0 && r != -ENOENT)
                return r;
        due = !f || (!clear && f->created_at + DISCOVER_WINDOW_USEC <= now);
        r = add_bool(o, "discover", due);
        if (r < 0 || clear || (!due && !sync_schema_is_behind(connection, f)))
                return r;
        return add_bool(o, "schema", true);
}

/* What is due. A clear reads nothing, so its source need not even work. */
static int add_due(Db *db, const Job *job, const Connection *connection, usec_t now, JsonObject *o) {
        _cleanup_actor_input_ ActorInput source = {}, destination = {};
        _cleanup_error_ Error *error = NULL;
        bool clear = job->type == JOB_CLEAR || job->type == JOB_RESET;
        int r;

        r = actor_input_load(db, connection->source_id, &source, &error);
        if (r < 0)
                return workflow_error_is_transient(r) ? r : add_failure(o, "source", r, error, now);
        r = actor_input_load(db, connection->destination_id, &destination, &error);
        if (r < 0)
                return workflow_error_is_transient(r) ? r : add_failure(o, "destination", r, error, now);
        r = add_bool(o, "checkSource", !clear && check_is_due(&source));
        if (r >= 0)
                r = add_bool(o, "checkDestination", check_is_due(&destination));
        return r < 0 ? r : add_discover_due(db, connection, &source, clear, now, o);
}

static int add_ids(JsonObject *o, const Connection *connection, int number) {
        int r = json_add(o, "attempt", json_object_new_int(number));

        if (r >= 0)
                r = json_add_string(o, "sourceId", connection->source_id);
        if (r >= 0)
                r = json_add_string(o, "destinationId", connection->destination_id);
        return r;
}

/* Begins an attempt. Time is the run's, not the clock's: the step may be run again after a crash, and must
 * then write what it wrote. A connection that is deleted ends it; one that was turned off ends a retry only,
 * not the first attempt that somebody has asked for. */
int sync_step_start(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        SyncRun *run = userdata;
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_(job_freep) Job *job = NULL;
        _cleanup_json_ JsonObject *o = json_object_new_object(), *failure = NULL;
        usec_t now = workflow_run_time(c);
        Db *db = db_of(c);
        int number, r;

        if (!o)
                return -ENOMEM;
        r = job_store_get(db, run->job_id, &job, reterr_error);
        if (r >= 0)
                r = connection_store_get(db, run->connection_id, &connection, reterr_error);
        if (r >= 0)
                r = create_attempt(db, run->job_id, now, &number, reterr_error);
        if (r >= 0 && job->status != JOB_RUNNING)
                r = job_store_set_status(db, run->job_id, JOB_RUNNING, NULL, now, reterr_error);
        if (r >= 0)
                r = add_ids(o, connection, number);
        if (r < 0)
                return r;
        if (number == 0)
                job_journal_note(&run->world->journal,
                                 &(JobNoteOptions) { .level = LOG_LEVEL_INFO, .message_id = MESSAGE_JOB_STARTED,
                                                     .job_id = run->job_id, .attempt = -1,
                                                     .connection_id = run->connection_id },
                                 "Job %lld (%s) of connection '%s' started", (long long) run->job_id,
                                 job_type_to_string(job->type), connection->name);
        if (connection->status == CONNECTION_DEPRECATED || (number > 0 && connection->status != CONNECTION_ACTIVE)) {
                failure = failure_make("airbyte_platform", "manual_cancellation",
                                       "The connection was deleted or turned off", now);
                r = failure ? json_add(o, "failure", TAKE_PTR(failure)) : -ENOMEM;
        } else
                r = add_due(db, job, connection, now, o);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

/* --- the plan --- */

int sync_generations_load(Db *db, const char *connection_id, JsonObject **ret, Error **reterr_error) {
        _cleanup_(generation_array_done) GenerationArray rows = {};
        _cleanup_json_ JsonObject *array = json_object_new_array();
        int r;

        r = array ? generation_store_list(db, connection_id, &rows, reterr_error) : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < rows.n; i++) {
                JsonObject *o = json_object_new_object();

                r = o ? json_add_string(o, "name", rows.items[i]->stream_name) : -ENOMEM;
                if (r >= 0 && rows.items[i]->stream_namespace)
                        r = json_add_string(o, "namespace", rows.items[i]->stream_namespace);
                if (r >= 0)
                        r = json_add(o, "generation_id", json_object_new_int64(rows.items[i]->generation_id));
                if (r >= 0)
                        r = add_bool(o, "refreshing", rows.items[i]->refreshing);
                if (r < 0 || json_object_array_add(array, o) < 0) {
                        json_object_put(o);
                        return r < 0 ? r : -ENOMEM;
                }
        }
        if (r >= 0)
                *ret = TAKE_PTR(array);
        return r;
}

int sync_generations_store(Db *db, const char *connection_id, JsonObject *before, JsonObject *after,
                           int64_t job_id, usec_t now, Error **reterr_error) {
        size_t n = json_object_array_length(after), n_before = json_object_array_length(before);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                JsonObject *o = json_object_array_get_idx(after, i);
                Generation g = {
                        .connection_id = (char *) connection_id,
                        .stream_name = (char *) json_object_get_string(json_member(o, "name")),
                        .stream_namespace = (char *) json_object_get_string(json_member(o, "namespace")),
                        .generation_id = json_object_get_int64(json_member(o, "generation_id")),
                        .refreshing = json_object_get_boolean(json_member(o, "refreshing")),
                        .job_id = job_id,
                };

                /* The set keeps its order: those that were there come first, new ones behind them. */
                if (i < n_before && json_equal(o, json_object_array_get_idx(before, i)))
                        continue;
                r = generation_store_set(db, &g, now, reterr_error);
        }
        return r;
}

typedef struct PlanSources {
        Job *job;
        Connection *connection;
        ActorInput source, destination;
        CatalogFetch *newest, *base; /* base NULL: the connection goes by the newest */
        JsonObject *config, *generations, *again;
} PlanSources;

static void plan_sources_done(PlanSources *s) {
        job_free(s->job);
        connection_free(s->connection);
        actor_input_done(&s->source);
        actor_input_done(&s->destination);
        catalog_fetch_free(s->newest);
        catalog_fetch_free(s->base);
        json_putp(&s->config);
        json_putp(&s->generations);
        json_putp(&s->again);
}

/* A connection goes by the catalog that it was configured from, which its policy has moved on where it was
 * to; one that has none by the newest. */
static int load_fetches(Db *db, PlanSources *s, Error **reterr_error) {
        const char *id = s->connection->source_catalog_id;
        int r;

        r = latest_catalog(db, &s->source, /* any= */ false, &s->newest);
        if (r == -ENOENT)
                r = latest_catalog(db, &s->source, /* any= */ true, &s->newest);
        if (r == -ENOENT)
                return error_set(reterr_error, -ENODATA, "The source has never been discovered");
        if (r < 0 || !id || streq(id, s->newest->id))
                return r;
        return catalog_fetch_store_get(db, id, &s->base, reterr_error);
}

/* One transaction, so what it reads fits together. */
static int plan_sources_load(Db *db, const SyncRun *run, PlanSources *s, Error **reterr_error) {
        int r;

        if ((r = job_store_get(db, run->job_id, &s->job, reterr_error)) < 0 ||
            (r = connection_store_get(db, run->connection_id, &s->connection, reterr_error)) < 0 ||
            (r = actor_input_load(db, s->connection->source_id, &s->source, reterr_error)) < 0 ||
            (r = actor_input_load(db, s->connection->destination_id, &s->destination, reterr_error)) < 0 ||
            (r = load_fetches(db, s, reterr_error)) < 0 ||
            (r = parse(s->job->config, &s->config, reterr_error)) < 0 ||
            (r = sync_generations_load(db, run->connection_id, &s->generations, reterr_error)) < 0 ||
            (r = sync_backfill_list_forced(db, run->connection_id, &s->again, reterr_error)) < 0)
                return r;
        return 0;
}

static JobPlanKind plan_kind(const PlanSources *s) {
        switch (s->job->type) {
        case JOB_REFRESH:
                return streq_ptr(json_object_get_string(json_member(s->config, "refreshMode")), "Merge")
                               ? JOB_PLAN_REFRESH_MERGE : JOB_PLAN_REFRESH_TRUNCATE;
        case JOB_CLEAR:
        case JOB_RESET:
                return JOB_PLAN_CLEAR;
        default:
                return JOB_PLAN_SYNC;
        }
}

/* What the source offers now is looked at only where that is something else. */
static int make_plan(const SyncRun *run, const PlanSources *s, JobPlan *ret, Error **reterr_error) {
        bool differs = s->base && !streq(s->base->catalog_hash, s->newest->catalog_hash);
        const PlanQuestion q = {
                .discovered = (s->base ?: s->newest)->catalog_hash,
                .offered = differs ? s->newest->catalog_hash : NULL,
                .selection = s->connection->catalog,
                .request = {
                        .destination_spec = s->destination.definition->spec,
                        .destination_supports_refreshes = s->destination.definition->supports_refreshes,
                        .namespace_definition = namespace_definition_to_string(s->connection->namespace_definition),
                        .namespace_format = s->connection->namespace_format, .prefix = s->connection->prefix,
                        .kind = plan_kind(s), .streams = json_member(s->config, "streams"),
                        .again = s->again, .generations = s->generations, .sync_id = run->job_id,
                        .first_attempt = json_object_get_int(json_member(run->start, "attempt")) == 0,
                },
        };

        return plan_question_ask(&run->world->prepared, &q, ret, reterr_error);
}

/* The plan is kept in memory: the workload is asked for in the same run, so in the same transaction. */
int sync_step_plan(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        SyncRun *run = userdata;
        _cleanup_(plan_sources_done) PlanSources s = {};
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        usec_t now = workflow_run_time(c);
        int r;

        if (!o)
                return -ENOMEM;
        r = plan_sources_load(db_of(c), run, &s, &error);
        if (r >= 0)
                r = make_plan(run, &s, &run->plan, &error);
        if (r >= 0)
                r = sync_backfill_plan(db_of(c), s.connection, &run->plan, o, &error);
        if (r == -ERESTART)
                return r;
        if (r < 0 && workflow_error_is_transient(r))
                return error_set(reterr_error, r, "%s", error_message(error, r));
        if (r < 0)
                r = add_failure(o, "source", r, error, now);
        else
                r = sync_generations_store(db_of(c), run->connection_id, s.generations, run->plan.generations,
                                           run->job_id, now, reterr_error);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

/* --- requests --- */

static int attempt_number(const SyncRun *run) {
        return json_object_get_int(json_member(run->start, "attempt"));
}

static int job_number(const SyncRun *run, char **ret) {
        _cleanup_free_ char *id = workflow_id_of_job(run->job_id);

        *ret = id ? strdup(id + STRLEN("job-")) : NULL;
        return *ret ? 0 : -ENOMEM;
}

/* A check or discover on behalf of the job. */
static int request_oneshot(WorkflowContext *c, SyncRun *run, const char *actor_id, const char *type,
                           JsonObject **ret, Error **reterr_error) {
        WorkflowWorld *w = run->world;
        _cleanup_actor_input_ ActorInput a = {};
        _cleanup_json_ JsonObject *input = json_object_new_object(), *actor = NULL;
        _cleanup_free_ char *id = NULL, *number = NULL;
        WorkloadRequest q = { .type = type, .connection_id = run->connection_id, .job_id = run->job_id,
                              .attempt = attempt_number(run), .actor_id = actor_id };
        int r;

        r = input ? job_number(run, &number) : -ENOMEM;
        if (r >= 0)
                r = actor_input_load(w->db, actor_id, &a, reterr_error);
        if (r >= 0)
                r = actor_input_to_json(&a, &actor, reterr_error);
        if (r >= 0)
                r = json_add(input, "actor", TAKE_PTR(actor));
        if (r < 0)
                return r;
        id = workload_id_make(actor_id, number, q.attempt, type);
        if (!id)
                return -ENOMEM;
        q.id = id;
        q.workspace_id = a.actor->workspace_id;
        q.config_hash = a.hash;
        q.input = input;
        return workload_request_make(w->env, &q, workflow_run_time(c), ret);
}

static const char *start_id(const SyncRun *run, const char *key) {
        return json_object_get_string(json_member(run->start, key));
}

int sync_request_source_check(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        return request_oneshot(c, userdata, start_id(userdata, "sourceId"), "check", ret, reterr_error);
}

int sync_request_destination_check(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        return request_oneshot(c, userdata, start_id(userdata, "destinationId"), "check", ret, reterr_error);
}

int sync_request_discover(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        return request_oneshot(c, userdata, start_id(userdata, "sourceId"), "discover", ret, reterr_error);
}

static int add_actor(JsonObject *input, const char *key, const ActorInput *a, Error **reterr_error) {
        JsonObject *o = NULL;
        int r;

        r = actor_input_to_json(a, &o, reterr_error);
        return r < 0 ? r : json_add(input, key, o);
}

/* Catalogs and streams are the plan's; the actors are read again here, in the transaction that made the
 * plan. */
static int sync_input(const SyncRun *run, const PlanSources *s, JsonObject *input, Error **reterr_error) {
        bool clear = plan_kind(s) == JOB_PLAN_CLEAR;
        JsonObject *options = json_object_new_object();
        int r;

        r = json_add(input, "options", options);
        if (r >= 0)
                r = add_bool(options, "validateRecords", true);
        if (r >= 0)
                r = add_bool(options, "destinationSupportsRefreshes",
                             s->destination.definition->supports_refreshes);
        if (r >= 0)
                r = json_add(input, "syncId", json_object_new_int64(run->job_id));
        if (r >= 0)
                r = clear ? json_add(input, "source", NULL) : add_actor(input, "source", &s->source, reterr_error);
        if (r >= 0)
                r = add_actor(input, "destination", &s->destination, reterr_error);
        if (r >= 0)
                r = json_add(input, "sourceCatalog", json_object_get(run->plan.source_catalog));
        if (r >= 0)
                r = json_add(input, "destinationCatalog", json_object_get(run->plan.destination_catalog));
        if (r >= 0)
                r = json_add(input, "streams", json_object_get(run->plan.streams));
        return r;
}

/* The mutex key is the connection: should a workload of an earlier attempt live on somewhere,
 * gantry-workload ends it in the transaction that creates this one, and in the same transaction drops the
 * states. No worker can then write a state behind that. */
int sync_request_sync(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        SyncRun *run = userdata;
        _cleanup_(plan_sources_done) PlanSources s = {};
        _cleanup_json_ JsonObject *input = json_object_new_object();
        _cleanup_free_ char *id = NULL, *number = NULL;
        WorkloadRequest q = { .type = "sync", .connection_id = run->connection_id, .job_id = run->job_id,
                              .mutex_key = run->connection_id, .attempt = attempt_number(run),
                              .drop_states = run->plan.drop_states, .input = input };
        int r;

        if (!run->plan.source_catalog)
                return error_set(reterr_error, -EPROTO, "The sync has no plan");
        r = input ? job_number(run, &number) : -ENOMEM;
        if (r >= 0)
                r = plan_sources_load(db_of(c), run, &s, reterr_error);
        if (r >= 0)
                r = sync_input(run, &s, input, reterr_error);
        if (r < 0)
                return r;
        id = workload_id_make(run->connection_id, number, q.attempt, "sync");
        if (!id)
                return -ENOMEM;
        q.id = id;
        q.workspace_id = s.connection->workspace_id;
        r = attempt_store_set_workload(db_of(c), run->job_id, q.attempt, id, workflow_run_time(c), reterr_error);
        return r < 0 ? r : workload_request_make(run->world->env, &q, workflow_run_time(c), ret);
}
