/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>

#include "workflow/job-journal.h"

struct JobNote {
        LogLevel level;
        const char *message_id; /* a constant */
        int64_t job_id;
        int attempt;
        char *connection_id, *failure_type, *connector, *text;
        JobNote *next;
};

static JobNote *job_note_free(JobNote *n) {
        if (!n)
                return NULL;
        free(n->connection_id);
        free(n->failure_type);
        free(n->connector);
        free(n->text);
        free(n);
        return NULL;
}
DEFINE_CLEANUP(JobNote, job_note_free);

static int copy(const char *s, char **ret) {
        *ret = s ? strdup(s) : NULL;
        return s && !*ret ? -ENOMEM : 0;
}

void job_journal_note(JobJournal *j, const JobNoteOptions *options, const char *format, ...) {
        _cleanup_(job_note_freep) JobNote *n = calloc(1, sizeof(*n));
        va_list ap;
        int r;

        if (!n)
                return;
        n->level = options->level;
        n->message_id = options->message_id;
        n->job_id = options->job_id;
        n->attempt = options->attempt;
        va_start(ap, format);
        r = vasprintf(&n->text, format, ap);
        va_end(ap);
        if (r < 0)
                n->text = NULL;
        if (r < 0 || copy(options->connection_id, &n->connection_id) < 0 ||
            copy(options->failure_type, &n->failure_type) < 0 || copy(options->connector, &n->connector) < 0)
                return;
        n->next = j->notes;
        j->notes = TAKE_PTR(n);
}

static void send_note(const JobNote *n) {
        char job[24], attempt[16];

        (void) snprintf(job, sizeof(job), "%" PRIi64, n->job_id);
        (void) snprintf(attempt, sizeof(attempt), "%d", n->attempt);
        journal_message(n->level, n->message_id,
                        JOURNAL_FIELDS({ "GANTRY_JOB_ID", n->job_id > 0 ? job : NULL },
                                       { "GANTRY_ATTEMPT", n->attempt >= 0 ? attempt : NULL },
                                       { "GANTRY_CONNECTION_ID", n->connection_id },
                                       { "GANTRY_FAILURE_TYPE", n->failure_type },
                                       { "GANTRY_CONNECTOR", n->connector }),
                        "%s", n->text);
}

void job_journal_send(JobJournal *j) {
        JobNote *ordered = NULL;

        while (j->notes) {
                JobNote *n = j->notes;

                j->notes = n->next;
                n->next = ordered;
                ordered = n;
        }
        while (ordered) {
                JobNote *n = ordered;

                ordered = n->next;
                send_note(n);
                job_note_free(n);
        }
}

void job_journal_drop(JobJournal *j) {
        while (j->notes) {
                JobNote *n = j->notes;

                j->notes = n->next;
                job_note_free(n);
        }
}
