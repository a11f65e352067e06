/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything that isn't an answer to a call is done by one timer, which any event may arm for now: start
 * what waits for a connection, start what is due, run the workflows, close jobs that have lost theirs,
 * send what the workflows ask for. The order is that of who feeds whom, so that one round carries an
 * event as far as it goes; what a later part makes possible for an earlier one arms the timer again
 * (`armed`).
 *
 * The truth is in the database. `dispatches`, `shared`, `waiters` and `successors` are of this process:
 * what is lost with them is made anew from open workflows, or belongs to callers whose calls fail with
 * the process.
 *
 * A job and its workflow are made in one transaction and end in one, so that a live job without an open
 * workflow is a sign of damage (or of a database that was restored) and is closed as failed, at each
 * start and after a workflow has failed. The other way round there is nothing to look for.
 *
 * Schedules have no state but connection.next_run, which moves on in the transaction that creates the
 * job. A crash before it leaves the schedule due, a crash behind it leaves a job; never both, never
 * neither. */

#include "basic/log.h"
#include "basic/uuid.h"
#include "db/catalog-store.h"
#include "db/connection-store.h"
#include "db/definition-store.h"
#include "db/job-store.h"
#include "db/workflow-store.h"
#include "workflow/actor-input.h"
#include "workflow/install-workflow.h"
#include "workflow/job-streams.h"
#include "workflow/job-successor.h"
#include "workflow/sync-outcome.h"
#include "workflow/workflow-dispatch.h"
#include "workflow/workload-digest.h"
#include "workflow/workload-request.h"

static usec_t wall(const WorkflowManager *m) {
        return env_now(m->options.env, ENV_CLOCK_REALTIME);
}

/* --- what the engine asks of us --- */

static int host_digest(const char *name, JsonObject *input, JsonObject *result, JsonObject **ret, void *userdata,
                       Error **reterr_error) {
        WorkflowManager *m = userdata;

        return workload_digest(&m->world, name, input, result, ret, reterr_error);
}

static int host_condense(const char *name, JsonObject *result, JsonObject **ret, void *userdata,
                         Error **reterr_error) {
        return workload_condense(name, result, ret, reterr_error);
}

static void host_closed(const char *id, const char *type, JsonObject *result, const char *reason, void *userdata) {
        WorkflowManager *m = userdata;
        Waiter **p = &m->waiters;
        const void *key;
        size_t i = 0, n;
        void *value;

        if (!result) {
                m->may_be_orphans = true;
                workflow_manager_arm(m);
        }
        while (hashmap_iterate(m->shared, &i, &key, &n, &value))
                if (streq(value, id)) {
                        free(hashmap_remove(m->shared, key, n));
                        break;
                }
        while (*p) {
                Waiter *w = *p;

                if (!streq(w->workflow_id, id)) {
                        p = &w->next;
                        continue;
                }
                *p = w->next;
                w->done(result, result ? NULL : strempty(reason), w->userdata);
                free(w->workflow_id);
                free(w);
        }
}

static void host_committed(void *userdata) {
        WorkflowManager *m = userdata;

        job_journal_send(&m->world.journal);
        m->options.port.changed(db_committed_seq(m->options.db), m->options.port.userdata);
        /* A timer may have been set: whoever wakes us must know before we leave. */
        workflow_manager_arm(m);
}

static void host_prepare(void *userdata) {
        WorkflowManager *m = userdata;

        preparations_make(&m->world.prepared, m->options.db);
}

static void host_run_over(void *userdata) {
        WorkflowManager *m = userdata;

        preparations_clear(&m->world.prepared);
}

static void host_rolled_back(void *userdata) {
        WorkflowManager *m = userdata;

        job_journal_drop(&m->world.journal);
}

/* --- time --- */

/* The wall clock may be set: what waits for it looks again once a minute. */
static usec_t monotonic_of(const WorkflowManager *m, usec_t at) {
        usec_t now = wall(m), monotonic = env_now(m->options.env, ENV_CLOCK_MONOTONIC), wait;

        if (at == USEC_INFINITY)
                return USEC_INFINITY;
        wait = at > now ? at - now : 0;
        return monotonic + MIN(wait, 60 * USEC_PER_SEC);
}

