/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the worker says of an attempt, as docs/INTERFACES.md has it: STREAM_STATS and the output. */

#include "runtime/connector-process.h"
#include "worker/replication.h"

/* How a connector ended, where it is known. */
typedef struct WorkerExit {
        bool known;
        ConnectorUsage usage;
} WorkerExit;

/* A JSON array, appended. */
int worker_output_stats(const Replication *r, Buffer *b);
/* The output of a sync. */
int worker_output_sync(const Replication *r, const WorkerExit *source, const WorkerExit *destination,
                       JsonObject **ret);
/* {"failures": […]} with one. */
int worker_output_failure(const char *origin, FailureType type, const char *message, usec_t now,
                          JsonObject **ret);
