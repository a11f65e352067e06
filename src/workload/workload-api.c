/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each request is judged twice. Before its body is read workload_api_prepare() looks at the token, and at
 * the route's flags for who may come at all; a token says for which workload and epoch it is good. Then
 * the handler compares these with what the body names, so that a runner speaks for nobody but itself. A
 * launcher's token is bound to no workload: it reports for whatever its machine has claimed, and the
 * lease epoch in the body is what guards against an old claim.
 *
 * 410 is the answer to everything that comes too late and means "stop at once": it is given for old
 * tokens, old epochs and ended workloads alike, and a client needs no second rule. The one exception is
 * an end that is told again (CALLER_ENDED): its first answer may have been lost, and 410 would make a
 * failure of a success.
 *
 * 204 is sent after the commit, never before. Handlers run to their end within one event; only a CONTROL
 * message, which waits for gantry-server, is answered later. */

#include <stdio.h>

#include "basic/parse-util.h"
#include "shared/json-util.h"
#include "workload/workload-api-internal.h"

/* -- Answers -- */

/* A problem that the shared table has not. A title of Airbyte's kind and the sentence; 410 and 429 have
 * no counterpart among the errors of the public API. */
static int reply_special(HttpRequest *q, unsigned status, const char *name, const char *detail) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_free_ char *type = NULL;

        if (!o || asprintf(&type, "error:%s", name) < 0)
                return -ENOMEM;
        if (json_add(o, "status", json_object_new_int64(status)) < 0 || json_add_string(o, "type", type) < 0 ||
            json_add_string(o, "title", name) < 0 || json_add_string(o, "detail", detail) < 0)
                return -ENOMEM;
        return http_reply_json(q, status, o);
}

int workload_api_reply(HttpRequest *q, int r) {
        Error *e = *http_request_error(q);

        if (r >= 0)
                return http_reply_empty(q, 204);
        if (r == -ESTALE)
                return reply_special(q, 410, "gone", error_message(e, r));
        if (r == -EDQUOT)
                return reply_special(q, 429, "too-many-requests", error_message(e, r));
        return r;
}

/* -- Who calls -- */

static void free_caller(void *p) {
        workload_caller_free(p);
}

static int check_root(HttpRequest *q) {
        HttpPeer peer;

        if (http_request_peer(q, &peer) < 0 || peer.uid != 0)
                return error_set(http_request_error(q), -EACCES, "Only root may do this, over the unix socket");
        return 0;
}

static const char *bearer_token(HttpRequest *q) {
        const char *s = http_request_header(q, "Authorization");

        if (!s || strncasecmp(s, "Bearer ", STRLEN("Bearer ")) != 0)
                return NULL;
        s += STRLEN("Bearer ");
        return s + strspn(s, " ");
}

int workload_api_prepare(HttpRequest *q, void *userdata) {
        _cleanup_(workload_caller_freep) WorkloadCaller *caller = NULL;
        unsigned flags = http_request_route(q)->flags;
        WorkloadApi *api = userdata;
        const char *token;
        int r;

        api->touch(api->userdata);
        if (flags & CALLER_ROOT)
                return check_root(q);
        token = bearer_token(q);
        if (!token)
                return error_set(http_request_error(q), -EKEYREJECTED, "The request has no bearer token");
        r = workload_manager_authenticate(api->manager, token, flags & CALLER_ENDED, &caller, http_request_error(q));
        if (r == -ESTALE)
                return workload_api_reply(q, r);
        if (r < 0)
                return r;
        if (!(flags & (caller->dataplane_id ? CALLER_LAUNCHER : CALLER_RUNNER)))
                return error_set(http_request_error(q), -EACCES, "This call is not for %s",
                                 caller->dataplane_id ? "launchers" : "runners");
        http_request_set_context(q, TAKE_PTR(caller), free_caller);
        return 0;
}

const WorkloadCaller *workload_api_caller(HttpRequest *q) {
        return http_request_context(q);
}

/* A runner speaks for itself only, and with the epoch of its token. */
int workload_api_check_caller(HttpRequest *q, const char *id, int64_t epoch) {
        const WorkloadCaller *caller = workload_api_caller(q);

        if (!caller->workload_id)
                return 0;
        if (!streq(caller->workload_id, id))
                return error_set(http_request_error(q), -EACCES, "This token is another workload's");
        if (epoch != caller->lease_epoch)
                return error_set(http_request_error(q), -ESTALE, "This token is of another lease of '%s'", id);
        return 0;
}

/* -- Bodies -- */

/* The body as an object; an empty one (no body at all) counts as {}. */
int workload_api_body(HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (http_request_body(q)->len == 0) {
                *ret = json_object_new_object();
                return *ret ? 0 : -ENOMEM;
        }
        r = http_request_json(q, &o, http_request_error(q));
        if (r < 0)
                return r;
        if (!json_object_is_type(o, json_type_object))
                return error_set(http_request_error(q), -EINVAL, "The body is not a JSON object");
        *ret = TAKE_PTR(o);
        return 0;
}

