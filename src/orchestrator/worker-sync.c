/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Joins the replication (worker/replication.h), which knows pipes and rules, to the connectors that run
 * already and to the API. The replication decides when an attempt is over and how it ended; here exits
 * are told to it, with their cause when the kernel ended a connector for want of memory, and its wishes
 * carried out.
 *
 * A clear has no source. A pipe whose writing end is closed stands for one, and a source that has exited
 * with 0 is told at once, so that the destination sees exactly what a source without records would have
 * sent.
 *
 * Stopping is nested: the destination's shim holds SIGTERM back for its grace time, the replication waits
 * a little longer (STOP_GRACE_USEC), and systemd longest (launcher/launch-units.c). A connector that the
 * worker gives up is killed by its shim when the control socket closes. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/log.h"
#include "orchestrator/worker-notify.h"
#include "orchestrator/worker-output.h"
#include "orchestrator/worker-sync.h"
#include "protocol/state.h"

/* Above the destination shim's own grace time. */
#define STOP_GRACE_USEC (70 * USEC_PER_SEC)
#define STATS_USEC (10 * USEC_PER_SEC)
#define STATS_FIRST_USEC (1 * USEC_PER_SEC)
/* While records move, a flush that is not answered is tried again with the next one; the last one has no
 * next. */
#define FLUSH_PATIENCE_USEC (5 * USEC_PER_SEC)
#define STATUS_USEC (250 * USEC_PER_MSEC)
/* For those who watch; rarer where there are many streams to tell of. */
#define PROGRESS_USEC (500 * USEC_PER_MSEC)
#define PROGRESS_STREAMS 50U
/* Of a new configuration we don't know which strings are secret: those that look like words stay
 * readable. */
#define SECRET_MIN 8U

struct WorkerSync {
        Env *env;
        WorkerLink *link;
        ConfiguredCatalog *catalog;
        StreamOptions *streams;
        char ***selected_fields;
        Mapper ***mappers;
        char **secrets;
        StateSet *state;
        Replication *replication;
        ConnectorProcess *source, *destination;
        WorkerExit source_exit, destination_exit;
        EnvSource *stats_timer, *progress_timer;
        usec_t status_at;
        usec_t progress_at; /* not before */
        bool progress_due;  /* the timer is armed */
        bool clear; /* no source */
        char *cancelled; /* why */
};

/* ---- What the replication asks of its surroundings ---- */

static int on_flush(const StateSet *changed, void *userdata, Error **reterr_error) {
        WorkerSync *s = userdata;
        _cleanup_buffer_ Buffer b = {}, numbers = {};
        const char *text, *streams;
        usec_t patience;
        int r;

        /* A cleared stream has no state: that is the point. */
        if (s->clear)
                return 0;
        r = state_set_append(changed, &b);
        text = r >= 0 ? buffer_string(&b) : NULL;
        r = worker_output_stats(s->replication, &numbers);
        streams = r >= 0 ? buffer_string(&numbers) : NULL;
        if (!text || !streams)
                return -ENOMEM;
        patience = s->destination_exit.known ? worker_link_last_patience(s->link) : FLUSH_PATIENCE_USEC;
        return worker_link_state(s->link, text, streams, patience, reterr_error);
}

static int collect_strings(JsonObject *o, char ***to) {
        int r = 0;

        if (json_object_is_type(o, json_type_string) && strlen(json_object_get_string(o)) >= SECRET_MIN)
                return strv_extend(to, json_object_get_string(o));
        if (json_object_is_type(o, json_type_array))
                for (size_t i = 0; r >= 0 && i < json_object_array_length(o); i++)
                        r = collect_strings(json_object_array_get_idx(o, i), to);
        if (json_object_is_type(o, json_type_object)) {
                json_object_object_foreach(o, key, value) {
                        (void) key;
                        if (r >= 0)
                                r = collect_strings(value, to);
                }
        }
        return r;
}

/* The new strings are masked before the configuration is sent: it may be in the very next log line. */
static int on_control(FailureOrigin from, JsonObject *config, void *userdata, Error **reterr_error) {
        _cleanup_strv_ char **secrets = NULL;
        WorkerSync *s = userdata;
        int r = collect_strings(config, &secrets);

        if (r >= 0)
                r = replication_add_secrets(s->replication, secrets);
        if (r >= 0)
                worker_link_control(s->link, from == ORIGIN_DESTINATION ? "destination" : "source", config);
        return r;
}

static void on_log(FailureOrigin from, const char *level, const char *message, void *userdata) {
        WorkerSync *s = userdata;

        worker_link_log(s->link, failure_origin_to_string(from), level, message);
}

static void send_stats(WorkerSync *s) {
        _cleanup_buffer_ Buffer b = {};
        const char *text = worker_output_stats(s->replication, &b) >= 0 ? buffer_string(&b) : NULL;

        if (text)
                worker_link_stats(s->link, text);
}

