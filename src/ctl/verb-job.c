/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl job and logs, and sync: starting and following runs.
 *
 * Starting returns with the job's number as soon as it is stored; --wait and --follow stay until its end
 * and exit with what it means (0, 1, 3 for a part, 6 cancelled). The job does not depend on who waits:
 * Ctrl-C leaves it running. */

#include <inttypes.h>

#include "basic/parse-util.h"
#include "ctl/ctl-job.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-job.h"

static const CtlColumn job_columns[] = {
        { "JOB", "jobId", CTL_NUMBER },          { "TYPE", "jobType", CTL_TEXT },
        { "STATUS", "status", CTL_TEXT },        { "STARTED", "startTime", CTL_TIME },
        { "DURATION", "duration", CTL_DURATION },    { "RECORDS", "rowsSynced", CTL_NUMBER },
        { "BYTES", "bytesSynced", CTL_BYTES },   { "CONNECTION", "connectionName", CTL_TEXT },
};

static int parse_job(const Ctl *c, const char *s, int64_t *ret) {
        if (parse_i64(s, ret) >= 0 && *ret > 0)
                return EXIT_OK;
        return ctl_usage_error(c->verb, "'%s' is not the number of a job", s);
}

/* An option that is a number from 0 up. */
static int parse_number(const Ctl *c, CtlOption option, unsigned max, unsigned *ret) {
        uint64_t n;

        if (!c->given[option])
                return EXIT_OK;
        if (parse_u64(c->values[option], &n) < 0 || n > max)
                return ctl_usage_error(c->verb, "'%s' is not a number up to %u", c->values[option], max);
        *ret = (unsigned) n;
        return EXIT_OK;
}

/* -- job -- */

static int new_jobs_call(Ctl *c, void *userdata, sd_bus_message **ret, Error **reterr_error) {
        int r;

        r = ctl_new_call(c, "ListJobs", ret, reterr_error);
        return r < 0 ? r : sd_bus_message_append(*ret, "s", (const char *) userdata);
}

static int add_found(Ctl *c, JsonObject *filter, const char *key, const CtlKind *kind, const char *name,
                     Error **reterr_error) {
        _cleanup_free_ char *id = NULL;
        int r;

        if (!name)
                return 0;
        r = ctl_find(c, kind, name, &id, NULL, reterr_error);
        return r < 0 ? r : json_add_string(filter, key, id);
}

static int make_filter(Ctl *c, const char *connection, char **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *filter = json_object_new_object();
        int r;

        if (!filter)
                return -ENOMEM;
        r = add_found(c, filter, "connectionId", &ctl_kind_connection, connection, reterr_error);
        if (r >= 0)
                r = add_found(c, filter, "workspaceId", &ctl_kind_workspace, c->values[CTL_OPTION_WORKSPACE],
                              reterr_error);
        if (r >= 0 && c->given[CTL_OPTION_STATUS])
                r = json_add_string(filter, "status", c->values[CTL_OPTION_STATUS]);
        if (r >= 0 && c->given[CTL_OPTION_TYPE])
                r = json_add_string(filter, "jobType", c->values[CTL_OPTION_TYPE]);
        if (r < 0)
                return r;
        *ret = json_to_string(filter);
        return *ret ? 0 : -ENOMEM;
}

static int job_list(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *rows = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *filter = NULL;
        unsigned limit = 100;
        int r;

        r = parse_number(c, CTL_OPTION_LIMIT, 1000000, &limit);
        if (r != EXIT_OK)
                return r;
        r = make_filter(c, argc > 0 ? argv[0] : NULL, &filter, &error);
        if (r >= 0)
                r = ctl_list_pages(c, new_jobs_call, filter, limit, &rows, &error);
        if (r >= 0)
                r = ctl_add_names(c, rows, &ctl_kind_connection, "connectionName");
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_rows(c, rows, job_columns, ELEMENTSOF(job_columns));
}