/* A string that must be there; borrowed from `o`. */
int workload_api_string(HttpRequest *q, JsonObject *o, const char *key, const char **ret) {
        int r;

        r = json_get_string(o, key, ret, "The body", http_request_error(q));
        if (r < 0)
                return r;
        if (r == 0 || !**ret)
                return error_set(http_request_error(q), -EINVAL, "The body has no '%s'", key);
        return 0;
}

static int read_lease(HttpRequest *q, JsonObject *body, Lease *ret) {
        int64_t epoch = 0;
        int r;

        r = workload_api_string(q, body, "workloadId", &ret->id);
        if (r < 0)
                return r;
        r = json_get_i64(body, "leaseEpoch", &epoch, "The body", http_request_error(q));
        if (r < 0)
                return r;
        if (r == 0 || epoch <= 0)
                return error_set(http_request_error(q), -EINVAL, "The body has no 'leaseEpoch'");
        ret->epoch = epoch;
        return workload_api_check_caller(q, ret->id, epoch);
}

/* Reads what every call under a lease begins with. */
int workload_api_lease(HttpRequest *q, JsonObject **ret_body, Lease *ret) {
        _cleanup_json_ JsonObject *body = NULL;
        int r;

        r = workload_api_body(q, &body);
        if (r >= 0)
                r = read_lease(q, body, ret);
        if (r < 0)
                return r;
        *ret_body = TAKE_PTR(body);
        return 0;
}

/* The text of an object that may be missing: 0 then. */
static int take_object(HttpRequest *q, JsonObject *body, const char *key, char **ret) {
        JsonObject *value = NULL;
        int r;

        r = json_get_object(body, key, &value, "The body", http_request_error(q));
        if (r <= 0)
                return r;
        *ret = json_to_string(value);
        return *ret ? 1 : -ENOMEM;
}

/* -- The runner's and the launcher's words -- */

typedef int (*LeaseCall)(WorkloadManager *m, const char *id, int64_t epoch, Error **reterr_error);

static int handle_simple(HttpRequest *q, WorkloadApi *api, LeaseCall call) {
        _cleanup_json_ JsonObject *body = NULL;
        Lease lease;
        int r;

        r = workload_api_lease(q, &body, &lease);
        if (r >= 0)
                r = call(api->manager, lease.id, lease.epoch, http_request_error(q));
        return workload_api_reply(q, r);
}

int workload_api_launched(HttpRequest *q, void *userdata) {
        return handle_simple(q, userdata, workload_manager_launched);
}

int workload_api_running(HttpRequest *q, void *userdata) {
        return handle_simple(q, userdata, workload_manager_running);
}

/* Who was told to end may hear it from here first. */
int workload_api_heartbeat(HttpRequest *q, void *userdata) {
        _cleanup_json_ JsonObject *body = NULL, *answer = NULL;
        WorkloadApi *api = userdata;
        Lease lease;
        int r;

        r = workload_api_lease(q, &body, &lease);
        if (r >= 0)
                r = workload_manager_heartbeat(api->manager, lease.id, lease.epoch, http_request_error(q));
        if (r <= 0)
                return workload_api_reply(q, r);
        answer = json_object_new_object();
        r = answer ? json_add(answer, "cancelRequested", json_object_new_boolean(true)) : -ENOMEM;
        return r < 0 ? r : http_reply_json(q, 200, answer);
}

int workload_api_success(HttpRequest *q, void *userdata) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_free_ char *output = NULL;
        WorkloadApi *api = userdata;
        Lease lease;
        int r;

        r = workload_api_lease(q, &body, &lease);
        if (r >= 0)
                r = take_object(q, body, "output", &output);
        if (r == 0)
                r = error_set(http_request_error(q), -EINVAL, "The body has no 'output'");
        if (r >= 0 && !workload_api_caller(q)->workload_id)
                r = workload_manager_check_launchers(api->manager, lease.id, http_request_error(q));
        if (r >= 0)
                r = workload_manager_success(api->manager, lease.id, lease.epoch, output, http_request_error(q));
        return workload_api_reply(q, r);
}

/* Units that end with their machine end like those that a person stops, and their worker can't tell. Its
 * word is not taken, unless the workload was told to end: after the boot the launcher finds the worker gone,
 * which is a failed attempt and tried again. */
static int check_stop(WorkloadApi *api, const char *id, JsonObject *output, Error **reterr_error) {
        const char *status = NULL;

        (void) json_get_string(output, "status", &status, "output", NULL);
        if (!streq_ptr(status, "cancelled") || workload_manager_is_cancelling(api->manager, id) ||
            !api->shuts_down || !api->shuts_down(api->userdata))
                return 0;
        return error_set(reterr_error, -ESTALE, "This machine is being shut down");
}