static int on_stats_timer(EnvSource *source, usec_t now, void *userdata) {
        WorkerSync *s = userdata;

        send_stats(s);
        return s->env->ops->timer_set(source, now + STATS_USEC);
}

static int on_progress_timer(EnvSource *source, usec_t now, void *userdata) {
        WorkerSync *s = userdata;
        _cleanup_buffer_ Buffer b = {};
        const char *text = worker_output_stats(s->replication, &b) >= 0 ? buffer_string(&b) : NULL;

        s->progress_due = false;
        s->progress_at = now + PROGRESS_USEC * (1 + s->catalog->n_streams / PROGRESS_STREAMS);
        if (text)
                worker_link_progress(s->link, text);
        return 0;
}

/* Numbers have moved: they are told as soon as that may be again, so that the last ones before a pause are, too. */
static void plan_progress(WorkerSync *s, usec_t now) {
        if (!s->progress_due)
                s->progress_due = s->env->ops->timer_set(s->progress_timer, MAX(now, s->progress_at)) >= 0;
}

static void on_progress(Replication *r, void *userdata) {
        WorkerSync *s = userdata;
        usec_t now = env_now(s->env, ENV_CLOCK_MONOTONIC);
        StreamStats sum;

        if (replication_status(r) == REPLICATION_RUNNING)
                plan_progress(s, now);
        if (now < s->status_at)
                return;
        s->status_at = now + STATUS_USEC;
        replication_totals(r, &sum);
        worker_notify("STATUS=%" PRIu64 " records read, %" PRIu64 " committed", sum.records_emitted,
                      sum.records_committed);
}

/* One sentence for the list of attempts; the rest is in the output. */
static char *failure_reason(const WorkerSync *s) {
        size_t n = 0;
        const FailureReason *f = replication_failures(s->replication, &n);

        switch (replication_status(s->replication)) {
        case REPLICATION_COMPLETED:
                return NULL;
        case REPLICATION_CANCELLED:
                return strdup(s->cancelled ?: "Cancelled");
        default:
                return strdup(n > 0 && f[0].external_message ? f[0].external_message : "The attempt failed");
        }
}

/* How it began and ended, for who reads the job's log and sees connectors of few words. */
static void log_start(WorkerSync *s) {
        char text[64];

        (void) snprintf(text, sizeof(text), "%s %zu stream%s", s->clear ? "Clearing" : "Moving",
                        s->catalog->n_streams, s->catalog->n_streams == 1 ? "" : "s");
        worker_link_log(s->link, "airbyte_platform", "INFO", text);
}

static void log_end(WorkerSync *s, Replication *r) {
        const FailureReason *failures;
        char bytes[FORMAT_BYTES_MAX], text[160];
        StreamStats totals;
        size_t n;

        failures = replication_failures(r, &n);
        for (size_t i = 0; i < n; i++)
                worker_link_log(s->link, failure_origin_to_string(failures[i].origin), "ERROR",
                                failures[i].external_message);
        replication_totals(r, &totals);
        (void) snprintf(text, sizeof(text), "The attempt is %s: %" PRIu64 " records (%s) read, %" PRIu64 " committed",
                        replication_status_to_string(replication_status(r)), totals.records_emitted,
                        format_bytes(totals.bytes_emitted, bytes), totals.records_committed);
        worker_link_log(s->link, "airbyte_platform", "INFO", text);
}

static void on_done(Replication *r, void *userdata) {
        WorkerSync *s = userdata;
        _cleanup_free_ char *reason = failure_reason(s);
        JsonObject *output = NULL;
        bool completed = replication_status(r) == REPLICATION_COMPLETED;

        s->status_at = 0;
        on_progress(r, s);
        send_stats(s);
        log_end(s, r);
        if (worker_output_sync(r, &s->source_exit, &s->destination_exit, &output) < 0)
                log_oom();
        worker_link_finish(s->link, completed ? NULL : reason ?: "The attempt failed", output);
}

/* ---- The connectors ---- */

static int stop_process(void *userdata) {
        ConnectorProcess **p = userdata;

        return *p ? connector_process_stop(*p) : 0;
}

static int kill_process(void *userdata) {
        ConnectorProcess **p = userdata;

        return *p ? connector_process_kill(*p) : 0;
}

static void note_exit(WorkerExit *e, const ConnectorUsage *usage) {
        e->known = true;
        if (usage)
                e->usage = *usage;
}

static int on_source_exited(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error,
                            void *userdata) {
        WorkerSync *s = userdata;

        note_exit(&s->source_exit, usage);
        return replication_source_exited(s->replication, usage ? &usage->exit : NULL, error);
}

