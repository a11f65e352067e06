/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job is followed by its PropertiesChanged, which name no value: the job is read anew for each, and once a
 * second besides, since logs announce nothing. The match is made, and the server told that we listen (which
 * keeps it, and is what live numbers are told for), before the job is looked at first; whatever changes
 * after that look wakes us. Another server knows nothing of us and is told again.
 *
 * Order within a step: the job, then its logs. Logs that are read after the job was seen to have ended
 * are all that there will be. An attempt that has others behind it is read to its end before the next is
 * begun.
 *
 * Reads go on from a cursor of gantry-workload's, so that a line is printed once, however often is asked.
 * Only with --lines the beginning is read and thrown away, as cursors count from the front.
 *
 * Progress goes to standard error and is taken away before a line of the log is printed; what is piped on is
 * never mixed with it. */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "basic/json-scan.h"
#include "basic/time-util.h"
#include "basic/utf8.h"
#include "ctl/ctl-job.h"
#include "ctl/ctl-output.h"
#include "shared/memfd.h"

/* Logs don't announce themselves: they are asked for this often. */
#define LOG_INTERVAL_USEC (1 * USEC_PER_SEC)
#define LOGS_MAX (8U * 1024U * 1024U)

typedef struct Follower {
        Ctl *c;
        char id[24];
        int64_t job_id;
        JsonObject *job;
        int attempt;      /* whose logs are read */
        bool all;         /* go on with the attempts behind it */
        bool changed;     /* since the job was looked at */
        uint64_t cursor;
        CtlFollow follow;
        Progress *progress;
} Follower;

static void follower_done(Follower *f) {
        json_putp(&f->job);
        progress_free(f->progress);
}

bool ctl_job_has_ended(JsonObject *job) {
        const char *status = ctl_text(job, "status");

        return streq(status, "succeeded") || streq(status, "failed") || streq(status, "cancelled");
}

static int64_t number_of(JsonObject *o, const char *key) {
        JsonObject *value = json_member(o, key);

        return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
}

int ctl_job_exit_code(JsonObject *job) {
        const char *status = ctl_text(job, "status");

        if (streq(status, "cancelled"))
                return EXIT_CANCELLED;
        if (!streq(status, "failed"))
                return EXIT_OK;
        return number_of(job, "rowsSynced") > 0 ? EXIT_PARTIAL : EXIT_FAILED;
}

static int last_attempt(JsonObject *job) {
        JsonObject *attempts = json_member(job, "attempts");
        size_t n = json_object_is_type(attempts, json_type_array) ? json_object_array_length(attempts) : 0;

        return n > 0 ? (int) n - 1 : 0;
}

/* -- Log lines -- */

static void append_time_of_day(Buffer *b, int64_t t) {
        time_t seconds = (time_t) (t / (int64_t) USEC_PER_SEC);
        struct tm tm;

        if (t > 0 && localtime_r(&seconds, &tm))
                (void) buffer_appendf(b, "%02d:%02d:%02d.%03d ", tm.tm_hour, tm.tm_min, tm.tm_sec,
                                      (int) (t / (int64_t) USEC_PER_MSEC % 1000));
}

/* "12:34:56.789 INFO source: message", made safe. */
static void print_log_line(const Ctl *c, const char *p, size_t n) {
        _cleanup_json_ JsonObject *line = NULL;
        _cleanup_buffer_ Buffer b = {};
        const char *message;

        if (json_parse(p, n, &line, NULL) < 0)
                return;
        if (c->json) {
                (void) ctl_print_json_text(json_object_to_json_string_ext(line, JSON_C_TO_STRING_NOSLASHESCAPE));
                return;
        }
        append_time_of_day(&b, number_of(line, "t"));
        (void) ctl_append_safe(&b, ctl_text(line, "level"));
        if (*ctl_text(line, "origin")) {
                (void) buffer_append_char(&b, ' ');
                (void) ctl_append_safe(&b, ctl_text(line, "origin"));
        }
        (void) buffer_append_string(&b, ": ");
        message = ctl_text(line, "message");
        (void) utf8_append_printable(&b, message, strlen(message), /* keep_newlines= */ true);
        if (buffer_string(&b))
                puts(buffer_string(&b));
}

