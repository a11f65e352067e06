/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every change is one transaction: load the history, append, let the code run, commit. Nothing of a
 * workflow is kept in memory but what is needed to wake it, and that is read from the history each time.
 * So a run that fails at any point leaves nothing behind, and neither does a process that dies. What the
 * world outside is asked for is asked for after the commit, and again at each start as long as it has not
 * completed.
 *
 * A commit that seemed to fail may have been stored all the same (-EIO). No case is made of it: the next
 * try loads the history and finds it there, or not.
 *
 * A run costs the length of its history, and the search for open activities and timers its square.
 * Histories are short: an attempt takes about twenty events, and retry-rules.h bounds the attempts of a
 * job to some thirty. The list of open workflows is walked for each event; there are as many as jobs that
 * run.
 *
 * Timers are of the wall clock, because they outlive the machine's boot; the engine looks at them at
 * least once a minute, since the wall clock may be set while the Env's timers run on. A timer fires by an
 * event in the history, which gives it a certain place among the others. */

#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/strv.h"
#include "workflow/workflow-context-internal.h"
#include "workflow/workflow-engine.h"

/* After a run that could not be stored; grows threefold. */
#define RETRY_MIN_USEC USEC_PER_SEC
#define RETRY_MAX_USEC (600 * USEC_PER_SEC)
/* A run that is prepared so often and still asks for more, since what it reads changes all the time, has a
 * rest. */
#define RESTARTS_MAX 10U
/* The wall clock can be set: timers are looked at this often at least. */
#define CLOCK_CHECK_USEC (60 * USEC_PER_SEC)

typedef struct OpenWorkflow {
        char *id;
        const WorkflowCode *type; /* NULL: of a kind that this version doesn't know */
        char *type_name;
        char **activities; /* open ones */
        char **started;    /* of these, those that the host was asked for in this process */
        char **cancelled;  /* and those that it was asked to cancel */
        usec_t next_timer; /* wall clock */
        bool runnable;
        usec_t retry_at; /* boot-time clock; 0: no failed run to be tried again */
        unsigned n_retries;
} OpenWorkflow;

struct WorkflowEngine {
        Env *env;
        const HistoryStore *store;
        const WorkflowHost *host;
        const WorkflowCode *types;
        void *userdata;
        Hashmap *workflows;
        EnvSource *timer;
};

static void open_workflow_free(void *p) {
        OpenWorkflow *w = p;

        free(w->id);
        free(w->type_name);
        strv_free(w->activities);
        strv_free(w->started);
        strv_free(w->cancelled);
        free(w);
}

static const WorkflowCode *find_type(const WorkflowEngine *e, const char *name) {
        for (const WorkflowCode *t = e->types; t->name; t++)
                if (streq(t->name, name))
                        return t;
        return NULL;
}

static int add(WorkflowEngine *e, const char *id, const char *type, OpenWorkflow **ret) {
        OpenWorkflow *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->id = strdup(id);
        w->type_name = strdup(type);
        w->type = find_type(e, type);
        w->runnable = true;
        w->next_timer = USEC_INFINITY;
        r = w->id && w->type_name ? hashmap_put_string(e->workflows, id, w) : -ENOMEM;
        if (r < 0) {
                open_workflow_free(w);
                return r;
        }
        if (ret)
                *ret = w;
        return 0;
}

static void forget(WorkflowEngine *e, OpenWorkflow *w) {
        open_workflow_free(hashmap_remove(e->workflows, w->id, strlen(w->id)));
}

static int begin(WorkflowEngine *e, Error **reterr_error) {
        return e->store->begin(e->store->userdata, reterr_error);
}

/* The host hears of it before anything is dispatched: what it tells of (signals, the journal) precedes
 * what follows from it. */
static int commit(WorkflowEngine *e, Error **reterr_error) {
        int r = e->store->commit(e->store->userdata, reterr_error);

        if (r >= 0 && e->host->committed)
                e->host->committed(e->host->userdata);
        return r;
}

static int rollback(WorkflowEngine *e, int r) {
        e->store->rollback(e->store->userdata);
        if (e->host->rolled_back)
                e->host->rolled_back(e->host->userdata);
        return r;
}

static int load(WorkflowEngine *e, const char *id, History *ret, Error **reterr_error) {
        return e->store->load(e->store->userdata, id, ret, reterr_error);
}

