/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What connectors say beside records and states: TRACE, LOG, CONTROL, standard error, and lines that are
 * no message.
 *
 * Everything here is a stranger's text and passes the masker on its way out. Lines that are no message
 * are shown at a limited rate, for a connector that prints its progress must not fill the journal. */

#include <inttypes.h>

#include "worker/replication-internal.h"

/* Of lines that are no message: this many are shown at once, then one each second, cut to this length. */
#define GARBAGE_BURST 10U
#define GARBAGE_INTERVAL USEC_PER_SEC
#define GARBAGE_SHOWN_MAX 1000U
/* A configuration is kept as a credential later, which systemd limits to 1 MB. */
#define CONTROL_CONFIG_MAX (1024U * 1024U)
/* A rotated token is stored at once; who sends one more within this time waits, and the newest one wins. */
#define CONTROL_INTERVAL USEC_PER_SEC
#define STDERR_READ (16U * 1024U)
#define STDERR_DRAIN_MAX 256

static const char *side_name(const ReplicationSide *side) {
        return failure_origin_to_string(side->origin);
}

static int on_trace_error(ReplicationSide *side, const TraceMessage *t) {
        const ReplicationStream *s = side->origin == ORIGIN_DESTINATION
                                             ? replication_find(side->replication,
                                                                side->replication->by_destination,
                                                                t->stream_namespace, t->stream_name)
                                             : NULL;
        FailureReason f = {
                .origin = side->origin,
                .type = t->failure_type,
                .external_message = (char *) t->message,
                .internal_message = (char *) t->internal_message,
                .stack_trace = (char *) t->stack_trace,
                /* A destination speaks of its own names; people know the source's. */
                .stream_name = (char *) (s ? s->stats.name : t->stream_name),
                .stream_namespace = (char *) (s ? s->stats.namespace : t->stream_namespace),
                .from_trace = true,
        };

        replication_log(side->replication, side->origin, "ERROR", "%s%s%s", t->message,
                        t->internal_message ? ": " : "", strempty(t->internal_message));
        return replication_add_failure(side->replication, &f);
}

/* Estimates are of streams or of the whole sync; a source that mixes the two is not believed at all. */
static void on_estimate(Replication *r, const TraceMessage *t) {
        ReplicationStream *s = NULL;

        if (t->estimate_is_sync) {
                r->sync_estimates = true;
                r->sync_rows = t->row_estimate;
                r->sync_bytes = t->byte_estimate;
        } else {
                s = replication_find(r, r->by_source, t->stream_namespace, t->stream_name);
                r->stream_estimates = true;
        }
        if (r->sync_estimates && r->stream_estimates) {
                r->sync_rows = r->sync_bytes = -1;
                for (size_t i = 0; i < r->n_streams; i++)
                        r->streams[i].stats.estimated_records = r->streams[i].stats.estimated_bytes = -1;
        } else if (s) {
                s->stats.estimated_records = t->row_estimate;
                s->stats.estimated_bytes = t->byte_estimate;
        }
}

static int on_stream_status(Replication *r, const TraceMessage *t) {
        ReplicationStream *s = replication_find(r, r->by_source, t->stream_namespace, t->stream_name);

        if (!s) {
                if (t->status == STREAM_STATUS_COMPLETE)
                        return replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, NULL,
                                                 "The source reported stream '%s' complete, which is not "
                                                 "in the catalog",
                                                 strempty(t->stream_name));
                replication_log(r, ORIGIN_REPLICATION, "WARN",
                                "The source reported stream '%s', which is not in the"
                                " catalog", strempty(t->stream_name));
                return 0;
        }
        s->run = stream_run_on_status(s->run, t->status, t->rate_limited);
        s->stats.rate_limited = s->run == STREAM_RUN_RATE_LIMITED;
        /* Final ones stay. */
        if (s->stats.status != STREAM_STATUS_COMPLETE && s->stats.status != STREAM_STATUS_INCOMPLETE)
                s->stats.status = t->status;
        if (t->rate_limited && t->quota_reset > 0)
                replication_log(r, ORIGIN_SOURCE, "INFO", "Stream '%s' is rate limited by its service",
                                s->stats.name);
        r->moved = true;
        return 0;
}

