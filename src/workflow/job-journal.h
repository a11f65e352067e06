/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the journal is told of jobs and installations: steps note it inside their transaction, and it is sent once
 * that is committed, so that the journal never tells of what didn't happen. A crash in between leaves the message
 * out; the timeline is the record. */

#include "shared/journal.h"

typedef struct JobNote JobNote;

typedef struct JobJournal {
        JobNote *notes; /* the newest first */
} JobJournal;

typedef struct JobNoteOptions {
        LogLevel level;
        const char *message_id;
        int64_t job_id;            /* 0: of no job */
        int attempt;               /* negative: of the job as a whole */
        const char *connection_id;
        const char *failure_type;  /* may be NULL */
        const char *connector;     /* may be NULL */
} JobNoteOptions;

/* Without memory nothing is noted. */
void job_journal_note(JobJournal *j, const JobNoteOptions *options, const char *format, ...) _printf_(3, 4);
/* The transaction was committed: sends what was noted, in its order. */
void job_journal_send(JobJournal *j);
/* It was rolled back. */
void job_journal_drop(JobJournal *j);
