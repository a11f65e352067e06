/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hot path. A read takes as much as the pipe holds; lines that go on as they are stay in the reader's
 * buffer and are written from there, joined to long spans; all others are appended to the queue's own
 * bytes. The source is not read while anything waits for the destination, which bounds the memory and is
 * the backpressure. */

#include "basic/time-util.h"
#include "worker/replication-internal.h"

/* Lines already read are rewritten up to this much ahead of the destination. */
#define QUEUE_MAX (2U * 1024U * 1024U)
#define QUEUE_FLUSH (512U * 1024U)
/* Shapes beyond this are looked up by name for each record. */
#define SHAPES_MAX 16384U
#define PROGRESS_INTERVAL (100 * USEC_PER_MSEC)
#define DESTINATION_READ (64U * 1024U)
#define VALIDATE_READS_MAX 16
#define VALIDATE_BUDGET (64U * 1024U)

int replication_stream_key(Buffer *b, const char *namespace, const char *name) {
        int r;

        /* NUL cannot be in a name: no two pairs give one key. NULL and "" are one namespace. */
        buffer_reset(b);
        if ((r = buffer_append_string(b, strempty(namespace))) < 0 || (r = buffer_append_char(b, 0)) < 0)
                return r;
        return buffer_append_string(b, name);
}

ReplicationStream *replication_find(Replication *r, const Hashmap *map, const char *namespace,
                                    const char *name) {
        _cleanup_buffer_ Buffer b = {};

        if (!name || replication_stream_key(&b, namespace, name) < 0)
                return NULL;
        return hashmap_get(map, buffer_bytes(&b), b.len);
}

static ReplicationStream *find_by_envelope(Replication *r, const Envelope *e) {
        _cleanup_buffer_ Buffer b = {};

        if ((e->namespace.p && json_string_decode(e->namespace, &b) < 0) || buffer_append_char(&b, 0) < 0 ||
            json_string_decode(e->stream, &b) < 0)
                return NULL;
        return hashmap_get(r->by_source, buffer_bytes(&b), b.len);
}

/* Where what is known of this shape is kept; NULL when it isn't. */
static ShapeEntry *shape_entry(Replication *r, unsigned shape) {
        if (shape == 0 || shape >= SHAPES_MAX)
                return NULL;
        if (_unlikely_(shape >= r->n_shapes)) {
                size_t n = MAX(r->n_shapes, 32U);
                ShapeEntry *p;

                while (n <= shape)
                        n *= 2;
                p = reallocarray(r->shapes, n, sizeof(*p));
                if (!p)
                        return NULL;
                memset(p + r->n_shapes, 0, (n - r->n_shapes) * sizeof(*p));
                r->shapes = p;
                r->n_shapes = n;
        }
        return &r->shapes[shape];
}

static ReplicationStream *stream_of(Replication *r, const Envelope *e, ShapeEntry *shape) {
        ReplicationStream *s;

        if (_likely_(shape && shape->known))
                return &r->streams[shape->stream];
        s = find_by_envelope(r, e);
        if (s && shape) {
                shape->known = true;
                shape->stream = (size_t) (s - r->streams);
        }
        return s;
}

static int unknown_stream(Replication *r, const Envelope *e) {
        return replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, NULL,
                                 "The source sent a record of stream '%.*s'%s%.*s%s, which is not in the catalog",
                                 (int) MIN(e->stream.n,
                                           200U), e->stream.p, e->namespace.p ? " (namespace '" : "",
                                 e->namespace.p ? (int) MIN(e->namespace.n,
                                                            200U) : 0, strempty(e->namespace.p),
                                 e->namespace.p ? "')" : "");
}

/* Counts the record against the limit: true when it is to be dropped. */
static bool over_limit(Replication *r, ReplicationStream *s) {
        if (s->stats.records_emitted < r->options.record_limit)
                return false;
        s->cut = r->any_cut = true;
        return true;
}

static void count_filtered(ReplicationStream *s, size_t n) {
        s->stats.records_filtered++;
        s->stats.bytes_filtered += n;
        s->staged.filtered_records++;
        s->staged.filtered_bytes += n;
}

