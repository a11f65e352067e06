/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages on their way out. Lines are gathered and written in large pieces, but never wait long: a state
 * lets the other side commit, so it goes within a quarter of the time that a record may wait. A record is
 * built in place in the outgoing buffer. While one is open, other messages (a warning about one of its
 * values) go to the side and follow it, so that no line is ever torn.
 *
 * Whatever is said in words passes the mask; records do not, because what they carry is the data. */

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "basic/json-write.h"
#include "connectors/lib/emitter.h"

/* Written in pieces of at least this size, so that a pipe of 1 MiB sees few system calls. */
#define EMITTER_CHUNK (128U * 1024U)
#define EMITTER_DELAY_MS 100
/* Shorter secrets would mask half of every text; the rule is told in docs/DESTINATIONS.md. */
#define SECRET_MINIMUM 4U
#define SECRET_MASK "**********"

struct Emitter {
        int fd;
        Buffer out;
        Buffer side;       /* lines that come up while a record is open */
        bool record_open;
        size_t record_start; /* where in `out` the open record begins */
        int64_t oldest_ms; /* when the first unwritten line was made; 0 = nothing waits */
        char **secrets;    /* longest first */
        const volatile sig_atomic_t *stop;
};

struct EmitterStream {
        Emitter *emitter;
        char *name, *namespace;
        Buffer prefix;
        uint64_t count;
};

Emitter *emitter_new(int fd) {
        Emitter *e = calloc(1, sizeof(*e));

        if (e)
                e->fd = fd;
        return e;
}

Emitter *emitter_free(Emitter *e) {
        if (!e)
                return NULL;
        emitter_drop_open_record(e);
        (void) emitter_flush(e);
        buffer_done(&e->out);
        buffer_done(&e->side);
        strv_free(e->secrets);
        free(e);
        return NULL;
}

static int by_length_descending(const void *a, const void *b) {
        size_t x = strlen(*(char *const *) a), y = strlen(*(char *const *) b);

        return x < y ? 1 : x > y ? -1 : 0;
}

void emitter_set_secrets(Emitter *e, char **secrets) {
        strv_free(e->secrets);
        e->secrets = secrets;
        if (secrets)
                qsort(secrets, strv_length(secrets), sizeof(*secrets), by_length_descending);
}

void emitter_set_stop(Emitter *e, const volatile sig_atomic_t *stop) {
        e->stop = stop;
}

/* The secret that `p` starts with, or NULL. */
static const char *secret_at(const Emitter *e, const char *p) {
        STRV_FOREACH(s, e->secrets) {
                size_t n = strlen(*s);

                if (n >= SECRET_MINIMUM && strncmp(p, *s, n) == 0)
                        return *s;
        }
        return NULL;
}

char *emitter_mask(const Emitter *e, const char *text) {
        _cleanup_buffer_ Buffer b = {};

        while (*text) {
                const char *secret = secret_at(e, text);
                int r = secret ? buffer_append_string(&b, SECRET_MASK) : buffer_append_char(&b, *text);

                if (r < 0)
                        return NULL;
                text += secret ? strlen(secret) : 1;
        }
        return buffer_steal_string(&b);
}

int64_t emitter_now_ms(Emitter *e) {
        struct timespec ts;

        (void) e;
        /* The coarse clock costs a few ns and no system call, so nothing needs to be cached. */
        (void) clock_gettime(CLOCK_REALTIME_COARSE, &ts);
        return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t monotonic_ms(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
        return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Like write_full(), but also for an output that somebody made non-blocking. */
static int write_all(int fd, const char *p, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, p, n);

                if (k < 0 && errno == EAGAIN) {
                        struct pollfd pfd = { .fd = fd, .events = POLLOUT };

                        (void) poll(&pfd, 1, -1);
                        continue;
                }
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                p += k;
                n -= k;
        }
        return 0;
}

/* The one place where a source notices that it is to end: between two lines. */
static int check_stop(const Emitter *e) {
        return e->stop && *e->stop ? -ECANCELED : 0;
}

int emitter_flush(Emitter *e) {
        int r = 0;

        if (e->record_open)
                return 0;
        if (e->out.len > 0)
                r = write_all(e->fd, buffer_bytes(&e->out), e->out.len);
        /* After a failure too: the reader is gone, and trying again would only fail again. */
        buffer_reset(&e->out);
        e->oldest_ms = 0;
        return r < 0 ? r : check_stop(e);
}

/* After a line was appended: writes when enough is there or it has waited long enough. */
static int line_added(Emitter *e, int64_t delay) {
        int64_t now = monotonic_ms();

        if (e->oldest_ms == 0)
                e->oldest_ms = now;
        if (e->out.len >= EMITTER_CHUNK || now - e->oldest_ms >= delay || (e->stop && *e->stop))
                return emitter_flush(e);
        return 0;
}

int emitter_maybe_flush(Emitter *e) {
        if (e->record_open)
                return 0;
        if (e->out.len == 0)
                return check_stop(e);
        return line_added(e, EMITTER_DELAY_MS);
}

Buffer *emitter_buffer(Emitter *e) {
        return e->record_open ? &e->side : &e->out;
}