int workload_api_failure(HttpRequest *q, void *userdata) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_free_ char *output = NULL;
        const char *source = NULL, *reason = NULL;
        WorkloadApi *api = userdata;
        Lease lease;
        int r;

        r = workload_api_lease(q, &body, &lease);
        if (r >= 0)
                r = workload_api_string(q, body, "source", &source);
        if (r >= 0)
                r = workload_api_string(q, body, "reason", &reason);
        if (r >= 0)
                r = take_object(q, body, "output", &output);
        if (r >= 0)
                r = check_stop(api, lease.id, json_member(body, "output"), http_request_error(q));
        if (r >= 0)
                r = workload_manager_failure(api->manager, lease.id, lease.epoch, source, reason, output,
                                             http_request_error(q));
        return workload_api_reply(q, r);
}

typedef int (*StatsCall)(WorkloadManager *m, const char *id, int64_t epoch, JsonObject *streams, Error **reterr_error);

static int handle_stats(HttpRequest *q, WorkloadApi *api, StatsCall call) {
        _cleanup_json_ JsonObject *body = NULL;
        Lease lease;
        int r;

        r = workload_api_lease(q, &body, &lease);
        if (r >= 0)
                r = call(api->manager, lease.id, lease.epoch, json_member(body, "streams"), http_request_error(q));
        return workload_api_reply(q, r);
}

int workload_api_stats(HttpRequest *q, void *userdata) {
        return handle_stats(q, userdata, workload_manager_stats);
}

int workload_api_progress(HttpRequest *q, void *userdata) {
        return handle_stats(q, userdata, workload_manager_progress);
}

int workload_api_control(HttpRequest *q, void *userdata) {
        _cleanup_free_ char *configuration = NULL, *actor_id = NULL;
        _cleanup_json_ JsonObject *body = NULL;
        WorkloadApi *api = userdata;
        const char *role = NULL;
        Lease lease;
        int r;

        r = workload_api_lease(q, &body, &lease);
        if (r >= 0)
                r = workload_api_string(q, body, "role", &role);
        if (r >= 0)
                r = take_object(q, body, "configuration", &configuration);
        if (r == 0)
                r = error_set(http_request_error(q), -EINVAL, "The body has no 'configuration'");
        if (r >= 0)
                r = workload_manager_control(api->manager, lease.id, lease.epoch, role, strlen(configuration),
                                             &actor_id, http_request_error(q));
        if (r >= 0 && actor_id)
                return api->rotate(q, actor_id, configuration, api->userdata);
        return workload_api_reply(q, r);
}

/* -- States and logs: bytes, not trees -- */

/* The states keep their bytes, so the body isn't read as a tree. It is validated as a whole first:
 * json_find_member() expects JSON that is well-formed. */
int workload_api_state(HttpRequest *q, void *userdata) {
        const Buffer *body = http_request_body(q);
        JsonSlice text = { buffer_bytes(body), body->len }, states, value;
        _cleanup_buffer_ Buffer id = {};
        WorkloadApi *api = userdata;
        int64_t epoch;
        size_t at = 0;
        int r;

        if (!http_request_has_type(q, "application/json"))
                return error_set(http_request_error(q), -EPROTOTYPE, "The body is not application/json");
        if (json_validate(text.p, text.n, &at) < 0)
                return error_set(http_request_error(q), -EBADMSG, "The body is not JSON at byte %zu", at);
        text.p = json_skip_space(text.p, text.p + text.n);
        text.n = body->len - (size_t) (text.p - buffer_bytes(body));
        if (json_slice_type(text) != JSON_OBJECT)
                return error_set(http_request_error(q), -EINVAL, "The body is not a JSON object");
        if (json_find_member(text, "workloadId", &value) <= 0 || json_slice_type(value) != JSON_STRING ||
            json_string_decode(json_string_inner(value), &id) < 0 || id.len == 0 || !buffer_string(&id))
                return error_set(http_request_error(q), -EINVAL, "The body has no 'workloadId'");
        if (json_find_member(text, "leaseEpoch", &value) <= 0 || json_parse_i64(value, &epoch) < 0)
                return error_set(http_request_error(q), -EINVAL, "The body has no 'leaseEpoch'");
        if (json_find_member(text, "states", &states) <= 0 || json_slice_type(states) != JSON_ARRAY)
                return error_set(http_request_error(q), -EINVAL, "The body has no array 'states'");
        r = workload_api_check_caller(q, buffer_string(&id), epoch);
        if (r >= 0)
                r = workload_manager_state(api->manager, buffer_string(&id), epoch, states, http_request_error(q));
        return workload_api_reply(q, r);
}

int workload_api_logs(HttpRequest *q, void *userdata) {
        const char *id = http_request_query(q, "workloadId"), *text = http_request_query(q, "leaseEpoch");
        const Buffer *body = http_request_body(q);
        WorkloadApi *api = userdata;
        int64_t epoch = 0;
        int r;

        if (!id || !text || parse_i64(text, &epoch) < 0)
                return error_set(http_request_error(q), -EINVAL, "The query has no 'workloadId' or no 'leaseEpoch'");
        r = workload_api_check_caller(q, id, epoch);
        if (r >= 0)
                r = workload_manager_logs(api->manager, id, epoch, buffer_bytes(body), body->len,
                                          http_request_error(q));
        return workload_api_reply(q, r);
}
