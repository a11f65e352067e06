/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The launcher's side of the workload API: registering, the queue, claims, lists.
 *
 * A poll only shows what waits and hides it for five minutes; the claim is what counts, and two launchers
 * that have seen the same workload find out there who has it. So a launcher that dies between the two
 * costs those minutes and nothing else.
 *
 * Lists are filtered here and not by SQL, as Airbyte's calls combine their conditions freely and no
 * caller of the suite depends on their speed: pages of the whole table are walked, in one event of the
 * loop. live_only ones are few, and have an index. */

#include "basic/json-write.h"
#include "workload/claim-input.h"
#include "workload/workload-api-internal.h"
#include "workload/workload-json.h"

/* A list gives at most so many; who has more to see asks with a narrower filter. */
#define LIST_MAX 1000U

int workload_api_initialize(HttpRequest *q, void *userdata) {
        _cleanup_json_ JsonObject *body = NULL, *answer = json_object_new_object();
        _cleanup_free_ char *id = NULL, *token = NULL;
        WorkloadApi *api = userdata;
        const char *name;
        int r;

        r = workload_api_body(q, &body);
        if (r >= 0)
                r = workload_api_string(q, body, "name", &name);
        if (r >= 0)
                r = workload_manager_register(api->manager, name, &id, &token, http_request_error(q));
        if (r < 0)
                return r;
        if (!answer || json_add_string(answer, "dataplaneId", id) < 0 || json_add_string(answer, "token", token) < 0)
                return -ENOMEM;
        return http_reply_json(q, 200, answer);
}

/* A launcher speaks for itself only. */
static int check_dataplane(HttpRequest *q, JsonObject *body) {
        const char *id;
        int r;

        r = workload_api_string(q, body, "dataplaneId", &id);
        if (r >= 0 && !streq(id, workload_api_caller(q)->dataplane_id))
                r = error_set(http_request_error(q), -EACCES, "This token is another dataplane's");
        return r;
}

int workload_api_dataplane_heartbeat(HttpRequest *q, void *userdata) {
        _cleanup_json_ JsonObject *body = NULL;
        WorkloadApi *api = userdata;
        int r;

        r = workload_api_body(q, &body);
        if (r >= 0)
                r = check_dataplane(q, body);
        if (r >= 0)
                r = workload_manager_dataplane_beat(api->manager, workload_api_caller(q)->dataplane_id,
                                                    http_request_error(q));
        return workload_api_reply(q, r);
}

int workload_api_create(HttpRequest *q, void *userdata) {
        const Buffer *body = http_request_body(q);
        WorkloadApi *api = userdata;
        bool created;
        int r;

        r = workload_manager_create(api->manager, buffer_bytes(body), body->len, &created, http_request_error(q));
        return r < 0 ? workload_api_reply(q, r) : http_reply_empty(q, created ? 204 : 200);
}

/* -- The queue -- */

/* The priority that a body names; -1: it names none. */
static int read_priority(HttpRequest *q, JsonObject *body, int *ret) {
        const char *s = NULL;
        int r;

        r = json_get_string(body, "priority", &s, "The body", http_request_error(q));
        if (r < 0)
                return r;
        *ret = s ? (int) workload_priority_from_string(s) : -1;
        if (s && *ret < 0)
                return error_set(http_request_error(q), -EINVAL, "'%s' is no priority", s);
        return 0;
}

static int add_polled(JsonObject *list, const Workload *w) {
        _cleanup_json_ JsonObject *o = json_object_new_object();

        if (!o || json_add_string(o, "id", w->id) < 0 || json_add_string(o, "autoId", w->auto_id) < 0 ||
            json_add_string(o, "type", workload_type_to_string(w->type)) < 0 ||
            json_add_string(o, "priority", workload_priority_to_string(w->priority)) < 0 ||
            json_add(o, "jobId", w->job_id > 0 ? json_object_new_int64(w->job_id) : NULL) < 0 ||
            json_add(o, "attempt", w->attempt >= 0 ? json_object_new_int64(w->attempt) : NULL) < 0 ||
            json_add(o, "mutexKey", w->mutex_key ? json_object_new_string(w->mutex_key) : NULL) < 0)
                return -ENOMEM;
        return json_object_array_add(list, TAKE_PTR(o)) < 0 ? -ENOMEM : 0;
}

