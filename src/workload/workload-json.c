/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What comes in is taken apart as far as somebody relies on it, and no further: `input` is checked for
 * the objects that the claim and the launcher will look into, and else kept as text. The rest of its form
 * is a contract between the workflow, which writes it, and the launcher and the worker, which read it;
 * checking it here as well would be a third place to change.
 *
 * The id needs care. It becomes a part of file names and unit names, thus neither '/' nor blanks, and
 * neither '.' nor '-' in front, where a path or an option would begin. */

#include "basic/uuid.h"
#include "workload/workload-json.h"

void workload_request_done(WorkloadRequest *q) {
        workload_free(q->workload);
        free(q->drop);
        json_putp(&q->json);
        *q = (WorkloadRequest) {};
}

bool workload_id_is_valid(const char *id) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-";
        size_t n = strlen(id);

        return n > 0 && n <= WORKLOAD_ID_MAX && strspn(id, allowed) == n && id[0] != '.' && id[0] != '-';
}

/* A member that is a string of at most WORKLOAD_ID_MAX bytes, copied. `required`: -EINVAL where it is absent. */
static int take_name(JsonObject *o, const char *key, bool required, char **ret, Error **reterr_error) {
        const char *s = NULL;
        int r;

        r = json_get_string(o, key, &s, "The workload", reterr_error);
        if (r < 0)
                return r;
        if (r == 0)
                return required ? error_set(reterr_error, -EINVAL, "The workload has no '%s'", key) : 0;
        if (!*s || strlen(s) > WORKLOAD_ID_MAX)
                return error_set(reterr_error, -EINVAL, "The workload's '%s' is empty or too long", key);
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

static int take_enum(JsonObject *o, const char *key, const EnumTable *names, int otherwise, int *ret,
                     Error **reterr_error) {
        const char *s = NULL;
        int r;

        r = json_get_string(o, key, &s, "The workload", reterr_error);
        if (r < 0)
                return r;
        *ret = s ? enum_from_string(names, s) : otherwise;
        if (*ret < 0)
                return error_set(reterr_error, -EINVAL, "'%s' is no %s", strempty(s), names->what);
        return 0;
}

static int take_number(JsonObject *o, const char *key, int64_t max, int64_t otherwise, int64_t *ret,
                       Error **reterr_error) {
        int r;

        *ret = otherwise;
        r = json_get_i64(o, key, ret, "The workload", reterr_error);
        if (r > 0 && (*ret < 0 || *ret > max))
                return error_set(reterr_error, -EINVAL, "The workload's '%s' is out of range", key);
        return r;
}

static int take_object(JsonObject *o, const char *key, char **ret, Error **reterr_error) {
        JsonObject *value = NULL;
        int r;

        r = json_get_object(o, key, &value, "The workload", reterr_error);
        if (r <= 0)
                return r;
        *ret = json_to_string(value);
        return *ret ? 0 : -ENOMEM;
}

static int take_names(JsonObject *o, Workload *w, Error **reterr_error) {
        int r;

        if ((r = take_name(o, "id", /* required= */ true, &w->id, reterr_error)) < 0 ||
            (r = take_name(o, "autoId", /* required= */ true, &w->auto_id, reterr_error)) < 0 ||
            (r = take_name(o, "mutexKey", /* required= */ false, &w->mutex_key, reterr_error)) < 0 ||
            (r = take_name(o, "workspaceId", /* required= */ false, &w->workspace_id, reterr_error)) < 0 ||
            (r = take_name(o, "connectionId", /* required= */ false, &w->connection_id, reterr_error)) < 0)
                return r;
        if (!workload_id_is_valid(w->id))
                return error_set(reterr_error, -EINVAL, "'%s' cannot be the id of a workload", w->id);
        if (!uuid_is_valid(w->auto_id))
                return error_set(reterr_error, -EINVAL, "The workload's 'autoId' is not a UUID");
        return 0;
}

static int take_kinds(JsonObject *o, Workload *w, Error **reterr_error) {
        int type, priority;
        int64_t attempt, deadline;
        int r;

        if ((r = take_enum(o, "type", &workload_type_names, -EINVAL, &type, reterr_error)) < 0 ||
            (r = take_enum(o, "priority", &workload_priority_names, WORKLOAD_DEFAULT, &priority,
                           reterr_error)) < 0 ||
            (r = take_number(o, "jobId", INT64_MAX, 0, &w->job_id, reterr_error)) < 0 ||
            (r = take_number(o, "attempt", INT32_MAX, -1, &attempt, reterr_error)) < 0 ||
            (r = take_number(o, "deadline", INT64_MAX, 0, &deadline, reterr_error)) < 0)
                return r;
        w->type = (WorkloadType) type;
        w->priority = (WorkloadPriority) priority;
        w->attempt = (int) attempt;
        w->deadline = (usec_t) deadline;
        return 0;
}

static bool has_object(JsonObject *o, const char *key) {
        return json_object_is_type(json_member(o, key), json_type_object);
}

/* What the launcher and the claim rely on. */
static int check_input(const Workload *w, JsonObject *input, Error **reterr_error) {
        if (w->type != WORKLOAD_SYNC)
                return has_object(input, "actor") ? 0 :
                       error_set(reterr_error, -EINVAL, "The workload's input has no 'actor'");
        if (!w->connection_id || w->job_id == 0 || w->attempt < 0)
                return error_set(reterr_error, -EINVAL, "A sync needs 'connectionId', 'jobId' and 'attempt'");
        if (!has_object(input, "destination"))
                return error_set(reterr_error, -EINVAL, "The workload's input has no 'destination'");
        return 0;
}

static int take_input(JsonObject *o, Workload *w, Error **reterr_error) {
        int r;

        if ((r = take_object(o, "labels", &w->labels, reterr_error)) < 0 ||
            (r = take_object(o, "input", &w->input, reterr_error)) < 0)
                return r;
        if (!w->input)
                return error_set(reterr_error, -EINVAL, "The workload has no 'input'");
        return check_input(w, json_member(o, "input"), reterr_error);
}

static int take_drop_states(JsonObject *o, WorkloadRequest *q, Error **reterr_error) {
        static const char what[] = "An entry of 'dropStates'";
        JsonObject *list = NULL;
        size_t n;
        int r;

        r = json_get_array(o, "dropStates", &list, "The workload", reterr_error);
        if (r <= 0)
                return r;
        n = json_object_array_length(list);
        if (n > WORKLOAD_DROP_STATES_MAX)
                return error_set(reterr_error, -EINVAL, "'dropStates' has %zu entries, more than %u", n,
                                 WORKLOAD_DROP_STATES_MAX);
        if (n > 0 && !q->workload->connection_id)
                return error_set(reterr_error, -EINVAL, "'dropStates' needs a 'connectionId'");
        q->drop = calloc(n + 1, sizeof(StreamRef));
        if (!q->drop)
                return -ENOMEM;
        for (; q->n_drop < n; q->n_drop++) {
                JsonObject *entry = json_object_array_get_idx(list, q->n_drop);
                StreamRef *ref = &q->drop[q->n_drop];

                if ((r = json_get_string(entry, "name", &ref->stream_name, what, reterr_error)) < 0 ||
                    (r = json_get_string(entry, "namespace", &ref->stream_namespace, what, reterr_error)) < 0)
                        return r;
                if (!ref->stream_name)
                        return error_set(reterr_error, -EINVAL, "%s has no 'name'", what);
        }
        return 0;
}

int workload_request_parse(const char *p, size_t n, WorkloadRequest *ret, Error **reterr_error) {
        _cleanup_(workload_request_done) WorkloadRequest q = {};
        JsonObject *o;
        int r;

        if (n > WORKLOAD_JSON_MAX)
                return error_set(reterr_error, -EFBIG, "A workload of %zu bytes is more than %u", n,
                                 WORKLOAD_JSON_MAX);
        r = json_parse(p, n, &q.json, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, -EINVAL, "The workload");
        o = q.json;
        if (!json_object_is_type(o, json_type_object))
                return error_set(reterr_error, -EINVAL, "The workload is not a JSON object");
        q.workload = calloc(1, sizeof(Workload));
        if (!q.workload)
                return -ENOMEM;
        if ((r = take_names(o, q.workload, reterr_error)) < 0 ||
            (r = take_kinds(o, q.workload, reterr_error)) < 0 ||
            (r = take_input(o, q.workload, reterr_error)) < 0 ||
            (r = take_drop_states(o, &q, reterr_error)) < 0)
                return r;
        *ret = q;
        q = (WorkloadRequest) {};
        return 0;
}

/* What STREAM_STATS counts. */
static const char *const stats_counts[] = {
        "recordsEmitted", "bytesEmitted", "recordsCommitted", "bytesCommitted", "recordsFiltered",
        "recordsRejected", "estimatedRecords", "estimatedBytes",
};

static int check_stream_stats(JsonObject *o, Error **reterr_error) {
        static const char what[] = "An entry of 'streams'";
        const char *name = NULL;
        int64_t n;
        int r;

        r = json_get_string(o, "name", &name, what, reterr_error);
        if (r < 0)
                return r;
        if (!name)
                return error_set(reterr_error, -EINVAL, "%s has no 'name'", what);
        for (size_t i = 0; i < ELEMENTSOF(stats_counts); i++) {
                r = json_get_i64(o, stats_counts[i], &n, what, reterr_error);
                if (r < 0)
                        return r;
                if (r > 0 && n < 0)
                        return error_set(reterr_error, -EINVAL, "'%s' of stream '%s' is negative", stats_counts[i],
                                         name);
        }
        return 0;
}

int workload_stats_check(JsonObject *streams, Error **reterr_error) {
        int r;

        if (!json_object_is_type(streams, json_type_array))
                return error_set(reterr_error, -EINVAL, "'streams' is not an array");
        for (size_t i = 0; i < json_object_array_length(streams); i++) {
                r = check_stream_stats(json_object_array_get_idx(streams, i), reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Adds what is there: absent means null or unknown to every reader. */
static int add_text(JsonObject *o, const char *key, const char *s) {
        return s ? json_add_string(o, key, s) : 0;
}

static int add_number(JsonObject *o, const char *key, int64_t value, bool present) {
        return present ? json_add(o, key, json_object_new_int64(value)) : 0;
}

static int add_json(JsonObject *o, const char *key, const char *text) {
        JsonObject *value = NULL;
        int r;

        if (!text)
                return 0;
        r = json_parse(text, strlen(text), &value, NULL);
        return r < 0 ? r : json_add(o, key, value);
}

/* Why it ended, for who asks; a success has neither. */
static int add_failure(JsonObject *o, const Workload *w) {
        _cleanup_json_ JsonObject *failure = NULL;

        if (w->ended_at == 0 || (!w->termination_source && !w->termination_reason))
                return 0;
        failure = json_object_new_object();
        if (!failure || add_text(failure, "source", w->termination_source) < 0 ||
            add_text(failure, "reason", w->termination_reason) < 0 ||
            add_text(o, "terminationSource", w->termination_source) < 0 ||
            add_text(o, "terminationReason", w->termination_reason) < 0)
                return -ENOMEM;
        return json_add(o, "failure", TAKE_PTR(failure));
}

static int add_names(JsonObject *o, const Workload *w) {
        int r;

        if ((r = json_add_string(o, "id", w->id)) < 0 || (r = json_add_string(o, "autoId", w->auto_id)) < 0 ||
            (r = json_add_string(o, "type", workload_type_to_string(w->type))) < 0 ||
            (r = json_add_string(o, "status", workload_status_to_string(w->status))) < 0 ||
            (r = json_add_string(o, "priority", workload_priority_to_string(w->priority))) < 0 ||
            (r = add_text(o, "mutexKey", w->mutex_key)) < 0 ||
            (r = add_text(o, "workspaceId", w->workspace_id)) < 0 ||
            (r = add_text(o, "connectionId", w->connection_id)) < 0)
                return r;
        return add_text(o, "dataplaneId", w->dataplane_id);
}

/* Times that are unknown, and members that are null, are left out: Airbyte's clients take both for the
 * same. */
int workload_to_json(const Workload *w, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        if ((r = add_names(o, w)) < 0 ||
            (r = add_number(o, "jobId", w->job_id, w->job_id > 0)) < 0 ||
            (r = add_number(o, "attempt", w->attempt, w->attempt >= 0)) < 0 ||
            (r = add_number(o, "leaseEpoch", w->lease_epoch, true)) < 0 ||
            (r = add_number(o, "deadline", (int64_t) w->deadline, w->deadline > 0)) < 0 ||
            (r = add_number(o, "lastHeartbeatAt", (int64_t) w->heartbeat_at, w->heartbeat_at > 0)) < 0 ||
            (r = add_number(o, "cancelRequestedAt", (int64_t) w->cancel_at, w->cancel_at > 0)) < 0 ||
            (r = add_number(o, "createdAt", (int64_t) w->created_at, true)) < 0 ||
            (r = add_number(o, "updatedAt", (int64_t) w->updated_at, true)) < 0 ||
            (r = add_number(o, "endedAt", (int64_t) w->ended_at, w->ended_at > 0)) < 0 ||
            (r = add_json(o, "labels", w->labels)) < 0 || (r = add_json(o, "output", w->output)) < 0 ||
            (r = add_json(o, "stats", w->stats)) < 0 || (r = add_failure(o, w)) < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}
