/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/string-table.h"
#include "worker/stream-run.h"

static const char *const stream_run_table[_STREAM_RUN_MAX] = {
        [STREAM_RUN_PENDING] = "PENDING",
        [STREAM_RUN_RUNNING] = "RUNNING",
        [STREAM_RUN_RATE_LIMITED] = "RATE_LIMITED",
        [STREAM_RUN_COMPLETE] = "COMPLETE",
        [STREAM_RUN_INCOMPLETE] = "INCOMPLETE",
};

DEFINE_STRING_TABLE_TO_STRING(stream_run, StreamRun)

bool stream_run_may_become(StreamRun from, StreamRun to) {
        static const bool may[_STREAM_RUN_MAX][_STREAM_RUN_MAX] = {
                [STREAM_RUN_PENDING] = { [STREAM_RUN_RUNNING] = true, [STREAM_RUN_RATE_LIMITED] = true,
                                         [STREAM_RUN_COMPLETE] = true, [STREAM_RUN_INCOMPLETE] = true },
                [STREAM_RUN_RUNNING] = { [STREAM_RUN_RATE_LIMITED] = true, [STREAM_RUN_COMPLETE] = true,
                                         [STREAM_RUN_INCOMPLETE] = true },
                [STREAM_RUN_RATE_LIMITED] = { [STREAM_RUN_RUNNING] = true, [STREAM_RUN_COMPLETE] = true,
                                              [STREAM_RUN_INCOMPLETE] = true },
        };

        return may[from][to];
}

StreamRun stream_run_on_status(StreamRun from, StreamStatus status, bool rate_limited) {
        StreamRun to = from;

        switch (status) {
        case STREAM_STATUS_STARTED:
        case STREAM_STATUS_RUNNING:
                to = rate_limited ? STREAM_RUN_RATE_LIMITED : STREAM_RUN_RUNNING;
                break;
        case STREAM_STATUS_COMPLETE:
                to = STREAM_RUN_COMPLETE;
                break;
        case STREAM_STATUS_INCOMPLETE:
                to = STREAM_RUN_INCOMPLETE;
                break;
        default:
                break;
        }
        return stream_run_may_become(from, to) ? to : from;
}

StreamRun stream_run_on_record(StreamRun from) {
        return from == STREAM_RUN_PENDING || from == STREAM_RUN_RATE_LIMITED ? STREAM_RUN_RUNNING : from;
}