typedef int (*AddWorkload)(JsonObject *list, const Workload *w);

static int reply_list(HttpRequest *q, const WorkloadArray *workloads, AddWorkload add) {
        _cleanup_json_ JsonObject *answer = json_object_new_object();
        JsonObject *list = json_object_new_array();
        int r;

        r = !answer || !list ? -ENOMEM : 0;
        for (size_t i = 0; r >= 0 && i < workloads->n; i++)
                r = add(list, workloads->items[i]);
        if (r < 0) {
                json_object_put(list);
                return r;
        }
        r = json_add(answer, "workloads", list);
        return r < 0 ? r : http_reply_json(q, 200, answer);
}

int workload_api_poll(HttpRequest *q, void *userdata) {
        _cleanup_(workload_array_done) WorkloadArray found = {};
        _cleanup_json_ JsonObject *body = NULL;
        WorkloadApi *api = userdata;
        int64_t quantity = 1;
        int priority, r;

        r = workload_api_body(q, &body);
        if (r >= 0)
                r = check_dataplane(q, body);
        if (r >= 0)
                r = read_priority(q, body, &priority);
        if (r >= 0)
                r = json_get_i64(body, "quantity", &quantity, "The body", http_request_error(q));
        if (r >= 0 && (quantity < 1 || quantity > WORKLOAD_POLL_MAX))
                r = error_set(http_request_error(q), -EINVAL, "'quantity' is not between 1 and %u", WORKLOAD_POLL_MAX);
        if (r >= 0)
                r = workload_manager_poll(api->manager, priority, (unsigned) quantity, &found, http_request_error(q));
        return r < 0 ? workload_api_reply(q, r) : reply_list(q, &found, add_polled);
}

int workload_api_depth(HttpRequest *q, void *userdata) {
        _cleanup_json_ JsonObject *body = NULL, *answer = json_object_new_object();
        int64_t depth[_WORKLOAD_PRIORITY_MAX] = {}, sum = 0;
        WorkloadApi *api = userdata;
        int priority, r;

        r = workload_api_body(q, &body);
        if (r >= 0)
                r = read_priority(q, body, &priority);
        if (r >= 0)
                r = workload_manager_depth(api->manager, depth, http_request_error(q));
        if (r < 0)
                return r;
        for (int i = 0; i < _WORKLOAD_PRIORITY_MAX; i++)
                if (priority < 0 || priority == i)
                        sum += depth[i];
        if (!answer || json_add(answer, "depth", json_object_new_int64(sum)) < 0)
                return -ENOMEM;
        return http_reply_json(q, 200, answer);
}

static int add_depth(JsonObject *list, WorkloadPriority priority, int64_t depth) {
        _cleanup_json_ JsonObject *o = json_object_new_object();

        if (!o || json_add_string(o, "priority", workload_priority_to_string(priority)) < 0 ||
            json_add(o, "enqueuedCount", json_object_new_int64(depth)) < 0)
                return -ENOMEM;
        return json_object_array_add(list, TAKE_PTR(o)) < 0 ? -ENOMEM : 0;
}

int workload_api_queue_stats(HttpRequest *q, void *userdata) {
        _cleanup_json_ JsonObject *answer = json_object_new_object(), *list = json_object_new_array();
        int64_t depth[_WORKLOAD_PRIORITY_MAX] = {};
        WorkloadApi *api = userdata;
        int r;

        r = !answer || !list ? -ENOMEM : workload_manager_depth(api->manager, depth, http_request_error(q));
        for (int i = 0; r >= 0 && i < _WORKLOAD_PRIORITY_MAX; i++)
                r = add_depth(list, (WorkloadPriority) i, depth[i]);
        if (r >= 0)
                r = json_add(answer, "stats", TAKE_PTR(list));
        return r < 0 ? r : http_reply_json(q, 200, answer);
}