/* Behind which byte the last `n_lines` lines begin. */
static size_t find_tail(const char *text, size_t n, unsigned n_lines) {
        while (n > 0 && n_lines > 0) {
                const char *newline = n > 1 ? memrchr(text, '\n', n - 1) : NULL;

                n = newline ? (size_t) (newline - text) + 1 : 0;
                n_lines--;
        }
        return n;
}

static void print_lines(Follower *f, const char *p, size_t n) {
        progress_clear(f->progress);
        for (const char *end = p + n; p < end;) {
                const char *newline = memchr(p, '\n', (size_t) (end - p)) ?: end;

                print_log_line(f->c, p, (size_t) (newline - p));
                p = newline + 1;
        }
        (void) fflush(stdout);
}

/* One answer's worth of lines, appended. 1: there are more. */
static int read_page(Follower *f, Buffer *b, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_free_ char *text = NULL;
        int fd, more = 0, r;
        uint64_t cursor;
        size_t n;

        r = ctl_new_object_call(f->c, &ctl_kind_job, f->id, "ReadLogs", &m, reterr_error);
        if (r >= 0)
                r = sd_bus_message_append(m, "utu", (uint32_t) f->attempt, f->cursor, UINT32_MAX);
        if (r >= 0)
                r = ctl_send(f->c, m, &reply, reterr_error);
        if (r >= 0)
                r = sd_bus_message_read(reply, "htb", &fd, &cursor, &more);
        if (r >= 0)
                r = memfd_read(fd, LOGS_MAX, &text, &n, reterr_error);
        if (r >= 0)
                r = buffer_append(b, text, n);
        if (r < 0)
                return r;
        f->cursor = cursor;
        return more;
}

/* Prints what has come since; of the first time only the last `n_lines`, where that isn't 0. */
static int show_logs(Follower *f, unsigned n_lines, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        do {
                size_t skip;

                r = read_page(f, &b, reterr_error);
                if (r < 0)
                        return r;
                skip = n_lines > 0 ? find_tail(buffer_bytes(&b), b.len, n_lines) : 0;
                buffer_consume(&b, skip);
                if (n_lines > 0 && r > 0)
                        continue;
                print_lines(f, buffer_bytes(&b), b.len);
                buffer_reset(&b);
        } while (r > 0);
        return 0;
}

/* -- The job itself -- */

static int refresh(Follower *f, Error **reterr_error) {
        JsonObject *job = NULL;
        int r;

        r = ctl_object_call(f->c, &ctl_kind_job, f->id, "Get", &job, reterr_error);
        if (r < 0)
                return r;
        json_putp(&f->job);
        f->job = job;
        return 0;
}

static usec_t now_steady(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_BOOTTIME, &t);
        return (usec_t) t.tv_sec * USEC_PER_SEC + (usec_t) t.tv_nsec / 1000;
}

static uint64_t count_of(JsonObject *o, const char *key) {
        return (uint64_t) MAX(number_of(o, key), 0);
}

/* Of an attempt whose streams have estimates. */
static double share_done(JsonObject *attempt) {
        JsonObject *streams = json_member(attempt, "streams");
        ProgressEstimate e = {};

        if (!json_object_is_type(streams, json_type_array))
                return -1;
        for (size_t i = 0; i < json_object_array_length(streams); i++) {
                JsonObject *s = json_object_array_get_idx(streams, i);

                progress_estimate_add(&e, count_of(s, "recordsEmitted"), number_of(s, "estimatedRecords") ?: -1);
        }
        return progress_estimate_share(&e, count_of(attempt, "recordsEmitted"));
}