static int on_destination_exited(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error,
                                 void *userdata) {
        WorkerSync *s = userdata;

        note_exit(&s->destination_exit, usage);
        return replication_destination_exited(s->replication, usage ? &usage->exit : NULL, error);
}

static int on_started(ConnectorProcess *p, char *const *missing, void *userdata) {
        _cleanup_free_ char *list = missing && missing[0] ? strv_join(missing, ", ") : NULL, *text = NULL;
        WorkerSync *s = userdata;
        const char *whose = p == s->source ? "source" : "destination";

        if (list && asprintf(&text, "The %s's sandbox lacks what this system does not allow: %s", whose,
                             list) >= 0) {
                worker_link_log(s->link, "airbyte_platform", "INFO", text);
                free(TAKE_PTR(text));
        }
        return 0;
}

static int attach(WorkerSync *s, WorkerConnector *c, const char *name,
                  int (*exited)(ConnectorProcess *, const ConnectorUsage *, const Error *, void *),
                  ConnectorProcess **ret, Error **reterr_error) {
        ConnectorEvents events = { .started = on_started, .exited = exited, .userdata = s };
        int r = connector_process_attach(s->env, name, c->memory_max, TAKE_FD(c->control), c->fds, &events, ret,
                                         reterr_error);

        for (size_t i = 0; i < 3; i++)
                c->fds[i] = -EBADF;
        return r;
}

/* A source that has nothing to say. */
static int empty_source(WorkerSync *s, ReplicationEndpoint *ret) {
        int ends[2];
        int r = s->env->ops->pipe(s->env, 0, ends);

        if (r < 0)
                return r;
        (void) env_close(s->env, ends[1]);
        ret->stdout_fd = ends[0];
        return 0;
}

static int start(WorkerSync *s, WorkerStart *w, Error **reterr_error) {
        ReplicationEndpoint source = { .stdin_fd = -EBADF, .stderr_fd = -EBADF, .stop = stop_process,
                                       .kill = kill_process,
                                       .userdata = &s->source };
        ReplicationEndpoint destination = { .stop = stop_process, .kill = kill_process,
                                            .userdata = &s->destination };
        int r;

        log_start(s);
        r = attach(s, &w->destination, "destination", on_destination_exited, &s->destination, reterr_error);
        if (r >= 0)
                r = s->clear ? empty_source(s, &source)
                             : attach(s, &w->source, "source", on_source_exited, &s->source, reterr_error);
        if (r < 0)
                return r;
        if (s->source) {
                source.stdout_fd = connector_process_take_fd(s->source, 1);
                source.stderr_fd = connector_process_take_fd(s->source, 2);
        }
        destination.stdin_fd = connector_process_take_fd(s->destination, 0);
        destination.stdout_fd = connector_process_take_fd(s->destination, 1);
        destination.stderr_fd = connector_process_take_fd(s->destination, 2);
        r = replication_start(s->replication, &source, &destination);
        if (r >= 0 && s->clear)
                r = replication_source_exited(s->replication, &(EnvExit) { .code = 0 }, NULL);
        return r;
}

/* ---- The workload's input ---- */

static int read_stream(WorkerSync *s, size_t i, JsonObject *o, Error **reterr_error) {
        const ConfiguredStream *from = &s->catalog->streams[i];
        StreamOptions *to = &s->streams[i];
        JsonObject *mappers = NULL;
        int r;

        to->destination_name = from->stream.name;
        r = json_get_string(o, "destinationName", &to->destination_name, "streams", reterr_error);
        if (r >= 0)
                r = json_get_string(o, "destinationNamespace", &to->destination_namespace, "streams",
                                    reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "selectedFields", &s->selected_fields[i], "streams", reterr_error);
        if (r >= 0)
                r = json_get_array(o, "mappers", &mappers, "streams", reterr_error);
        if (r >= 0)
                r = mappers_from_json(mappers, &s->mappers[i], reterr_error);
        if (r >= 0)
                r = mappers_secret_strings(s->mappers[i], &s->secrets);
        to->selected_fields = s->selected_fields[i];
        to->mappers = s->mappers[i];
        return r < 0 ? r : 0;
}

static int read_streams(WorkerSync *s, JsonObject *input, Error **reterr_error) {
        JsonObject *list = NULL;
        size_t n;
        int r;

        r = configured_catalog_from_json(json_member(input, "sourceCatalog"), &s->catalog, reterr_error);
        if (r >= 0)
                r = json_get_array(input, "streams", &list, "input", reterr_error);
        if (r < 0)
                return r;
        n = s->catalog->n_streams;
        if (!list || json_object_array_length(list) != n)
                return error_set(reterr_error, -EINVAL, "input: 'streams' does not fit the catalog's %zu",
                                 n);
        s->streams = calloc(n + 1, sizeof(*s->streams));
        s->selected_fields = calloc(n + 1, sizeof(*s->selected_fields));
        s->mappers = calloc(n + 1, sizeof(*s->mappers));
        if (!s->streams || !s->selected_fields || !s->mappers)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = read_stream(s, i, json_object_array_get_idx(list, i), reterr_error);
        return r;
}

