/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shows how far something that moves records is, on standard error: a line that redraws itself on a
 * terminal, plain or JSON lines elsewhere. `gantry sync` and gantryctl show theirs with it. */

#include "basic/time-util.h"

typedef enum ProgressMode {
        PROGRESS_AUTO,
        PROGRESS_BAR,
        PROGRESS_PLAIN,
        PROGRESS_JSON,
        PROGRESS_NONE,
        _PROGRESS_MODE_MAX,
        _PROGRESS_MODE_INVALID = -EINVAL,
} ProgressMode;
ProgressMode progress_mode_from_string(const char *s);

/* How far it is now. */
typedef struct ProgressNumbers {
        int64_t job;  /* 0: none */
        int attempt;  /* of the job, from 0 */
        uint64_t records_emitted, bytes_emitted, records_committed, bytes_committed;
        double share; /* of the whole that is read, 0 to 1; negative: nobody knows */
} ProgressNumbers;

/* The whole, out of what the source guesses of its streams: it is known where each has an estimate. */
typedef struct ProgressEstimate {
        double records;
        bool unknown;
} ProgressEstimate;
/* `estimate` negative: there is none. */
void progress_estimate_add(ProgressEstimate *e, uint64_t emitted, int64_t estimate);
double progress_estimate_share(const ProgressEstimate *e, uint64_t emitted);

typedef struct Progress Progress;

/* PROGRESS_AUTO is a bar on a terminal and `otherwise` elsewhere. All times are of one steady clock. */
int progress_new(ProgressMode mode, ProgressMode otherwise, usec_t now, Progress **ret);
/* Takes the line away. */
Progress *progress_free(Progress *p);
DEFINE_CLEANUP(Progress, progress_free);

/* Is it time to show something again? Who has the numbers at no cost need not ask. */
bool progress_is_due(const Progress *p, usec_t now);
/* Shows the numbers when it is time. Speeds are those since progress_new(), or since the attempt was seen
 * first. */
void progress_update(Progress *p, const ProgressNumbers *n, usec_t now);
/* Takes the line away, so that something else can be written; the next update draws it again. */
void progress_clear(Progress *p);