static int read_next_run(WorkflowManager *m, Error **reterr_error) {
        _cleanup_(connection_array_done) ConnectionArray due = {};
        int r;

        r = connection_store_list_due(m->options.db, USEC_INFINITY, 1, &due, reterr_error);
        if (r >= 0)
                m->next_run = due.n > 0 ? due.items[0]->next_run : USEC_INFINITY;
        return r;
}

static void tell_wake(WorkflowManager *m) {
        usec_t at = MIN(m->next_run, workflow_engine_next_timer(m->engine));

        if (at == m->wake_at)
                return;
        m->wake_at = at;
        m->options.port.wake_at(at, m->options.port.userdata);
}

void workflow_manager_arm(WorkflowManager *m) {
        m->armed = true;
        (void) m->options.env->ops->timer_set(m->timer, env_now(m->options.env, ENV_CLOCK_MONOTONIC));
}

/* --- jobs --- */

typedef struct JobStart {
        WorkflowManager *m;
        const char *connection_id;
        JobType type;
        const char *text; /* of the options */
        JsonObject *options, *streams; /* `streams` borrowed: of the options */
        int64_t job_id;
} JobStart;

static void job_start_done(JobStart *s) {
        json_object_put(s->options);
}

static int check_startable(const JobStart *s, Connection **ret, Error **reterr_error) {
        int r;

        r = connection_store_get(s->m->options.db, s->connection_id, ret, reterr_error);
        if (r < 0)
                return r;
        if ((*ret)->status == CONNECTION_DEPRECATED)
                return error_set(reterr_error, -ENOENT, "The connection '%s' was deleted", (*ret)->name);
        /* One that is turned off can still be emptied. */
        if ((*ret)->status != CONNECTION_ACTIVE && (s->type == JOB_SYNC || s->type == JOB_REFRESH))
                return error_set(reterr_error, -EEXIST, "The connection '%s' is not active", (*ret)->name);
        return job_streams_check(*ret, s->streams, reterr_error);
}

static int prepare_job(void *userdata, char **ret_id, JsonObject **ret_input, Error **reterr_error) {
        JobStart *s = userdata;
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_json_ JsonObject *input = json_object_new_object();
        Job job = { .connection_id = (char *) s->connection_id, .type = s->type,
                    .config = (char *) s->text };
        int r;

        r = input ? check_startable(s, &c, reterr_error) : -ENOMEM;
        if (r < 0)
                return r;
        job.workspace_id = c->workspace_id;
        r = job_store_create(s->m->options.db, &job, wall(s->m), reterr_error);
        if (r >= 0)
                r = connection_schedule(s->m->options.db, s->connection_id, wall(s->m), reterr_error);
        if (r >= 0)
                r = json_add(input, "jobId", json_object_new_int64(job.id));
        if (r >= 0)
                r = json_add_string(input, "connectionId", s->connection_id);
        if (r < 0)
                return r;
        s->job_id = job.id;
        *ret_input = TAKE_PTR(input);
        *ret_id = workflow_id_of_job(job.id);
        return *ret_id ? 0 : -ENOMEM;
}

static int read_options(JobStart *s, const char *options, Error **reterr_error) {
        int r;

        s->text = *strempty(options) ? options : "{}";
        r = json_parse(s->text, strlen(s->text), &s->options, reterr_error);
        if (r >= 0 && !json_object_is_type(s->options, json_type_object))
                r = error_set(reterr_error, -EINVAL, "The options are not an object");
        if (r >= 0)
                r = json_get_array(s->options, "streams", &s->streams, "The options", reterr_error);
        return MIN(r, 0);
}

