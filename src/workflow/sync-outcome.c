/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One step, one transaction, for everything that the end of an attempt changes: the attempt's row, its
 * statistics, the generations, the job with its retry counters, the timeline and the connection's next
 * run. A crash leaves the attempt running, and the replay comes here again with the same recorded result.
 *
 * Three may say why an attempt failed: the script, when it never came to the sync (`run->failure`), the
 * runner in its output, and the workload's own end (a lease that ran out, a launcher that refused). They
 * are put into one list, the first of which decides what becomes of the job: a cancel ends it as
 * cancelled, a configuration error ends it without retries, all else goes by retry-rules.h. For success
 * both runner and workload must say so, and a word that is missing is a failure.
 *
 * Statistics are the runner's last; where it could not send an output, those that it reported on the way,
 * at most some seconds old. */

#include <stdio.h>

#include "db/attempt-store.h"
#include "db/job-store.h"
#include "workflow/job-event.h"
#include "workflow/retry-rules.h"
#include "workflow/sync-outcome.h"
#include "workflow/sync-backfill.h"
#include "workflow/workload-request.h"

typedef struct Outcome {
        bool succeeded, cancelled, config_error;
        JsonObject *failures; /* array of FailureReason; NULL with success */
        JsonObject *streams;  /* array of STREAM_STATS, borrowed; may be NULL */
        Attempt attempt;
        int64_t records_rejected;
        char *failure_text;
} Outcome;

static void outcome_done(Outcome *o) {
        json_putp(&o->failures);
        free(o->failure_text);
}

static int64_t number(JsonObject *o, const char *key) {
        return json_object_get_int64(json_member(o, key));
}

static const char *string(JsonObject *o, const char *key) {
        return json_object_get_string(json_member(o, key));
}

static JsonObject *array_of(JsonObject *o) {
        return json_object_is_type(o, json_type_array) ? o : NULL;
}

static int add_reason(Outcome *o, JsonObject *reason) {
        if (!reason || json_object_array_add(o->failures, reason) < 0) {
                json_object_put(reason);
                return -ENOMEM;
        }
        return 0;
}

/* Cancelled beats whatever a runner that was stopped says; then what the runner says, in its order. */
static int collect_failures(const SyncRun *run, Outcome *o, usec_t now) {
        JsonObject *output = json_member(run->result, "output"), *told = array_of(json_member(output, "failures"));
        int r = 0;

        o->failures = json_object_new_array();
        if (!o->failures)
                return -ENOMEM;
        if (run->cancelled || streq_ptr(string(output, "status"), "cancelled"))
                r = add_reason(o, failure_make("airbyte_platform", "manual_cancellation", "Cancelled", now));
        if (r >= 0 && run->failure)
                r = add_reason(o, json_object_get(run->failure));
        for (size_t i = 0; r >= 0 && told && i < json_object_array_length(told); i++)
                r = add_reason(o, json_object_get(json_object_array_get_idx(told, i)));
        /* Where the runner has said nothing: what the workload's end was called. */
        if (r >= 0 && (!told || json_object_array_length(told) == 0) && json_member(run->result, "failure"))
                r = add_reason(o, json_object_get(json_member(run->result, "failure")));
        if (r >= 0 && json_object_array_length(o->failures) == 0)
                r = add_reason(o, failure_make("replication", "system_error", "The sync failed without a reason",
                                               now));
        return r;
}

static void sum(Outcome *o) {
        size_t n = o->streams ? json_object_array_length(o->streams) : 0;

        for (size_t i = 0; i < n; i++) {
                JsonObject *s = json_object_array_get_idx(o->streams, i);

                o->attempt.records_emitted += number(s, "recordsEmitted");
                o->attempt.bytes_emitted += number(s, "bytesEmitted");
                o->attempt.records_committed += number(s, "recordsCommitted");
                o->attempt.bytes_committed += number(s, "bytesCommitted");
                o->records_rejected += number(s, "recordsRejected");
        }
}

static int judge(const SyncRun *run, Outcome *o, usec_t now) {
        JsonObject *output = json_member(run->result, "output");
        const char *type;
        int r;

        o->streams = array_of(json_member(output, "streams")) ?: array_of(json_member(run->result, "stats"));
        sum(o);
        /* A success is one that both the runner and the workload call so; nothing that failed on the way is. */
        o->succeeded = !run->failure && streq_ptr(string(run->result, "status"), "success") &&
                streq_ptr(string(output, "status"), "completed");
        if (o->succeeded)
                return 0;
        r = collect_failures(run, o, now);
        if (r < 0)
                return r;
        type = string(json_object_array_get_idx(o->failures, 0), "failureType");
        o->cancelled = streq_ptr(type, "manual_cancellation");
        o->config_error = streq_ptr(type, "config_error");
        return 0;
}

