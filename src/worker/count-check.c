/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "worker/count-check.h"

/* Counts are doubles on the wire; whole numbers up to 2^53 are exact there. */
static bool count_equal(double told, uint64_t counted) {
        return told == (double) counted;
}

int count_check_source(const StateMessage *m, uint64_t records, Error **reterr_error) {
        if (m->type == STATE_LEGACY || !m->source_stats.present || count_equal(m->source_stats.record_count, records))
                return 0;
        return error_set(reterr_error, -EBADE,
                         "the source counted %.0f records up to its state, %" PRIu64 " arrived",
                         m->source_stats.record_count, records);
}

int count_check_destination(const StateStats *source, const StateStats *destination, CountWindow window,
                            Error **reterr_error) {
        uint64_t sent = window.records - window.filtered;
        double told;

        if (!destination->present)
                return 0;
        /* One number below zero could make up for the other. */
        if (destination->record_count < 0 || destination->rejected_record_count < 0)
                return error_set(reterr_error, -EBADE,
                                 "the destination counted %.0f records and %.0f rejected ones",
                                 destination->record_count, destination->rejected_record_count);
        told = destination->record_count + destination->rejected_record_count;
        if (!count_equal(told, sent))
                return error_set(reterr_error, -EBADE,
                                 "the destination counted %.0f records and %.0f rejected ones, %" PRIu64
                                 " were sent to it (source: %.0f, filtered: %" PRIu64 ")",
                                 destination->record_count, destination->rejected_record_count, sent,
                                 source->present ? source->record_count : (double) window.records, window.filtered);
        if (source->present && source->record_count - (double) window.filtered != told)
                return error_set(reterr_error, -EBADE,
                                 "the destination counted %.0f records and %.0f rejected ones, the source %.0f"
                                 " (sent: %" PRIu64 ", filtered: %" PRIu64 ")",
                                 destination->record_count, destination->rejected_record_count, source->record_count,
                                 sent, window.filtered);
        return 0;
}
