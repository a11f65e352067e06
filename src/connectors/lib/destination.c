/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The frame of every native destination: lines in, records to the connector, states back when they are
 * true.
 *
 *   RECORD --> write()  (gathered by the connector)
 *   STATE  --> waits, with the counts of its records
 *              |  due: age, number, size, a pause of the input, its end
 *              v
 *            commit() --> the waiting states, in the order in which they came
 *
 * A state that is written back says "all before me is durable", so nothing in between may be dropped
 * silently: a record that can't be written is counted as rejected and reported, a line that is no message
 * is reported, anything worse ends the run. COMPLETE of a stream is remembered but acted on at the very
 * end only, and only when the input ended in order: what it allows destroys older data. */

#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "basic/hashmap.h"
#include "connectors/lib/destination.h"
#include "connectors/lib/emitter.h"

/* The commit policy of destination.h. */
#define COMMIT_AGE_MS 1000
#define COMMIT_RECORDS 100000U
#define COMMIT_BYTES (64U * 1024U * 1024U)
#define COMMIT_PAUSE_MS 50
/* States wait in memory, so many or large ones are committed sooner. */
#define PENDING_BYTES_MAX (4U * 1024U * 1024U)
#define READ_CHUNK (256U * 1024U)
/* Lines that are no messages: so many are told one by one, the rest as a sum at the end. */
#define GARBAGE_LOG_MAX 10U
/* Shapes of lines (see RecordScanner) whose stream is remembered. */
#define SHAPES_MAX 4096U
/* Times beyond this are no times: year 275760, the largest of ECMAScript. */
#define EMITTED_AT_MAX 8.64e15

typedef struct StreamProgress {
        uint64_t written, rejected; /* since the stream's last state */
        uint64_t total_written, total_rejected;
        bool complete;
} StreamProgress;

typedef struct PendingState {
        StateMessage message;
        StateStats stats;
} PendingState;

typedef struct DestinationRun {
        const ConnectorInfo *info;
        const ConfiguredCatalog *catalog;
        Emitter *out;
        void *destination;
        StreamProgress *progress;
        Hashmap *streams; /* "namespace\0name" → index + 1 */
        uint32_t shapes[SHAPES_MAX]; /* by shape: index + 1 of its stream */
        bool sound[SHAPES_MAX];      /* by shape: a line of it was valid JSON as a whole */

        LineReader reader;
        RecordScanner *scanner;
        Buffer key;

        PendingState *pending;
        size_t n_pending, pending_allocated, pending_bytes;
        int64_t oldest_pending_ms;
        uint64_t uncommitted_records, uncommitted_bytes;
        StateType state_type;
        uint64_t written_since_global, rejected_since_global;

        uint64_t n_garbage;
} DestinationRun;

static void pending_clear(DestinationRun *d) {
        for (size_t i = 0; i < d->n_pending; i++)
                state_message_done(&d->pending[i].message);
        d->n_pending = d->pending_bytes = 0;
}

static void destination_run_done(DestinationRun *d) {
        pending_clear(d);
        free(d->pending);
        free(d->progress);
        hashmap_free(d->streams);
        record_scanner_free(d->scanner);
        line_reader_done(&d->reader);
        buffer_done(&d->key);
}

