/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The worker in a made-up world: clock, pipes, connectors and the order in which all happens come from a seed. Pieces of
 * any size are read and written, both connectors may die at any byte, the store may fail; in thousands of such worlds
 *
 *   - every one comes to its end (no dead lock), and tells so once;
 *   - what the destination gets is the source's records, in order, byte for byte, without a half line;
 *   - no state is stored that covers a record that the destination hasn't made durable;
 *   - a world without a fault succeeds, a world with one that took effect doesn't;
 *   - the same seed gives the same story.
 *
 * In others, bytes of what the connectors say are broken: those end, too. */

#include "protocol/message.h"
#include "unit/test.h"
#include "worker/replication.h"

TEST_MAIN()

#define WORLDS 3000U
#define SOURCES_MAX 16
#define STEPS_MAX 200000U
#define RECORDS 60U

enum { FD_SOURCE = 3, FD_IN, FD_OUT, FD_END };

typedef struct World World;

struct EnvSource {
        World *world;
        int fd; /* 0 = a timer */
        uint32_t events;
        usec_t at;
        EnvIoHandler io;
        EnvTimerHandler timer;
        void *userdata;
        bool used;
};

typedef struct Pipe {
        Buffer bytes;
        size_t capacity;
        bool writer_gone, reader_gone;
} Pipe;

struct World {
        Env env;
        uint64_t random;
        usec_t now;
        struct EnvSource sources[SOURCES_MAX];
        Pipe pipes[FD_END];
        bool over;
        Replication *replication;

        /* the source */
        Buffer text;
        size_t written, dies_at; /* SIZE_MAX = it ends well */
        bool source_over, source_told;

        /* the destination */
        Buffer line, says, records;
        unsigned n_received, n_durable;
        size_t n_read, destination_dies_at;
        bool destination_over, destination_told, destination_died, ended_in_line, fails_late;

        usec_t cancel_at;
        bool cancelled;
        bool broken; /* some bytes are not what they were */

        /* the store */
        unsigned stored;
        bool store_fails;
        unsigned n_done;
        uint64_t trace; /* of all that happened */
};

static uint64_t draw(World *w, uint64_t below) {
        w->random ^= w->random << 13;
        w->random ^= w->random >> 7;
        w->random ^= w->random << 17;
        return below > 0 ? w->random % below : 0;
}

static usec_t world_now(Env *e, EnvClock clock) {
        return ((World *) e)->now;
}

static struct EnvSource *new_source(Env *e, void *userdata) {
        World *w = (World *) e;

        for (size_t i = 0; i < SOURCES_MAX; i++)
                if (!w->sources[i].used) {
                        w->sources[i] = (struct EnvSource) { .world = w, .used = true, .userdata = userdata };
                        return &w->sources[i];
                }
        fail_msg("too many sources");
        return NULL;
}

static int world_io_add(Env *e, int fd, uint32_t events, int priority, EnvIoHandler handler, void *userdata,
                        EnvSource **ret) {
        *ret = new_source(e, userdata);
        (*ret)->fd = fd;
        (*ret)->events = events;
        (*ret)->io = handler;
        return 0;
}

static int world_io_set(EnvSource *s, uint32_t events) {
        s->events = events;
        return 0;
}

static int world_timer_add(Env *e, usec_t at, EnvTimerHandler handler, void *userdata, EnvSource **ret) {
        *ret = new_source(e, userdata);
        (*ret)->at = at;
        (*ret)->timer = handler;
        return 0;
}

static int world_timer_set(EnvSource *s, usec_t at) {
        s->at = at;
        return 0;
}

static EnvSource *world_source_free(EnvSource *s) {
        s->used = false;
        return NULL;
}

static void world_exit(Env *e, int code) {
        ((World *) e)->over = true;
}

static ssize_t world_read(Env *e, int fd, void *p, size_t n) {
        World *w = (World *) e;
        Pipe *pipe = &w->pipes[fd];

        if (pipe->bytes.len == 0)
                return pipe->writer_gone ? 0 : -EAGAIN;
        n = MIN(n, pipe->bytes.len);
        n = 1 + draw(w, draw(w, 2) ? MIN(n, 20U) : n);
        memcpy(p, buffer_bytes(&pipe->bytes), n);
        buffer_consume(&pipe->bytes, n);
        return (ssize_t) n;
}

static ssize_t world_writev(Env *e, int fd, const struct iovec *iov, int n_iov) {
        World *w = (World *) e;
        Pipe *pipe = &w->pipes[fd];
        size_t room = pipe->capacity - pipe->bytes.len, done = 0;

        if (pipe->reader_gone)
                return -EPIPE;
        if (room == 0)
                return -EAGAIN;
        room = 1 + draw(w, room);
        for (int i = 0; i < n_iov && done < room; i++) {
                size_t k = MIN(iov[i].iov_len, room - done);

                ASSERT_OK(buffer_append(&pipe->bytes, iov[i].iov_base, k));
                done += k;
        }
        return (ssize_t) done;
}

