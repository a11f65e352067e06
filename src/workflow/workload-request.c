/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A request is made once, in the transaction that schedules its activity, and read from the history ever
 * after: its random autoId, which names units and log files, is therefore the same in each repetition of
 * Create. So gantry-workload must go on taking the forms that histories hold.
 *
 * What comes back is narrowed to what a workflow needs. Airbyte's failure types decide about retries:
 * configuration errors and cancels are final, all others, the platform's own among them, may go well the
 * next time. */

#include <stdio.h>

#include "basic/uuid.h"
#include "workflow/workload-request.h"

char *workload_id_make(const char *subject, const char *run, int attempt, const char *kind) {
        char *s = NULL;

        return asprintf(&s, "%s_%s_%d_%s", subject, run, attempt, kind) < 0 ? NULL : s;
}

static int add_labels(JsonObject *o, const WorkloadRequest *q) {
        _cleanup_json_ JsonObject *labels = json_object_new_object();
        int r = labels ? 0 : -ENOMEM;

        if (r >= 0 && q->actor_id)
                r = json_add_string(labels, "actorId", q->actor_id);
        if (r >= 0 && q->config_hash)
                r = json_add_string(labels, "configHash", q->config_hash);
        return r >= 0 ? json_add(o, "labels", TAKE_PTR(labels)) : r;
}

static int add_place(JsonObject *o, const WorkloadRequest *q) {
        int r = 0;

        if (q->mutex_key)
                r = json_add_string(o, "mutexKey", q->mutex_key);
        if (r >= 0 && q->workspace_id)
                r = json_add_string(o, "workspaceId", q->workspace_id);
        if (r >= 0 && q->connection_id)
                r = json_add_string(o, "connectionId", q->connection_id);
        if (r >= 0 && q->job_id > 0)
                r = json_add(o, "jobId", json_object_new_int64(q->job_id));
        if (r >= 0 && q->job_id > 0)
                r = json_add(o, "attempt", json_object_new_int(q->attempt));
        return r;
}

int workload_request_make(Env *env, const WorkloadRequest *q, usec_t now, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        char auto_id[UUID_STRING_MAX];
        int r;

        if (!o)
                return -ENOMEM;
        r = uuid7_new(env, auto_id);
        if (r >= 0)
                r = json_add_string(o, "id", q->id);
        if (r >= 0)
                r = json_add_string(o, "autoId", auto_id);
        if (r >= 0)
                r = json_add_string(o, "type", q->type);
        if (r >= 0)
                r = json_add_string(o, "priority", q->high_priority ? "high" : "default");
        if (r >= 0)
                r = json_add(o, "deadline", json_object_new_int64((int64_t) (now + WORKLOAD_CLAIM_USEC)));
        if (r >= 0)
                r = add_place(o, q);
        if (r >= 0)
                r = add_labels(o, q);
        if (r >= 0 && q->drop_states)
                r = json_add(o, "dropStates", json_object_get(q->drop_states));
        if (r >= 0)
                r = json_add(o, "input", json_object_get(q->input));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

usec_t workload_request_time(JsonObject *request) {
        int64_t deadline = json_object_get_int64(json_member(request, "deadline"));

        return deadline > (int64_t) WORKLOAD_CLAIM_USEC ? (usec_t) deadline - WORKLOAD_CLAIM_USEC : 0;
}

JsonObject *failure_make(const char *origin, const char *type, const char *message, usec_t now) {
        _cleanup_json_ JsonObject *o = json_object_new_object();

        if (!o || json_add_string(o, "failureOrigin", origin) < 0 || json_add_string(o, "failureType", type) < 0 ||
            json_add_string(o, "externalMessage", message) < 0 ||
            json_add(o, "retryable", json_object_new_boolean(!streq(type, "config_error") &&
                                                             !streq(type, "manual_cancellation"))) < 0 ||
            json_add(o, "timestamp", json_object_new_int64((int64_t) (now / USEC_PER_MSEC))) < 0)
                return NULL;
        return TAKE_PTR(o);
}

int workload_result_failed(const char *origin, const char *type, const char *message, usec_t now,
                           JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *failure = failure_make(origin, type, message, now);
        int r;

        if (!o || !failure)
                return -ENOMEM;
        r = json_add_string(o, "status", "failure");
        if (r >= 0)
                r = json_add(o, "failure", TAKE_PTR(failure));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

int workload_result_discovered(const CatalogFetch *f, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "status", "success") : -ENOMEM;

        if (r >= 0)
                r = json_add_string(o, "catalogId", f->id);
        if (r >= 0)
                r = json_add_string(o, "catalogHash", f->catalog_hash);
        if (r >= 0)
                r = json_add(o, "discoveredAt", json_object_new_int64((int64_t) f->created_at));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

bool workload_status_text_is_terminal(const char *status) {
        return streq_ptr(status, "success") || streq_ptr(status, "failure") || streq_ptr(status, "cancelled");
}

/* Why a workload did not succeed: what its runner says first, or else what its end was called. */
static JsonObject *failure_of(JsonObject *workload, bool cancelled, usec_t now) {
        JsonObject *failure = json_member(workload, "failure"),
                   *told = json_member(json_member(workload, "output"), "failures");
        const char *source = json_object_get_string(json_member(failure, "source"));
        const char *reason = json_object_get_string(json_member(failure, "reason"));

        if (cancelled)
                return failure_make("airbyte_platform", "manual_cancellation", reason ?: "Cancelled", now);
        if (json_object_is_type(told, json_type_array) && json_object_array_length(told) > 0)
                return json_object_get(json_object_array_get_idx(told, 0));
        /* Whatever the platform fails at may go well the next time. */
        return failure_make(streq_ptr(source, "source") || streq_ptr(source, "destination") ? source
                                                                                             : "airbyte_platform",
                            "transient_error", reason ?: "The workload failed without a reason", now);
}

int workload_result_make(JsonObject *workload, usec_t now, JsonObject **ret) {
        const char *status = json_object_get_string(json_member(workload, "status"));
        _cleanup_json_ JsonObject *o = json_object_new_object(), *failure = NULL;
        bool success = streq_ptr(status, "success");
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "status", strempty(status));
        if (r >= 0)
                r = json_add(o, "output", json_object_get(json_member(workload, "output")));
        if (r >= 0)
                r = json_add(o, "stats", json_object_get(json_member(workload, "stats")));
        if (r >= 0 && json_object_get_boolean(json_member(workload, "refused")))
                r = json_add(o, "refused", json_object_new_boolean(true));
        if (r >= 0 && !success) {
                failure = failure_of(workload, streq_ptr(status, "cancelled"), now);
                r = failure ? json_add(o, "failure", TAKE_PTR(failure)) : -ENOMEM;
        }
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
