/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The config API's calls for jobs and states.
 *
 * Answers here hold more than one object (a job with its attempts and log lines), and the lines are
 * another daemon's: `then` turns the service's answer, when it comes, into the form of this API.
 * Everything but the lines is read from the database. */

#include "db/actor-store.h"
#include "db/definition-store.h"
#include "server/api.h"
#include "server/config-state.h"
#include "server/config-view.h"
#include "server/connection-state.h"
#include "server/job-log.h"
#include "server/routes-config-jobs.h"

#define LOG_LINES_MAX 10000U

/* {"job", "attempts"} (JobInfoRead). */
static int view_info(Call *c, const Job *j, JsonObject *lines, JsonObject **ret) {
        JsonObject *job = NULL, *attempts = NULL;
        _cleanup_out_ Out out = out_object();
        int r = config_view_job(j, &job);

        if (r >= 0)
                r = config_view_attempts(c, j, lines, &attempts);
        out_value(&out, "job", job);
        out_value(&out, "attempts", attempts);
        return r < 0 ? r : out_take(&out, ret);
}

static int view_started(Call *c, const Job *j, JsonObject **ret) {
        return view_info(c, j, NULL, ret);
}

static int start(Call *c, JobType type) {
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        return r < 0 ? r : job_service_start_with_view(c, id, type, NULL, view_started);
}

static int sync_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        return start(c, JOB_SYNC);
}

static int reset_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        return start(c, JOB_RESET);
}

static int clear_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        return start(c, JOB_CLEAR);
}

/* [{"streamName", "streamNamespace"}] as the jobs have them: [{"name", "namespace"}]. */
static int read_streams(Call *c, JsonObject *options) {
        JsonObject *given = NULL, *list;
        int r = body_array(c, c->body, "streams", &given);

        if (r <= 0)
                return r;
        list = json_object_new_array();
        r = list ? 0 : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < json_object_array_length(given); i++) {
                JsonObject *entry = json_object_array_get_idx(given, i), *o = NULL;
                const char *name = NULL, *namespace = NULL;
                _cleanup_out_ Out out = out_object();

                if (!json_object_is_type(entry, json_type_object))
                        r = call_fail(c, -EINVAL, NULL, "'streams' must be a list of objects");
                if (r >= 0)
                        r = body_need_string(c, entry, "streamName", &name);
                if (r >= 0)
                        r = body_string(c, entry, "streamNamespace", &namespace);
                out_string(&out, "name", name);
                out_string(&out, "namespace", namespace);
                if (r >= 0)
                        r = out_take(&out, &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        if (r < 0) {
                json_object_put(list);
                return r;
        }
        return json_add(options, "streams", list);
}

static int start_some(Call *c, JobType type, JsonObject *options, JobView view) {
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        if (r >= 0)
                r = read_streams(c, options);
        return r < 0 ? r : job_service_start_with_view(c, id, type, options, view);
}

static int clear_streams(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *options = json_object_new_object();

        return options ? start_some(c, JOB_CLEAR, options, view_started) : -ENOMEM;
}

static int reset_streams(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *options = json_object_new_object();

        return options ? start_some(c, JOB_RESET, options, view_started) : -ENOMEM;
}

/* {"job"} (JobReadResponse). */
static int view_refresh(Call *c, const Job *j, JsonObject **ret) {
        JsonObject *job = NULL;
        _cleanup_out_ Out out = out_object();
        int r = config_view_job(j, &job);

        out_value(&out, "job", job);
        return r < 0 ? r : out_take(&out, ret);
}

/* A destination that knows nothing of generations would keep the old rows beside the new ones. */
static int require_refreshes(Call *c, const char *connection_id) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        int r = connection_service_get(c, connection_id, ROLE_RUNNER, &connection);

        if (r >= 0)
                r = actor_store_get(c->server->db, connection->destination_id, &a, &c->error);
        if (r >= 0)
                r = definition_store_get(c->server->db, a->definition_id, &d, &c->error);
        if (r < 0 || d->supports_refreshes)
                return r;
        return call_fail(c, -EDOM, NULL, "The destination '%s' can't refresh streams: clear them, then sync", a->name);
}

/* Without a mode the old rows go, which is what a refresh is taken for. */
static int refresh_connection(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *options = json_object_new_object();
        const char *mode = "Truncate", *id;
        int r = options ? body_need_string(c, c->body, "connectionId", &id) : -ENOMEM;

        if (r >= 0)
                r = body_string(c, c->body, "refreshMode", &mode);

        if (r >= 0 && !streq(mode, "Truncate") && !streq(mode, "Merge"))
                r = call_fail(c, -EINVAL, NULL, "'refreshMode' must be 'Truncate' or 'Merge'");
        if (r >= 0)
                r = require_refreshes(c, id);
        if (r >= 0)
                r = json_add_string(options, "refreshMode", mode);
        return r < 0 ? r : start_some(c, JOB_REFRESH, options, view_refresh);
}

static int need_job_id(Call *c, int64_t *ret) {
        int r = body_i64(c, c->body, "id", ret);

        return r == 0 ? call_fail(c, -EINVAL, NULL, "The body must have 'id'") : r;
}

static int show_job(Call *c, int64_t id, JsonObject *lines, JsonObject **ret) {
        _cleanup_(job_freep) Job *j = NULL;
        int r = job_service_get(c, id, ROLE_READER, &j);

        return r < 0 ? r : view_info(c, j, lines, ret);
}