int emitter_stream_new(Emitter *e, const char *name, const char *namespace, EmitterStream **ret) {
        _cleanup_(emitter_stream_freep) EmitterStream *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->emitter = e;
        s->name = strdup(name);
        s->namespace = namespace && *namespace ? strdup(namespace) : NULL;
        if (!s->name || (namespace && *namespace && !s->namespace))
                return -ENOMEM;
        r = buffer_append_string(&s->prefix, "{\"type\":\"RECORD\",\"record\":{");
        if (r >= 0)
                r = json_write_member_string(&s->prefix, "stream", name);
        if (r >= 0 && s->namespace)
                r = json_write_member_string(&s->prefix, "namespace", s->namespace);
        if (r >= 0)
                r = json_write_key(&s->prefix, "data");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

EmitterStream *emitter_stream_free(EmitterStream *s) {
        if (!s)
                return NULL;
        free(s->name);
        free(s->namespace);
        buffer_done(&s->prefix);
        free(s);
        return NULL;
}

Buffer *emitter_record_begin(EmitterStream *s) {
        Emitter *e = s->emitter;

        assert(!e->record_open);
        e->record_start = e->out.len;
        if (buffer_append(&e->out, buffer_bytes(&s->prefix), s->prefix.len) < 0)
                return NULL;
        e->record_open = true;
        return &e->out;
}

/* Lines that were made meanwhile follow the record. */
static int close_record(Emitter *e) {
        int r = 0;

        e->record_open = false;
        if (e->side.len > 0)
                r = buffer_append(&e->out, buffer_bytes(&e->side), e->side.len);
        buffer_reset(&e->side);
        return r;
}

/* `,"emitted_at":N}}\n`, without printf: this runs for every record. */
static int append_record_end(Buffer *b, int64_t ms) {
        static const char key[] = ",\"emitted_at\":";
        char digits[24], *p = digits + sizeof(digits);
        int r;

        *--p = '\n';
        *--p = '}';
        *--p = '}';
        do {
                *--p = (char) ('0' + ms % 10);
                ms /= 10;
        } while (ms > 0);
        r = buffer_append(b, key, sizeof(key) - 1);
        return r < 0 ? r : buffer_append(b, p, (size_t) (digits + sizeof(digits) - p));
}

int emitter_record_end(EmitterStream *s) {
        Emitter *e = s->emitter;
        int r;

        r = append_record_end(&e->out, emitter_now_ms(e));
        if (r < 0) {
                emitter_record_cancel(s);
                return r;
        }
        s->count++;
        r = close_record(e);
        return r < 0 ? r : line_added(e, EMITTER_DELAY_MS);
}

void emitter_drop_open_record(Emitter *e) {
        if (!e->record_open)
                return;
        e->out.len = e->record_start;
        (void) close_record(e);
}

void emitter_record_cancel(EmitterStream *s) {
        emitter_drop_open_record(s->emitter);
}

uint64_t emitter_stream_count(const EmitterStream *s) {
        return s->count;
}

/* A stream without a namespace has none in its descriptor either. */
static int append_descriptor(Buffer *b, const EmitterStream *s) {
        int r;

        r = json_write_key(b, "stream_descriptor");
        if (r >= 0)
                r = buffer_append_char(b, '{');
        if (r >= 0)
                r = json_write_member_string(b, "name", s->name);
        if (r >= 0 && s->namespace)
                r = json_write_member_string(b, "namespace", s->namespace);
        return r < 0 ? r : buffer_append_char(b, '}');
}

int emitter_stream_state(EmitterStream *s, const char *state_json) {
        Emitter *e = s->emitter;
        Buffer *b = emitter_buffer(e);
        int r;

        r = buffer_append_string(b, "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{");
        if (r >= 0)
                r = append_descriptor(b, s);
        if (r >= 0)
                r = json_write_member_raw(b, "stream_state", state_json);
        /* The protocol's counts are doubles and want a decimal point. */
        if (r >= 0)
                r = buffer_appendf(b, "},\"sourceStats\":{\"recordCount\":%llu.0}}}\n",
                                   (unsigned long long) s->count);
        if (r < 0)
                return r;
        s->count = 0;
        /* A state lets the other side commit: it waits less than records do. */
        return line_added(e, EMITTER_DELAY_MS / 4);
}

int emitter_stream_status(EmitterStream *s, StreamStatus status) {
        Emitter *e = s->emitter;
        int r;

        r = message_write_stream_status(emitter_buffer(e), emitter_now_ms(e), s->name, s->namespace, status);
        return r < 0 ? r : line_added(e, EMITTER_DELAY_MS / 4);
}

int emitter_stream_estimate(EmitterStream *s, int64_t rows, int64_t bytes) {
        Emitter *e = s->emitter;
        int r;

        r = message_write_estimate(emitter_buffer(e), emitter_now_ms(e), s->name, s->namespace, rows, bytes);
        return r < 0 ? r : line_added(e, EMITTER_DELAY_MS);
}

int emitter_log(Emitter *e, const char *level, const char *format, ...) {
        _cleanup_free_ char *text = NULL, *masked = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        masked = emitter_mask(e, text);
        if (!masked)
                return -ENOMEM;
        r = message_write_log(emitter_buffer(e), level, masked);
        if (r < 0 || e->record_open)
                return r;
        return line_added(e, EMITTER_DELAY_MS / 4);
}
