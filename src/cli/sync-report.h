/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `gantry sync` says at its end: a table for people, one JSON object for programs. */

#include "worker/replication.h"

typedef struct SyncReport {
        const Replication *replication;   /* NULL: it ended before records could move */
        const ConfiguredCatalog *catalog; /* of the source; may be NULL */
        int64_t sync_id; /* ms since the epoch, unique for a name */
        usec_t duration;
        /* used when there is no replication */
        ReplicationStatus status;
        const FailureReason *failures;
        size_t n_failures;
} SyncReport;

/* "completed", "partial" (some committed, then failed), "failed", "cancelled". */
const char *sync_report_status(const SyncReport *r);
int sync_report_exit_code(const SyncReport *r);

/* Writes to standard output. */
int sync_report_print_json(const SyncReport *r);
/* Writes to standard error. */
void sync_report_print_text(const SyncReport *r);

/* The public name of a pair of modes ("incremental_append"). */
const char *sync_report_mode(const ConfiguredStream *s);
