/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The second half of a run: two connectors, the worker between them, and the loop.
 *
 * The destination is started first: if it can't be, the source isn't made to read. From then on the
 * replication decides everything (src/worker), also when the connectors end; this file only hands it the
 * pipes and the exits, writes down what it says, and ends the loop when it is done.
 *
 * Durability goes one way. The destination commits, it gives back a state, flush_state() puts that state
 * on the disk, and only a state that is there counts as committed. A crash anywhere leaves a state that
 * is older than the rows, never newer.
 *
 * One signal asks for an orderly end, in which what the destination has committed is kept; a second kills
 * both and doesn't wait. */

#include <signal.h>

#include "basic/log.h"
#include "cli/config-update.h"
#include "cli/sync-move.h"
#include "cli/sync-prepare.h"

/* Called once the destination has made the records of these states durable; returning 0 promises the same
 * of the states. */
static int flush_state(const StateSet *changed, void *userdata, Error **reterr_error) {
        SyncRun *run = userdata;

        return sync_store_put_states(run->store, changed, reterr_error);
}

/* What the connector says from now on may hold the new secrets, whether they are kept or not. */
static int mask_config(SyncRun *run, const Endpoint *e, JsonObject *config) {
        _cleanup_strv_ char **secrets = NULL;
        int r = connector_spec_secret_strings(e->spec, config, &secrets);

        return r < 0 ? r : replication_add_secrets(run->replication, secrets);
}

/* Kept at once, so that a rotated token survives whatever happens next. */
static int on_control(FailureOrigin from, JsonObject *config, void *userdata, Error **reterr_error) {
        SyncRun *run = userdata;
        bool source = from == ORIGIN_SOURCE;
        const Endpoint *e = source ? run->source : run->destination;
        const char *file = source ? run->options->source_config : run->options->destination_config;
        _cleanup_error_ Error *why = NULL;
        int r;

        r = mask_config(run, e, config);
        if (r < 0)
                return r;
        r = config_update(e, file, config, &why);
        progress_clear(run->progress);
        if (r < 0)
                log_warning("The new configuration of the %s is not kept: %s",
                            failure_origin_to_string(from),
                            error_message(why, r));
        else if (r > 0)
                log_info("The %s has changed secrets of its configuration; '%s' is updated",
                         failure_origin_to_string(from), file);
        return 0;
}

/* Connectors talk a lot; without --verbose only their complaints are shown. */
static void on_log(FailureOrigin from, const char *level, const char *message, void *userdata) {
        SyncRun *run = userdata;
        bool loud = streq(level, "ERROR") || streq(level, "FATAL") || streq(level, "WARN");

        if (!run->options->verbose && !loud)
                return;
        progress_clear(run->progress);
        log_info("[%s] %s: %s", failure_origin_to_string(from), level, message);
}

static void on_progress(Replication *r, void *userdata) {
        SyncRun *run = userdata;

        sync_progress_update(run->progress, r, env_now(run->env, ENV_CLOCK_MONOTONIC));
}

static void on_done(Replication *r, void *userdata) {
        SyncRun *run = userdata;

        run->env->ops->exit(run->env, 0);
}

static int stop_process(void *userdata) {
        ConnectorProcess **p = userdata;

        return *p ? connector_process_stop(*p) : 0;
}

static int kill_process(void *userdata) {
        ConnectorProcess **p = userdata;

        return *p ? connector_process_kill(*p) : 0;
}

/* What the sandbox lacks is the machine's, so it is told for the first of the two only. */
static int on_started(ConnectorProcess *p, char *const *missing, void *userdata) {
        SyncRun *run = userdata;
        _cleanup_free_ char *list = NULL;

        if (!missing || !missing[0] || run->said_missing)
                return 0;
        run->said_missing = true;
        list = strv_join(missing, ", ");
        if (run->options->verbose && list)
                log_warning("The sandbox lacks what this system does not allow: %s", list);
        return 0;
}

static int on_source_exited(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error,
                            void *userdata) {
        SyncRun *run = userdata;

        return replication_source_exited(run->replication, usage ? &usage->exit : NULL, error);
}

static int on_destination_exited(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error,
                                 void *userdata) {
        SyncRun *run = userdata;

        return replication_destination_exited(run->replication, usage ? &usage->exit : NULL, error);
}

/* The first asks the replication to end in order; the second does not wait for anybody. */
static int on_signal(EnvSource *s, int signo, void *userdata) {
        SyncRun *run = userdata;

        if (run->signo > 0) {
                (void) kill_process(&run->source_process);
                (void) kill_process(&run->destination_process);
                run->env->ops->exit(run->env, 0);
                return 0;
        }
        run->signo = signo;
        progress_clear(run->progress);
        log_info("Stopping; what is committed stays. Once more to stop at once.");
        return replication_cancel(run->replication, signo == SIGINT   ? "Interrupted"
                                                            : signo == SIGHUP ? "The terminal was closed"
                                                                              : "Terminated");
}