static int append(WorkflowEngine *e, const char *id, History *h, HistoryEventType type,
                  const char *name, const char *key, const char *payload, Error **reterr_error) {
        size_t seq = h->n;
        int r;

        r = history_append(h, type, name, key, payload, env_now(e->env, ENV_CLOCK_REALTIME));
        if (r < 0)
                return r;
        return e->store->append(e->store->userdata, id, seq, h->events + seq, reterr_error);
}

static usec_t timer_time(const HistoryEvent *event) {
        return strtoull(event->payload, NULL, 10);
}

static bool is_open(const History *h, size_t i, HistoryEventType end) {
        return history_find(h, end, h->events[i].key, i, h->n) < 0;
}

static usec_t next_timer(const History *h) {
        usec_t at = USEC_INFINITY;

        for (size_t i = 0; i < h->n; i++)
                if (h->events[i].type == HISTORY_TIMER_STARTED && is_open(h, i, HISTORY_TIMER_FIRED))
                        at = MIN(at, timer_time(h->events + i));
        return at;
}

/* Asks the host for what the history asks for and has not got yet, once in the life of this process. */
static int dispatch_one(WorkflowEngine *e, OpenWorkflow *w, const HistoryEvent *event) {
        _cleanup_json_ JsonObject *payload = NULL;
        bool cancel = event->type == HISTORY_ACTIVITY_CANCEL_REQUESTED;
        char ***done = cancel ? &w->cancelled : &w->started;
        int r;

        if (strv_contains(*done, event->key))
                return 0;
        r = history_event_payload(event, &payload);
        if (r >= 0)
                r = strv_extend(done, event->key);
        if (r < 0)
                return r;
        if (cancel)
                e->host->cancel_activity(event->key, json_object_get_string(payload), e->host->userdata);
        else
                e->host->start_activity(event->name, event->key, payload, e->host->userdata);
        return 0;
}

/* Brings what is known in memory up to date with a committed history. */
static int adopt(WorkflowEngine *e, OpenWorkflow *w, const History *h) {
        _cleanup_strv_ char **activities = NULL;
        int r = 0;

        w->next_timer = next_timer(h);
        for (size_t i = 0; r >= 0 && i < h->n; i++)
                if (h->events[i].type == HISTORY_ACTIVITY_SCHEDULED &&
                    is_open(h, i, HISTORY_ACTIVITY_COMPLETED))
                        r = strv_extend(&activities, h->events[i].key);
        if (r < 0)
                return r;
        strv_free(w->activities);
        w->activities = TAKE_PTR(activities);
        for (size_t i = 0; r >= 0 && i < h->n; i++)
                if ((h->events[i].type == HISTORY_ACTIVITY_SCHEDULED ||
                     h->events[i].type == HISTORY_ACTIVITY_CANCEL_REQUESTED) &&
                    strv_contains(w->activities, h->events[i].key))
                        r = dispatch_one(e, w, h->events + i);
        return r;
}

/* When it wants to run; `monotonic` is now, the caller's: to look again would put what is due into the
 * future of who compares, for ever on a machine where a look takes a microsecond. */
static usec_t due(const WorkflowEngine *e, const OpenWorkflow *w, usec_t monotonic) {
        usec_t wall = env_now(e->env, ENV_CLOCK_REALTIME);
        usec_t at = w->retry_at > 0 ? w->retry_at : USEC_INFINITY;

        if (w->runnable)
                return w->retry_at > 0 ? w->retry_at : monotonic;
        if (w->next_timer <= wall)
                return monotonic;
        if (w->next_timer != USEC_INFINITY) {
                usec_t wait = MIN(w->next_timer - wall, CLOCK_CHECK_USEC);

                at = MIN(at, monotonic + wait);
        }
        return at;
}

static void arm(WorkflowEngine *e) {
        usec_t at = USEC_INFINITY, now = env_now(e->env, ENV_CLOCK_MONOTONIC);
        void *value;
        size_t i = 0;

        while (hashmap_iterate(e->workflows, &i, NULL, NULL, &value))
                at = MIN(at, due(e, value, now));
        (void) e->env->ops->timer_set(e->timer, at);
}

static void wake(WorkflowEngine *e, OpenWorkflow *w) {
        w->runnable = true;
        arm(e);
}

