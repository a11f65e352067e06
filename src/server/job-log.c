/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Log files are gantry-workload's, so lines are asked of it over the bus, as bytes in a memfd, and taken
 * apart here for the API. Whoever may read the job may read its logs: the worker has masked secrets
 * before it sent them. A cursor is gantry-workload's, too, and only passed through. */

#include "basic/fd-util.h"
#include "db/attempt-store.h"
#include "server/job-log.h"
#include "server/job-progress.h"
#include "server/out.h"
#include "server/workflow-client.h"
#include "shared/memfd.h"

/* One JSON text a line. A line that isn't one is left out. */
static int add_lines(JsonObject *list, char *text) {
        int r = 0;

        for (char *line = text, *next; r >= 0 && line && *line; line = next) {
                JsonObject *o = NULL;

                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                if (json_parse(line, strlen(line), &o, NULL) >= 0)
                        r = out_append(list, o);
        }
        return r;
}

static void on_logs(Call *c, int r, sd_bus_message *reply) {
        _cleanup_json_ JsonObject *answer = NULL;
        _cleanup_free_ char *text = NULL;
        JsonObject *list = json_object_new_array();
        _cleanup_out_ Out out = out_object();
        uint64_t cursor = 0;
        int more = 0;
        size_t n;

        if (r >= 0)
                r = workflow_read_memfd(reply, &text, &n);
        if (r >= 0)
                r = sd_bus_message_read(reply, "tb", &cursor, &more);
        if (r >= 0)
                r = add_lines(list, text);
        out_value(&out, "lines", list);
        out_i64(&out, "cursor", (int64_t) cursor);
        out_bool(&out, "more", more);
        if (r >= 0)
                r = out_take(&out, &answer);
        call_complete(c, r, answer);
}

int job_log_read(Call *c, int64_t job_id, uint32_t attempt, uint64_t cursor, uint32_t max) {
        _cleanup_(job_freep) Job *j = NULL;
        int r = job_service_get(c, job_id, ROLE_READER, &j);

        return r < 0 ? r : workload_read_logs(c, job_id, attempt, cursor, max, on_logs);
}

int job_log_write(Call *c, JsonObject *result, sd_bus_message *reply) {
        JsonObject *lines = json_member(result, "lines");
        _cleanup_close_ int fd = -EBADF;
        _cleanup_buffer_ Buffer b = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(lines); i++) {
                r = json_append(&b, json_object_array_get_idx(lines, i));
                if (r >= 0)
                        r = buffer_append_char(&b, '\n');
        }
        if (r < 0)
                return r;
        fd = memfd_new("gantry-log", buffer_string(&b), b.len);
        if (fd < 0)
                return fd;
        return sd_bus_message_append(reply, "htb", fd,
                                     (uint64_t) json_object_get_int64(json_member(result, "cursor")),
                                     json_object_get_boolean(json_member(result, "more")));
}

static int view_streams(Call *c, const Attempt *a, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        StreamStatsArray stats = {};
        int r = stream_stats_store_list(c->server->db, a->job_id, a->number, &stats, &c->error);

        for (size_t i = 0; r >= 0 && i < stats.n; i++) {
                const StreamStats *s = stats.items[i];
                Out out = out_object();
                JsonObject *o = NULL;

                out_string(&out, "streamName", s->stream_name);
                out_string(&out, "streamNamespace", s->stream_namespace);
                out_string(&out, "status", stream_run_status_to_string(s->status));
                out_i64(&out, "recordsEmitted", s->records_emitted);
                out_i64(&out, "bytesEmitted", s->bytes_emitted);
                out_i64(&out, "recordsCommitted", s->records_committed);
                out_i64(&out, "bytesCommitted", s->bytes_committed);
                out_i64(&out, "recordsFiltered", s->records_filtered);
                out_i64(&out, "recordsRejected", s->records_rejected);
                out_i64(&out, "estimatedRecords", s->estimated_records);
                out_i64(&out, "estimatedBytes", s->estimated_bytes);
                r = out_take(&out, &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        stream_stats_array_done(&stats);
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

static int view_attempt(Call *c, Attempt *a, JsonObject **ret) {
        _cleanup_json_ JsonObject *told = job_progress_add_attempt(c->server, a);
        _cleanup_out_ Out out = out_object();
        JsonObject *streams = NULL;
        int r = told ? job_progress_view(told, JOB_PROGRESS_FLAT, &streams) : view_streams(c, a, &streams);

        if (r < 0)
                return r;
        out_i64(&out, "attemptNumber", a->number);
        out_string(&out, "status", attempt_status_to_string(a->status));
        out_rfc3339(&out, "createdAt", a->created_at);
        out_rfc3339(&out, "endedAt", a->ended_at);
        out_i64(&out, "recordsEmitted", a->records_emitted);
        out_i64(&out, "bytesEmitted", a->bytes_emitted);
        out_i64(&out, "recordsCommitted", a->records_committed);
        out_i64(&out, "bytesCommitted", a->bytes_committed);
        out_json(&out, "failure", a->failure);
        out_value(&out, "streams", streams);
        return out_take(&out, ret);
}

int job_view_whole(Call *c, const Job *j, JsonObject **ret) {
        _cleanup_json_ JsonObject *job = NULL, *list = json_object_new_array();
        AttemptArray attempts = {};
        JsonObject *failure = NULL;
        int r = job_view(j, &job);

        if (r >= 0)
                r = attempt_store_list(c->server->db, j->id, &attempts, &c->error);
        for (size_t i = 0; r >= 0 && i < attempts.n; i++) {
                JsonObject *o = NULL;

                r = view_attempt(c, attempts.items[i], &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        attempt_array_done(&attempts);
        if (r >= 0 && j->failure)
                r = json_parse(j->failure, strlen(j->failure), &failure, NULL);
        if (r >= 0 && failure)
                r = json_add(job, "failure", failure);
        if (r >= 0)
                r = json_add(job, "attempts", TAKE_PTR(list));
        if (r >= 0)
                *ret = TAKE_PTR(job);
        return r;
}
