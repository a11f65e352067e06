/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a sync says when it ends: one JSON object on standard output for programs, lines on standard error
 * for people, an exit code for scripts. All three are made from the same numbers, those of the
 * replication, or from the one failure of a run that ended before there was a replication.
 *
 * "partial" is a failure after which something was committed: the next run goes on from there, and a
 * script may want to know.
 *
 * What a connector says is masked by those who bring it here; names and messages are made harmless for
 * the terminal. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/json-write.h"
#include "basic/log.h"
#include "basic/utf8.h"
#include "cli/sync-report.h"
#include "shared/exit-codes.h"
#include "worker/sync-mode.h"

/* Of the replication where there is one, else what the preparing steps said. */
static const FailureReason *report_failures(const SyncReport *r, size_t *ret_n) {
        if (r->replication)
                return replication_failures(r->replication, ret_n);
        *ret_n = r->n_failures;
        return r->failures;
}

/* All zero before anything moved. */
static void report_totals(const SyncReport *r, StreamStats *ret) {
        *ret = (StreamStats) {};
        if (r->replication)
                replication_totals(r->replication, ret);
}

static ReplicationStatus report_raw_status(const SyncReport *r) {
        ReplicationStatus status = r->replication ? replication_status(r->replication) : r->status;

        /* A report is made at the end: what still runs then was told twice to stop. */
        return status == REPLICATION_RUNNING ? REPLICATION_CANCELLED : status;
}

/* Failed, but what was committed stays and the next run goes on from there. */
static bool is_partial(const SyncReport *r) {
        StreamStats total;

        report_totals(r, &total);
        return report_raw_status(r) == REPLICATION_FAILED && total.states_committed > 0 && total.records_committed > 0;
}

const char *sync_report_status(const SyncReport *r) {
        return is_partial(r) ? "partial" : replication_status_to_string(report_raw_status(r));
}

/* The first failure decides: later ones are mostly its consequences. */
int sync_report_exit_code(const SyncReport *r) {
        const FailureReason *f;
        size_t n;

        switch (report_raw_status(r)) {
        case REPLICATION_COMPLETED:
                return EXIT_OK;
        case REPLICATION_CANCELLED:
                return EXIT_CANCELLED;
        default:
                f = report_failures(r, &n);
                if (is_partial(r))
                        return EXIT_PARTIAL;
                if (n > 0 && f[0].type == FAILURE_CONFIG_ERROR)
                        return EXIT_CONFIGURATION;
                if (n > 0 && f[0].type == FAILURE_TRANSIENT_ERROR)
                        return EXIT_TRY_AGAIN;
                return EXIT_FAILED;
        }
}

static int write_counts(Buffer *b, const StreamStats *s) {
        int r;

        r = json_write_member_u64(b, "records_emitted", s->records_emitted);
        if (r >= 0)
                r = json_write_member_u64(b, "records_committed", s->records_committed);
        if (r >= 0)
                r = json_write_member_u64(b, "bytes_emitted", s->bytes_emitted);
        if (r >= 0)
                r = json_write_member_u64(b, "bytes_committed", s->bytes_committed);
        return r;
}

/* In a failed sync a stream may be whole, or have something committed, or nothing. */
static const char *stream_status(const SyncReport *report, const StreamStats *s) {
        ReplicationStatus status = report_raw_status(report);

        if (s->complete || status == REPLICATION_COMPLETED)
                return "complete";
        return s->records_committed > 0 ? "incomplete" : replication_status_to_string(status);
}

static int write_stream(Buffer *b, const SyncReport *report, const ConfiguredStream *c,
                        const StreamStats *s) {
        int r;

        r = buffer_append_string(b, b->len > 0 && buffer_bytes(b)[b->len - 1] == '[' ? "{" : ",{");
        if (r >= 0)
                r = json_write_member_string(b, "name", c->stream.name);
        if (r >= 0)
                r = json_write_member_string(b, "namespace", c->stream.namespace);
        if (r >= 0)
                r = json_write_member_string(b, "mode", sync_report_mode(c));
        if (r >= 0)
                r = json_write_member_string(b, "status", stream_status(report, s));
        if (r >= 0)
                r = write_counts(b, s);
        if (r >= 0)
                r = json_write_member_u64(b, "records_filtered", s->records_filtered);
        if (r >= 0)
                r = json_write_member_u64(b, "records_rejected", s->records_rejected);
        return r < 0 ? r : buffer_append_char(b, '}');
}

static int write_streams(Buffer *b, const SyncReport *r) {
        int q = json_write_member_raw(b, "streams", "[");

        for (size_t i = 0; q >= 0 && r->catalog && i < r->catalog->n_streams; i++) {
                StreamStats none = {};

                q = write_stream(b, r, r->catalog->streams + i,
                                 r->replication ? replication_stream_stats(r->replication, i) : &none);
        }
        return q < 0 ? q : buffer_append_char(b, ']');
}

