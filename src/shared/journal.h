/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages that somebody may look or wait for: they carry a MESSAGE_ID (shared/message-ids.h) that journalctl
 * finds them by, explained in the catalog, and the journal's fields that say what they are about. Where standard
 * error is not the journal's they are lines like all others. */

#include "basic/log.h"
#include "shared/message-ids.h"

#define JOURNAL_FIELDS_MAX 8U

typedef struct JournalField {
        const char *name;  /* "GANTRY_JOB_ID"; NULL ends a list */
        const char *value; /* NULL: the field is left out */
} JournalField;

/* Fields end with one without a name. What can't be sent is written to standard error. */
#define JOURNAL_FIELDS(...) ((const JournalField[]) { __VA_ARGS__, {} })
/* Why a program did not start, for the journal and the unit's status: `r` and the sentence of what failed,
 * -EPROTO being the database's schema. */
void journal_start_failure(int r, const char *sentence);

void journal_message(LogLevel level, const char *message_id, const JournalField *fields, const char *format, ...)
        _printf_(4, 5);
