/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a sync's engine: from its options, through the two pairs of pipes, to a status. It owns no
 * process; whoever started the connectors tells when they exited (replication_source_exited() and its
 * twin), which is why the simulator can run it without any.
 *
 *   RUNNING --source and destination ended well, all states confirmed--> COMPLETED
 *      |----replication_fault(), from inside or replication_fail()------> FAILED
 *      '----replication_cancel()----------------------------------------> CANCELLED
 *
 * The status changes once, in the last step, when both sides are over; a cancelled sync stays one even if
 * something failed on the way. That step is always TIMER_STEP's, outside of any other handler, so that the
 * owner's done() never runs below a call that still has work to do. */

#include "basic/string-table.h"
#include "worker/replication-internal.h"

/* What a cache of the second level holds beside the rest: larger reads are written out of slower memory. */
#define BUFFER_SIZE_DEFAULT (256U * 1024U)
#define STOP_GRACE_DEFAULT (10 * USEC_PER_SEC)

static const char *const replication_status_table[_REPLICATION_STATUS_MAX] = {
        [REPLICATION_RUNNING] = "running",
        [REPLICATION_COMPLETED] = "completed",
        [REPLICATION_FAILED] = "failed",
        [REPLICATION_CANCELLED] = "cancelled",
};

DEFINE_STRING_TABLE_TO_STRING(replication_status, ReplicationStatus)

static void side_init(ReplicationSide *side, Replication *r, FailureOrigin origin) {
        side->replication = r;
        side->origin = origin;
        side->endpoint = (ReplicationEndpoint) { -EBADF, -EBADF, -EBADF, NULL, NULL, NULL };
        line_reader_init(&side->out, PROTOCOL_LINE_MAX);
        line_reader_init(&side->err, STDERR_LINE_MAX);
}

static void side_done(ReplicationSide *side) {
        Env *env = side->replication->env;

        side_close_stdout(side);
        env_source_free(env, side->err_io);
        env_close(env, side->endpoint.stderr_fd);
        env_close(env, side->endpoint.stdin_fd);
        line_reader_done(&side->out);
        line_reader_done(&side->err);
        json_putp(&side->config);
        free(side->exit_error);
}

Replication *replication_free(Replication *r) {
        if (!r)
                return NULL;
        for (int i = 0; i < _TIMER_MAX; i++)
                env_source_free(r->env, r->timers[i]);
        env_source_free(r->env, r->in_io);
        side_done(&r->source);
        side_done(&r->destination);
        for (size_t i = 0; r->streams && i < r->n_streams; i++) {
                record_target_done(&r->streams[i].target);
                record_mapper_free(r->streams[i].mapper);
        }
        for (size_t i = 0; i < r->n_shapes; i++)
                free(r->shapes[i].prefix.bytes);
        free(r->streams);
        free(r->shapes);
        free(r->scratch);
        free(r->staged);
        hashmap_free(r->by_source);
        hashmap_free(r->by_destination);
        record_scanner_free(r->scanner);
        record_validator_free(r->validator);
        state_tracker_free(r->tracker);
        state_set_free(r->to_flush);
        masker_free(r->masker);
        out_queue_done(&r->queue);
        failure_list_done(&r->failures);
        free(r);
        return NULL;
}

static int mapper_random(void *p, size_t n, void *userdata) {
        Replication *r = userdata;

        return r->env->ops->random_bytes(r->env, p, n);
}

/* Both names of a stream must be one of a kind: by the source's a record is told, by the destination's an
 * echo. */
static int put_stream(Hashmap *map, const char *namespace, const char *name, ReplicationStream *s,
                      const char *whose, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        int k = replication_stream_key(&b, namespace, name);

        if (k >= 0)
                k = hashmap_put(map, buffer_bytes(&b), b.len, s);
        if (k == -EEXIST)
                return error_set(reterr_error, k, "Two streams have the %s name '%s'", whose, name);
        return k;
}

/* Both directions have an index of their own: records and states of the source carry the names that it knows,
 * echoes those that the destination was given. Two streams that meet at the destination are refused, for
 * neither their rows nor their echoes could be told apart. No mapper is made where nothing is to be mapped:
 * that is what keeps such a stream on the path without copies. */
static int stream_init(Replication *r, size_t i, Error **reterr_error) {
        const ConfiguredStream *configured = &r->options.catalog->streams[i];
        const StreamOptions *options = &r->options.streams[i];
        ReplicationStream *s = &r->streams[i];
        int k;

        *s = (ReplicationStream) {
                .configured = configured,
                .options = options,
                .staged.stream = i,
                .stats = {
                        .name = configured->stream.name,
                        .namespace = configured->stream.namespace,
                        .estimated_records = -1,
                        .estimated_bytes = -1,
                        .status = _STREAM_STATUS_INVALID,
                },
        };
        k = record_target_init(&s->target, s->stats.name, s->stats.namespace, options->destination_name,
                               options->destination_namespace);
        if (k >= 0)
                k = put_stream(r->by_source, s->stats.namespace, s->stats.name, s, "source", reterr_error);
        if (k >= 0)
                k = put_stream(r->by_destination, options->destination_namespace, options->destination_name, s,
                               "destination", reterr_error);
        if (k >= 0 && (options->selected_fields || (options->mappers && options->mappers[0])))
                k = record_mapper_new(options->selected_fields, options->mappers, mapper_random, r,
                                      &s->mapper,
                                      reterr_error);
        return k;
}