static int failure_to_text(Outcome *o) {
        _cleanup_json_ JsonObject *summary = json_object_new_object();
        int r;

        if (o->succeeded)
                return 0;
        r = summary ? json_add(summary, "failures", json_object_get(o->failures)) : -ENOMEM;
        if (r >= 0)
                r = json_add(summary, "partialSuccess", json_object_new_boolean(o->attempt.records_committed > 0));
        if (r < 0)
                return r;
        o->failure_text = json_to_string(summary);
        return o->failure_text ? 0 : -ENOMEM;
}

/* --- the attempt's rows --- */

/* A stream that has completed is complete also in an attempt that failed in another one. */
static StreamRunStatus stream_status(JsonObject *s, const Outcome *o) {
        if (json_object_get_boolean(json_member(s, "complete")))
                return STREAM_COMPLETE;
        return o->succeeded ? STREAM_COMPLETE : STREAM_INCOMPLETE;
}

/* Replaces what the runner reported on the way; an attempt that never came to run leaves no rows. */
static int store_streams(Db *db, const SyncRun *run, const Outcome *o, usec_t now, Error **reterr_error) {
        size_t n = o->streams ? json_object_array_length(o->streams) : 0;
        _cleanup_free_ StreamStats *rows = calloc(n + 1, sizeof(*rows));

        if (!rows)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                JsonObject *s = json_object_array_get_idx(o->streams, i);

                rows[i] = (StreamStats) {
                        .job_id = run->job_id, .attempt = o->attempt.number,
                        .stream_name = (char *) string(s, "name"),
                        .stream_namespace = (char *) string(s, "namespace"),
                        .records_emitted = number(s, "recordsEmitted"), .bytes_emitted = number(s, "bytesEmitted"),
                        .records_committed = number(s, "recordsCommitted"),
                        .bytes_committed = number(s, "bytesCommitted"),
                        .records_filtered = number(s, "recordsFiltered"),
                        .records_rejected = number(s, "recordsRejected"),
                        .estimated_records = MAX(number(s, "estimatedRecords"), 0),
                        .estimated_bytes = MAX(number(s, "estimatedBytes"), 0),
                        .was_backfilled = sync_backfill_has(run->planned, string(s, "namespace"),
                                                            strempty(string(s, "name"))),
                        .status = stream_status(s, o),
                        .incomplete_cause = stream_status(s, o) == STREAM_COMPLETE ? NULL :
                                            (char *) (o->cancelled ? "CANCELED" : "FAILED"),
                };
                if (!rows[i].stream_name)
                        rows[i].stream_name = (char *) "";
        }
        return n > 0 ? stream_stats_store_set(db, rows, n, now, reterr_error) : 0;
}

static int store_attempt(Db *db, const SyncRun *run, Outcome *o, usec_t now, Error **reterr_error) {
        JsonObject *output = json_member(run->result, "output");
        _cleanup_free_ char *text = output ? json_to_string(output) : NULL;
        int r;

        if (output && !text)
                return -ENOMEM;
        r = failure_to_text(o);
        if (r < 0)
                return r;
        o->attempt.job_id = run->job_id;
        o->attempt.status = o->succeeded ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED;
        o->attempt.output = text;
        o->attempt.failure = o->failure_text;
        r = attempt_store_finish(db, &o->attempt, now, reterr_error);
        o->attempt.output = NULL;
        return r < 0 ? r : store_streams(db, run, o, now, reterr_error);
}

/* Only with the whole attempt's success is a refresh over; else the next attempt goes on in the same
 * generation. */
static int complete_generations(Db *db, const SyncRun *run, const Outcome *o, usec_t now,
                                Error **reterr_error) {
        _cleanup_json_ JsonObject *before = NULL, *after = NULL;
        int r;

        if (!o->succeeded || !o->streams)
                return 0;
        r = sync_generations_load(db, run->connection_id, &before, reterr_error);
        if (r >= 0)
                r = job_plan_complete(before, o->streams, &after);
        if (r < 0)
                return r;
        return sync_generations_store(db, run->connection_id, before, after, run->job_id, now, reterr_error);
}

/* --- the job --- */

static const char *event_type(const Job *job, JobStatus status, char buffer[static 32]) {
        const char *kind = job->type == JOB_REFRESH ? "REFRESH" : job->type == JOB_SYNC ? "SYNC" : "CLEAR";
        const char *end = status == JOB_SUCCEEDED ? "SUCCEEDED" :
                          status == JOB_CANCELLED ? "CANCELLED" :
                          job->records_committed > 0 ? "INCOMPLETE" : "FAILED";

        (void) snprintf(buffer, 32, "%s_%s", kind, end);
        return buffer;
}