static int world_close(Env *e, int fd) {
        World *w = (World *) e;

        if (fd == FD_IN)
                w->pipes[fd].writer_gone = true;
        else
                w->pipes[fd].reader_gone = true;
        return -EBADF;
}

static const EnvOps world_ops = {
        .now = world_now,
        .io_add = world_io_add,
        .io_set = world_io_set,
        .timer_add = world_timer_add,
        .timer_set = world_timer_set,
        .source_free = world_source_free,
        .exit = world_exit,
        .read = world_read,
        .writev = world_writev,
        .close = world_close,
};

/* One thing that can happen now; false when it can't. */
static bool step_source_of_worker(World *w, struct EnvSource *s) {
        Pipe *p = &w->pipes[s->fd];

        if (!s->used)
                return false;
        if (s->timer) {
                if (s->at > w->now)
                        return false;
                s->at = USEC_INFINITY;
                ASSERT_OK(s->timer(s, w->now, s->userdata));
                return true;
        }
        if (s->events == ENV_READABLE && (p->bytes.len > 0 || p->writer_gone))
                ASSERT_OK(s->io(s, s->fd, ENV_READABLE, s->userdata));
        else if (s->events == ENV_WRITABLE && (p->bytes.len < p->capacity || p->reader_gone))
                ASSERT_OK(s->io(s, s->fd, ENV_WRITABLE, s->userdata));
        else
                return false;
        return true;
}

static bool step_source(World *w) {
        Pipe *p = &w->pipes[FD_SOURCE];
        size_t end = MIN(w->text.len, w->dies_at), k;

        if (w->source_over) {
                EnvExit e = { w->dies_at < w->text.len ? -1 : 0, w->dies_at < w->text.len ? 9 : 0 };

                if (w->source_told)
                        return false;
                w->source_told = true;
                ASSERT_OK(replication_source_exited(w->replication, &e, NULL));
                return true;
        }
        if (p->reader_gone || w->written == end) {
                w->source_over = p->writer_gone = true;
                return true;
        }
        k = MIN(end - w->written, p->capacity - p->bytes.len);
        if (k == 0)
                return false;
        k = 1 + draw(w, k);
        ASSERT_OK(buffer_append(&p->bytes, buffer_bytes(&w->text) + w->written, k));
        w->written += k;
        return true;
}

/* Puts other bytes, most of them with a meaning in JSON, into the last `n` bytes of what a connector says. */
static void break_bytes(World *w, Buffer *b, size_t n) {
        static const char bytes[] = "{}[]\",:\\ \n0179eu\x00\xff";

        if (n == 0 || !w->broken)
                return;
        for (uint64_t k = draw(w, 3); k > 0; k--)
                buffer_bytes(b)[b->len - 1 - draw(w, n)] = bytes[draw(w, sizeof(bytes) - 1)];
}

static void on_line(World *w) {
        JsonSlice line = { buffer_bytes(&w->line), w->line.len - 1 };
        Envelope e;

        ASSERT_OK(envelope_parse(line, &e));
        if (e.type == MESSAGE_RECORD) {
                w->n_received++;
                ASSERT_OK(buffer_append(&w->records, line.p, w->line.len));
        } else if (e.type == MESSAGE_STATE) {
                w->n_durable = w->n_received;
                ASSERT_OK(buffer_append(&w->says, line.p, w->line.len));
                if (draw(w, 4) == 0)
                        break_bytes(w, &w->says, w->line.len);
        }
}

static void destination_goes(World *w) {
        w->destination_over = true;
        w->pipes[FD_IN].reader_gone = w->pipes[FD_OUT].writer_gone = true;
}

static bool step_destination(World *w) {
        Pipe *in = &w->pipes[FD_IN], *out = &w->pipes[FD_OUT];
        size_t k = MIN(w->says.len, out->capacity - out->bytes.len);

        if (w->destination_over) {
                EnvExit e = { w->destination_died ? 1 : 0, 0 };

                if (w->destination_told)
                        return false;
                w->destination_told = true;
                ASSERT_OK(replication_destination_exited(w->replication, &e, NULL));
                return true;
        }
        if (k > 0 && draw(w, 2)) {
                k = 1 + draw(w, k);
                if (!out->reader_gone)
                        ASSERT_OK(buffer_append(&out->bytes, buffer_bytes(&w->says), k));
                buffer_consume(&w->says, k);
                return true;
        }
        if (w->n_read >= w->destination_dies_at) {
                w->destination_died = true;
                destination_goes(w);
                return true;
        }
        if (in->bytes.len > 0) {
                for (k = 1 + draw(w, in->bytes.len); k > 0 && w->n_read < w->destination_dies_at; k--) {
                        char c = *buffer_bytes(&in->bytes);

                        buffer_consume(&in->bytes, 1);
                        w->n_read++;
                        ASSERT_OK(buffer_append_char(&w->line, c));
                        if (c == '\n') {
                                on_line(w);
                                buffer_reset(&w->line);
                        }
                }
                return true;
        }
        if (in->writer_gone && w->says.len == 0) {
                w->ended_in_line = w->line.len > 0;
                w->n_durable = w->n_received;
                w->destination_died = w->fails_late;
                destination_goes(w);
                return true;
        }
        return k > 0;
}