static int timers_init(Replication *r) {
        static const EnvTimerHandler handlers[_TIMER_MAX] = {
                [TIMER_FLUSH] = on_flush_timer,
                [TIMER_HEARTBEAT] = on_heartbeat_timer,
                [TIMER_DESTINATION] = on_destination_timer,
                [TIMER_PROGRESS] = on_progress_timer,
                [TIMER_CONTROL] = on_control_timer,
                [TIMER_SOURCE_END] = on_source_end_timer,
                [TIMER_DESTINATION_END] = on_destination_end_timer,
                [TIMER_STEP] = on_step_timer,
        };

        for (int i = 0; i < _TIMER_MAX; i++) {
                int k = r->env->ops->timer_add(r->env, USEC_INFINITY, handlers[i], r, &r->timers[i]);

                if (k < 0)
                        return k;
        }
        return 0;
}

static int streams_init(Replication *r, Error **reterr_error) {
        r->n_streams = r->options.catalog->n_streams;
        r->streams = calloc(r->n_streams + 1, sizeof(*r->streams));
        r->scratch = calloc(r->n_streams + 1, sizeof(*r->scratch));
        r->staged = calloc(r->n_streams + 1, sizeof(*r->staged));
        r->by_source = hashmap_new(NULL);
        r->by_destination = hashmap_new(NULL);
        r->tracker = state_tracker_new(r->n_streams);
        if (!r->streams || !r->scratch || !r->staged || !r->by_source || !r->by_destination || !r->tracker)
                return -ENOMEM;
        for (size_t i = 0; i < r->n_streams; i++) {
                int k = stream_init(r, i, reterr_error);

                if (k < 0)
                        return k;
        }
        return 0;
}

/* The validator copies what it needs of `selected`; only the array of pointers is ours to free. */
static int validator_init(Replication *r) {
        char *const **selected;
        int k;

        if (!r->options.validate_records)
                return 0;
        selected = calloc(r->n_streams + 1, sizeof(*selected));
        if (!selected)
                return -ENOMEM;
        for (size_t i = 0; i < r->n_streams; i++)
                selected[i] = r->options.streams[i].selected_fields;
        k = record_validator_new(r->options.catalog, selected, &r->validator);
        free(selected);
        return k;
}

static void options_defaults(ReplicationOptions *o) {
        o->buffer_size = o->buffer_size ?: BUFFER_SIZE_DEFAULT;
        o->flush_interval = o->flush_interval ?: REPLICATION_FLUSH_USEC;
        o->heartbeat_timeout = o->heartbeat_timeout ?: REPLICATION_HEARTBEAT_USEC;
        o->destination_timeout = o->destination_timeout ?: REPLICATION_DESTINATION_TIMEOUT_USEC;
        o->stop_grace = o->stop_grace ?: STOP_GRACE_DEFAULT;
}