int workflow_manager_start_job(WorkflowManager *m, const char *connection_id, const char *job_type,
                               const char *options, int64_t *ret_job_id, Error **reterr_error) {
        _cleanup_(job_start_done) JobStart s = { .m = m, .connection_id = connection_id,
                                                 .type = job_type_from_string(job_type) };
        int r;

        if ((int) s.type < 0)
                return error_set(reterr_error, -EINVAL, "'%s' is no type of job", job_type);
        r = read_options(&s, options, reterr_error);
        if (r >= 0)
                r = workflow_engine_start(m->engine, "sync", prepare_job, &s, reterr_error);
        if (r < 0)
                return r;
        *ret_job_id = s.job_id;
        workflow_manager_arm(m);
        return 0;
}

Db *workflow_manager_db(WorkflowManager *m) {
        return m->options.db;
}

int workflow_manager_cancel_workflow(WorkflowManager *m, const char *id, const char *reason, Error **reterr_error) {
        _cleanup_json_ JsonObject *payload = json_object_new_object();
        _cleanup_(workflow_freep) Workflow *w = NULL;
        int r;

        if (!payload || json_add_string(payload, "reason", reason) < 0)
                return -ENOMEM;
        if (workflow_engine_is_open(m->engine, id))
                return workflow_engine_signal(m->engine, id, "cancel", payload, reterr_error);
        r = workflow_store_get(m->options.db, id, &w, reterr_error);
        return r < 0 ? r : error_set(reterr_error, -ESRCH, "The workflow '%s' has ended", id);
}

int workflow_manager_cancel(WorkflowManager *m, int64_t job_id, const char *reason, Error **reterr_error) {
        _cleanup_free_ char *id = workflow_id_of_job(job_id);

        if (!id)
                return -ENOMEM;
        if (!workflow_engine_is_open(m->engine, id))
                return error_set(reterr_error, -ESRCH, "Job is not currently running");
        return workflow_manager_cancel_workflow(m, id, reason, reterr_error);
}

int workflow_manager_replace_job(WorkflowManager *m, const char *connection_id, const char *job_type,
                                 const char *options, WorkflowJobStarted done, void *userdata, int64_t *ret_job_id,
                                 Error **reterr_error) {
        int r;

        r = workflow_manager_start_job(m, connection_id, job_type, options, ret_job_id, reterr_error);
        if (r != -EBUSY || !job_type_replaces(job_type_from_string(job_type)))
                return r;
        error_free(reterr_error ? TAKE_PTR(*reterr_error) : NULL);
        r = job_successor_add(m, connection_id, job_type, options, done, userdata);
        return r < 0 ? r : 1;
}

int workflow_manager_cancel_job(WorkflowManager *m, int64_t job_id, Error **reterr_error) {
        _cleanup_(job_freep) Job *job = NULL;
        int r;

        r = job_store_get(m->options.db, job_id, &job, reterr_error);
        return r < 0 ? r : workflow_manager_cancel(m, job_id, "Cancelled by a person", reterr_error);
}

/* --- schedules --- */

/* Its job runs still (or it can't be started): the end of that job, or the next change, sets it anew. */
static void unschedule(WorkflowManager *m, const char *connection_id) {
        _cleanup_error_ Error *error = NULL;
        int r = connection_store_set_next_run(m->options.db, connection_id, 0, &error);

        if (r < 0)
                log_warning("The schedule of connection '%s' can't be moved on: %s", connection_id,
                            error_message(error, r));
}

static int start_due(WorkflowManager *m, const Connection *c) {
        _cleanup_error_ Error *error = NULL;
        int64_t job_id;
        int r;

        r = workflow_manager_start_job(m, c->id, "sync", "{\"trigger\":\"schedule\"}", &job_id, &error);
        if (r >= 0 || workflow_error_is_transient(r == -EBUSY ? -EEXIST : r)) {
                if (r < 0)
                        log_warning("Connection '%s' can't be run now: %s", c->name, error_message(error, r));
                return r;
        }
        unschedule(m, c->id);
        return 0;
}

/* What can't be started or read now (a full disk) is looked at again after this time. */
#define SCHEDULE_RETRY_USEC (10 * USEC_PER_SEC)

/* Starts what is due. The database's next_run moves on with the job, in its transaction. 1: some could not
 * be started now. */