static int on_trace(ReplicationSide *side, JsonSlice payload) {
        _cleanup_(trace_message_done) TraceMessage t = {};
        _cleanup_error_ Error *error = NULL;
        Replication *r = side->replication;
        int k;

        k = trace_message_parse(payload, &t, &error);
        if (k == -ENOMEM)
                return k;
        if (k < 0) {
                replication_log(r, ORIGIN_REPLICATION, "WARN", "The %s sent a TRACE that cannot be read: %s",
                                side_name(side), error_message(error, k));
                return 0;
        }
        if (t.type == TRACE_ERROR)
                return on_trace_error(side, &t);
        if (side->origin != ORIGIN_SOURCE)
                return 0;
        if (t.type == TRACE_ESTIMATE)
                on_estimate(r, &t);
        return t.type == TRACE_STREAM_STATUS ? on_stream_status(r, &t) : 0;
}

static int on_log(ReplicationSide *side, JsonSlice payload) {
        _cleanup_(log_message_done) LogMessage m = {};
        int k;

        k = log_message_parse(payload, &m, NULL);
        if (k == -ENOMEM)
                return k;
        if (k >= 0)
                replication_log(side->replication, side->origin, m.level, "%s%s%s", m.message,
                                m.stack_trace ? "\n" : "", strempty(m.stack_trace));
        return 0;
}

int replication_apply_control(ReplicationSide *side) {
        _cleanup_json_ JsonObject *config = TAKE_PTR(side->config);
        _cleanup_error_ Error *error = NULL;
        Replication *r = side->replication;
        int k;

        if (!config)
                return 0;
        side->config_applied = env_now(r->env, ENV_CLOCK_MONOTONIC);
        k = r->sink.control ? r->sink.control(side->origin, config, r->sink.userdata, &error) : 0;
        if (k >= 0)
                return 0;
        /* -EINVAL: the configuration was refused (by its spec, by policy). All else: it is lost, and with
         * it perhaps the only token that still works. */
        replication_log(r, ORIGIN_REPLICATION, "WARN", "The new configuration of the %s was not taken: %s",
                        side_name(side), error_message(error, k));
        return k == -EINVAL ? 0 : replication_fault(r, ORIGIN_PERSISTENCE, FAILURE_SYSTEM_ERROR, NULL,
                                                    "The new configuration of the %s could not be stored: %s",
                                                    side_name(side), error_message(error, k));
}

int on_control_timer(EnvSource *s, usec_t now, void *userdata) {
        Replication *r = userdata;
        int k = replication_apply_control(&r->source);

        return k < 0 ? k : replication_apply_control(&r->destination);
}

static int on_control(ReplicationSide *side, JsonSlice payload) {
        _cleanup_json_ JsonObject *config = NULL;
        _cleanup_error_ Error *error = NULL;
        Replication *r = side->replication;
        usec_t now;
        int k;

        k = payload.n > CONTROL_CONFIG_MAX
                    ? error_set(&error, -E2BIG, "it is larger than %u KiB", CONTROL_CONFIG_MAX / 1024)
                    : control_message_parse(payload, &config, &error);
        if (k == -ENOMEM)
                return k;
        if (k < 0) {
                replication_log(r, ORIGIN_REPLICATION, "WARN", "A CONTROL message of the %s is ignored: %s",
                                side_name(side), error_message(error, k));
                return 0;
        }
        json_putp(&side->config);
        side->config = TAKE_PTR(config);
        now = env_now(r->env, ENV_CLOCK_MONOTONIC);
        if (side->config_applied == 0 || now >= side->config_applied + CONTROL_INTERVAL)
                return replication_apply_control(side);
        return replication_timer_set(r, TIMER_CONTROL, side->config_applied + CONTROL_INTERVAL);
}

int replication_on_message(ReplicationSide *side, const Envelope *e) {
        switch (e->type) {
        case MESSAGE_TRACE:
                return on_trace(side, e->payload);
        case MESSAGE_LOG:
                return on_log(side, e->payload);
        case MESSAGE_CONTROL:
                return on_control(side, e->payload);
        default:
                /* Airbyte's worker passes over a CATALOG or SPEC in the middle of a sync, too. */
                return replication_on_garbage(side, e->line, /* unterminated= */ false);
        }
}

static bool mentions(JsonSlice line, const char *word) {
        return memmem(line.p, line.n, word, strlen(word)) != NULL;
}

/* Broken lines that were to be a record or state: what they carried is lost, and a sync that goes on
 * would not be whole. */