/* A run that could not be stored: again later, with patience. */
static void retry_later(WorkflowEngine *e, OpenWorkflow *w, int r, const Error *error) {
        usec_t delay = RETRY_MIN_USEC;

        for (unsigned i = 0; i < w->n_retries && delay < RETRY_MAX_USEC; i++)
                delay = MIN(delay * 3, RETRY_MAX_USEC);
        w->n_retries++;
        w->runnable = true;
        w->retry_at = env_now(e->env, ENV_CLOCK_MONOTONIC) + delay;
        log_warning("Workflow '%s' could not go on, trying again: %s", w->id, error_message(error, r));
}

static int fire_timers(WorkflowEngine *e, const char *id, History *h, Error **reterr_error) {
        usec_t wall = env_now(e->env, ENV_CLOCK_REALTIME);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < h->n; i++)
                if (h->events[i].type == HISTORY_TIMER_STARTED && timer_time(h->events + i) <= wall &&
                    is_open(h, i, HISTORY_TIMER_FIRED))
                        r = append(e, id, h, HISTORY_TIMER_FIRED, h->events[i].key, h->events[i].key, NULL,
                                   reterr_error);
        return r;
}

static void context_done(WorkflowContext *c) {
        json_putp(&c->input);
        json_putp(&c->result);
        c->why = error_free(c->why);
}

static int context_init(WorkflowEngine *e, const OpenWorkflow *w, History *h, WorkflowContext *c) {
        *c = (WorkflowContext) {
                .env = e->env, .store = e->store, .userdata = e->userdata, .id = w->id, .history = h,
                .now = env_now(e->env, ENV_CLOCK_REALTIME), .cursor = 1,
        };
        if (h->n == 0 || h->events[0].type != HISTORY_STARTED)
                return -EBADMSG;
        return history_event_payload(h->events, &c->input);
}

static int close_as(WorkflowEngine *e, const OpenWorkflow *w, History *h, HistoryEventType type,
                    JsonObject *payload, Error **reterr_error) {
        _cleanup_free_ char *text = json_to_string(payload);
        int r;

        if (!text)
                return -ENOMEM;
        r = append(e, w->id, h, type, NULL, NULL, text, reterr_error);
        if (r < 0)
                return r;
        return e->store->close(e->store->userdata, w->id, type == HISTORY_FAILED, text,
                               env_now(e->env, ENV_CLOCK_REALTIME), reterr_error);
}

/* Runs the code over the history, in the transaction that is open. */
static int run_code(WorkflowEngine *e, const OpenWorkflow *w, History *h, Error **reterr_error) {
        _cleanup_(context_done) WorkflowContext c = {};
        int r;

        if (!w->type)
                return error_set(reterr_error, -ENOTSUP, "There is no workflow of type '%s'", w->type_name);
        r = fire_timers(e, w->id, h, reterr_error);
        if (r >= 0)
                r = context_init(e, w, h, &c);
        if (r < 0)
                return r;
        r = w->type->run(&c);
        if (c.error >= 0 && r >= 0)
                (void) workflow_context_check_end(&c);
        if (c.error < 0) {
                if (reterr_error && c.why)
                        *reterr_error = TAKE_PTR(c.why);
                return c.error;
        }
        if (r == -EINPROGRESS)
                return e->store->wait(e->store->userdata, w->id, h->n, next_timer(h), c.now, reterr_error);
        if (r < 0)
                return error_set_errno(reterr_error, r, "The workflow's code failed");
        return close_as(e, w, h, HISTORY_COMPLETED, c.result, reterr_error);
}

/* Histories may be long to read, and only we write them: what is appended names the place, and finds out if
 * that should not be so. Hence nobody else has to wait while it is read. */
static int load_and_begin(WorkflowEngine *e, const char *id, History *h, Error **reterr_error) {
        int r = load(e, id, h, reterr_error);

        return r < 0 ? r : begin(e, reterr_error);
}

static int try_fail(WorkflowEngine *e, const OpenWorkflow *w, const char *reason, bool with_hook,
                    Error **reterr_error) {
        _cleanup_history_ History h = {};
        _cleanup_(context_done) WorkflowContext c = {};
        _cleanup_json_ JsonObject *text = json_object_new_string(reason);
        int r;

        if (!text)
                return -ENOMEM;
        r = load_and_begin(e, w->id, &h, reterr_error);
        if (r < 0)
                return r;
        if (history_is_closed(&h))
                return rollback(e, 0);
        if (with_hook && w->type && w->type->failed) {
                r = context_init(e, w, &h, &c);
                if (r >= 0)
                        r = w->type->failed(&c, reason, reterr_error);
        }
        if (r >= 0)
                r = close_as(e, w, &h, HISTORY_FAILED, text, reterr_error);
        if (r < 0)
                return rollback(e, r);
        r = commit(e, reterr_error);
        return r < 0 ? rollback(e, r) : 0;
}