/* Only of an attempt that runs: between two of them nothing moves, and the last bar would say that it
 * does. */
static void show_progress(Follower *f) {
        int last = last_attempt(f->job);
        JsonObject *attempt = json_object_array_get_idx(json_member(f->job, "attempts"), (size_t) last);

        if (!attempt || !streq(ctl_text(attempt, "status"), "running"))
                return;
        progress_update(f->progress, &(ProgressNumbers) {
                .job = f->job_id,
                .attempt = last,
                .records_emitted = count_of(attempt, "recordsEmitted"),
                .bytes_emitted = count_of(attempt, "bytesEmitted"),
                .records_committed = count_of(attempt, "recordsCommitted"),
                .bytes_committed = count_of(attempt, "bytesCommitted"),
                .share = share_done(attempt),
        }, now_steady());
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        Follower *f = userdata;

        f->changed = true;
        return 0;
}

/* Without an answer: where it is refused, what is read once a second has to do. */
static int subscribe(Follower *f) {
        return sd_bus_call_method_async(f->c->bus, NULL, CTL_SERVICE, CTL_MANAGER_PATH, CTL_MANAGER,
                                        "Subscribe", NULL, NULL, "");
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        const char *name, *old, *new;
        Follower *f = userdata;

        if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0)
                return 0;
        f->changed = true;
        return *new ? subscribe(f) : 0;
}

static int listen_to(Follower *f, sd_bus_slot **ret_job, sd_bus_slot **ret_owner) {
        static const char owner[] = "type='signal',sender='org.freedesktop.DBus',"
                                    "path='/org/freedesktop/DBus',"
                                    "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                    "arg0='" CTL_SERVICE "'";
        _cleanup_free_ char *path = NULL;
        int r = sd_bus_path_encode(CTL_MANAGER_PATH "/job", f->id, &path);

        if (r >= 0)
                r = sd_bus_match_signal(f->c->bus, ret_job, CTL_SERVICE, path,
                                        "org.freedesktop.DBus.Properties", "PropertiesChanged", on_changed,
                                        f);
        if (r >= 0)
                r = sd_bus_add_match(f->c->bus, ret_owner, owner, on_owner, f);
        return r < 0 ? r : subscribe(f);
}

/* Until something has changed, or logs may be there. sd_bus_wait() returns for any message; only ours
 * count, all others are processed and waited on. */
static int wait_for_change(Follower *f) {
        sd_bus *bus = f->c->bus;
        int r;

        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                /* All that came is read before the job is: many signals are one look. */
                if (f->changed)
                        return 0;
                r = sd_bus_wait(bus, LOG_INTERVAL_USEC);
                if (r <= 0)
                        return r == -EINTR ? 0 : r;
        }
}

/* The job and what it has logged, once. */
static int step(Follower *f, unsigned n_lines, Error **reterr_error) {
        int r;

        /* The job first: the logs of one that has ended are complete. */
        r = refresh(f, reterr_error);
        while (r >= 0 && (f->follow & CTL_FOLLOW_LOGS)) {
                r = show_logs(f, n_lines, reterr_error);
                if (r < 0 || !f->all || f->attempt >= last_attempt(f->job))
                        break;
                f->attempt++;
                f->cursor = 0;
        }
        return r;
}

/* Ctrl-C ends the watching and not the job, which whoever pressed it may not know. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
        interrupted = signal_number;
}

static void watch_interrupts(void) {
        /* No SA_RESTART: calls that wait shall return. A second one ends us at once. */
        struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

        (void) sigaction(SIGINT, &action, NULL);
}