static int run_schedules(WorkflowManager *m, Error **reterr_error) {
        bool failed = false;
        int r;

        for (;;) {
                _cleanup_(connection_array_done) ConnectionArray due = {};

                r = connection_store_list_due(m->options.db, wall(m), LIST_LIMIT_MAX, &due, reterr_error);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < due.n; i++)
                        failed |= start_due(m, due.items[i]) < 0;
                if (due.n == 0 || failed)
                        break;
        }
        return failed;
}

static int set_review(WorkflowManager *m, const char *id) {
        char *copy = id ? strdup(id) : NULL;

        if (id && !copy)
                return -ENOMEM;
        free(m->review);
        m->review = copy;
        return 0;
}

int workflow_manager_review_schedules(WorkflowManager *m) {
        int r = set_review(m, "");

        if (r >= 0)
                workflow_manager_arm(m);
        return r;
}

/* Some connections, so that calls come in between. */
#define REVIEW_MAX 100U

static int review_some(WorkflowManager *m, Error **reterr_error) {
        _cleanup_(connection_array_done) ConnectionArray some = {};
        int r;

        r = connection_store_list_scheduled(m->options.db, m->review, REVIEW_MAX, &some, reterr_error);
        for (size_t i = 0; r >= 0 && i < some.n; i++)
                r = connection_schedule(m->options.db, some.items[i]->id, wall(m), reterr_error);
        if (r < 0)
                return r;
        return set_review(m, some.n == REVIEW_MAX ? some.items[some.n - 1]->id : NULL);
}

/* What can't be read or stored now is tried again with the schedules. */
static int review_schedules(WorkflowManager *m) {
        _cleanup_error_ Error *error = NULL;
        int r = 0;

        if (m->review)
                r = review_some(m, &error);
        if (r < 0)
                log_warning("The schedules can't be computed anew, trying again: %s",
                            error_message(error, r));
        else if (m->review)
                workflow_manager_arm(m);
        return r;
}

int workflow_manager_connection_changed(WorkflowManager *m, const char *connection_id, Error **reterr_error) {
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_(job_freep) Job *job = NULL;
        int r;

        r = connection_schedule(m->options.db, connection_id, wall(m), reterr_error);
        if (r >= 0)
                r = connection_store_get(m->options.db, connection_id, &c, NULL);
        if (r == -ENOENT)
                return 0;
        if (r >= 0 && c->status == CONNECTION_DEPRECATED &&
            job_store_get_live(m->options.db, connection_id, &job, NULL) >= 0)
                r = workflow_manager_cancel(m, job->id, "The connection was deleted", NULL);
        host_committed(m);
        return r == -ESRCH ? 0 : r;
}

/* --- checks, discovers, specs --- */

typedef struct OneshotStart {
        WorkflowManager *m;
        const char *type;
        const char *actor_id, *definition_id, *reference; /* one of them */
        const char *config;
        size_t n_config;
        char *workflow_id;
} OneshotStart;

static int load_subject(const OneshotStart *s, ActorInput *a, Error **reterr_error) {
        if (s->definition_id)
                return actor_input_load_definition(s->m->options.db, s->definition_id, a, reterr_error);
        return actor_input_load(s->m->options.db, s->actor_id, a, reterr_error);
}

static int make_input(const OneshotStart *s, const ActorInput *a, const char *activity_id, JsonObject **ret,
                      Error **reterr_error) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *actor = NULL, *request = NULL,
                                  *input = json_object_new_object();
        const WorkloadRequest q = {
                .id = activity_id, .type = s->type, .high_priority = true, .input = input,
                .workspace_id = a->actor ? a->actor->workspace_id : a->definition->workspace_id,
                /* A configuration that isn't stored says nothing of the stored one. */
                .actor_id = s->config ? NULL : s->actor_id, .config_hash = s->config ? NULL : a->hash,
        };
        int r;

        r = o && input ? actor_input_to_json(a, &actor, reterr_error) : -ENOMEM;
        if (r >= 0)
                r = json_add(input, "actor", TAKE_PTR(actor));
        if (r >= 0)
                r = workload_request_make(s->m->options.env, &q, wall(s->m), &request);
        if (r >= 0)
                r = json_add_string(o, "activityId", activity_id);
        if (r >= 0)
                r = json_add(o, "request", TAKE_PTR(request));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int name_workflow(OneshotStart *s, const char *activity_id, char **ret_id) {
        *ret_id = workflow_id_of_activity(activity_id);
        s->workflow_id = *ret_id ? strdup(*ret_id) : NULL;
        return s->workflow_id ? 0 : -ENOMEM;
}