/* `n` bytes of data in so many records. */
static void count_records(Replication *r, ReplicationStream *s, uint64_t n_records, uint64_t n) {
        s->stats.records_emitted += n_records;
        s->stats.bytes_emitted += n;
        s->staged.records += n_records;
        s->staged.bytes += n;
        r->beat = true;
        if (_unlikely_(!s->is_staged)) {
                s->is_staged = true;
                r->staged[r->n_staged++] = (size_t) (s - r->streams);
        }
        if (_unlikely_(s->run != STREAM_RUN_RUNNING)) {
                s->run = stream_run_on_record(s->run);
                s->stats.rate_limited = s->run == STREAM_RUN_RATE_LIMITED;
        }
        if (_unlikely_(s->stats.records_emitted == r->options.record_limit))
                r->n_limited++;
}

/* A line whose shape's beginning is known needs no search for its members. */
static int append_with_prefix(Replication *r, const Envelope *e, const RecordPrefix *prefix) {
        Buffer *own = out_queue_own(&r->queue);
        size_t from = own->len, n_tail = (size_t) (e->line.p + e->line.n - e->data.p);
        char *to = buffer_reserve(own, prefix->n + n_tail + 1);

        if (!to)
                return -ENOMEM;
        memcpy(to, prefix->bytes, prefix->n);
        memcpy(to + prefix->n, e->data.p, n_tail);
        to[prefix->n + n_tail] = '\n';
        buffer_commit(own, prefix->n + n_tail + 1);
        return out_queue_commit(&r->queue, from);
}

static int append_rewritten(Replication *r, const Envelope *e, const ReplicationStream *s, JsonSlice data,
                            JsonSlice changes) {
        Buffer *own = out_queue_own(&r->queue);
        size_t from = own->len;
        int k = record_rewrite(own, e, &s->target, data, changes);

        return k < 0 ? k : out_queue_commit(&r->queue, from);
}

static int forward_mapped(Replication *r, ReplicationStream *s, const Envelope *e) {
        MappedRecord mapped = {};
        int k;

        k = record_mapper_apply(s->mapper, e->data, &mapped);
        if (k == -EBADMSG)
                return replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, s,
                                         "A record of stream '%s' has broken JSON in its data", s->stats.name);
        if (k < 0)
                return k;
        count_records(r, s, 1, e->data.n);
        if (_unlikely_(mapped.filtered))
                count_filtered(s, e->data.n);
        return mapped.filtered ? 0 : append_rewritten(r, e, s, mapped.data, mapped.changes);
}

static int forward_renamed(Replication *r, ReplicationStream *s, const Envelope *e, ShapeEntry *shape) {
        int k;

        count_records(r, s, 1, e->data.n);
        if (shape && _unlikely_(!shape->prefix_tried)) {
                shape->prefix_tried = true;
                k = record_prefix_init(&shape->prefix, e, &s->target);
                if (k < 0)
                        return k;
        }
        if (shape && _likely_(shape->prefix.bytes))
                return append_with_prefix(r, e, &shape->prefix);
        return append_rewritten(r, e, s, e->data, (JsonSlice) {});
}

/* `terminated`: the newline stands behind the line in the reader's buffer. */
static int on_record(Replication *r, const Envelope *e, bool terminated) {
        ShapeEntry *shape = shape_entry(r, e->shape);
        ReplicationStream *s = stream_of(r, e, shape);

        if (_unlikely_(!s))
                return unknown_stream(r, e);
        if (_unlikely_(r->options.record_limit > 0) && over_limit(r, s))
                return 0;
        if (_unlikely_(s->stats.records_emitted >= s->sample_next) && r->validator)
                s->sample_next = record_validator_offer(r->validator, (size_t) (s - r->streams),
                                                        s->stats.records_emitted, e->data);
        if (s->mapper)
                return forward_mapped(r, s, e);
        if (s->target.renamed)
                return forward_renamed(r, s, e, shape);
        count_records(r, s, 1, e->data.n);
        if (_likely_(terminated))
                return out_queue_add_span(&r->queue, e->line.p, e->line.n + 1);
        return append_rewritten(r, e, s, e->data, (JsonSlice) {});
}

/* Behind a record that went on as it came: the lines of its form that follow do so too, so they are counted
 * and queued together. The next record that the validator wants to see ends the run. */
static int forward_run(Replication *r, const Envelope *e) {
        ShapeEntry *shape = shape_entry(r, e->shape);
        ReplicationStream *s = shape && shape->known ? &r->streams[shape->stream] : NULL;
        uint64_t max = UINT64_MAX;
        RecordRun run;

        if (!s || s->mapper || s->target.renamed || r->options.record_limit > 0)
                return 0;
        if (r->validator)
                max = s->sample_next - MIN(s->stats.records_emitted, s->sample_next);
        if (max == 0 || !record_scanner_run(r->scanner, &r->source.out, max, &run))
                return 0;
        count_records(r, s, run.n, run.n_data);
        return out_queue_add_span(&r->queue, run.lines.p, run.lines.n);
}