/* Ends as the signal would have ended us, so that a loop around us ends, too. */
static void end_interrupted(Follower *f) {
        progress_clear(f->progress);
        (void) fflush(stdout);
        if (!f->c->quiet)
                (void) fprintf(stderr,
                               "\nJob %s goes on. 'gantryctl job cancel %s' ends it, 'gantryctl job logs -f %s' "
                               "shows it again.\n", f->id, f->id, f->id);
        (void) signal(SIGINT, SIG_DFL);
        (void) raise(SIGINT);
}

static int follow_to_end(Follower *f, unsigned n_lines, Error **reterr_error) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *job = NULL, *owner = NULL;
        int r;

        watch_interrupts();
        r = listen_to(f, &job, &owner);
        while (r >= 0) {
                f->changed = false;
                r = step(f, n_lines, reterr_error);
                if (interrupted)
                        end_interrupted(f);
                if (r < 0 || ctl_job_has_ended(f->job))
                        break;
                n_lines = 0;
                show_progress(f);
                r = wait_for_change(f);
                if (interrupted)
                        end_interrupted(f);
        }
        progress_clear(f->progress);
        return r;
}

void ctl_job_say_end(const Ctl *c, JsonObject *job) {
        static const CtlColumn failure = { "Failure", "failure", CTL_FAILURE };
        _cleanup_buffer_ Buffer why = {};

        ctl_say(c, "Job %" PRIi64 " %s: %" PRIi64 " records.", number_of(job, "jobId"), ctl_text(job, "status"),
                number_of(job, "rowsSynced"));
        if (json_member(job, "failure") && ctl_format_cell(&why, job, &failure) >= 0)
                ctl_say(c, "%s", strempty(buffer_string(&why)));
}

int ctl_job_progress_mode(const Ctl *c, ProgressMode *ret) {
        const char *s = c->values[CTL_OPTION_PROGRESS];

        *ret = c->given[CTL_OPTION_PROGRESS] ? progress_mode_from_string(s) : PROGRESS_AUTO;
        return *ret >= 0 ? EXIT_OK :
               ctl_usage_error(c->verb, "--progress is auto, bar, plain, json or none, not '%s'", s);
}

static int make_progress(const Ctl *c, CtlFollow follow, Progress **ret) {
        ProgressMode mode, otherwise = follow & CTL_FOLLOW_LOGS ? PROGRESS_PLAIN : PROGRESS_NONE;

        if (ctl_job_progress_mode(c, &mode) != EXIT_OK)
                return -EINVAL;
        if (!(follow & CTL_FOLLOW_PROGRESS) || (mode == PROGRESS_AUTO && (c->quiet || c->json)))
                mode = PROGRESS_NONE;
        return progress_new(mode, otherwise, now_steady(), ret);
}

int ctl_job_follow(Ctl *c, int64_t job_id, int attempt, unsigned n_lines, CtlFollow follow) {
        _cleanup_(follower_done) Follower f = { .c = c, .job_id = job_id, .follow = follow };
        _cleanup_error_ Error *error = NULL;
        int r;

        (void) snprintf(f.id, sizeof(f.id), "%" PRIi64, job_id);
        r = make_progress(c, follow, &f.progress);
        if (r >= 0)
                r = refresh(&f, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        if (attempt > last_attempt(f.job)) {
                r = error_set(&error, -ENOENT, "Job %s has no attempt %d, its last one is %d", f.id, attempt,
                              last_attempt(f.job));
                return ctl_fail(c, error, r);
        }
        f.all = attempt < 0 && (follow & CTL_FOLLOW_WAIT);
        f.attempt = attempt >= 0 ? attempt : last_attempt(f.job);
        r = follow & CTL_FOLLOW_WAIT ? follow_to_end(&f, n_lines, &error) : step(&f, n_lines, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        if (!(follow & CTL_FOLLOW_WAIT))
                return EXIT_OK;
        if (c->json && !(follow & CTL_FOLLOW_LOGS))
                (void) ctl_print_json(c, f.job);
        else
                ctl_job_say_end(c, f.job);
        return ctl_job_exit_code(f.job);
}