/* Something that is possible happens; where nothing is, time goes on to the next timer. */
static void step(World *w) {
        unsigned first = (unsigned) draw(w, SOURCES_MAX + 2);
        usec_t next = USEC_INFINITY;

        if (w->now >= w->cancel_at && !w->cancelled) {
                w->cancelled = true;
                ASSERT_OK(replication_cancel(w->replication, NULL));
        }

        for (unsigned i = 0; i < SOURCES_MAX + 2; i++) {
                unsigned k = (first + i) % (SOURCES_MAX + 2);

                if (k == SOURCES_MAX ? step_source(w)
                                     : k > SOURCES_MAX ? step_destination(w) : step_source_of_worker(w, &w->sources[k])) {
                        w->trace = w->trace * 31 + k;
                        w->now += draw(w, 100);
                        return;
                }
        }
        for (size_t i = 0; i < SOURCES_MAX; i++)
                if (w->sources[i].used && w->sources[i].timer)
                        next = MIN(next, w->sources[i].at);
        assert_true(next != USEC_INFINITY); /* else nothing would ever happen again */
        w->now = MAX(w->now, next);
}

static int on_flush(const StateSet *changed, void *userdata, Error **reterr_error) {
        World *w = userdata;
        const char *state;
        int64_t cursor;
        JsonSlice value;
        size_t n;

        if (w->store_fails && draw(w, 2))
                return error_set(reterr_error, -EIO, "the store is away");
        if (w->broken)
                return 0;
        state = state_set_get_stream(changed, NULL, "s", &n);
        assert_non_null(state);
        assert_true(json_find_member((JsonSlice) { state, n }, "cursor", &value) > 0);
        ASSERT_OK(json_parse_i64(value, &cursor));
        assert_true(cursor >= w->stored && cursor <= w->n_durable);
        w->stored = (unsigned) cursor;
        return 0;
}

static void on_done(Replication *r, void *userdata) {
        World *w = userdata;

        w->n_done++;
        w->over = true;
}

static void make_text(World *w) {
        for (unsigned i = 1; i <= RECORDS; i++) {
                ASSERT_OK(buffer_appendf(&w->text, "{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{\"id\":%u,\"t\":\"%.*s\"},"
                                         "\"emitted_at\":%u}}\n", i, (int) draw(w, 30), "abcdefghijklmnopqrstuvwxyzabcdef", i));
                if (i % 7 == 0 || i == RECORDS)
                        ASSERT_OK(buffer_appendf(&w->text, "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{"
                                                 "\"stream_descriptor\":{\"name\":\"s\"},\"stream_state\":{\"cursor\":%u}},"
                                                 "\"sourceStats\":{\"recordCount\":%u.0}}}\n", i, i % 7 ? i % 7 : 7));
                else if (draw(w, 10) == 0)
                        ASSERT_OK(buffer_append_string(&w->text, "no message\n"));
        }
}

static void check_end(World *w) {
        bool source_died = w->dies_at < w->text.len, fault = source_died || w->destination_died;
        ReplicationStatus status = replication_status(w->replication);
        const char *text = buffer_string(&w->text), *records = buffer_string(&w->records);

        assert_int_equal(w->n_done, 1);
        assert_false(w->ended_in_line);
        if (w->broken)
                return;
        for (const char *line = records; *line;) {
                size_t n = strcspn(line, "\n") + 1;

                /* Each received line is the next RECORD of the source. */
                while (strncmp(text, "{\"type\":\"RECORD\"", 16) != 0)
                        text += strcspn(text, "\n") + 1;
                assert_memory_equal(text, line, n);
                text += n;
                line += n;
        }
        assert_true(w->stored <= w->n_durable);
        if (w->cancelled)
                assert_int_equal(status, REPLICATION_CANCELLED);
        else if (fault)
                assert_int_equal(status, REPLICATION_FAILED);
        else if (!w->store_fails)
                assert_int_equal(status, REPLICATION_COMPLETED);
        if (status == REPLICATION_COMPLETED) {
                assert_int_equal(w->stored, RECORDS);
                assert_int_equal(w->n_received, RECORDS);
                assert_int_equal(replication_stream_stats(w->replication, 0)->records_committed, RECORDS);
        }
}

