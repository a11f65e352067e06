/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The counts that states carry, held against ours. Airbyte logs a mismatch; with us it fails the attempt
 * unless the person asked otherwise: a wrong count is how lost records show. */

#include "protocol/state.h"

/* What went by since the state before. */
typedef struct CountWindow {
        uint64_t records;  /* that the source sent */
        uint64_t filtered; /* of these, kept back by a mapper */
} CountWindow;

/* On the source's state: its recordCount against what we saw. 0, or -EBADE and a sentence with both
 * numbers. A state without counts and a LEGACY state say nothing. */
int count_check_source(const StateMessage *m, uint64_t records, Error **reterr_error);

/* On the destination's echo: its recordCount and rejectedRecordCount together against what we sent it and
 * against what the source said less what was filtered. 0, or -EBADE and a sentence with all three
 * numbers. */
int count_check_destination(const StateStats *source, const StateStats *destination, CountWindow window,
                            Error **reterr_error);