static int prepare_oneshot(void *userdata, char **ret_id, JsonObject **ret_input, Error **reterr_error) {
        OneshotStart *s = userdata;
        _cleanup_actor_input_ ActorInput a = {};
        _cleanup_free_ char *run = uuid7_new_string(s->m->options.env), *activity_id = NULL;
        int r;

        if (!run)
                return -ENOMEM;
        if (s->reference) {
                r = install_workflow_input(s->m->options.env, s->reference, run, wall(s->m), ret_input);
                if (r < 0)
                        return r;
                return name_workflow(s, json_object_get_string(json_member(*ret_input, "activityId")), ret_id);
        }
        activity_id = workload_id_make(s->definition_id ?: s->actor_id, run, 0, s->type);
        if (!activity_id)
                return -ENOMEM;
        r = load_subject(s, &a, reterr_error);
        if (r >= 0 && s->config)
                r = actor_input_override(&a, s->config, s->n_config, s->m->options.keys, activity_id, reterr_error);
        if (r >= 0)
                r = make_input(s, &a, activity_id, ret_input, reterr_error);
        if (r < 0)
                return r;
        return name_workflow(s, activity_id, ret_id);
}

static int wait_for(WorkflowManager *m, const char *workflow_id, WorkflowDone done, void *userdata) {
        Waiter *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        *w = (Waiter) { .workflow_id = strdup(workflow_id), .done = done, .userdata = userdata, .next = m->waiters };
        if (!w->workflow_id) {
                free(w);
                return -ENOMEM;
        }
        m->waiters = w;
        return 0;
}

/* `key` non-NULL: whoever asks for the same while it runs gets the same answer. Of callers who ask for
 * the same, the first starts a workflow and all wait for it; the key has the configuration's hash, so
 * that a changed source is asked anew. Checks are never shared: each may carry a configuration of its
 * own. */
static int run_oneshot(OneshotStart *s, const char *key, WorkflowDone done, void *userdata, Error **reterr_error) {
        WorkflowManager *m = s->m;
        const char *running = key ? hashmap_get_string(m->shared, key) : NULL;
        int r;

        if (running)
                return wait_for(m, running, done, userdata);
        r = workflow_engine_start(m->engine, s->type, prepare_oneshot, s, reterr_error);
        if (r >= 0)
                r = wait_for(m, s->workflow_id, done, userdata);
        if (r >= 0 && key && hashmap_put_string(m->shared, key, s->workflow_id) >= 0)
                s->workflow_id = NULL;
        free(s->workflow_id);
        workflow_manager_arm(m);
        return r;
}

int workflow_manager_check(WorkflowManager *m, const char *actor_id, const char *config, size_t n_config,
                           WorkflowDone done, void *userdata, Error **reterr_error) {
        OneshotStart s = { .m = m, .type = "check", .actor_id = actor_id, .n_config = n_config,
                           .config = n_config > 0 ? config : NULL };

        return run_oneshot(&s, /* key= */ NULL, done, userdata, reterr_error);
}

static int cached_catalog(WorkflowManager *m, const ActorInput *a, JsonObject **ret) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *f = NULL;
        int r;

        r = catalog_fetch_store_latest(m->options.db, a->actor->id, a->hash, NULL, &f, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (f->created_at + DISCOVER_WINDOW_USEC <= wall(m))
                return 0;
        r = workload_result_discovered(f, ret);
        return r < 0 ? r : 1;
}