/* The workflow can't go on, ever: it is kept as failed with the reason. */
static void fail_for_good(WorkflowEngine *e, OpenWorkflow *w, const char *reason) {
        _cleanup_error_ Error *error = NULL;
        int r;

        log_error("Workflow '%s' (%s) failed: %s", w->id, w->type_name, reason);
        r = try_fail(e, w, reason, /* with_hook= */ true, &error);
        if (r < 0 && !workflow_error_is_transient(r)) {
                log_error("Workflow '%s': what it leaves behind can't be put right: %s", w->id,
                          error_message(error, r));
                error = error_free(error);
                r = try_fail(e, w, reason, /* with_hook= */ false, &error);
        }
        if (r < 0)
                return retry_later(e, w, r, error);
        e->host->closed(w->id, w->type_name, NULL, reason, e->host->userdata);
        forget(e, w);
}

/* A history that can't be read can't be added to either: the row alone is closed. Whoever hears of it puts
 * right what the workflow has left. */
static void close_unread(WorkflowEngine *e, OpenWorkflow *w, const char *reason) {
        _cleanup_json_ JsonObject *o = json_object_new_string(reason);
        _cleanup_free_ char *text = o ? json_to_string(o) : NULL;
        _cleanup_error_ Error *error = NULL;
        int r = text ? begin(e, &error) : -ENOMEM;

        log_error("Workflow '%s' (%s) has a damaged history and is given up: %s", w->id, w->type_name, reason);
        if (r >= 0) {
                r = e->store->close(e->store->userdata, w->id, /* failed= */ true, text,
                                    env_now(e->env, ENV_CLOCK_REALTIME), &error);
                if (r >= 0)
                        r = commit(e, &error);
                if (r < 0)
                        (void) rollback(e, r);
        }
        if (r < 0)
                return retry_later(e, w, r, error);
        e->host->closed(w->id, w->type_name, NULL, reason, e->host->userdata);
        forget(e, w);
}

static void after_commit(WorkflowEngine *e, OpenWorkflow *w, const History *h) {
        const HistoryEvent *last = h->events + h->n - 1;
        _cleanup_json_ JsonObject *payload = NULL;
        int r;

        if (!history_is_closed(h)) {
                r = adopt(e, w, h);
                if (r < 0)
                        retry_later(e, w, r, NULL);
                return;
        }
        (void) history_event_payload(last, &payload);
        e->host->closed(w->id, w->type_name, last->type == HISTORY_COMPLETED ? payload : NULL,
                        last->type == HISTORY_FAILED ? json_object_get_string(payload) : NULL,
                        e->host->userdata);
        forget(e, w);
}

/* One turn: the code runs from its start over the recorded history, and what it decides beyond that is
 * committed with the events that say so, or not at all. A failure that may pass rolls the turn back and
 * tries it again later; nothing has happened then. Any other ends the workflow, since the same code over the
 * same history would fail for ever. */
static void try_run(WorkflowEngine *e, OpenWorkflow *w, unsigned n_restarts) {
        _cleanup_history_ History h = {};
        _cleanup_error_ Error *error = NULL;
        int r;

        w->runnable = false;
        w->retry_at = 0;
        r = load_and_begin(e, w->id, &h, &error);
        if (r < 0 && !workflow_error_is_transient(r))
                return close_unread(e, w, error_message(error, r));
        if (r < 0)
                return retry_later(e, w, r, error);
        if (!history_is_closed(&h))
                r = run_code(e, w, &h, &error);
        if (r >= 0)
                r = commit(e, &error);
        if (r >= 0) {
                w->n_retries = 0;
                return after_commit(e, w, &h);
        }
        (void) rollback(e, r);
        if (r == -ERESTART && n_restarts < RESTARTS_MAX && e->host->prepare) {
                e->host->prepare(e->host->userdata);
                return try_run(e, w, n_restarts + 1);
        }
        if (workflow_error_is_transient(r) || r == -ERESTART)
                return retry_later(e, w, r, error);
        fail_for_good(e, w, error_message(error, r));
}

