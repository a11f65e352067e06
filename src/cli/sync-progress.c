/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Shown at most ten times a second, from numbers that the replication keeps anyway: a look costs nothing
 * while it isn't due. Standard error may be shared with log lines, so whoever logs clears the bar first
 * and the next update draws it again. A share of the whole is shown only if there is a whole: estimates
 * for all streams, or one for the sync; and never more than everything. */

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/json-write.h"
#include "cli/sync-progress.h"

#define BAR_INTERVAL (100 * USEC_PER_MSEC)
#define LINE_INTERVAL (2 * USEC_PER_SEC)
#define BAR_WIDTH 24

struct SyncProgress {
        Env *env;
        ProgressMode mode;
        usec_t started, shown;
        bool drawn;
};

int sync_progress_new(Env *env, ProgressMode mode, SyncProgress **ret) {
        SyncProgress *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        if (mode == PROGRESS_AUTO)
                mode = isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_NONE;
        *p = (SyncProgress) { .env = env, .mode = mode, .started = env_now(env, ENV_CLOCK_MONOTONIC) };
        *ret = p;
        return 0;
}

SyncProgress *sync_progress_free(SyncProgress *p) {
        if (p)
                sync_progress_clear(p);
        free(p);
        return NULL;
}

void sync_progress_clear(SyncProgress *p) {
        if (!p->drawn)
                return;
        (void) fputs("\r\033[K", stderr);
        (void) fflush(stderr);
        p->drawn = false;
}

/* Share of the whole that is read, or -1: only where every stream, or the sync, has an estimate is there a
 * whole. */
static double share_done(const Replication *r, const StreamStats *total) {
        double estimate = 0;

        for (size_t i = 0; i < replication_n_streams(r); i++) {
                const StreamStats *s = replication_stream_stats(r, i);

                /* A source may estimate the sync instead. */
                if (s->estimated_records < 0)
                        return total->estimated_records <= 0
                                       ? -1
                                       : MIN((double) total->records_emitted / (double) total->estimated_records, 1.0);
                /* Estimates are guesses: what has come is never less than what was guessed. */
                estimate += (double) MAX(s->estimated_records, (int64_t) s->records_emitted);
        }
        return estimate > 0 ? (double) total->records_emitted / estimate : -1;
}

/* The line is drawn over itself; whoever logs clears it first. */
static void print_bar(SyncProgress *p, const StreamStats *total, double share, double seconds) {
        char bytes[FORMAT_BYTES_MAX], rate[FORMAT_BYTES_MAX], left[FORMAT_SPAN_MAX];

        (void) fputs("\r\033[K", stderr);
        if (share >= 0) {
                int full = (int) (share * BAR_WIDTH);

                (void) fputc('[', stderr);
                for (int i = 0; i < BAR_WIDTH; i++)
                        (void) fputs(i < full ? "█" : "░", stderr);
                (void) fprintf(stderr, "] %3.0f %%  ", share * 100);
        }
        (void) fprintf(stderr, "%" PRIu64 " records, %s, %.0f/s, %s/s, %" PRIu64 " committed",
                       total->records_emitted,
                       format_bytes(total->bytes_emitted, bytes), (double) total->records_emitted / seconds,
                       format_bytes((uint64_t) ((double) total->bytes_emitted / seconds), rate),
                       total->records_committed);
        if (share > 0 && share < 1)
                (void) fprintf(stderr, ", %s left",
                               format_span((usec_t) (seconds * (1 / share - 1) * USEC_PER_SEC), left));
        (void) fflush(stderr);
        p->drawn = true;
}

static void print_plain(const StreamStats *total, double share, double seconds) {
        char bytes[FORMAT_BYTES_MAX];

        (void) fprintf(stderr, "%" PRIu64 " records, %s, %.0f records/s, %" PRIu64 " committed",
                       total->records_emitted,
                       format_bytes(total->bytes_emitted, bytes), (double) total->records_emitted / seconds,
                       total->records_committed);
        if (share >= 0)
                (void) fprintf(stderr, ", %.0f %%", share * 100);
        (void) fputc('\n', stderr);
}

/* One object a line, for programs that show progress of their own. */
static void print_json(const StreamStats *total, double share, double seconds) {
        _cleanup_buffer_ Buffer b = {};

        if (buffer_append_char(&b, '{') < 0 ||
            json_write_member_u64(&b, "records_emitted", total->records_emitted) < 0 ||
            json_write_member_u64(&b, "records_committed", total->records_committed) < 0 ||
            json_write_member_u64(&b, "bytes_emitted", total->bytes_emitted) < 0 ||
            json_write_member_u64(&b, "bytes_committed", total->bytes_committed) < 0 ||
            json_write_key(&b, "seconds") < 0 || buffer_appendf(&b, "%.3f", seconds) < 0)
                return;
        if (share >= 0 && (json_write_key(&b, "share") < 0 || buffer_appendf(&b, "%.4f", share) < 0))
                return;
        if (buffer_append_char(&b, '}') >= 0)
                (void) fprintf(stderr, "%s\n", strempty(buffer_string(&b)));
}

void sync_progress_update(SyncProgress *p, const Replication *r) {
        usec_t now = env_now(p->env, ENV_CLOCK_MONOTONIC);
        usec_t interval = p->mode == PROGRESS_BAR ? BAR_INTERVAL : LINE_INTERVAL;
        double share, seconds = MAX((double) (now - p->started) / USEC_PER_SEC, 0.001);
        StreamStats total = {};

        if (p->mode == PROGRESS_NONE || (p->shown > 0 && now - p->shown < interval))
                return;
        p->shown = now;
        replication_totals(r, &total);
        share = share_done(r, &total);
        if (p->mode == PROGRESS_BAR)
                print_bar(p, &total, share, seconds);
        else if (p->mode == PROGRESS_JSON)
                print_json(&total, share, seconds);
        else
                print_plain(&total, share, seconds);
}