int workflow_manager_discover(WorkflowManager *m, const char *source_id, bool ignore_cache, WorkflowDone done,
                              void *userdata, JsonObject **ret_cached, Error **reterr_error) {
        OneshotStart s = { .m = m, .type = "discover", .actor_id = source_id };
        _cleanup_actor_input_ ActorInput a = {};
        _cleanup_buffer_ Buffer key = {};
        int r;

        r = actor_input_load(m->options.db, source_id, &a, reterr_error);
        if (r < 0)
                return r;
        if (a.actor->role != ACTOR_SOURCE)
                return error_set(reterr_error, -EINVAL, "'%s' is not a source", a.actor->name);
        r = ignore_cache ? 0 : cached_catalog(m, &a, ret_cached);
        if (r != 0)
                return r;
        r = buffer_appendf(&key, "discover %s %s", source_id, a.hash);
        return r < 0 ? r : run_oneshot(&s, buffer_string(&key), done, userdata, reterr_error);
}

int workflow_manager_spec(WorkflowManager *m, const char *definition_id, WorkflowDone done, void *userdata,
                          Error **reterr_error) {
        OneshotStart s = { .m = m, .type = "spec", .definition_id = definition_id };
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_free_ char *reference = NULL;
        _cleanup_buffer_ Buffer key = {};
        int r;

        r = definition_store_get(m->options.db, definition_id, &d, reterr_error);
        if (r < 0)
                return r;
        if (definition_is_package(d)) {
                r = definition_exact_reference(d, NULL, &reference);
                return r < 0 ? r : workflow_manager_install(m, reference, done, userdata, reterr_error);
        }
        r = buffer_appendf(&key, "spec %s", definition_id);
        return r < 0 ? r : run_oneshot(&s, buffer_string(&key), done, userdata, reterr_error);
}

int workflow_manager_install(WorkflowManager *m, const char *reference, WorkflowDone done, void *userdata,
                             Error **reterr_error) {
        OneshotStart s = { .m = m, .type = "install", .reference = reference };
        Definition d = { .reference = (char *) reference };
        _cleanup_buffer_ Buffer key = {};
        int r;

        if (!definition_is_package(&d))
                return error_set(reterr_error, -EINVAL, "'%s' is nothing to install", reference);
        r = buffer_appendf(&key, "install %s", reference);
        return r < 0 ? r : run_oneshot(&s, buffer_string(&key), done, userdata, reterr_error);
}

static void ignore_answer(JsonObject *result, const char *reason, void *userdata) {
}

void workflow_manager_forget(WorkflowManager *m, void *userdata) {
        for (Waiter *w = m->waiters; w; w = w->next)
                if (w->userdata == userdata) {
                        w->done = ignore_answer;
                        w->userdata = NULL;
                }
}

/* --- the manager itself --- */

/* A job that isn't over and that no workflow drives would never end (W05). */
static int clean_jobs(WorkflowManager *m, Error **reterr_error) {
        _cleanup_(job_array_done) JobArray jobs = {};
        int r;

        r = job_store_list_live(m->options.db, &jobs, reterr_error);
        for (size_t i = 0; r >= 0 && i < jobs.n; i++) {
                _cleanup_(db_rollbackp) Db *transaction = NULL;
                _cleanup_free_ char *id = workflow_id_of_job(jobs.items[i]->id);

                if (!id)
                        return -ENOMEM;
                if (workflow_engine_is_open(m->engine, id))
                        continue;
                log_warning("Job %s has no workflow, it is closed as failed", id + STRLEN("job-"));
                r = db_begin_immediate(m->options.db, &transaction, reterr_error);
                if (r >= 0)
                        r = job_end_as_failed(&m->world, jobs.items[i]->id, "The job was abandoned", wall(m),
                                              reterr_error);
                if (r >= 0)
                        r = db_commit(&transaction, reterr_error);
                if (r < 0)
                        job_journal_drop(&m->world.journal);
        }
        return r;
}