static int start_process(SyncRun *run, const Endpoint *e, const char *verb, const ConfiguredCatalog *catalog,
                         const char *state, ConnectorProcess **ret, Error **reterr_error) {
        _cleanup_free_ char *config = endpoint_config_text(e), *catalog_text = NULL;
        _cleanup_json_ JsonObject *json = NULL;
        ConnectorEvents events = {
                .started = on_started,
                .exited = e->role == CONNECTOR_SOURCE ? on_source_exited : on_destination_exited,
                .userdata = run,
        };
        ConnectorStart start;
        int r;

        r = configured_catalog_to_json(catalog, &json);
        if (r < 0)
                return r;
        catalog_text = json_to_string(json);
        if (!config || !catalog_text)
                return -ENOMEM;
        start = endpoint_start(e, verb, config, catalog_text, state);
        return connector_process_start(run->env, &start, &events, ret, reterr_error);
}

static int start_both(SyncRun *run, Error **reterr_error) {
        _cleanup_buffer_ Buffer state = {};
        const char *text = NULL;
        int r;

        if (!state_set_is_empty(run->store->state)) {
                r = state_set_append_for_read(run->store->state, &state);
                if (r < 0)
                        return r;
                text = buffer_string(&state);
                if (!text)
                        return -ENOMEM;
        }
        r = start_process(run, run->destination, "write", run->plan->destination, NULL,
                          &run->destination_process,
                          reterr_error);
        if (r >= 0)
                r = start_process(run, run->source, "read", run->plan->source, text, &run->source_process,
                                  reterr_error);
        return r;
}

static int make_replication(SyncRun *run, Error **reterr_error) {
        ReplicationOptions o = {
                .catalog = run->plan->source,
                .streams = run->plan->streams,
                .initial_state = run->store->state,
                .flush_interval = REPLICATION_FLUSH_USEC,
                .heartbeat_timeout = REPLICATION_HEARTBEAT_USEC,
                .destination_timeout = REPLICATION_DESTINATION_TIMEOUT_USEC,
                .stop_grace = STOP_GRACE_USEC,
                .tolerate_count_mismatch = run->options->tolerate_count_mismatch,
                .fail_on_heartbeat = true,
                .validate_records = true,
                .destination_supports_refreshes = true,
                .record_limit = run->options->limit,
        };
        ReplicationSink sink = {
                .flush_state = flush_state,
                .control = on_control,
                .log = on_log,
                .progress = on_progress,
                .done = on_done,
                .userdata = run,
        };

        for (size_t i = 0; i < run->plan->source->n_streams; i++) {
                int r = mappers_secret_strings(run->plan->mappers[i], &run->secrets);

                if (r < 0)
                        return r;
        }
        o.secrets = run->secrets;
        return replication_new(run->env, &o, &sink, &run->replication, reterr_error);
}

/* For the time of the move; before it, signals end the oneshots. */
static int watch_signals(SyncRun *run) {
        struct sigaction hangup = {};
        int r = run->env->ops->signal_add(run->env, SIGINT, on_signal, run, &run->interrupt);

        if (r >= 0)
                r = run->env->ops->signal_add(run->env, SIGTERM, on_signal, run, &run->terminate);
        /* A closed terminal cancels as well; under nohup(1) it doesn't. */
        if (r >= 0 && sigaction(SIGHUP, NULL, &hangup) >= 0 && hangup.sa_handler != SIG_IGN)
                r = run->env->ops->signal_add(run->env, SIGHUP, on_signal, run, &run->hangup);
        return r;
}

/* All that can fail for a reason of ours is done before a connector starts. */
static int begin(SyncRun *run, Error **reterr_error) {
        ReplicationEndpoint source = { .stdin_fd = -EBADF, .stop = stop_process, .kill = kill_process,
                                       .userdata = &run->source_process };
        ReplicationEndpoint destination = { .stop = stop_process, .kill = kill_process,
                                            .userdata = &run->destination_process };
        int r;

        r = make_replication(run, reterr_error);
        if (r >= 0)
                r = progress_new(run->options->progress, /* otherwise= */ PROGRESS_NONE,
                                 env_now(run->env, ENV_CLOCK_MONOTONIC), &run->progress);
        if (r >= 0)
                r = watch_signals(run);
        if (r >= 0)
                r = start_both(run, reterr_error);
        if (r < 0)
                return r;
        source.stdout_fd = connector_process_take_fd(run->source_process, 1);
        source.stderr_fd = connector_process_take_fd(run->source_process, 2);
        destination.stdin_fd = connector_process_take_fd(run->destination_process, 0);
        destination.stdout_fd = connector_process_take_fd(run->destination_process, 1);
        destination.stderr_fd = connector_process_take_fd(run->destination_process, 2);
        return replication_start(run->replication, &source, &destination);
}

/* What the next run builds on. A refresh is over when the sync has completed; else it goes on, for streams
 * that were read to their end, too: the destination hears of their end only when all went well, and keeps
 * the old rows until then. */
static int conclude(SyncRun *run, Error **reterr_error) {
        bool completed = replication_status(run->replication) == REPLICATION_COMPLETED;

        for (size_t i = 0; completed && i < run->plan->source->n_streams; i++) {
                const AirbyteStream *s = &run->plan->source->streams[i].stream;

                generation_set_complete(run->store->generations, s->namespace, s->name);
        }
        if (completed)
                run->store->run_key = sync_run_key(run);
        return sync_store_save(run->store, reterr_error);
}

int sync_run_move(SyncRun *run, Error **reterr_error) {
        int r;

        r = begin(run, reterr_error);
        if (r >= 0)
                r = run->env->ops->run(run->env);
        if (run->progress)
                progress_clear(run->progress);
        if (r < 0)
                return error_prefix(reterr_error, r, "The sync could not run");
        return conclude(run, reterr_error);
}