static int64_t monotonic_ms(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const char *stream_name(const DestinationRun *d, size_t i) {
        return d->catalog->streams[i].stream.name;
}

/* --- finding the stream of a record --- */

/* Names hold no NUL (a configured catalog with one is refused), so it separates. */
static int make_key(Buffer *b, const char *namespace, const char *name) {
        int r;

        buffer_reset(b);
        r = buffer_append(b, strempty(namespace), strlen(strempty(namespace)) + 1);
        return r < 0 ? r : buffer_append_string(b, name);
}

/* From the name in a record to the number that the connector knows a stream by. */
static int index_streams(DestinationRun *d) {
        d->streams = hashmap_new(NULL);
        if (!d->streams)
                return -ENOMEM;
        for (size_t i = 0; i < d->catalog->n_streams; i++) {
                const AirbyteStream *s = &d->catalog->streams[i].stream;
                int r = make_key(&d->key, s->namespace, s->name);

                if (r >= 0)
                        r = hashmap_put(d->streams, buffer_bytes(&d->key), d->key.len,
                                        (void *) (uintptr_t) (i + 1));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Names in records may be escaped; the index has them decoded. */
static int record_key(DestinationRun *d, const Envelope *e) {
        int r = 0;

        buffer_reset(&d->key);
        if (e->namespace.p)
                r = json_string_decode(e->namespace, &d->key);
        if (r >= 0)
                r = buffer_append_char(&d->key, 0);
        return r < 0 ? r : json_string_decode(e->stream, &d->key);
}

/* Only where a shape of lines is new: all of one shape have the same members beside data. */
static int refuse_file(const DestinationRun *d, const Envelope *e, Error **reterr_error) {
        JsonSlice reference;

        if (json_find_member(e->payload, "file_reference", &reference) <= 0 ||
            json_slice_type(reference) == JSON_NULL)
                return 0;
        return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EOPNOTSUPP,
                              "Line %" PRIu64 " is a record of stream '%.*s' that refers to a file, and %s moves "
                              "records only: let the source replicate records instead of copying files",
                              d->reader.n_lines, (int) MIN(e->stream.n, 512U), e->stream.p, d->info->name);
}

/* By shape first: lines of one shape are of one stream, so most records cost an array access. */
static int find_stream(DestinationRun *d, const Envelope *e, size_t *ret, Error **reterr_error) {
        uintptr_t found;
        int r;

        if (e->shape > 0 && e->shape < SHAPES_MAX && d->shapes[e->shape] > 0) {
                *ret = d->shapes[e->shape] - 1;
                return 0;
        }
        r = refuse_file(d, e, reterr_error);
        if (r < 0)
                return r;
        r = record_key(d, e);
        if (r < 0)
                return r;
        found = (uintptr_t) hashmap_get(d->streams, buffer_bytes(&d->key), d->key.len);
        if (found == 0)
                return error_set(reterr_error, -ENOENT,
                                 "Line %" PRIu64 " is a record of stream '%.*s'%s%.*s, which the configured catalog "
                                 "doesn't name", d->reader.n_lines, (int) MIN(e->stream.n,
                                         512U), e->stream.p,
                                 e->namespace.p ? " in namespace " : "", (int) MIN(e->namespace.n, 512U),
                                 e->namespace.p ?: "");
        if (e->shape > 0 && e->shape < SHAPES_MAX)
                d->shapes[e->shape] = (uint32_t) found;
        *ret = found - 1;
        return 0;
}

/* --- records --- */

/* The first of each stream is told with its reason, the rest as a number. */
static int reject(DestinationRun *d, size_t i, const char *why) {
        StreamProgress *p = d->progress + i;

        d->rejected_since_global++;
        p->rejected++;
        if (p->total_rejected++ > 0)
                return 0;
        return emitter_log(d->out, "WARN", "Stream '%s': a record was rejected (line %" PRIu64 "): %s. "
                           "Further ones of this stream are counted only", stream_name(d,
                                   i), d->reader.n_lines, why);
}

static int parse_emitted_at(JsonSlice number, int64_t *ret) {
        char text[64];
        double v;

        if (json_parse_i64(number, ret) >= 0)
                return 0;
        /* 1.7e12 is a number too. */
        if (number.n >= sizeof(text))
                return -ERANGE;
        memcpy(text, number.p, number.n);
        text[number.n] = 0;
        v = strtod(text, NULL);
        if (!isfinite(v) || fabs(v) > EMITTED_AT_MAX)
                return -ERANGE;
        *ret = (int64_t) v;
        return 0;
}

/* 0 when it isn't fit to be written, with the reason. */
static int read_record(const Envelope *e, DestinationRecord *ret, const char **ret_why) {
        JsonSlice changes;

        if (json_slice_type(e->data) != JSON_OBJECT) {
                *ret_why = "its data is not an object";
                return 0;
        }
        *ret = (DestinationRecord) { .data = e->data };
        if (parse_emitted_at(e->emitted_at, &ret->emitted_at) < 0) {
                *ret_why = "its emitted_at is not a time";
                return 0;
        }
        if (e->meta.p && json_slice_type(e->meta) == JSON_OBJECT && json_find_member(e->meta, "changes",
                &changes) > 0 &&
            json_slice_type(changes) == JSON_ARRAY)
                ret->meta_changes = changes;
        return 1;
}

/* The whole line is validated before anybody believes a part of it. The platform does not do it: this is the
 * one place. Of a shape that is known the bytes around the data were validated in another line, and the data
 * stands two brackets deep. */
static bool is_valid_json(DestinationRun *d, const Envelope *e) {
        bool numbered = e->shape > 0 && e->shape < SHAPES_MAX;

        if (numbered && d->sound[e->shape])
                return json_validate_inside(e->data.p, e->data.n, /* depth= */ 2) >= 0;
        if (json_validate(e->line.p, e->line.n, NULL) < 0)
                return false;
        if (numbered)
                d->sound[e->shape] = true;
        return true;
}

static int on_record(DestinationRun *d, const Envelope *e, Error **reterr_error) {
        _cleanup_error_ Error *refused = NULL;
        DestinationRecord record;
        const char *why;
        size_t i = 0;
        int r;

        r = find_stream(d, e, &i, reterr_error);
        if (r < 0)
                return r;
        d->uncommitted_records++;
        d->uncommitted_bytes += e->line.n;
        if (!is_valid_json(d, e))
                return reject(d, i, "it is not valid JSON");
        if (read_record(e, &record, &why) == 0)
                return reject(d, i, why);
        r = d->info->destination->write(d->destination, i, &record, &refused);
        if (r < 0) {
                if (reterr_error)
                        *reterr_error = TAKE_PTR(refused);
                return r;
        }
        if (r == 0)
                return reject(d, i, error_message(refused, -EINVAL));
        /* Whatever a COMPLETE before it said, the stream goes on. */
        d->progress[i].complete = false;
        d->progress[i].written += (unsigned) r;
        d->progress[i].total_written += (unsigned) r;
        d->written_since_global += (unsigned) r;
        return 0;
}

/* --- states --- */

/* NULL for a state of a stream that is not in the catalog, which has no records either. */
static StreamProgress *progress_of(DestinationRun *d, const StateMessage *m) {
        uintptr_t found;

        if (make_key(&d->key, m->stream_namespace, m->stream_name) < 0)
                return NULL;
        found = (uintptr_t) hashmap_get(d->streams, buffer_bytes(&d->key), d->key.len);
        return found > 0 ? d->progress + found - 1 : NULL;
}

/* What was written since the stream's (or the global) state before this one. */
static StateStats take_counts(DestinationRun *d, const StateMessage *m) {
        StateStats stats = { .present = true };

        if (m->type == STATE_STREAM) {
                StreamProgress *p = progress_of(d, m);

                if (p) {
                        stats.record_count = (double) p->written;
                        stats.rejected_record_count = (double) p->rejected;
                        p->written = p->rejected = 0;
                }
                return stats;
        }
        stats.record_count = (double) d->written_since_global;
        stats.rejected_record_count = (double) d->rejected_since_global;
        d->written_since_global = d->rejected_since_global = 0;
        return stats;
}

static int pending_grow(DestinationRun *d) {
        size_t n = MAX(d->pending_allocated * 2, (size_t) 16);
        PendingState *p;

        if (d->n_pending < d->pending_allocated)
                return 0;
        p = reallocarray(d->pending, n, sizeof(*p));
        if (!p)
                return -ENOMEM;
        d->pending = p;
        d->pending_allocated = n;
        return 0;
}

/* Counts are taken now, while they are those of the records before this state. */
static int on_state(DestinationRun *d, const Envelope *e, Error **reterr_error) {
        StateMessage m = {};
        int r;

        r = json_validate(e->line.p, e->line.n, NULL);
        if (r >= 0)
                r = state_message_parse(e->payload, &m, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "Line %" PRIu64 " holds a state that cannot be read",
                                    d->reader.n_lines);
        if (d->state_type >= 0 && d->state_type != m.type) {
                r = error_set(reterr_error, -EINVAL,
                              "Line %" PRIu64 " holds a %s state after %s ones; a sync has one "
                              "kind only", d->reader.n_lines, state_type_to_string(m.type),
                              state_type_to_string(d->state_type));
                state_message_done(&m);
                return r;
        }
        r = pending_grow(d);
        if (r < 0) {
                state_message_done(&m);
                return r;
        }
        d->state_type = m.type;
        if (d->n_pending == 0)
                d->oldest_pending_ms = monotonic_ms();
        d->pending_bytes += m.n_json;
        d->pending[d->n_pending++] = (PendingState) { .message = m, .stats = take_counts(d, &m) };
        return 0;
}

/* Durable first, then told: the one order that this program exists for. */
static int commit(DestinationRun *d, Error **reterr_error) {
        Buffer *b = emitter_buffer(d->out);
        int r;

        r = d->info->destination->commit(d->destination, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < d->n_pending; i++) {
                const StateMessage *m = &d->pending[i].message;

                r = state_message_write(b, m, m->has_id ? m->id : -1, &d->pending[i].stats, NULL, NULL);
                if (r < 0)
                        return r;
        }
        pending_clear(d);
        d->uncommitted_records = d->uncommitted_bytes = 0;
        return emitter_flush(d->out);
}

/* Asked at each line while a state waits. */
static bool commit_due(const DestinationRun *d) {
        if (d->n_pending == 0)
                return false;
        return d->uncommitted_records >= COMMIT_RECORDS || d->uncommitted_bytes >= COMMIT_BYTES ||
               d->pending_bytes >= PENDING_BYTES_MAX || monotonic_ms() - d->oldest_pending_ms >= COMMIT_AGE_MS;
}

/* --- the other messages --- */

/* A COMPLETE is taken back by any record that comes after it. */
static int on_trace(DestinationRun *d, const Envelope *e) {
        TraceMessage m = {};
        int r;

        r = trace_message_parse(e->payload, &m, NULL);
        if (r < 0)
                return emitter_log(d->out, "WARN",
                                   "Line %" PRIu64 " holds a TRACE that cannot be read, ignoring",
                                   d->reader.n_lines);
        if (m.type == TRACE_STREAM_STATUS && m.stream_name) {
                uintptr_t found = 0;

                if (make_key(&d->key, m.stream_namespace, m.stream_name) >= 0)
                        found = (uintptr_t) hashmap_get(d->streams, buffer_bytes(&d->key), d->key.len);
                if (found > 0 && m.status == STREAM_STATUS_COMPLETE)
                        d->progress[found - 1].complete = true;
                else if (found > 0 && m.status == STREAM_STATUS_INCOMPLETE)
                        d->progress[found - 1].complete = false;
                else if (found == 0)
                        r = emitter_log(d->out, "WARN",
                                        "A status came of stream '%s', which the configured catalog "
                                        "doesn't name", m.stream_name);
        }
        trace_message_done(&m);
        return r;
}

static int on_garbage(DestinationRun *d) {
        if (++d->n_garbage > GARBAGE_LOG_MAX)
                return 0;
        return emitter_log(d->out, "WARN", "Line %" PRIu64 " of the input is not a message, ignoring",
                           d->reader.n_lines);
}

/* `scanned`: what the scanner said of the line. Blank lines are nothing; some sources end their output with
 * one. */
static int on_line(DestinationRun *d, int scanned, const Envelope *e, Error **reterr_error) {
        if (scanned == -EBADMSG || scanned == -ENOMSG)
                return json_skip_space(e->line.p, e->line.p + e->line.n) == e->line.p + e->line.n
                        ? 0 : on_garbage(d);
        if (scanned < 0)
                return scanned;
        switch (e->type) {
        case MESSAGE_RECORD:
                return on_record(d, e, reterr_error);
        case MESSAGE_STATE:
                return on_state(d, e, reterr_error);
        case MESSAGE_TRACE:
                return on_trace(d, e);
        default:
                /* LOG, CONTROL and answers to other verbs are nothing to a destination. */
                return 0;
        }
}

/* --- the loop --- */

static int drain_lines(DestinationRun *d, Error **reterr_error) {
        Envelope e;
        int r;

        while ((r = record_scanner_next(d->scanner, &d->reader, &e)) != 0) {
                if (r == -EMSGSIZE)
                        return error_set(reterr_error, r,
                                         "Line %" PRIu64 " of the input is longer than %u bytes, the "
                                         "most that a message may have", d->reader.n_lines, PROTOCOL_LINE_MAX);
                r = on_line(d, r, &e, reterr_error);
                if (r < 0)
                        return r;
                /* The clock is asked at states only; records alone need no commit. */
                if (d->n_pending > 0 && commit_due(d)) {
                        r = commit(d, reterr_error);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* 1 there is input (or its end), 0 a pause with states that wait was used to commit them. */
static int wait_input(DestinationRun *d, int fd, Error **reterr_error) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int r;

        /* Nothing that was said waits while we do. */
        r = emitter_flush(d->out);
        if (r < 0)
                return r;
        r = poll(&pfd, 1, d->n_pending > 0 ? COMMIT_PAUSE_MS : -1);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        if (r > 0)
                return 1;
        return commit(d, reterr_error);
}

/* A last line without a newline counts as one: the platform adds it, other callers may not. */
static int read_input(DestinationRun *d, int fd, Error **reterr_error) {
        JsonSlice line;
        Envelope e;
        int r;

        for (;;) {
                char *to;
                ssize_t k;

                r = wait_input(d, fd, reterr_error);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                to = line_reader_reserve(&d->reader, READ_CHUNK);
                if (!to)
                        return -ENOMEM;
                k = read(fd, to, READ_CHUNK);
                if (k < 0 && (errno == EINTR || errno == EAGAIN))
                        continue;
                if (k < 0)
                        return error_set_errno(reterr_error, -errno, "Failed to read standard input");
                if (k == 0)
                        break;
                line_reader_commit(&d->reader, (size_t) k);
                r = drain_lines(d, reterr_error);
                if (r < 0)
                        return r;
        }
        r = line_reader_rest(&d->reader, &line);
        if (r <= 0)
                return r;
        r = record_scanner_scan(d->scanner, line, &e);
        e.line = line;
        return on_line(d, r, &e, reterr_error);
}

/* After the last commit. Streams without COMPLETE keep what they had. */
static int finish_streams(DestinationRun *d, Error **reterr_error) {
        int r = 0;

        for (size_t i = 0; i < d->catalog->n_streams && r >= 0; i++) {
                const StreamProgress *p = d->progress + i;

                if (p->complete)
                        r = d->info->destination->finish_stream(d->destination, i, reterr_error);
                else
                        r = emitter_log(d->out, "WARN",
                                        "Stream '%s' did not come to its end (no COMPLETE): what it "
                                        "would replace is left as it was", stream_name(d, i));
                if (r >= 0)
                        r = emitter_log(d->out, "INFO", "Stream '%s': %" PRIu64 " records written, %" PRIu64
                                        " rejected", stream_name(d, i), p->total_written, p->total_rejected);
        }
        return r;
}

static int run_open(DestinationRun *d, int fd, Error **reterr_error) {
        int r;

        r = read_input(d, fd, reterr_error);
        if (r >= 0)
                r = commit(d, reterr_error);
        if (r >= 0 && d->n_garbage > GARBAGE_LOG_MAX)
                r = emitter_log(d->out, "WARN", "%" PRIu64 " lines of the input were not messages",
                                d->n_garbage);
        return r < 0 ? r : finish_streams(d, reterr_error);
}

int destination_run(const ConnectorInfo *info, JsonObject *config, const ConfiguredCatalog *catalog,
                    int input_fd,
                    Emitter *out, Error **reterr_error) {
        _cleanup_(destination_run_done) DestinationRun d = {
                .info = info, .catalog = catalog, .out = out, .state_type = _STATE_TYPE_INVALID };
        int r, q;

        line_reader_init(&d.reader, PROTOCOL_LINE_MAX);
        d.scanner = record_scanner_new();
        d.progress = calloc(MAX(catalog->n_streams, (size_t) 1), sizeof(*d.progress));
        if (!d.scanner || !d.progress)
                return -ENOMEM;
        r = index_streams(&d);
        if (r >= 0)
                r = info->destination->open(config, catalog, out, &d.destination, reterr_error);
        if (r < 0)
                return r;
        r = run_open(&d, input_fd, reterr_error);
        q = info->destination->close(d.destination, r >= 0, r < 0 ? NULL : reterr_error);
        return r < 0 ? r : q;
}