static int on_timer(EnvSource *s, usec_t now, void *userdata) {
        WorkflowManager *m = userdata;
        _cleanup_error_ Error *error = NULL;
        usec_t at, next;
        int r, reviewed;

        m->armed = false;
        /* Before a schedule takes a place that one of these has waited for. */
        job_successor_process(m);
        reviewed = review_schedules(m);
        r = run_schedules(m, &error);
        if (r < 0)
                log_warning("The schedules can't be read, trying again: %s", error_message(error, r));
        workflow_engine_process(m->engine);
        if (m->may_be_orphans && clean_jobs(m, NULL) >= 0) {
                m->may_be_orphans = false;
                host_committed(m);
        }
        at = dispatch_process(m);
        if (r == 0)
                r = reviewed;
        next = r == 0 ? USEC_INFINITY : wall(m) + SCHEDULE_RETRY_USEC;
        /* A job that ended in between may have set another time. */
        if (read_next_run(m, NULL) >= 0 && r == 0)
                next = m->next_run;
        at = MIN(at, monotonic_of(m, next));
        /* What was done here may have made something else possible. */
        if (m->armed)
                at = MIN(at, env_now(m->options.env, ENV_CLOCK_MONOTONIC));
        (void) m->options.env->ops->timer_set(m->timer, at);
        tell_wake(m);
        return 0;
}

int workflow_manager_start(WorkflowManager *m, Error **reterr_error) {
        int r;

        r = workflow_engine_resume(m->engine, reterr_error);
        if (r >= 0)
                r = clean_jobs(m, reterr_error);
        host_committed(m);
        return MIN(r, 0);
}

/* A workload that exists and runs is not a reason to stay: gantry-workload will call, which starts us. */
bool workflow_manager_is_busy(WorkflowManager *m) {
        void *value;
        size_t i = 0;

        if (m->waiters || m->successors || m->review || workflow_engine_is_busy(m->engine) ||
            m->next_run <= wall(m))
                return true;
        while (hashmap_iterate(m->dispatches, &i, NULL, NULL, &value)) {
                const Dispatch *d = value;

                if (!dispatch_waits(m, d) &&
                    (d->in_flight || !d->exists || d->ended || (d->cancel && !d->cancel_sent)))
                        return true;
        }
        return false;
}

int workflow_manager_new(const WorkflowManagerOptions *options, WorkflowManager **ret) {
        _cleanup_(workflow_manager_freep) WorkflowManager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->options = *options;
        m->world = (WorkflowWorld) { .env = options->env, .db = options->db, .keys = options->keys };
        m->next_run = m->wake_at = USEC_INFINITY;
        m->host = (WorkflowHost) { .start_activity = dispatch_start, .cancel_activity = dispatch_cancel,
                                   .condense = host_condense, .digest = host_digest,
                                   .closed = host_closed, .committed = host_committed,
                                   .prepare = host_prepare, .run_over = host_run_over,
                                   .rolled_back = host_rolled_back, .userdata = m };
        history_db_init(&m->history, options->db, &m->store);
        m->dispatches = hashmap_new(dispatch_free);
        m->shared = hashmap_new(free);
        if (!m->dispatches || !m->shared)
                return -ENOMEM;
        r = workflow_engine_new(options->env, &m->store, &m->host, workflow_codes, &m->world, &m->engine);
        if (r >= 0)
                r = options->env->ops->timer_add(options->env, USEC_INFINITY, on_timer, m, &m->timer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

WorkflowManager *workflow_manager_free(WorkflowManager *m) {
        if (!m)
                return NULL;
        workflow_engine_free(m->engine);
        job_journal_drop(&m->world.journal);
        preparations_clear(&m->world.prepared);
        env_source_free(m->options.env, m->timer);
        hashmap_free(m->dispatches);
        hashmap_free(m->shared);
        free(m->review);
        while (m->waiters) {
                Waiter *w = m->waiters;

                m->waiters = w->next;
                free(w->workflow_id);
                free(w);
        }
        job_successor_free_all(m);
        history_db_done(&m->history);
        free(m);
        return NULL;
}
