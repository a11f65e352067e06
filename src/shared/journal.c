/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An entry with fields goes to the journal's socket, and only where standard error is the journal as
 * well: else a program run by hand, or by a test, would speak to the journal behind the back of whoever
 * reads its output. If the journal can't be reached the text still goes to standard error. */

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "shared/journal.h"

/* $JOURNAL_STREAM names the socket that systemd made standard error of; a program that was started with another
 * one has inherited the variable only. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        uint64_t device, inode;
        struct stat st;

        return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == device && st.st_ino == inode;
}

static int priority_of(LogLevel level) {
        static const int priorities[_LOG_LEVEL_MAX] = {
                [LOG_LEVEL_ERROR] = LOG_ERR,
                [LOG_LEVEL_WARNING] = LOG_WARNING,
                [LOG_LEVEL_INFO] = LOG_INFO,
                [LOG_LEVEL_DEBUG] = LOG_DEBUG,
        };

        return priorities[level];
}

typedef struct Entry {
        char *lines[JOURNAL_FIELDS_MAX + 4];
        size_t n;
} Entry;

static void entry_done(Entry *e) {
        for (size_t i = 0; i < e->n; i++)
                free(e->lines[i]);
}

_printf_(2, 3) static int entry_add(Entry *e, const char *format, ...) {
        va_list ap;
        int n;

        assert(e->n < ELEMENTSOF(e->lines));
        va_start(ap, format);
        n = vasprintf(&e->lines[e->n], format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        e->n++;
        return 0;
}

static int send_entry(LogLevel level, const char *message_id, const JournalField *fields, const char *text) {
        _cleanup_(entry_done) Entry e = {};
        struct iovec iov[ELEMENTSOF(e.lines)];
        int r;

        r = entry_add(&e, "MESSAGE=%s", text);
        if (r >= 0)
                r = entry_add(&e, "MESSAGE_ID=%s", message_id);
        if (r >= 0)
                r = entry_add(&e, "PRIORITY=%d", priority_of(level));
        if (r >= 0)
                r = entry_add(&e, "SYSLOG_IDENTIFIER=%s", program_invocation_short_name);
        for (; r >= 0 && fields->name; fields++)
                if (fields->value)
                        r = entry_add(&e, "%s=%s", fields->name, fields->value);
        if (r < 0)
                return r;
        for (size_t i = 0; i < e.n; i++)
                iov[i] = (struct iovec) { e.lines[i], strlen(e.lines[i]) };
        return sd_journal_sendv(iov, (int) e.n);
}

void journal_message(LogLevel level, const char *message_id, const JournalField *fields, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0) {
                text = NULL;
                (void) log_oom();
                return;
        }
        if (!stderr_is_journal() || send_entry(level, message_id, fields, text) < 0)
                log_full(level, "%s", text);
}

void journal_start_failure(int r, const char *sentence) {
        if (r == -EPROTO)
                journal_message(LOG_LEVEL_ERROR, MESSAGE_SCHEMA_REFUSED, JOURNAL_FIELDS({}), "%s", sentence);
        else
                log_error("%s", sentence);
        /* While a unit waits for its next try, "systemctl status" shows no line of the journal. */
        (void) sd_notifyf(/* unset_environment= */ false, "STATUS=%s", sentence);
}