/* Ended workloads leave the queue by themselves here, so there is nothing to clean: what is taken out is what
 * past its deadline still waits. */
int workload_api_clean(HttpRequest *q, void *userdata) {
        WorkloadApi *api = userdata;
        int r;

        r = workload_manager_sweep(api->manager, http_request_error(q));
        return workload_api_reply(q, r < 0 ? r : 0);
}

/* -- Claims and ends -- */

static int write_claim(const WorkloadClaim *claim, Buffer *b) {
        int r;

        if (claim->lease_epoch == 0)
                return buffer_append_string(b, "{\"claimed\":false}");
        if ((r = buffer_append_string(b, "{\"claimed\":true")) < 0 ||
            (r = json_write_member_i64(b, "leaseEpoch", claim->lease_epoch)) < 0 ||
            (r = json_write_member_string(b, "workloadToken", claim->token)) < 0 ||
            (r = json_write_key(b, "input")) < 0 ||
            (r = buffer_append(b, buffer_bytes(&claim->input), claim->input.len)) < 0)
                return r;
        return buffer_append_char(b, '}');
}

int workload_api_claim(HttpRequest *q, void *userdata) {
        _cleanup_(workload_claim_done) WorkloadClaim claim = {};
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_claim_buffer_ Buffer b = {};
        WorkloadApi *api = userdata;
        const char *id;
        int r;

        r = workload_api_body(q, &body);
        if (r >= 0)
                r = workload_api_string(q, body, "workloadId", &id);
        if (r >= 0)
                r = check_dataplane(q, body);
        if (r >= 0)
                r = workload_manager_claim(api->manager, id, workload_api_caller(q)->dataplane_id, &claim,
                                           http_request_error(q));
        if (r >= 0)
                r = write_claim(&claim, &b);
        return r < 0 ? workload_api_reply(q, r) : http_reply_buffer(q, 200, "application/json", &b);
}

int workload_api_cancel(HttpRequest *q, void *userdata) {
        _cleanup_json_ JsonObject *body = NULL;
        WorkloadApi *api = userdata;
        const char *id, *source, *reason;
        int r;

        r = workload_api_body(q, &body);
        if (r >= 0)
                r = workload_api_string(q, body, "workloadId", &id);
        if (r >= 0)
                r = workload_api_string(q, body, "source", &source);
        if (r >= 0)
                r = workload_api_string(q, body, "reason", &reason);
        if (r >= 0)
                r = workload_manager_cancel(api->manager, id, source, reason, http_request_error(q));
        return workload_api_reply(q, r);
}

/* -- Looking -- */

int workload_api_get(HttpRequest *q, void *userdata) {
        _cleanup_(workload_freep) Workload *w = NULL;
        _cleanup_json_ JsonObject *answer = NULL;
        WorkloadApi *api = userdata;
        int r;

        r = workload_manager_get(api->manager, http_request_path_value(q, "id"), &w, http_request_error(q));
        if (r >= 0)
                r = workload_to_json(w, &answer);
        return r < 0 ? r : http_reply_json(q, 200, answer);
}

/* What a list's body asks for. Absent: all. */
typedef struct Filter {
        char **dataplanes, **statuses;
        int64_t before;   /* µs; INT64_MAX: always */
        int sync;         /* 1 syncs, 0 others, negative both */
        bool live_only;
        usec_t (*time)(const Workload *w);
} Filter;

static void filter_done(Filter *f) {
        strv_free(f->dataplanes);
        strv_free(f->statuses);
}