/* The members and their names are those of Airbyte's failure reasons. */
static int write_failure(Buffer *b, const FailureReason *f) {
        int r;

        r = buffer_append_string(b, b->len > 0 && buffer_bytes(b)[b->len - 1] == '[' ? "{" : ",{");
        if (r >= 0)
                r = json_write_member_string(b, "failureOrigin", failure_origin_to_string(f->origin));
        if (r >= 0)
                r = json_write_member_string(b, "failureType", failure_type_to_string(f->type));
        if (r >= 0)
                r = json_write_member_string(b, "externalMessage", f->external_message);
        if (r >= 0)
                r = json_write_member_string(b, "internalMessage", f->internal_message);
        if (r >= 0 && f->stack_trace)
                r = json_write_member_string(b, "stacktrace", f->stack_trace);
        if (r >= 0)
                r = json_write_member_bool(b, "retryable", f->retryable);
        if (r >= 0)
                r = json_write_member_u64(b, "timestamp", f->timestamp / USEC_PER_MSEC);
        if (r >= 0 && f->stream_name)
                r = json_write_member_string(b, "streamName", f->stream_name);
        return r < 0 ? r : buffer_append_char(b, '}');
}

static int write_failures(Buffer *b, const SyncReport *report) {
        size_t n;
        const FailureReason *f = report_failures(report, &n);
        int r = json_write_member_raw(b, "failures", "[");

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = write_failure(b, f + i);
        return r < 0 ? r : buffer_append_char(b, ']');
}

int sync_report_print_json(const SyncReport *report) {
        _cleanup_buffer_ Buffer b = {};
        StreamStats total;
        int r;

        report_totals(report, &total);
        r = buffer_append_char(&b, '{');
        if (r >= 0)
                r = json_write_member_string(&b, "status", sync_report_status(report));
        if (r >= 0)
                r = json_write_member_i64(&b, "sync_id", report->sync_id);
        if (r >= 0)
                r = write_counts(&b, &total);
        if (r >= 0)
                r = json_write_key(&b, "duration_seconds");
        if (r >= 0)
                r = buffer_appendf(&b, "%.3f", (double) report->duration / USEC_PER_SEC);
        if (r >= 0)
                r = write_streams(&b, report);
        if (r >= 0)
                r = write_failures(&b, report);
        if (r >= 0)
                r = buffer_append_string(&b, "}\n");
        if (r < 0)
                return r;
        return fwrite(buffer_bytes(&b), 1, b.len, stdout) == b.len && fflush(stdout) == 0 ? 0 : -EIO;
}

/* Names are the source's and may hold anything, escape sequences too (threat T31). */
static void print_name(const char *namespace, const char *name) {
        _cleanup_buffer_ Buffer b = {};

        if (namespace && (utf8_append_printable(&b, namespace, strlen(namespace), false) < 0 ||
                          buffer_append_char(&b, '.') < 0))
                return;
        if (utf8_append_printable(&b, name, strlen(name), false) >= 0)
                (void) fprintf(stderr, "  %-32s", strempty(buffer_string(&b)));
}

static void print_streams(const SyncReport *r) {
        for (size_t i = 0; i < r->catalog->n_streams; i++) {
                const ConfiguredStream *c = r->catalog->streams + i;
                const StreamStats *s = replication_stream_stats(r->replication, i);
                char bytes[FORMAT_BYTES_MAX];

                print_name(c->stream.namespace, c->stream.name);
                (void) fprintf(stderr, " %-28s %10" PRIu64 " read %10" PRIu64 " written  %9s  %s\n",
                               sync_report_mode(c), s->records_emitted, s->records_committed,
                               format_bytes(s->bytes_committed, bytes), stream_status(r, s));
                if (s->records_filtered > 0)
                        (void) fprintf(stderr, "    %" PRIu64 " filtered out by mappers\n",
                                       s->records_filtered);
                if (s->records_rejected > 0)
                        (void) fprintf(stderr, "    %" PRIu64 " rejected by the destination\n",
                                       s->records_rejected);
        }
}

void sync_report_print_text(const SyncReport *r) {
        char span[FORMAT_SPAN_MAX], bytes[FORMAT_BYTES_MAX];
        StreamStats total;
        size_t n;
        const FailureReason *f = report_failures(r, &n);

        report_totals(r, &total);
        if (r->replication && r->catalog)
                print_streams(r);
        for (size_t i = 0; i < n; i++) {
                log_error("%s (%s, %s)", strempty(f[i].external_message),
                          failure_origin_to_string(f[i].origin),
                          failure_type_to_string(f[i].type));
                if (f[i].internal_message && !streq_ptr(f[i].internal_message, f[i].external_message))
                        log_error("  %s", f[i].internal_message);
        }
        log_info("%s: %" PRIu64 " records, %s in %s", sync_report_status(r), total.records_committed,
                 format_bytes(total.bytes_committed, bytes), format_span(r->duration, span));
}

const char *sync_report_mode(const ConfiguredStream *s) {
        PublicSyncMode m = public_sync_mode_of(s->sync_mode, s->destination_sync_mode);

        /* The one pair without a public name. */
        return m < 0 ? "full_refresh_deduped_history" : public_sync_mode_to_string(m);
}