static int summary_of(const Job *job, JobStatus status, const char *failure, usec_t now, char **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *why = NULL;
        int r;

        r = o ? json_add(o, "jobId", json_object_new_int64(job->id)) : -ENOMEM;
        if (r >= 0)
                r = json_add(o, "attemptsCount", json_object_new_int(job->attempts));
        if (r >= 0)
                r = json_add(o, "recordsLoaded", json_object_new_int64(job->records_committed));
        if (r >= 0)
                r = json_add(o, "bytesLoaded", json_object_new_int64(job->bytes_committed));
        if (r >= 0)
                r = json_add_string(o, "jobStatus", job_status_to_string(status));
        if (r >= 0)
                r = json_add(o, "startTimeEpochSeconds",
                             json_object_new_int64((int64_t) (job->created_at / USEC_PER_SEC)));
        if (r >= 0)
                r = json_add(o, "endTimeEpochSeconds", json_object_new_int64((int64_t) (now / USEC_PER_SEC)));
        if (r >= 0 && failure && json_parse(failure, strlen(failure), &why, NULL) >= 0)
                r = json_add(o, "failureReason",
                             json_object_get(json_object_array_get_idx(array_of(json_member(why, "failures")), 0)));
        if (r < 0)
                return r;
        *ret = json_to_string(o);
        return *ret ? 0 : -ENOMEM;
}

static int tell_timeline(Db *db, const Job *job, JobStatus status, const char *failure, usec_t now,
                         Error **reterr_error) {
        _cleanup_free_ char *summary = NULL;
        char type[32];
        TimelineEvent e = { .connection_id = job->connection_id, .job_id = job->id };
        int r;

        r = summary_of(job, status, failure, now, &summary);
        if (r < 0)
                return r;
        e.summary = summary;
        e.event_type = (char *) event_type(job, status, type);
        return job_event_tell(db, &e, JOB_EVENT_END, now, reterr_error);
}

static void note_end(WorkflowWorld *w, const Job *job, JobStatus status) {
        JobNoteOptions note = { LOG_LEVEL_INFO, MESSAGE_JOB_SUCCEEDED, job->id, /* attempt= */ -1,
                                job->connection_id, NULL, NULL };

        if (status == JOB_FAILED) {
                note.level = LOG_LEVEL_WARNING;
                note.message_id = MESSAGE_JOB_FAILED;
        } else if (status == JOB_CANCELLED)
                note.message_id = MESSAGE_JOB_CANCELLED;
        job_journal_note(&w->journal, &note, "Job %lld (%s) %s after %d attempt%s, %lld records committed",
                         (long long) job->id, job_type_to_string(job->type), job_status_to_string(status),
                         job->attempts, job->attempts == 1 ? "" : "s", (long long) job->records_committed);
}

static int end_job(WorkflowWorld *w, int64_t job_id, JobStatus status, const char *failure, usec_t now,
                   Error **reterr_error) {
        _cleanup_(job_freep) Job *job = NULL;
        int r;

        r = job_store_set_status(w->db, job_id, status, failure, now, reterr_error);
        if (r >= 0)
                r = job_store_get(w->db, job_id, &job, reterr_error);
        if (r >= 0)
                r = tell_timeline(w->db, job, status, failure, now, reterr_error);
        if (r < 0)
                return r;
        note_end(w, job, status);
        return connection_schedule(w->db, job->connection_id, now, reterr_error);
}

int job_end_as_failed(WorkflowWorld *w, int64_t job_id, const char *reason, usec_t now, Error **reterr_error) {
        _cleanup_(outcome_done) Outcome o = {};
        _cleanup_(job_freep) Job *job = NULL;
        int r;

        r = job_store_get(w->db, job_id, &job, reterr_error);
        if (r < 0 || job_status_is_terminal(job->status))
                return MIN(r, 0);
        o.failures = json_object_new_array();
        r = o.failures ? add_reason(&o, failure_make("airbyte_platform", "system_error", reason, now)) : -ENOMEM;
        if (r >= 0)
                r = failure_to_text(&o);
        if (r >= 0)
                r = attempt_store_fail_running(w->db, job_id, o.failure_text, now, reterr_error);
        return r < 0 ? r : end_job(w, job_id, JOB_FAILED, o.failure_text, now, reterr_error);
}

/* Counts the failure and stores the counts. Whether to try again. The counters are columns of the job, so
 * that they outlive workflows and are counted in the transaction that ends the attempt. A configuration
 * error is counted too, but not tried again. */