/* `scanned`: what the scanner said of the line. */
static inline int on_source_line(Replication *r, int scanned, const Envelope *e, bool terminated) {
        if (_unlikely_(scanned < 0))
                return scanned == -ENOMEM ? scanned : replication_on_garbage(&r->source, e->line, !terminated);
        if (_likely_(e->type == MESSAGE_RECORD))
                return on_record(r, e, terminated);
        if (e->type == MESSAGE_STATE)
                return replication_on_source_state(r, e->payload);
        return replication_on_message(&r->source, e);
}

static int line_too_long(ReplicationSide *side) {
        return replication_fault(side->replication, side->origin, FAILURE_SYSTEM_ERROR, NULL,
                                 "The %s wrote a line longer than %u MiB, the limit of a message: what "
                                 "was in it is lost",
                                 failure_origin_to_string(side->origin), PROTOCOL_LINE_MAX >> 20U);
}

/* Handles lines that were read until none is left (0) or the queue is long (1). */
static int handle_lines(Replication *r) {
        Envelope e;
        int k;

        while (!r->failing && !r->limited) {
                if (r->queue.pending >= QUEUE_MAX)
                        return 1;
                k = record_scanner_next(r->scanner, &r->source.out, &e);
                if (k == 0)
                        break;
                if (k == -EMSGSIZE)
                        k = line_too_long(&r->source);
                else {
                        bool record = k > 0 && e.type == MESSAGE_RECORD;

                        k = on_source_line(r, k, &e, /* terminated= */ true);
                        if (k >= 0 && record)
                                k = forward_run(r, &e);
                }
                if (k < 0)
                        return k;
                if (_unlikely_(r->n_limited > 0) && r->n_limited == r->n_streams)
                        r->limited = true;
                /* Our own bytes are cheapest to write while they are in the cache. */
                if (out_queue_own(&r->queue)->len >= QUEUE_FLUSH && r->blocked_since == 0)
                        return 1;
        }
        return 0;
}

/* The line behind the last newline, once nothing more can come. */
static int handle_rest(Replication *r) {
        JsonSlice line;
        Envelope e;
        int k;

        if (!r->source.eof || r->failing || r->limited || line_reader_rest(&r->source.out, &line) <= 0)
                return 0;
        k = record_scanner_scan(r->scanner, line, &e);
        if (k < 0)
                e.line = line;
        return on_source_line(r, k, &e, /* terminated= */ false);
}

/* 1 when nothing waits any more, 0 when it does. */
static int write_queue(Replication *r) {
        int fd = r->destination.endpoint.stdin_fd, k;
        size_t n = 0;

        if (out_queue_is_empty(&r->queue))
                return 1;
        k = fd < 0 ? -EPIPE : out_queue_write(&r->queue, r->env, fd, &n);
        if (k < 0) {
                out_queue_drop(&r->queue);
                r->blocked_since = 0;
                return k == -EPIPE ? replication_on_broken_pipe(r)
                                   : replication_fault(r, ORIGIN_REPLICATION, FAILURE_SYSTEM_ERROR, NULL,
                                                       "Failed to write to the destination: %s", strerror(-k));
        }
        if (k == 0 && (n > 0 || r->blocked_since == 0)) {
                r->blocked_since = env_now(r->env, ENV_CLOCK_MONOTONIC);
                return replication_watch_destination(r);
        }
        if (k > 0 && r->blocked_since > 0) {
                /* The source could not write meanwhile; its time starts anew. */
                r->last_beat = env_now(r->env, ENV_CLOCK_MONOTONIC);
                r->blocked_since = 0;
        }
        return k;
}

static int set_io(Replication *r, EnvSource *s, bool *on, uint32_t events) {
        if (!s || *on == (events != 0))
                return 0;
        *on = events != 0;
        return r->env->ops->io_set(s, events);
}

static int pump(Replication *r) {
        for (;;) {
                int more, k = write_queue(r);

                if (k < 0)
                        return k;
                if (!out_queue_is_empty(&r->queue)) {
                        k = set_io(r, r->source.out_io, &r->reading, 0);
                        return k < 0 ? k : set_io(r, r->in_io, &r->writing, ENV_WRITABLE);
                }
                more = handle_lines(r);
                if (more == 0)
                        more = handle_rest(r);
                if (more < 0)
                        return more;
                if (more == 0 && out_queue_is_empty(&r->queue))
                        break;
        }
        if (set_io(r, r->in_io, &r->writing, 0) < 0)
                return -EIO;
        return set_io(r, r->source.out_io, &r->reading, r->failing || r->limited ? 0 : ENV_READABLE);
}

