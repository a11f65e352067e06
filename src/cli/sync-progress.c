/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/sync-progress.h"

/* The whole is known where every stream has an estimate, or the sync: a source may estimate that instead. */
static double share_done(const Replication *r, const StreamStats *total) {
        ProgressEstimate e = {};

        for (size_t i = 0; i < replication_n_streams(r); i++) {
                const StreamStats *s = replication_stream_stats(r, i);

                progress_estimate_add(&e, s->records_emitted, s->estimated_records);
        }
        if (e.unknown && total->estimated_records > 0)
                return MIN((double) total->records_emitted / (double) total->estimated_records, 1.0);
        return progress_estimate_share(&e, total->records_emitted);
}

void sync_progress_update(Progress *p, const Replication *r, usec_t now) {
        StreamStats total = {};

        if (!progress_is_due(p, now))
                return;
        replication_totals(r, &total);
        progress_update(p, &(ProgressNumbers) {
                .records_emitted = total.records_emitted,
                .bytes_emitted = total.bytes_emitted,
                .records_committed = total.records_committed,
                .bytes_committed = total.bytes_committed,
                .share = share_done(r, &total),
        }, now);
}