/* Lives one world to its end and returns its trace. */
static uint64_t live(uint64_t seed, bool broken, const ConfiguredCatalog *catalog, ReplicationStatus *ret_status) {
        World w = { .env.ops = &world_ops, .random = seed * 0x9E3779B97F4A7C15ULL + 1, .now = 1000000, .dies_at = SIZE_MAX,
                    .destination_dies_at = SIZE_MAX, .broken = broken };
        StreamOptions stream = { .destination_name = "s" };
        ReplicationOptions options = { .catalog = catalog, .streams = &stream, .fail_on_heartbeat = true,
                                       .flush_interval = 500, .destination_supports_refreshes = true,
                                       .buffer_size = 1 + (seed % 5) * 700 };
        ReplicationSink sink = { .flush_state = on_flush, .done = on_done, .userdata = &w };
        ReplicationEndpoint source = { -EBADF, FD_SOURCE, -EBADF, NULL, NULL, NULL };
        ReplicationEndpoint destination = { FD_IN, FD_OUT, -EBADF, NULL, NULL, NULL };
        uint64_t trace;
        unsigned steps;

        make_text(&w);
        break_bytes(&w, &w.text, w.text.len);
        for (int fd = FD_SOURCE; fd < FD_END; fd++)
                w.pipes[fd].capacity = 64 + draw(&w, 4000);
        if (draw(&w, 3) == 0)
                w.dies_at = draw(&w, w.text.len);
        if (draw(&w, 3) == 0)
                w.destination_dies_at = draw(&w, w.text.len);
        w.store_fails = draw(&w, 4) == 0;
        w.fails_late = draw(&w, 8) == 0;
        w.cancel_at = draw(&w, 6) == 0 ? w.now + draw(&w, 10000) : USEC_INFINITY;
        ASSERT_OK(replication_new(&w.env, &options, &sink, &w.replication, NULL));
        ASSERT_OK(replication_start(w.replication, &source, &destination));
        for (steps = 0; !w.over && steps < STEPS_MAX; steps++)
                step(&w);
        assert_true(w.over);
        check_end(&w);
        *ret_status = replication_status(w.replication);
        trace = w.trace * 31 + w.stored * 7 + w.n_received;
        replication_free(w.replication);
        for (int fd = FD_SOURCE; fd < FD_END; fd++)
                buffer_done(&w.pipes[fd].bytes);
        buffer_done(&w.text);
        buffer_done(&w.line);
        buffer_done(&w.says);
        buffer_done(&w.records);
        return trace;
}

static void make_catalog(ConfiguredCatalog **ret) {
        static const char json[] = "{\"streams\":[{\"stream\":{\"name\":\"s\",\"json_schema\":{},\"supported_sync_modes\":[\"incremental\"],"
                                   "\"source_defined_cursor\":true},\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append\"}]}";
        _cleanup_json_ JsonObject *o = NULL;

        ASSERT_OK(json_parse(json, strlen(json), &o, NULL));
        ASSERT_OK(configured_catalog_from_json(o, ret, NULL));
}

TEST(worlds_of_broken_bytes_end_too) {
        _cleanup_configured_catalog_ ConfiguredCatalog *catalog = NULL;
        unsigned n[_REPLICATION_STATUS_MAX] = {};

        make_catalog(&catalog);
        for (uint64_t seed = 1; seed <= WORLDS; seed++) {
                ReplicationStatus status;

                (void) live(seed, true, catalog, &status);
                n[status]++;
        }
        assert_true(n[REPLICATION_FAILED] > WORLDS / 4);
}

TEST(every_world_ends_well_or_tells_why_and_no_state_is_ahead) {
        _cleanup_configured_catalog_ ConfiguredCatalog *catalog = NULL;
        unsigned n[_REPLICATION_STATUS_MAX] = {};

        make_catalog(&catalog);
        for (uint64_t seed = 1; seed <= WORLDS; seed++) {
                ReplicationStatus status;
                uint64_t trace;

                trace = live(seed, false, catalog, &status);
                n[status]++;
                if (seed % 20 == 0)
                        assert_true(trace == live(seed, false, catalog, &status));
        }
        /* Both kinds of worlds were seen, or nothing was proved. */
        assert_true(n[REPLICATION_COMPLETED] > WORLDS / 4);
        assert_true(n[REPLICATION_FAILED] > WORLDS / 4);
        assert_true(n[REPLICATION_CANCELLED] > WORLDS / 20);
}