static bool carried_data(JsonSlice line) {
        const char *p = json_skip_space(line.p, line.p + line.n);

        return p < line.p + line.n && *p == '{' && (mentions(line, "\"RECORD\"") || mentions(line,
                "\"STATE\""));
}

static void show_garbage(ReplicationSide *side, JsonSlice line) {
        Replication *r = side->replication;
        _cleanup_buffer_ Buffer b = {};
        usec_t now;

        if (side->n_garbage > GARBAGE_BURST) {
                now = env_now(r->env, ENV_CLOCK_MONOTONIC);
                if (now < side->garbage_told + GARBAGE_INTERVAL)
                        return;
                side->garbage_told = now;
        }
        /* Masked before it is cut: half a secret would not be found any more. */
        if (masker_append(r->masker, &b, line.p, MIN(line.n, 8 * GARBAGE_SHOWN_MAX)) < 0)
                return;
        replication_log(r, side->origin, "WARN", "Not a message (%" PRIu64 " so far): %.*s", side->n_garbage,
                        (int) MIN(b.len, GARBAGE_SHOWN_MAX), b.len > 0 ? buffer_bytes(&b) : "");
}

int replication_on_garbage(ReplicationSide *side, JsonSlice line, bool unterminated) {
        Replication *r = side->replication;
        const char *p = json_skip_space(line.p, line.p + line.n);

        if (p == line.p + line.n)
                return 0;
        side->n_garbage++;
        show_garbage(side, line);
        if (side->origin != ORIGIN_SOURCE)
                return 0;
        if (unterminated && *p == '{')
                return replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, NULL,
                                         "The source's output ended in the middle of a message");
        if (carried_data(line))
                return replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, NULL,
                                         "The source sent a broken message (line %" PRIu64 "): a record "
                                                                                           "or state is lost",
                                         side->out.n_lines);
        return 0;
}

int replication_send_statuses(Replication *r) {
        int64_t now = (int64_t) (env_now(r->env, ENV_CLOCK_REALTIME) / USEC_PER_MSEC);
        Buffer *own = out_queue_own(&r->queue);
        size_t from = own->len;

        for (size_t i = 0; i < r->n_streams; i++) {
                const ReplicationStream *s = &r->streams[i];
                int k;

                if (s->run == STREAM_RUN_INCOMPLETE)
                        continue;
                k = message_write_stream_status(own, now, s->options->destination_name,
                                                s->options->destination_namespace, STREAM_STATUS_COMPLETE);
                if (k < 0)
                        return k;
        }
        return out_queue_commit(&r->queue, from);
}

/* 1 when something came, 0 when nothing is there, negative at the end. */
static int read_stderr(ReplicationSide *side) {
        Replication *r = side->replication;
        char *to = line_reader_reserve(&side->err, STDERR_READ);
        JsonSlice line;
        ssize_t n;
        int k;

        if (!to || side->endpoint.stderr_fd < 0)
                return -ENOMEM;
        n = r->env->ops->read(r->env, side->endpoint.stderr_fd, to, STDERR_READ);
        if (n == -EAGAIN)
                return 0;
        if (n > 0)
                line_reader_commit(&side->err, (size_t) n);
        while ((k = line_reader_next(&side->err, &line)) != 0)
                if (k > 0)
                        replication_log(r, side->origin, "INFO", "%.*s", (int) line.n, line.p);
                else
                        replication_log(r, side->origin, "INFO", "(a line longer than %u KiB is left out)",
                                        STDERR_LINE_MAX / 1024);
        if (n > 0)
                return 1;
        if (line_reader_rest(&side->err, &line) > 0)
                replication_log(r, side->origin, "INFO", "%.*s", (int) line.n, line.p);
        env_source_free(r->env, TAKE_PTR(side->err_io));
        side->endpoint.stderr_fd = env_close(r->env, side->endpoint.stderr_fd);
        return -ENODATA;
}

int on_stderr_readable(EnvSource *s, int fd, uint32_t events, void *userdata) {
        (void) read_stderr(userdata);
        return 0;
}

void replication_drain_stderr(ReplicationSide *side) {
        for (int i = 0; i < STDERR_DRAIN_MAX && side->endpoint.stderr_fd >= 0; i++)
                if (read_stderr(side) <= 0)
                        break;
}
