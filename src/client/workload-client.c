/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each call builds its JSON and sends it; the answer's status becomes an errno by one table
 * (api_reply_errno()), with 410 for a lease that is lost. What differs between the calls is how much
 * patience they deserve. The end of a workload is waited for through an upgrade of the daemon, since
 * whatever was done is lost without it. A heartbeat has one try, for the next one is due before a second
 * could matter. A poll is never repeated by itself: it hides what it hands out, and a lost answer comes
 * back by that.
 *
 * A state waits for its answer before the worker goes on, and the numbers go before it: whoever sees the
 * state finds numbers that include it. */

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/json-write.h"
#include "client/workload-client.h"

#define API "/api/v1/"
#define HEARTBEAT_TIMEOUT_USEC (10 * USEC_PER_SEC)
/* A worker's last word is worth waiting for, an upgrade of the daemon long. */
#define RESULT_PATIENCE_USEC (600 * USEC_PER_SEC)

struct WorkloadClient {
        ApiClient *api;
        char *token;
};

typedef struct Pending {
        WorkloadHandler handler;
        void *userdata;
} Pending;

int workload_client_new(Env *env, const char *socket_path, WorkloadClient **ret) {
        _cleanup_(workload_client_freep) WorkloadClient *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        r = api_client_new(env, socket_path, &c->api);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

WorkloadClient *workload_client_free(WorkloadClient *c) {
        if (!c)
                return NULL;
        api_client_free(c->api);
        free(c->token);
        free(c);
        return NULL;
}

int workload_client_set_token(WorkloadClient *c, const char *token) {
        char *copy = strdup(token);

        if (!copy)
                return -ENOMEM;
        free(c->token);
        c->token = copy;
        return 0;
}

size_t workload_client_n_pending(const WorkloadClient *c) {
        return api_client_n_pending(c->api);
}

static void on_reply(const ApiReply *reply, const Error *error, void *userdata) {
        _cleanup_free_ Pending *p = userdata;
        _cleanup_error_ Error *why = NULL;
        int r = reply ? api_reply_errno(reply, &why) : -EAGAIN;

        if (p->handler)
                p->handler(r, reply ? reply->body : NULL, why ?: error, p->userdata);
}

static int send_call(WorkloadClient *c, ApiCall *call, WorkloadHandler h, void *userdata) {
        _cleanup_free_ Pending *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        *p = (Pending) { h, userdata };
        call->token = c->token;
        call->drop = free;
        r = api_client_call(c->api, call, on_reply, p, NULL);
        if (r >= 0)
                TAKE_PTR(p);
        return r;
}

/* Sends `b`, a JSON object that lacks its closing brace; `k` is what building it has come to. */
static int send_object(WorkloadClient *c, const char *method, const char *path, Buffer *b, int k,
                       ApiCall base,
                       WorkloadHandler h, void *userdata) {
        if (k >= 0)
                k = buffer_append_char(b, '}');
        if (k < 0)
                return k;
        base.method = method;
        base.path = path;
        base.body = buffer_bytes(b);
        base.n_body = b->len;
        return send_call(c, &base, h, userdata);
}

static int begin(Buffer *b, const char *key, const char *value) {
        int r = buffer_append_char(b, '{');

        return r < 0 ? r : json_write_member_string(b, key, value);
}

static int begin_lease(Buffer *b, const WorkloadLease *l) {
        int r = begin(b, "workloadId", l->id);

        return r < 0 ? r : json_write_member_i64(b, "leaseEpoch", l->epoch);
}

static int add_json(Buffer *b, const char *key, JsonObject *o) {
        int r = json_write_key(b, key);

        return r < 0 ? r : json_append(b, o);
}

int workload_client_initialize(WorkloadClient *c, const char *name, WorkloadHandler h, void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin(&b, "name", name);

        return send_object(c, "POST", API "dataplanes/initialize", &b, r, (ApiCall) { .idempotent = true },
                           h, userdata);
}

int workload_client_dataplane_heartbeat(WorkloadClient *c, const char *dataplane_id, WorkloadHandler h,
                                        void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin(&b, "dataplaneId", dataplane_id);

        return send_object(c, "POST", API "dataplanes/heartbeat", &b, r, (ApiCall) { .idempotent = true }, h,
                           userdata);
}

int workload_client_poll(WorkloadClient *c, const char *dataplane_id, const char *priority,
                         unsigned quantity,
                         WorkloadHandler h, void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin(&b, "dataplaneId", dataplane_id);

        if (r >= 0 && priority)
                r = json_write_member_string(&b, "priority", priority);
        if (r >= 0)
                r = json_write_member_u64(&b, "quantity", quantity);
        return send_object(c, "POST", API "workload/queue/poll", &b, r, (ApiCall) {}, h, userdata);
}

int workload_client_claim(WorkloadClient *c, const char *dataplane_id, const char *workload_id,
                          WorkloadHandler h,
                          void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin(&b, "workloadId", workload_id);

        if (r >= 0)
                r = json_write_member_string(&b, "dataplaneId", dataplane_id);
        return send_object(c, "PUT", API "workload/claim", &b, r, (ApiCall) { .idempotent = true }, h,
                           userdata);
}

/* A call that says no more than whose lease it is. */
static int send_lease(WorkloadClient *c, const char *path, const WorkloadLease *l, ApiCall base,
                      WorkloadHandler h,
                      void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin_lease(&b, l);

        return send_object(c, "PUT", path, &b, r, base, h, userdata);
}

int workload_client_launched(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata) {
        return send_lease(c, API "workload/launched", l, (ApiCall) { .idempotent = true }, h, userdata);
}

int workload_client_running(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata) {
        return send_lease(c, API "workload/running", l, (ApiCall) { .idempotent = true }, h, userdata);
}

/* One try each: the next one is due soon. */
int workload_client_heartbeat(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata) {
        return send_lease(c, API "workload/heartbeat", l,
                          (ApiCall) { .timeout = HEARTBEAT_TIMEOUT_USEC,
                                      .patience = HEARTBEAT_TIMEOUT_USEC }, h,
                          userdata);
}

int workload_client_cancel(WorkloadClient *c, const char *workload_id, const char *source,
                           const char *reason,
                           WorkloadHandler h, void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin(&b, "workloadId", workload_id);

        if (r >= 0)
                r = json_write_member_string(&b, "reason", reason);
        if (r >= 0)
                r = json_write_member_string(&b, "source", source);
        return send_object(c, "PUT", API "workload/cancel", &b, r, (ApiCall) { .idempotent = true }, h,
                           userdata);
}

int workload_client_list_live(WorkloadClient *c, const char *dataplane_id, WorkloadHandler h,
                              void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = buffer_append_string(&b, "{\"dataplane\":[");

        if (r >= 0)
                r = json_write_cstring(&b, dataplane_id);
        if (r >= 0)
                r = buffer_append_string(&b, "],\"status\":[\"claimed\",\"launched\",\"running\"]");
        return send_object(c, "POST", API "workload/list", &b, r, (ApiCall) { .idempotent = true }, h,
                           userdata);
}

int workload_client_get(WorkloadClient *c, const char *workload_id, WorkloadHandler h, void *userdata) {
        char *escaped = curl_easy_escape(NULL, workload_id, 0);
        _cleanup_free_ char *path = NULL;
        int n = escaped ? asprintf(&path, API "workload/%s", escaped) : -1;

        curl_free(escaped);
        if (n < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return send_call(c, &(ApiCall) { .method = "GET", .path = path, .idempotent = true }, h, userdata);
}

int workload_client_success(WorkloadClient *c, const WorkloadLease *l, JsonObject *output, WorkloadHandler h,
                            void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin_lease(&b, l);

        if (r >= 0)
                r = add_json(&b, "output", output);
        return send_object(c, "PUT", API "workload/success", &b, r,
                           (ApiCall) { .idempotent = true, .patience = RESULT_PATIENCE_USEC }, h, userdata);
}

int workload_client_failure(WorkloadClient *c, const WorkloadLease *l, const char *source,
                            const char *reason,
                            JsonObject *output, WorkloadHandler h, void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin_lease(&b, l);

        if (r >= 0)
                r = json_write_member_string(&b, "source", source);
        if (r >= 0)
                r = json_write_member_string(&b, "reason", reason);
        if (r >= 0 && output)
                r = add_json(&b, "output", output);
        return send_object(c, "PUT", API "workload/failure", &b, r,
                           (ApiCall) { .idempotent = true, .patience = RESULT_PATIENCE_USEC }, h, userdata);
}

int workload_client_control(WorkloadClient *c, const WorkloadLease *l, const char *role,
                            JsonObject *configuration,
                            WorkloadHandler h, void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin_lease(&b, l);

        if (r >= 0)
                r = json_write_member_string(&b, "role", role);
        if (r >= 0)
                r = add_json(&b, "configuration", configuration);
        return send_object(c, "POST", API "workload/control", &b, r, (ApiCall) { .idempotent = true }, h,
                           userdata);
}

static int send_streams(WorkloadClient *c, const char *path, const WorkloadLease *l, const char *streams,
                        WorkloadHandler h, void *userdata) {
        _cleanup_buffer_ Buffer b = {};
        int r = begin_lease(&b, l);

        if (r >= 0)
                r = json_write_member_raw(&b, "streams", streams);
        return send_object(c, "POST", path, &b, r, (ApiCall) {}, h, userdata);
}

int workload_client_stats(WorkloadClient *c, const WorkloadLease *l, const char *streams, WorkloadHandler h,
                          void *userdata) {
        return send_streams(c, API "workload/stats", l, streams, h, userdata);
}

int workload_client_progress(WorkloadClient *c, const WorkloadLease *l, const char *streams, WorkloadHandler h,
                             void *userdata) {
        return send_streams(c, API "workload/progress", l, streams, h, userdata);
}

int workload_client_logs(WorkloadClient *c, const WorkloadLease *l, const char *lines, size_t n,
                         WorkloadHandler h,
                         void *userdata) {
        char *escaped = curl_easy_escape(NULL, l->id, 0);
        _cleanup_free_ char *path = NULL;
        int k = escaped ? asprintf(&path, API "workload/logs?workloadId=%s&leaseEpoch=%" PRId64, escaped,
                                   l->epoch) : -1;

        curl_free(escaped);
        if (k < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return send_call(c, &(ApiCall) { .method = "POST", .path = path, .body = lines, .n_body = n,
                                         .idempotent = true,
                                         .content_type = "application/jsonl" }, h, userdata);
}

/* One blocking call of a body that is complete but for its last brace. */
static int wait_call(WorkloadClient *c, const char *path, Buffer *b, usec_t patience, Error **reterr_error) {
        _cleanup_(api_reply_done) ApiReply reply = {};
        ApiCall call = { .method = "POST", .path = path, .token = c->token, .idempotent = true,
                         .timeout = MIN(patience, API_TIMEOUT_USEC), .patience = patience };
        int r = buffer_append_char(b, '}');

        if (r < 0)
                return r;
        call.body = buffer_bytes(b);
        call.n_body = b->len;
        r = api_client_call_wait(c->api, &call, &reply, reterr_error);
        return r < 0 ? r : api_reply_errno(&reply, reterr_error);
}

int workload_client_state_wait(WorkloadClient *c, const WorkloadLease *l, const char *states,
                               const char *streams, usec_t patience, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {}, numbers = {};
        _cleanup_error_ Error *refused = NULL;
        int r = begin_lease(&numbers, l);

        if (r >= 0)
                r = json_write_member_raw(&numbers, "streams", streams);
        if (r >= 0)
                r = wait_call(c, API "workload/stats", &numbers, patience, &refused);
        /* Numbers that are not taken keep no state back. */
        if (r >= 0 || r == -EINVAL)
                r = begin_lease(&b, l);
        else if (reterr_error)
                *reterr_error = TAKE_PTR(refused);
        if (r >= 0)
                r = json_write_member_raw(&b, "states", states);
        return r < 0 ? r : wait_call(c, API "workload/state", &b, patience, reterr_error);
}