static void run(WorkflowEngine *e, OpenWorkflow *w) {
        try_run(e, w, 0);
        if (e->host->run_over)
                e->host->run_over(e->host->userdata);
}

static OpenWorkflow *next_due(WorkflowEngine *e) {
        usec_t now = env_now(e->env, ENV_CLOCK_MONOTONIC);
        void *value;
        size_t i = 0;

        while (hashmap_iterate(e->workflows, &i, NULL, NULL, &value))
                if (due(e, value, now) <= now)
                        return value;
        return NULL;
}

void workflow_engine_process(WorkflowEngine *e) {
        OpenWorkflow *w;

        while ((w = next_due(e)))
                run(e, w);
        arm(e);
}

static int on_timer(EnvSource *s, usec_t now, void *userdata) {
        workflow_engine_process(userdata);
        return 0;
}

int workflow_engine_new(Env *env, const HistoryStore *store, const WorkflowHost *host,
                        const WorkflowCode *types, void *userdata, WorkflowEngine **ret) {
        _cleanup_(workflow_engine_freep) WorkflowEngine *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        *e = (WorkflowEngine) { .env = env, .store = store, .host = host, .types = types, .userdata = userdata };
        e->workflows = hashmap_new(open_workflow_free);
        if (!e->workflows)
                return -ENOMEM;
        r = env->ops->timer_add(env, USEC_INFINITY, on_timer, e, &e->timer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(e);
        return 0;
}

WorkflowEngine *workflow_engine_free(WorkflowEngine *e) {
        if (!e)
                return NULL;
        env_source_free(e->env, e->timer);
        hashmap_free(e->workflows);
        free(e);
        return NULL;
}

static int on_open_workflow(const char *id, const char *type, void *userdata) {
        return add(userdata, id, type, NULL);
}

int workflow_engine_resume(WorkflowEngine *e, Error **reterr_error) {
        int r;

        /* Each is run once: that starts its open activities again, and finds what has become due. */
        r = e->store->list_open(e->store->userdata, on_open_workflow, e, reterr_error);
        arm(e);
        return MIN(r, 0);
}

static int create(WorkflowEngine *e, const char *type, const char *id, JsonObject *input,
                  Error **reterr_error) {
        _cleanup_history_ History h = {};
        _cleanup_free_ char *text = json_to_string(input);
        int r;

        if (!text)
                return -ENOMEM;
        r = e->store->create(e->store->userdata, id, type, text, env_now(e->env, ENV_CLOCK_REALTIME), reterr_error);
        if (r < 0)
                return r;
        return append(e, id, &h, HISTORY_STARTED, NULL, NULL, text, reterr_error);
}

/* Whether a transaction whose commit seemed to fail is there all the same. */
static bool is_stored(WorkflowEngine *e, const char *id) {
        _cleanup_history_ History h = {};

        return load(e, id, &h, NULL) >= 0 && h.n > 0;
}

int workflow_engine_start(WorkflowEngine *e, const char *type, WorkflowPrepare prepare, void *userdata,
                          Error **reterr_error) {
        _cleanup_json_ JsonObject *input = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = begin(e, reterr_error);
        if (r < 0)
                return r;
        r = prepare(userdata, &id, &input, reterr_error);
        if (r >= 0)
                r = create(e, type, id, input, reterr_error);
        if (r < 0)
                return rollback(e, r);
        r = commit(e, reterr_error);
        if (r < 0) {
                (void) rollback(e, r);
                if (!is_stored(e, id))
                        return r;
        }
        /* Out of memory here: it is stored, and runs from the next start on. */
        if (add(e, id, type, NULL) < 0)
                log_warning("Workflow '%s' has to wait for a restart: out of memory", id);
        arm(e);
        return 0;
}

static int append_and_commit(WorkflowEngine *e, const char *id, History *h, HistoryEventType type,
                             const char *name, const char *key, JsonObject *payload, Error **reterr_error) {
        _cleanup_free_ char *text = json_to_string(payload);
        int r;

        r = text ? append(e, id, h, type, name, key, text, reterr_error) : -ENOMEM;
        if (r < 0)
                return rollback(e, r);
        r = commit(e, reterr_error);
        return r < 0 ? rollback(e, r) : 0;
}

int workflow_engine_signal(WorkflowEngine *e, const char *id, const char *name, JsonObject *payload,
                           Error **reterr_error) {
        _cleanup_history_ History h = {};
        OpenWorkflow *w = hashmap_get_string(e->workflows, id);
        int r;

        if (!w)
                return error_set(reterr_error, -ESRCH, "Workflow '%s' is not running", id);
        r = load_and_begin(e, id, &h, reterr_error);
        if (r < 0)
                return r;
        if (history_is_closed(&h)) {
                wake(e, w);
                return rollback(e, error_set(reterr_error, -ESRCH, "Workflow '%s' is not running", id));
        }
        r = append_and_commit(e, id, &h, HISTORY_SIGNAL_RECEIVED, name, NULL, payload, reterr_error);
        wake(e, w);
        return r;
}

static OpenWorkflow *find_by_activity(const WorkflowEngine *e, const char *activity_id) {
        void *value;
        size_t i = 0;

        while (hashmap_iterate(e->workflows, &i, NULL, NULL, &value))
                if (strv_contains(((OpenWorkflow *) value)->activities, activity_id))
                        return value;
        return NULL;
}

static int complete(WorkflowEngine *e, OpenWorkflow *w, const char *activity_id, JsonObject *result,
                    Error **reterr_error) {
        _cleanup_json_ JsonObject *input = NULL, *condensed = NULL, *digest = NULL;
        _cleanup_history_ History h = {};
        int r, i;

        r = load(e, w->id, &h, reterr_error);
        if (r < 0)
                return r;
        i = history_find(&h, HISTORY_ACTIVITY_SCHEDULED, activity_id, 0, h.n);
        if (i < 0 || history_is_closed(&h) || !is_open(&h, i, HISTORY_ACTIVITY_COMPLETED))
                return 0;
        r = e->host->digest ? history_event_payload(h.events + i, &input) : 0;
        if (r >= 0 && e->host->condense)
                r = e->host->condense(h.events[i].name, result, &condensed, e->host->userdata, reterr_error);
        if (r >= 0)
                r = begin(e, reterr_error);
        if (r < 0)
                return r;
        if (e->host->digest) {
                r = e->host->digest(h.events[i].name, input, condensed ?: result, &digest, e->host->userdata,
                                    reterr_error);
                if (r < 0)
                        return rollback(e, r);
        }
        return append_and_commit(e, w->id, &h, HISTORY_ACTIVITY_COMPLETED, h.events[i].name, activity_id,
                                 digest ?: condensed ?: result, reterr_error);
}

/* Where no open workflow has it, the store is asked for closed ones: to tell of an end that is known
 * already must be answered with success, or it would be told for ever. */
int workflow_engine_complete(WorkflowEngine *e, const char *activity_id, JsonObject *result,
                             Error **reterr_error) {
        OpenWorkflow *w = find_by_activity(e, activity_id);
        int r;

        if (w) {
                r = complete(e, w, activity_id, result, reterr_error);
                wake(e, w);
                return r;
        }
        r = e->store->knows_activity(e->store->userdata, activity_id, reterr_error);
        if (r == 0)
                return error_set(reterr_error, -ENOENT, "No workflow waits for '%s'", activity_id);
        return MIN(r, 0);
}

bool workflow_engine_is_open(const WorkflowEngine *e, const char *id) {
        return hashmap_get_string(e->workflows, id);
}

bool workflow_engine_has_activity(const WorkflowEngine *e, const char *activity_id) {
        return find_by_activity(e, activity_id);
}

size_t workflow_engine_n_open(const WorkflowEngine *e) {
        return hashmap_size(e->workflows);
}

bool workflow_engine_is_busy(const WorkflowEngine *e) {
        usec_t now = env_now(e->env, ENV_CLOCK_MONOTONIC);
        void *value;
        size_t i = 0;

        while (hashmap_iterate(e->workflows, &i, NULL, NULL, &value)) {
                const OpenWorkflow *w = value;

                if (w->runnable || w->retry_at > 0 || due(e, w, now) <= now)
                        return true;
        }
        return false;
}

usec_t workflow_engine_next_timer(const WorkflowEngine *e) {
        usec_t at = USEC_INFINITY;
        void *value;
        size_t i = 0;

        while (hashmap_iterate(e->workflows, &i, NULL, NULL, &value))
                at = MIN(at, ((OpenWorkflow *) value)->next_timer);
        return at;
}