/* The logs come from another daemon; without them the rest is shown all the same. */
static int on_logs(Call *c, int r, JsonObject *logs, JsonObject **ret) {
        int64_t id;
        int k = need_job_id(c, &id);

        if (r < 0)
                error_free(TAKE_PTR(c->error));
        return k < 0 ? k : show_job(c, id, json_member(logs, "lines"), ret);
}

static int get_job(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(job_freep) Job *j = NULL;
        int64_t id;
        int r = need_job_id(c, &id);

        if (r >= 0)
                r = job_service_get(c, id, ROLE_READER, &j);
        if (r < 0)
                return r;
        if (j->attempts == 0)
                return view_info(c, j, NULL, ret);
        c->then = on_logs;
        r = job_log_read(c, id, (uint32_t) j->attempts - 1, 0, LOG_LINES_MAX);
        return r < 0 ? show_job(c, id, NULL, ret) : r;
}

static int get_job_light(Call *c, HttpRequest *q, JsonObject **ret) {
        int64_t id;
        int r = need_job_id(c, &id);

        return r < 0 ? r : show_job(c, id, NULL, ret);
}

static int cancel_job(Call *c, HttpRequest *q, JsonObject **ret) {
        int64_t id;
        int r = need_job_id(c, &id);

        return r < 0 ? r : job_service_cancel_with_view(c, id, view_started);
}

/* configTypes names what the connection's jobs may be; those that run outside of jobs here match nothing.
 * */
static int read_types(Call *c, JobFilter *filter, bool *ret_none) {
        _cleanup_strv_ char **types = NULL;
        JobType only = _JOB_TYPE_INVALID;
        size_t n = 0;
        int r = body_strv(c, c->body, "configTypes", &types);

        STRV_FOREACH(t, types) {
                JobType type = streq(*t, "reset_connection") ? JOB_RESET : job_type_from_string(*t);

                if (type >= 0) {
                        only = type;
                        n++;
                }
        }
        *ret_none = types && n == 0;
        filter->type = n == 1 ? only : _JOB_TYPE_INVALID;
        return r < 0 ? r : 0;
}

static int list_jobs(Call *c, HttpRequest *q, JsonObject **ret) {
        JsonObject *list = json_object_new_array();
        _cleanup_out_ Out out = out_object();
        JobFilter filter = JOB_FILTER_ALL;
        _cleanup_listing_ Listing l = {};
        JobArray found = {};
        bool none = false;
        int r = body_string(c, c->body, "configId", &filter.connection_id);

        if (r >= 0)
                r = read_types(c, &filter, &none);
        if (r >= 0)
                r = body_page(c, c->body, &l.options);
        if (r >= 0)
                r = listing_set_workspaces(c, NULL, &l);
        filter.order = JOB_ORDER_CREATED_DESCENDING;
        if (r >= 0 && !none)
                r = job_service_list(c, &l, &filter, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = view_info(c, found.items[i], NULL, &o);
                if (r >= 0)
                        r = out_append(list, o);
        }
        out_value(&out, "jobs", list);
        out_i64(&out, "totalJobCount", (int64_t) (l.options.offset + found.n));
        job_array_done(&found);
        return r < 0 ? r : out_take(&out, ret);
}

static int show_state(Call *c, const char *id, JsonObject **ret) {
        _cleanup_json_ JsonObject *states = NULL;
        int r = connection_state_get(c, id, &states);

        return r < 0 ? r : config_view_state(id, states, ret);
}

static int get_state(Call *c, HttpRequest *q, JsonObject **ret) {
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        return r < 0 ? r : show_state(c, id, ret);
}

static int on_state_set(Call *c, int r, JsonObject *nothing, JsonObject **ret) {
        const char *id;

        if (r >= 0)
                r = body_need_string(c, c->body, "connectionId", &id);
        return r < 0 ? r : show_state(c, id, ret);
}

static int set_state(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_json_ JsonObject *states = NULL;
        JsonObject *state = NULL;
        const char *id;
        int r = body_need_string(c, c->body, "connectionId", &id);

        if (r >= 0)
                r = body_need_object(c, c->body, "connectionState", &state);
        if (r >= 0)
                r = config_to_states(c, state, &states);
        if (r < 0)
                return r;
        c->then = on_state_set;
        return connection_state_set(c, id, states);
}

#define FLAGS (API_CONFIG | API_OPTIONAL_BODY | API_HIDDEN)
#define ROW(path_, handler_) { "POST", "/api/v1/" path_, handler_, FLAGS }

static const ApiRoute routes_config_jobs_rows[] = {
        ROW("connections/sync", sync_connection),
        ROW("connections/reset", reset_connection),
        ROW("connections/clear", clear_connection),
        ROW("connections/clear/stream", clear_streams),
        ROW("connections/reset/stream", reset_streams),
        ROW("connections/refresh", refresh_connection),
        ROW("jobs/list", list_jobs),
        ROW("jobs/get", get_job),
        ROW("jobs/get_light", get_job_light),
        ROW("jobs/get_without_logs", get_job_light),
        ROW("jobs/get_debug_info", get_job),
        ROW("jobs/cancel", cancel_job),
        ROW("state/get", get_state),
        { "POST", "/api/v1/state/create_or_update", set_state, FLAGS, .body_max = HTTP_BODY_LARGE_MAX },
        { "POST", "/api/v1/state/create_or_update_safe", set_state, FLAGS, .body_max = HTTP_BODY_LARGE_MAX },
};
API_TABLE(routes_config_jobs);
