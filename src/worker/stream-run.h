/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state a stream is in while it runs, as people see it. Transitions follow Airbyte's table:
 *
 *                     +---------------- next record ---------------+
 *                     v                                            |
 *   PENDING --> RUNNING --(RUNNING with reason RATE_LIMITED)--> RATE_LIMITED
 *      |           |                                               |
 *      +-----------+----------------> COMPLETE, INCOMPLETE <-------+     (both final) */

#include "protocol/message.h"

typedef enum StreamRun {
        STREAM_RUN_PENDING,
        STREAM_RUN_RUNNING,
        STREAM_RUN_RATE_LIMITED,
        STREAM_RUN_COMPLETE,
        STREAM_RUN_INCOMPLETE,
        _STREAM_RUN_MAX,
        _STREAM_RUN_INVALID = -EINVAL,
} StreamRun;
const char *stream_run_to_string(StreamRun s);

/* Whether the step is in the table. */
bool stream_run_may_become(StreamRun from, StreamRun to);

/* The state after a status of the source. A step that is not in the table changes nothing. */
StreamRun stream_run_on_status(StreamRun from, StreamStatus status, bool rate_limited);
/* The state after a record. */
StreamRun stream_run_on_record(StreamRun from);