static int print_attempts(const Ctl *c, JsonObject *job) {
        static const CtlColumn columns[] = {
                { "ATTEMPT", "attemptNumber", CTL_NUMBER },   { "STATUS", "status", CTL_TEXT },
                { "READ", "recordsEmitted", CTL_NUMBER },      { "RECORDS", "recordsCommitted", CTL_NUMBER },
                { "BYTES", "bytesCommitted", CTL_BYTES },      { "STARTED", "createdAt", CTL_TIME },
                { "ENDED", "endedAt", CTL_TIME },
                { "FAILURE", "failure", CTL_FAILURE },
        };

        return ctl_print_part(c, json_member(job, "attempts"), columns, ELEMENTSOF(columns));
}

/* Of the last attempt: in a running job that is the one that moves, in one that failed the one that its
 * failure tells of. */
static int print_streams(const Ctl *c, JsonObject *job) {
        static const CtlColumn columns[] = {
                { "STREAM", "streamName", CTL_TEXT },          { "STATUS", "status", CTL_TEXT },
                { "READ", "recordsEmitted", CTL_NUMBER },      { "OF ABOUT", "estimatedRecords", CTL_NUMBER },
                { "RECORDS", "recordsCommitted", CTL_NUMBER }, { "BYTES", "bytesCommitted", CTL_BYTES },
        };
        JsonObject *attempts = json_member(job, "attempts"), *streams;
        size_t n = json_object_is_type(attempts, json_type_array) ? json_object_array_length(attempts) : 0;

        streams = n > 0 ? json_member(json_object_array_get_idx(attempts, n - 1), "streams") : NULL;
        return ctl_print_part(c, streams, columns, ELEMENTSOF(columns));
}

static int print_job(Ctl *c, JsonObject *job) {
        static const CtlColumn fields[] = {
                { "Job", "jobId", CTL_NUMBER },          { "Type", "jobType", CTL_TEXT },
                { "Status", "status", CTL_TEXT },        { "Connection", "connectionName", CTL_TEXT },
                { "Started", "startTime", CTL_TIME },    { "Duration", "duration", CTL_DURATION },
                { "Records", "rowsSynced", CTL_NUMBER }, { "Bytes", "bytesSynced", CTL_BYTES },
                { "Failure", "failure", CTL_FAILURE },
        };
        int r = ctl_print_object(c, job, fields, ELEMENTSOF(fields));

        if (r == EXIT_OK)
                r = print_attempts(c, job);
        return r == EXIT_OK ? print_streams(c, job) : r;
}

/* With --follow what there is, and then how it goes on; as JSON only what it has come to. */
static int job_show(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *job = NULL;
        _cleanup_error_ Error *error = NULL;
        bool follow = c->given[CTL_OPTION_FOLLOW];
        ProgressMode mode;
        int64_t id;
        int r;

        r = parse_job(c, argv[0], &id);
        if (r == EXIT_OK)
                r = ctl_job_progress_mode(c, &mode);
        if (r != EXIT_OK)
                return r;
        r = ctl_object_call(c, &ctl_kind_job, argv[0], "Get", &job, &error);
        if (r == -ENOENT)
                r = error_set(&error, r, "There is no job %" PRIi64, id);
        if (r >= 0)
                r = ctl_add_names(c, job, &ctl_kind_connection, "connectionName");
        if (r < 0)
                return ctl_fail(c, error, r);
        r = follow && c->json ? EXIT_OK : print_job(c, job);
        return r == EXIT_OK && follow ? ctl_job_follow(c, id, -1, 0, CTL_FOLLOW_WAIT | CTL_FOLLOW_PROGRESS) : r;
}