static int read_state(WorkerSync *s, JsonObject *input, Error **reterr_error) {
        JsonObject *state = json_member(input, "state");
        _cleanup_free_ char *text = state ? json_to_string(state) : NULL;

        if (!state) {
                s->state = state_set_new();
                return s->state ? 0 : -ENOMEM;
        }
        return text ? state_set_parse(text, strlen(text), &s->state, reterr_error) : -ENOMEM;
}

static int read_options(JsonObject *input, ReplicationOptions *o, Error **reterr_error) {
        JsonObject *options = NULL;
        int64_t heartbeat = 0, limit = 0;
        int r;

        r = json_get_object(input, "options", &options, "input", reterr_error);
        if (r <= 0)
                return r;
        r = json_get_bool(options, "tolerateCountMismatch", &o->tolerate_count_mismatch, "options",
                          reterr_error);
        if (r >= 0)
                r = json_get_bool(options, "validateRecords", &o->validate_records, "options", reterr_error);
        if (r >= 0)
                r = json_get_bool(options, "destinationSupportsRefreshes", &o->destination_supports_refreshes,
                                  "options", reterr_error);
        if (r >= 0)
                r = json_get_i64(options, "heartbeatTimeoutUsec", &heartbeat, "options", reterr_error);
        if (r >= 0)
                r = json_get_i64(options, "recordLimit", &limit, "options", reterr_error);
        if (r >= 0 && (heartbeat < 0 || limit < 0))
                r = error_set(reterr_error, -EINVAL, "options: a limit is negative");
        if (r < 0)
                return r;
        if (heartbeat > 0)
                o->heartbeat_timeout = (usec_t) heartbeat;
        o->record_limit = (uint64_t) limit;
        return 0;
}

static int make_replication(WorkerSync *s, JsonObject *input, Error **reterr_error) {
        ReplicationOptions o = {
                .catalog = s->catalog,
                .streams = s->streams,
                .initial_state = s->state,
                .secrets = s->secrets,
                .stop_grace = STOP_GRACE_USEC,
                .fail_on_heartbeat = true,
                .validate_records = true,
                .destination_supports_refreshes = true,
        };
        ReplicationSink sink = {
                .flush_state = on_flush, .control = on_control, .log = on_log, .progress = on_progress,
                        .done = on_done,
                .userdata = s,
        };
        int r = read_options(input, &o, reterr_error);

        return r < 0 ? r : replication_new(s->env, &o, &sink, &s->replication, reterr_error);
}

int worker_sync_new(Env *env, WorkerStart *w, WorkerLink *link, WorkerSync **ret, Error **reterr_error) {
        _cleanup_(worker_sync_freep) WorkerSync *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->env = env;
        s->link = link;
        s->clear = w->source.control < 0;
        s->secrets = strv_copy(w->secrets);
        if (w->secrets && !s->secrets)
                return -ENOMEM;
        r = read_streams(s, w->input, reterr_error);
        if (r >= 0)
                r = read_state(s, w->input, reterr_error);
        if (r >= 0)
                r = make_replication(s, w->input, reterr_error);
        if (r >= 0)
                r = env->ops->timer_add(env, env_now(env, ENV_CLOCK_MONOTONIC) + STATS_FIRST_USEC,
                                        on_stats_timer, s,
                                        &s->stats_timer);
        if (r >= 0)
                r = env->ops->timer_add(env, USEC_INFINITY, on_progress_timer, s, &s->progress_timer);
        if (r >= 0)
                r = start(s, w, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

WorkerSync *worker_sync_free(WorkerSync *s) {
        size_t n;

        if (!s)
                return NULL;
        n = s->catalog ? s->catalog->n_streams : 0;
        replication_free(s->replication);
        connector_process_free(s->source);
        connector_process_free(s->destination);
        env_source_free(s->env, s->stats_timer);
        env_source_free(s->env, s->progress_timer);
        for (size_t i = 0; i < n; i++) {
                if (s->selected_fields)
                        strv_free(s->selected_fields[i]);
                if (s->mappers)
                        mappers_free(s->mappers[i]);
        }
        free(s->selected_fields);
        free(s->mappers);
        free(s->streams);
        configured_catalog_free(s->catalog);
        state_set_free(s->state);
        strv_free(s->secrets);
        free(s->cancelled);
        free(s);
        return NULL;
}

int worker_sync_cancel(WorkerSync *s, const char *reason) {
        if (!s->cancelled)
                s->cancelled = strdup(reason);
        return replication_cancel(s->replication, reason);
}
