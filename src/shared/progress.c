/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bar is drawn over itself ten times a second and whatever the numbers, since its speed sinks while
 * nothing moves; lines come every two seconds, and none that would say what the last one said: in a log they
 * stay. */

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "basic/json-write.h"
#include "shared/progress.h"

#define BAR_INTERVAL (100 * USEC_PER_MSEC)
#define LINE_INTERVAL (2 * USEC_PER_SEC)
#define BAR_WIDTH 24

struct Progress {
        ProgressMode mode;
        usec_t started, shown;
        ProgressNumbers first, last; /* at the start, and what was shown last */
        bool drawn;
};

ProgressMode progress_mode_from_string(const char *s) {
        static const char *const names[_PROGRESS_MODE_MAX] = { "auto", "bar", "plain", "json", "none" };

        for (ProgressMode i = 0; i < _PROGRESS_MODE_MAX; i++)
                if (streq(names[i], s))
                        return i;
        return _PROGRESS_MODE_INVALID;
}

/* Estimates are guesses: what has come is never less than what was guessed. */
void progress_estimate_add(ProgressEstimate *e, uint64_t emitted, int64_t estimate) {
        e->unknown |= estimate < 0;
        e->records += MAX((double) estimate, (double) emitted);
}

double progress_estimate_share(const ProgressEstimate *e, uint64_t emitted) {
        return e->unknown || e->records <= 0 ? -1 : MIN((double) emitted / e->records, 1.0);
}

int progress_new(ProgressMode mode, ProgressMode otherwise, usec_t now, Progress **ret) {
        Progress *p = calloc(1, sizeof(*p));
        const char *term = getenv("TERM");

        if (!p)
                return -ENOMEM;
        if (mode == PROGRESS_AUTO)
                mode = isatty(STDERR_FILENO) && !(term && streq(term, "dumb")) ? PROGRESS_BAR : otherwise;
        *p = (Progress) { .mode = mode, .started = now };
        *ret = p;
        return 0;
}

Progress *progress_free(Progress *p) {
        if (p)
                progress_clear(p);
        free(p);
        return NULL;
}

void progress_clear(Progress *p) {
        if (!p->drawn)
                return;
        (void) fputs("\r\033[K", stderr);
        (void) fflush(stderr);
        p->drawn = false;
}

typedef struct Speed {
        double seconds, records, bytes; /* how long, and how much a second */
} Speed;

static Speed speed_of(const Progress *p, const ProgressNumbers *n, usec_t now) {
        double seconds = MAX((double) (now - p->started) / USEC_PER_SEC, 0.001);

        /* A daemon that was restarted may know less than was seen. */
        return (Speed) { seconds, MAX((double) n->records_emitted - (double) p->first.records_emitted, 0.0) / seconds,
                         MAX((double) n->bytes_emitted - (double) p->first.bytes_emitted, 0.0) / seconds };
}

static void append_head(Buffer *b, const ProgressNumbers *n) {
        if (n->job > 0)
                (void) buffer_appendf(b, "Job %" PRIi64 ", attempt %d: ", n->job, n->attempt);
}

/* What is left of the whole, at the speed up to now. */
static void append_left(Buffer *b, const ProgressNumbers *n, const Speed *speed) {
        double whole = (double) n->records_emitted / n->share;
        char left[FORMAT_SPAN_MAX];

        if (speed->records > 0)
                (void) buffer_appendf(b, ", %s left",
                                      format_span((usec_t) ((whole - (double) n->records_emitted) /
                                                            speed->records * USEC_PER_SEC), left));
}

static void append_bar(Buffer *b, double share) {
        int full = (int) (share * BAR_WIDTH);

        (void) buffer_append_char(b, '[');
        for (int i = 0; i < BAR_WIDTH; i++)
                (void) buffer_append_string(b, i < full ? "█" : "░");
        (void) buffer_appendf(b, "] %3.0f %%  ", share * 100);
}

/* A line that the terminal breaks can't be drawn over. What it holds is one column a character; one column
 * is left, for many terminals break already behind the last. */
static size_t fit_terminal(const char *s, size_t n) {
        struct winsize size = {};
        size_t columns = 0, i = 0;

        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
                return n;
        for (; i < n; i++) {
                bool first = ((unsigned char) s[i] & 0xc0) != 0x80; /* of a character's bytes */

                if (first && ++columns >= size.ws_col)
                        break;
        }
        return i;
}