/* The answer comes at the job's end, or when the daemon waits no longer. */
static int job_cancel(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *job = NULL;
        _cleanup_error_ Error *error = NULL;
        int64_t id;
        int r;

        r = parse_job(c, argv[0], &id);
        if (r != EXIT_OK)
                return r;
        r = ctl_object_call(c, &ctl_kind_job, argv[0], "Cancel", NULL, &error);
        if (r >= 0)
                r = ctl_object_call(c, &ctl_kind_job, argv[0], "Get", &job, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        if (c->json)
                return ctl_print_json(c, job);
        if (ctl_job_has_ended(job))
                ctl_job_say_end(c, job);
        else
                ctl_say(c, "Job %" PRIi64 " is being cancelled: what it has moved is made durable first. "
                        "'gantryctl job wait %" PRIi64 "' waits for its end.", id, id);
        return EXIT_OK;
}

static int job_wait(Ctl *c, int argc, char **argv) {
        ProgressMode mode;
        int64_t id;
        int r;

        r = parse_job(c, argv[0], &id);
        if (r == EXIT_OK)
                r = ctl_job_progress_mode(c, &mode);
        return r != EXIT_OK ? r : ctl_job_follow(c, id, /* attempt= */ -1, 0, CTL_FOLLOW_WAIT | CTL_FOLLOW_PROGRESS);
}

static int job_logs(Ctl *c, int argc, char **argv) {
        unsigned attempt = 0, n_lines = 0;
        bool follow = c->given[CTL_OPTION_FOLLOW];
        int64_t id;
        int r;

        r = parse_job(c, argv[0], &id);
        if (r == EXIT_OK)
                r = parse_number(c, CTL_OPTION_ATTEMPT, 1000, &attempt);
        if (r == EXIT_OK)
                r = parse_number(c, CTL_OPTION_LINES, 1000000, &n_lines);
        if (r != EXIT_OK)
                return r;
        if (!follow)
                ctl_pager_open(c);
        r = ctl_job_follow(c, id, c->given[CTL_OPTION_ATTEMPT] ? (int) attempt : -1, n_lines,
                           CTL_FOLLOW_LOGS | (follow ? CTL_FOLLOW_WAIT : 0));
        ctl_pager_close();
        return r;
}

/* The number of a job, or that of a connection's newest one. */
static int find_job(Ctl *c, const char *name, char **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *rows = NULL;
        _cleanup_free_ char *filter = NULL;
        int64_t id;
        int r;

        if (parse_i64(name, &id) >= 0 && id > 0) {
                *ret = strdup(name);
                return *ret ? 0 : -ENOMEM;
        }
        r = make_filter(c, name, &filter, reterr_error);
        if (r >= 0)
                r = ctl_list_pages(c, new_jobs_call, filter, /* limit= */ 1, &rows, reterr_error);
        if (r < 0)
                return r;
        if (json_object_array_length(rows) == 0)
                return error_set(reterr_error, -ENOENT, "The connection '%s' has not run yet", name);
        *ret = json_to_string(json_member(json_object_array_get_idx(rows, 0), "jobId"));
        return *ret ? 0 : -ENOMEM;
}

static int logs(Ctl *c, int argc, char **argv) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *job = NULL;
        int r;

        r = find_job(c, argv[0], &job, &error);
        return r < 0 ? ctl_fail(c, error, r) : job_logs(c, 1, &job);
}

static const CtlVerb logs_verbs[] = {
        { NULL, "JOB|CONNECTION [-f]", "show what a job, or the newest one of a connection, has logged", 1, 1,
          CTL_BIT(FOLLOW) | CTL_BIT(LINES) | CTL_BIT(ATTEMPT) | CTL_BIT(WORKSPACE), logs },
};
const CtlNoun ctl_noun_logs = { "logs", "what jobs have logged", logs_verbs, ELEMENTSOF(logs_verbs) };

static const CtlVerb job_verbs[] = {
        { "list", "[CONNECTION]", "list jobs, the newest first", 0, 1,
          CTL_BIT(LIMIT) | CTL_BIT(STATUS) | CTL_BIT(TYPE) | CTL_BIT(WORKSPACE), job_list },
        { "show", "JOB [-f]", "show a job, its attempts and streams", 1, 1, CTL_BIT(FOLLOW) | CTL_BIT(PROGRESS),
          job_show },
        { "logs", "JOB [-f]", "show what it has logged", 1, 1,
          CTL_BIT(FOLLOW) | CTL_BIT(LINES) | CTL_BIT(ATTEMPT), job_logs },
        { "wait", "JOB", "wait for its end", 1, 1, CTL_BIT(PROGRESS), job_wait },
        { "cancel", "JOB", "cancel it", 1, 1, 0, job_cancel },
};
const CtlNoun ctl_noun_job = { "job", "runs: what they did, and their logs", job_verbs, ELEMENTSOF(job_verbs) };

/* -- sync -- */