/* The clock is read once a turn, not once a record. */
static int note_movement(Replication *r) {
        usec_t now = env_now(r->env, ENV_CLOCK_MONOTONIC);

        if (r->beat)
                r->last_beat = now;
        r->beat = r->moved = false;
        if (r->dirty)
                return 0;
        r->dirty = true;
        return replication_timer_set(r, TIMER_PROGRESS, now + PROGRESS_INTERVAL);
}

int replication_pump(Replication *r) {
        int k = pump(r);

        if (k < 0) {
                k = replication_fault(r, ORIGIN_REPLICATION, FAILURE_SYSTEM_ERROR, NULL,
                                      "The worker failed: %s", strerror(-k));
                if (k < 0)
                        return k;
        }
        if (r->beat || r->moved)
                return note_movement(r);
        return 0;
}

/* 1 when something was read, 0 when nothing is there now, -ENODATA at the end. */
static int read_some(Replication *r, LineReader *reader, int fd, size_t size) {
        char *to = line_reader_reserve(reader, size);
        ssize_t n;

        if (!to)
                return -ENOMEM;
        n = r->env->ops->read(r->env, fd, to, size);
        if (n == -EAGAIN)
                return 0;
        if (n <= 0)
                return n < 0 ? (int) n : -ENODATA;
        line_reader_commit(reader, (size_t) n);
        return 1;
}

static int read_failed(ReplicationSide *side, int error) {
        side_close_stdout(side);
        if (error == -ENODATA)
                return 0;
        return replication_fault(side->replication, ORIGIN_REPLICATION, FAILURE_SYSTEM_ERROR, NULL,
                                 "Failed to read from the %s: %s", failure_origin_to_string(side->origin),
                                 strerror(-error));
}

int on_source_readable(EnvSource *s, int fd, uint32_t events, void *userdata) {
        Replication *r = userdata;
        int k, got, rounds = 0;

        /* One read a turn, so that the destination's words are heard between; with a validator until
         * nothing is there, which is when it may work. */
        do {
                got = read_some(r, &r->source.out, fd, r->options.buffer_size);
                r->source.active |= got > 0;
                k = got < 0 ? read_failed(&r->source, got) : 0;
                if (k >= 0)
                        k = replication_pump(r);
        } while (k >= 0 && got > 0 && r->validator && r->reading && ++rounds < VALIDATE_READS_MAX);
        if (k >= 0 && got == 0 && r->validator)
                (void) record_validator_work(r->validator, VALIDATE_BUDGET);
        return k < 0 ? k : replication_advance(r);
}

static int on_destination_line(Replication *r, JsonSlice line, bool terminated) {
        Envelope e;
        int k;

        k = envelope_parse(line, &e);
        if (k < 0)
                return replication_on_garbage(&r->destination, line, !terminated);
        return e.type == MESSAGE_STATE ? replication_on_destination_state(r, e.payload)
                                       : replication_on_message(&r->destination, &e);
}

int on_destination_readable(EnvSource *s, int fd, uint32_t events, void *userdata) {
        Replication *r = userdata;
        ReplicationSide *side = &r->destination;
        JsonSlice line;
        int k, n;

        k = read_some(r, &side->out, fd, DESTINATION_READ);
        side->active |= k > 0;
        if (k < 0)
                k = read_failed(side, k);
        while (k >= 0 && (n = line_reader_next(&side->out, &line)) != 0)
                k = n < 0 ? line_too_long(side) : on_destination_line(r, line, /* terminated= */ true);
        if (k >= 0 && side->eof && line_reader_rest(&side->out, &line) > 0)
                k = on_destination_line(r, line, /* terminated= */ false);
        /* It lives: what it has to end with may take its time. */
        if (r->closed_since > 0)
                r->closed_since = env_now(r->env, ENV_CLOCK_MONOTONIC);
        if (k >= 0)
                k = replication_pump(r);
        return k < 0 ? k : replication_advance(r);
}

int on_destination_writable(EnvSource *s, int fd, uint32_t events, void *userdata) {
        Replication *r = userdata;
        int k = replication_pump(r);

        return k < 0 ? k : replication_advance(r);
}