static int count_failure(Db *db, int64_t job_id, const Outcome *o, usec_t now, usec_t *ret_delay,
                         Error **reterr_error) {
        _cleanup_(job_freep) Job *job = NULL;
        RetryCounts counts;
        bool again;
        int r;

        r = job_store_get(db, job_id, &job, reterr_error);
        if (r < 0)
                return r;
        counts = (RetryCounts) { job->successive_complete_failures, job->total_complete_failures,
                                 job->successive_partial_failures, job->total_partial_failures };
        again = retry_rules_next(&retry_limits_default, &counts,
                                 o->attempt.records_committed + o->records_rejected > 0, ret_delay);
        job->successive_complete_failures = counts.successive_complete;
        job->total_complete_failures = counts.total_complete;
        job->successive_partial_failures = counts.successive_partial;
        job->total_partial_failures = counts.total_partial;
        r = job_store_update(db, job, now, reterr_error);
        return r < 0 ? r : again && !o->config_error;
}

static int answer(const char *next, const char *status, usec_t at, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "next", next) : -ENOMEM;

        if (r >= 0)
                r = json_add_string(o, "status", status);
        if (r >= 0 && at > 0)
                r = json_add(o, "at", json_object_new_int64((int64_t) at));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int finish_job(const SyncRun *run, const Outcome *o, usec_t now, JsonObject **ret,
                      Error **reterr_error) {
        Db *db = run->world->db;
        JobStatus status = o->succeeded ? JOB_SUCCEEDED : o->cancelled ? JOB_CANCELLED : JOB_FAILED;
        usec_t delay = 0;
        int r;

        if (status == JOB_FAILED) {
                r = count_failure(db, run->job_id, o, now, &delay, reterr_error);
                if (r < 0)
                        return r;
                if (r > 0) {
                        r = job_store_set_status(db, run->job_id, JOB_INCOMPLETE, o->failure_text, now,
                                                 reterr_error);
                        return r < 0 ? r : answer("retry", "incomplete", delay > 0 ? now + delay : 0, ret);
                }
        }
        r = end_job(run->world, run->job_id, status, o->failure_text, now, reterr_error);
        return r < 0 ? r : answer("end", job_status_to_string(status), 0, ret);
}

/* Whether the kernel ended a connector for want of memory is told by itself: it is mended by a limit, not by the
 * connector's maker. */
static void note_out_of_memory(const SyncRun *run, const Outcome *o) {
        static const char *const roles[] = { "source", "destination" };
        JsonObject *output = json_member(run->result, "output");

        for (size_t i = 0; i < ELEMENTSOF(roles); i++)
                if (json_object_get_boolean(json_member(json_member(output, roles[i]), "oom")))
                        job_journal_note(&run->world->journal,
                                         &(JobNoteOptions) { LOG_LEVEL_WARNING, MESSAGE_CONNECTOR_OUT_OF_MEMORY,
                                                             run->job_id, o->attempt.number, run->connection_id,
                                                             NULL, roles[i] },
                                         "Job %lld: the %s was ended by the kernel for want of memory",
                                         (long long) run->job_id, roles[i]);
}

static void note_attempt(const SyncRun *run, const Outcome *o) {
        JsonObject *first = o->failures ? json_object_array_get_idx(o->failures, 0) : NULL;

        note_out_of_memory(run, o);
        if (o->succeeded || o->cancelled)
                return;
        job_journal_note(&run->world->journal,
                         &(JobNoteOptions) { LOG_LEVEL_WARNING, MESSAGE_ATTEMPT_FAILED, run->job_id, o->attempt.number,
                                             run->connection_id, string(first, "failureType"), NULL },
                         "Job %lld: attempt %d failed: %s", (long long) run->job_id, o->attempt.number,
                         string(first, "externalMessage") ?: string(first, "internalMessage") ?: "without a reason");
}

int sync_step_finish(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        SyncRun *run = userdata;
        _cleanup_(outcome_done) Outcome o = {};
        usec_t now = workflow_run_time(c);
        Db *db = run->world->db;
        int r;

        o.attempt.number = json_object_get_int(json_member(run->start, "attempt"));
        r = judge(run, &o, now);
        if (r >= 0)
                r = store_attempt(db, run, &o, now, reterr_error);
        if (r >= 0)
                r = complete_generations(db, run, &o, now, reterr_error);
        if (r >= 0)
                r = sync_backfill_finish(db, run, o.streams, o.succeeded, reterr_error);
        if (r < 0)
                return r;
        note_attempt(run, &o);
        return finish_job(run, &o, now, ret, reterr_error);
}

/* Cancelled between two attempts. */
int sync_step_cancel_waiting(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        SyncRun *run = userdata;
        usec_t now = workflow_run_time(c);
        int r;

        r = end_job(run->world, run->job_id, JOB_CANCELLED, NULL, now, reterr_error);
        return r < 0 ? r : answer("end", job_status_to_string(JOB_CANCELLED), 0, ret);
}