/* The line is drawn over itself; whoever logs clears it first. Without memory there is less of it. */
static void print_bar(Progress *p, const ProgressNumbers *n, const Speed *speed) {
        char bytes[FORMAT_BYTES_MAX], rate[FORMAT_BYTES_MAX];
        _cleanup_buffer_ Buffer b = {};

        append_head(&b, n);
        if (n->share >= 0)
                append_bar(&b, n->share);
        (void) buffer_appendf(&b, "%" PRIu64 " records, %s, %.0f/s, %s/s, %" PRIu64 " committed",
                              n->records_emitted, format_bytes(n->bytes_emitted, bytes), speed->records,
                              format_bytes((uint64_t) speed->bytes, rate), n->records_committed);
        if (n->share > 0 && n->share < 1)
                append_left(&b, n, speed);
        (void) fprintf(stderr, "\r\033[K%.*s", (int) fit_terminal(buffer_bytes(&b), b.len),
                       buffer_bytes(&b));
        (void) fflush(stderr);
        p->drawn = true;
}

static void print_plain(const ProgressNumbers *n, const Speed *speed) {
        char bytes[FORMAT_BYTES_MAX];
        _cleanup_buffer_ Buffer b = {};

        append_head(&b, n);
        (void) buffer_appendf(&b, "%" PRIu64 " records, %s, %.0f records/s, %" PRIu64 " committed",
                              n->records_emitted, format_bytes(n->bytes_emitted, bytes), speed->records,
                              n->records_committed);
        if (n->share >= 0)
                (void) buffer_appendf(&b, ", %.0f %%", n->share * 100);
        (void) fprintf(stderr, "%s\n", strempty(buffer_string(&b)));
}

/* One object a line, for programs that show progress of their own. */
static void print_json(const ProgressNumbers *n, const Speed *speed) {
        _cleanup_buffer_ Buffer b = {};

        if (buffer_append_char(&b, '{') < 0)
                return;
        if (n->job > 0 && (json_write_member_i64(&b, "job", n->job) < 0 ||
                           json_write_member_i64(&b, "attempt", n->attempt) < 0))
                return;
        if (json_write_member_u64(&b, "records_emitted", n->records_emitted) < 0 ||
            json_write_member_u64(&b, "records_committed", n->records_committed) < 0 ||
            json_write_member_u64(&b, "bytes_emitted", n->bytes_emitted) < 0 ||
            json_write_member_u64(&b, "bytes_committed", n->bytes_committed) < 0 ||
            json_write_key(&b, "seconds") < 0 || buffer_appendf(&b, "%.3f", speed->seconds) < 0)
                return;
        if (n->share >= 0 && (json_write_key(&b, "share") < 0 || buffer_appendf(&b, "%.4f", n->share) < 0))
                return;
        if (buffer_append_char(&b, '}') >= 0)
                (void) fprintf(stderr, "%s\n", strempty(buffer_string(&b)));
}

static bool says_the_same(const ProgressNumbers *a, const ProgressNumbers *b) {
        return a->job == b->job && a->attempt == b->attempt && a->records_emitted == b->records_emitted &&
               a->records_committed == b->records_committed && a->bytes_emitted == b->bytes_emitted &&
               a->bytes_committed == b->bytes_committed;
}

bool progress_is_due(const Progress *p, usec_t now) {
        usec_t interval = p->mode == PROGRESS_BAR ? BAR_INTERVAL : LINE_INTERVAL;

        return p->mode != PROGRESS_NONE && (p->shown == 0 || now - p->shown >= interval);
}

void progress_update(Progress *p, const ProgressNumbers *n, usec_t now) {
        Speed speed;

        if (n->job != p->first.job || n->attempt != p->first.attempt) {
                p->first = *n;
                p->last = (ProgressNumbers) { .job = n->job, .attempt = n->attempt };
                p->started = now;
        }
        if (!progress_is_due(p, now) || (p->mode != PROGRESS_BAR && says_the_same(n, &p->last)))
                return;
        p->shown = now;
        p->last = *n;
        speed = speed_of(p, n, now);
        if (p->mode == PROGRESS_BAR)
                print_bar(p, n, &speed);
        else if (p->mode == PROGRESS_JSON)
                print_json(n, &speed);
        else
                print_plain(n, &speed);
}
