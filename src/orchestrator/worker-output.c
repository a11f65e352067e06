/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Written as bytes and not as a tree, because statistics are made every ten seconds for up to thousands
 * of streams. What isn't known is left out (an estimate that no source gave, the exit of a connector that
 * wasn't heard), so that zero always means zero. Member names are those of docs/INTERFACES.md, failures
 * those of Airbyte's FailureReason. */

#include <inttypes.h>

#include "basic/json-write.h"
#include "orchestrator/worker-output.h"

static int separate(Buffer *b) {
        return b->len > 0 && buffer_bytes(b)[b->len - 1] != '[' ? buffer_append_char(b, ',') : 0;
}

static int write_counts(const StreamStats *s, Buffer *b) {
        const struct {
                const char *key;
                uint64_t n;
        } counts[] = {
                { "recordsEmitted", s->records_emitted },     { "bytesEmitted", s->bytes_emitted },
                { "recordsCommitted", s->records_committed }, { "bytesCommitted", s->bytes_committed },
                { "recordsFiltered", s->records_filtered },   { "recordsRejected", s->records_rejected },
        };

        for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
                int r = json_write_member_u64(b, counts[i].key, counts[i].n);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int write_stream(const StreamStats *s, Buffer *b) {
        int r = separate(b);

        if (r >= 0)
                r = buffer_append_char(b, '{');
        if (r >= 0)
                r = json_write_member_string(b, "name", s->name);
        if (r >= 0 && s->namespace)
                r = json_write_member_string(b, "namespace", s->namespace);
        if (r >= 0)
                r = write_counts(s, b);
        if (r >= 0 && s->estimated_records >= 0)
                r = json_write_member_i64(b, "estimatedRecords", s->estimated_records);
        if (r >= 0 && s->estimated_bytes >= 0)
                r = json_write_member_i64(b, "estimatedBytes", s->estimated_bytes);
        if (r >= 0 && s->status >= 0)
                r = json_write_member_string(b, "status", stream_status_to_string(s->status));
        if (r >= 0)
                r = json_write_member_bool(b, "complete", s->complete);
        return r < 0 ? r : buffer_append_char(b, '}');
}

int worker_output_stats(const Replication *r, Buffer *b) {
        int k = buffer_append_char(b, '[');

        for (size_t i = 0; k >= 0 && i < replication_n_streams(r); i++)
                k = write_stream(replication_stream_stats(r, i), b);
        return k < 0 ? k : buffer_append_char(b, ']');
}

static int write_descriptor(const FailureReason *f, Buffer *b) {
        int r = json_write_key(b, "streamDescriptor");

        if (r >= 0)
                r = buffer_append_char(b, '{');
        if (r >= 0)
                r = json_write_member_string(b, "name", f->stream_name);
        if (r >= 0 && f->stream_namespace)
                r = json_write_member_string(b, "namespace", f->stream_namespace);
        return r < 0 ? r : buffer_append_char(b, '}');
}

static int write_failure(const FailureReason *f, Buffer *b) {
        int r = separate(b);

        if (r >= 0)
                r = buffer_append_char(b, '{');
        if (r >= 0)
                r = json_write_member_string(b, "failureOrigin", failure_origin_to_string(f->origin));
        if (r >= 0)
                r = json_write_member_string(b, "failureType", failure_type_to_string(f->type));
        if (r >= 0)
                r = json_write_member_string(b, "externalMessage", f->external_message);
        if (r >= 0 && f->internal_message)
                r = json_write_member_string(b, "internalMessage", f->internal_message);
        if (r >= 0 && f->stack_trace)
                r = json_write_member_string(b, "stacktrace", f->stack_trace);
        if (r >= 0)
                r = json_write_member_bool(b, "retryable", f->retryable);
        if (r >= 0)
                r = json_write_member_bool(b, "fromTraceMessage", f->from_trace);
        if (r >= 0)
                r = json_write_member_u64(b, "timestamp", f->timestamp / USEC_PER_MSEC);
        if (r >= 0 && f->stream_name)
                r = write_descriptor(f, b);
        return r < 0 ? r : buffer_append_char(b, '}');
}

static int write_failures(const Replication *r, Buffer *b) {
        size_t n;
        const FailureReason *f = replication_failures(r, &n);
        int k = json_write_key(b, "failures");

        if (k >= 0)
                k = buffer_append_char(b, '[');
        for (size_t i = 0; k >= 0 && i < n; i++)
                k = write_failure(f + i, b);
        return k < 0 ? k : buffer_append_char(b, ']');
}

static int write_exit(const char *key, const WorkerExit *e, Buffer *b) {
        const ConnectorUsage *u = &e->usage;
        int r;

        if (!e->known)
                return 0;
        r = json_write_key(b, key);
        if (r >= 0)
                r = buffer_append_char(b, '{');
        if (r >= 0)
                r = json_write_member_i64(b, "exitCode", u->exit.code);
        if (r >= 0)
                r = json_write_member_i64(b, "signal", u->exit.signal);
        if (r >= 0)
                r = json_write_member_u64(b, "cpuUsec", u->user_usec + u->system_usec);
        if (r >= 0)
                r = json_write_member_u64(b, "maxRssKib", u->max_rss_kib);
        if (r >= 0)
                r = json_write_member_bool(b, "oom", u->exit.oom);
        return r < 0 ? r : buffer_append_char(b, '}');
}

int worker_output_sync(const Replication *r, const WorkerExit *source, const WorkerExit *destination,
                       JsonObject **ret) {
        _cleanup_buffer_ Buffer b = {};
        int k = buffer_append_char(&b, '{');

        if (k >= 0)
                k = json_write_member_string(&b, "status",
                                             replication_status_to_string(replication_status(r)));
        if (k >= 0)
                k = json_write_key(&b, "streams");
        if (k >= 0)
                k = worker_output_stats(r, &b);
        if (k >= 0)
                k = write_failures(r, &b);
        if (k >= 0)
                k = write_exit("source", source, &b);
        if (k >= 0)
                k = write_exit("destination", destination, &b);
        if (k >= 0)
                k = buffer_append_char(&b, '}');
        return k < 0 ? k : json_parse(buffer_bytes(&b), b.len, ret, NULL);
}

int worker_output_failure(const char *origin, FailureType type, const char *message, usec_t now,
                          JsonObject **ret) {
        _cleanup_buffer_ Buffer b = {};
        int r = buffer_append_string(&b, "{\"failures\":[{");

        if (r >= 0)
                r = json_write_member_string(&b, "failureOrigin", origin);
        if (r >= 0)
                r = json_write_member_string(&b, "failureType", failure_type_to_string(type));
        if (r >= 0)
                r = json_write_member_string(&b, "externalMessage", message);
        if (r >= 0)
                r = json_write_member_bool(&b, "retryable", type != FAILURE_CONFIG_ERROR);
        if (r >= 0)
                r = json_write_member_u64(&b, "timestamp", now / USEC_PER_MSEC);
        if (r >= 0)
                r = buffer_append_string(&b, "}]}");
        return r < 0 ? r : json_parse(buffer_bytes(&b), b.len, ret, NULL);
}