/* "NAMESPACE.NAME" or "NAME" as a stream's descriptor. */
static int add_stream(JsonObject *streams, const char *s) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        const char *dot = strchr(s, '.');
        _cleanup_free_ char *namespace = dot ? strndup(s, (size_t) (dot - s)) : NULL;

        if (!o || (dot && !namespace) || json_add_string(o, "name", dot ? dot + 1 : s) < 0 ||
            (dot && json_add_string(o, "namespace", namespace) < 0))
                return -ENOMEM;
        return json_object_array_add(streams, TAKE_PTR(o)) < 0 ? -ENOMEM : 0;
}

static int make_options(const Ctl *c, char **ret) {
        _cleanup_json_ JsonObject *options = json_object_new_object(), *streams = json_object_new_array();
        int r = 0;

        if (!options || !streams)
                return -ENOMEM;
        STRV_FOREACH(s, c->streams)
                if ((r = add_stream(streams, *s)) < 0)
                        return r;
        if (c->streams)
                r = json_add(options, "streams", TAKE_PTR(streams));
        if (r < 0)
                return r;
        *ret = json_to_string(options);
        return *ret ? 0 : -ENOMEM;
}

static int start_job(Ctl *c, const char *name, const char *member, int64_t *ret, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_free_ char *id = NULL, *options = NULL;
        int r;

        r = ctl_find(c, &ctl_kind_connection, name, &id, NULL, reterr_error);
        if (r >= 0)
                r = make_options(c, &options);
        if (r >= 0)
                r = ctl_new_call(c, member, &m, reterr_error);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", id, options);
        if (r >= 0)
                r = ctl_send(c, m, &reply, reterr_error);
        return r < 0 ? r : sd_bus_message_read(reply, "x", ret);
}

static int print_started(Ctl *c, int64_t job_id) {
        _cleanup_json_ JsonObject *o = json_object_new_object();

        if (!c->json) {
                ctl_say(c, "Started job %" PRIi64 ".", job_id);
                return EXIT_OK;
        }
        if (!o || json_add(o, "jobId", json_object_new_int64(job_id)) < 0)
                return ctl_fail(c, NULL, -ENOMEM);
        return ctl_print_json(c, o);
}

static int start(Ctl *c, const char *name, const char *member) {
        _cleanup_error_ Error *error = NULL;
        int64_t job_id = 0;
        ProgressMode mode;
        int r;

        /* A wrong word is told before anything is started. */
        r = ctl_job_progress_mode(c, &mode);
        if (r != EXIT_OK)
                return r;
        r = start_job(c, name, member, &job_id, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        if (c->given[CTL_OPTION_FOLLOW])
                return ctl_job_follow(c, job_id, -1, 0, CTL_FOLLOW_WAIT | CTL_FOLLOW_LOGS | CTL_FOLLOW_PROGRESS);
        if (c->given[CTL_OPTION_WAIT])
                return ctl_job_follow(c, job_id, -1, 0, CTL_FOLLOW_WAIT | CTL_FOLLOW_PROGRESS);
        return print_started(c, job_id);
}

static int sync_start(Ctl *c, int argc, char **argv) {
        return start(c, argv[0], "Sync");
}

static int sync_refresh(Ctl *c, int argc, char **argv) {
        return start(c, argv[0], "Refresh");
}

static int sync_clear(Ctl *c, int argc, char **argv) {
        return start(c, argv[0], "Clear");
}

#define START_OPTIONS \
        (CTL_BIT(FOLLOW) | CTL_BIT(PROGRESS) | CTL_BIT(STREAM) | CTL_BIT(WAIT) | CTL_BIT(WORKSPACE))
static const CtlVerb sync_verbs[] = {
        { "start", "CONNECTION", "run it now", 1, 1, START_OPTIONS, sync_start },
        { "refresh", "CONNECTION", "read its streams anew from the start", 1, 1, START_OPTIONS, sync_refresh },
        { "clear", "CONNECTION", "delete what it has written, and its state", 1, 1, START_OPTIONS, sync_clear },
};
const CtlNoun ctl_noun_sync = { "sync", "start runs of connections", sync_verbs, ELEMENTSOF(sync_verbs) };