static int add_whole(JsonObject *list, const Workload *w) {
        JsonObject *o = NULL;
        int r;

        r = workload_to_json(w, &o);
        return r < 0 ? r : json_object_array_add(list, o) < 0 ? -ENOMEM : 0;
}

static bool filter_match(const Filter *f, const Workload *w) {
        if (f->dataplanes && (!w->dataplane_id || !strv_contains(f->dataplanes, w->dataplane_id)))
                return false;
        if (f->statuses && !strv_contains(f->statuses, workload_status_to_string(w->status)))
                return false;
        if (f->sync >= 0 && f->sync != (w->type == WORKLOAD_SYNC))
                return false;
        return f->before == INT64_MAX || f->time(w) < (usec_t) f->before;
}

static int read_filter(HttpRequest *q, const char *time_key, Filter *f) {
        _cleanup_json_ JsonObject *body = NULL;
        Error **error = http_request_error(q);
        int r;

        f->before = INT64_MAX;
        if ((r = workload_api_body(q, &body)) < 0 ||
            (r = json_get_strv(body, "dataplane", &f->dataplanes, "The body", error)) < 0 ||
            (r = json_get_strv(body, "status", &f->statuses, "The body", error)) < 0)
                return r;
        STRV_FOREACH(s, f->statuses)
                if (workload_status_from_string(*s) < 0)
                        return error_set(error, -EINVAL, "'%s' is no status", *s);
        return time_key ? json_get_i64(body, time_key, &f->before, "The body", error) : 0;
}

/* Pages through what is stored until the answer is full. */
static int reply_filtered(HttpRequest *q, WorkloadApi *api, const char *time_key, Filter *f) {
        _cleanup_(workload_array_done) WorkloadArray page = {}, found = {};
        _cleanup_free_ char *after = NULL;
        int r;

        r = read_filter(q, time_key, f);
        if (r < 0)
                return r;
        do {
                workload_array_done(&page);
                r = workload_manager_list(api->manager, f->live_only, after, &page, http_request_error(q));
                if (r < 0)
                        return r;
                if (page.n > 0) {
                        free(after);
                        after = strdup(page.items[page.n - 1]->id);
                        if (!after)
                                return -ENOMEM;
                }
                for (size_t i = 0; i < page.n && found.n < LIST_MAX; i++) {
                        if (!filter_match(f, page.items[i]))
                                continue;
                        r = model_array_append((void ***) &found.items, &found.n, page.items[i]);
                        if (r < 0)
                                return r;
                        page.items[i] = NULL;
                }
        } while (page.n > 0 && found.n < LIST_MAX);
        return reply_list(q, &found, add_whole);
}

static usec_t updated_at(const Workload *w) {
        return w->updated_at;
}

static usec_t created_at(const Workload *w) {
        return w->created_at;
}

static usec_t deadline(const Workload *w) {
        return w->deadline;
}

int workload_api_list(HttpRequest *q, void *userdata) {
        _cleanup_(filter_done) Filter f = { .sync = -1, .time = updated_at };

        return reply_filtered(q, userdata, "updatedBefore", &f);
}

int workload_api_active(HttpRequest *q, void *userdata) {
        _cleanup_(filter_done) Filter f = { .sync = -1, .live_only = true };

        return reply_filtered(q, userdata, NULL, &f);
}

int workload_api_expired(HttpRequest *q, void *userdata) {
        _cleanup_(filter_done) Filter f = { .sync = -1, .live_only = true, .time = deadline };

        return reply_filtered(q, userdata, "deadline", &f);
}

int workload_api_long_running_sync(HttpRequest *q, void *userdata) {
        _cleanup_(filter_done) Filter f = { .sync = 1, .live_only = true, .time = created_at };

        return reply_filtered(q, userdata, "createdBefore", &f);
}

int workload_api_long_running_other(HttpRequest *q, void *userdata) {
        _cleanup_(filter_done) Filter f = { .sync = 0, .live_only = true, .time = created_at };

        return reply_filtered(q, userdata, "createdBefore", &f);
}