int replication_new(Env *env, const ReplicationOptions *options, const ReplicationSink *sink,
                    Replication **ret,
                    Error **reterr_error) {
        _cleanup_(replication_freep) Replication *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;
        r->env = env;
        side_init(&r->source, r, ORIGIN_SOURCE);
        side_init(&r->destination, r, ORIGIN_DESTINATION);
        r->options = *options;
        options_defaults(&r->options);
        r->sink = *sink;
        r->status = REPLICATION_RUNNING;
        r->sync_rows = r->sync_bytes = -1;
        r->masker = masker_new();
        r->scanner = record_scanner_new();
        r->to_flush = state_set_new();
        if (!r->masker || !r->scanner || !r->to_flush)
                return -ENOMEM;
        if ((k = masker_add_strv(r->masker, options->secrets)) < 0 || (k = streams_init(r,
                reterr_error)) < 0 ||
            (k = validator_init(r)) < 0 || (k = timers_init(r)) < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

/* Watches a descriptor; one that isn't there counts as ended. */
static int watch(Replication *r, int fd, uint32_t events, EnvIoHandler handler, void *userdata,
                 EnvSource **ret) {
        int k;

        if (fd < 0)
                return 0;
        k = r->env->ops->io_add(r->env, fd, events, /* priority= */ 0, handler, userdata, ret);
        if (k >= 0 && events == ENV_WRITABLE)
                k = r->env->ops->io_set(*ret, 0);
        return k;
}

int replication_start(Replication *r, const ReplicationEndpoint *source,
                      const ReplicationEndpoint *destination) {
        usec_t now = env_now(r->env, ENV_CLOCK_MONOTONIC);
        int k;

        r->source.endpoint = *source;
        r->source.endpoint.stdin_fd = -EBADF;
        r->destination.endpoint = *destination;
        r->source.eof = source->stdout_fd < 0;
        r->destination.eof = destination->stdout_fd < 0;
        r->reading = source->stdout_fd >= 0;
        r->last_beat = now;
        if ((k = watch(r, source->stdout_fd, ENV_READABLE, on_source_readable, r, &r->source.out_io)) < 0 ||
            (k = watch(r, source->stderr_fd, ENV_READABLE, on_stderr_readable, &r->source,
                       &r->source.err_io)) < 0 ||
            (k = watch(r, destination->stdout_fd, ENV_READABLE, on_destination_readable, r,
                       &r->destination.out_io)) < 0 ||
            (k = watch(r, destination->stderr_fd, ENV_READABLE, on_stderr_readable, &r->destination,
                       &r->destination.err_io)) < 0 ||
            (k = watch(r, destination->stdin_fd, ENV_WRITABLE, on_destination_writable, r, &r->in_io)) < 0)
                return k;
        if ((k = replication_timer_set(r, TIMER_FLUSH, now + r->options.flush_interval)) < 0)
                return k;
        return r->options.heartbeat_timeout == USEC_INFINITY
                       ? 0
                       : replication_timer_set(r, TIMER_HEARTBEAT, now + r->options.heartbeat_timeout);
}

int replication_source_exited(Replication *r, const EnvExit *status, const Error *error) {
        return replication_on_exit(&r->source, status, error);
}

int replication_destination_exited(Replication *r, const EnvExit *status, const Error *error) {
        return replication_on_exit(&r->destination, status, error);
}

int replication_cancel(Replication *r, const char *reason) {
        int k;

        if (!replication_is_live(r))
                return 0;
        if (!r->cancelled) {
                r->cancelled = true;
                k = replication_fault(r, ORIGIN_REPLICATION, FAILURE_MANUAL_CANCELLATION, NULL, "%s",
                                      reason ?: "The sync was cancelled");
                return k < 0 ? k : replication_timer_set(r, TIMER_DESTINATION_END,
                                                         env_now(r->env,
                                                                 ENV_CLOCK_MONOTONIC) + r->options.stop_grace);
        }
        /* Asked twice: at once. */
        r->source.stop_step = MAX(r->source.stop_step, 1U);
        r->destination.stop_step = MAX(r->destination.stop_step, 1U);
        k = side_stop(&r->source);
        return k < 0 ? k : side_stop(&r->destination);
}

int replication_fail(Replication *r, FailureOrigin origin, FailureType type, const char *message) {
        return replication_fault(r, origin, type, NULL, "%s", message);
}

int replication_add_secrets(Replication *r, char *const *secrets) {
        return masker_add_strv(r->masker, secrets);
}

ReplicationStatus replication_status(const Replication *r) {
        return r->status;
}

const FailureReason *replication_failures(const Replication *r, size_t *ret_n) {
        *ret_n = r->failures.n;
        return r->failures.reasons;
}

size_t replication_n_streams(const Replication *r) {
        return r->n_streams;
}

const StreamStats *replication_stream_stats(const Replication *r, size_t i) {
        assert(i < r->n_streams);
        return &r->streams[i].stats;
}

/* The sum of estimates is one only while every stream has one. */
static void add_estimate(int64_t *sum, int64_t value) {
        *sum = *sum < 0 || value < 0 || *sum > INT64_MAX - value ? -1 : *sum + value;
}

void replication_totals(const Replication *r, StreamStats *ret) {
        StreamStats t = { .status = _STREAM_STATUS_INVALID, .complete = true };

        for (size_t i = 0; i < r->n_streams; i++) {
                const StreamStats *s = &r->streams[i].stats;

                t.records_emitted += s->records_emitted;
                t.bytes_emitted += s->bytes_emitted;
                t.records_committed += s->records_committed;
                t.bytes_committed += s->bytes_committed;
                t.records_filtered += s->records_filtered;
                t.bytes_filtered += s->bytes_filtered;
                t.records_rejected += s->records_rejected;
                t.states_emitted += s->states_emitted;
                t.states_committed += s->states_committed;
                t.invalid_records += s->invalid_records;
                t.rate_limited |= s->rate_limited;
                t.complete &= s->complete;
                add_estimate(&t.estimated_records, s->estimated_records);
                add_estimate(&t.estimated_bytes, s->estimated_bytes);
        }
        if (r->sync_estimates) {
                t.estimated_records = r->sync_rows;
                t.estimated_bytes = r->sync_bytes;
        }
        t.records_rejected += r->shared_rejected;
        t.records_committed -= MIN(r->shared_rejected, t.records_committed);
        t.states_emitted += r->shared_states_emitted;
        t.states_committed += r->shared_states_committed;
        *ret = t;
}
