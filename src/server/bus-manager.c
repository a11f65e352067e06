/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.gantry.Server1.Manager: lists, making things, and the short ways to start and cancel.
 *
 * Each row reads arguments, calls the service that HTTP calls too, and leaves the answer to a writer.
 * Lists go out as arrays of JSON texts, objects of unknown size as memfds. The first workspace is the
 * default here, unlike in the API: people at a command line have one. */

#include "db/change-store.h"
#include "db/workspace-store.h"
#include "server/access-service.h"
#include "server/actor-service.h"
#include "server/bus-definitions.h"
#include "server/bus-manager.h"
#include "server/bus-signals.h"
#include "server/configuration.h"
#include "server/connection-overview.h"
#include "server/connection-service.h"
#include "server/job-progress.h"
#include "server/job-service.h"
#include "server/out.h"
#include "server/tag-service.h"
#include "server/workflow-client.h"
#include "server/workspace-service.h"

typedef int (*AppendFunction)(Call *c, const Listing *l, JsonObject *list);

static int list(Call *c, sd_bus_message *m, AppendFunction append, JsonObject **ret) {
        _cleanup_listing_ Listing l = {};
        _cleanup_json_ JsonObject *items = json_object_new_array();
        int r = bus_read_listing(c, m, &l);

        if (!items)
                return -ENOMEM;
        if (r >= 0)
                r = append(c, &l, items);
        if (r >= 0)
                *ret = TAKE_PTR(items);
        return r;
}

static int append_workspaces(Call *c, const Listing *l, JsonObject *items) {
        WorkspaceArray found = {};
        int r = workspace_service_list(c, l, &found);

        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = workspace_view(found.items[i], &o);
                if (r >= 0)
                        r = out_append(items, o);
        }
        workspace_array_done(&found);
        return r;
}

static int append_actors(Call *c, const Listing *l, ActorRole role, JsonObject *items) {
        ActorArray found = {};
        int r = actor_service_list(c, role, l, &found);

        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = actor_view(c, found.items[i], &o);
                if (r >= 0)
                        r = out_append(items, o);
        }
        actor_array_done(&found);
        return r;
}

static int append_sources(Call *c, const Listing *l, JsonObject *items) {
        return append_actors(c, l, ACTOR_SOURCE, items);
}

static int append_destinations(Call *c, const Listing *l, JsonObject *items) {
        return append_actors(c, l, ACTOR_DESTINATION, items);
}

static int list_workspaces(Call *c, sd_bus_message *m, JsonObject **ret) {
        return list(c, m, append_workspaces, ret);
}

static int list_sources(Call *c, sd_bus_message *m, JsonObject **ret) {
        return list(c, m, append_sources, ret);
}

static int list_destinations(Call *c, sd_bus_message *m, JsonObject **ret) {
        return list(c, m, append_destinations, ret);
}

static int list_connections(Call *c, sd_bus_message *m, JsonObject **ret) {
        return list(c, m, connection_overview_list, ret);
}

static void on_host(Call *c, int r, sd_bus_message *reply) {
        _cleanup_json_ JsonObject *host = NULL;
        const char *text;

        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                r = json_parse(text, strlen(text), &host, &c->error);
        call_complete(c, r, host);
}

static int get_host(Call *c, sd_bus_message *m, JsonObject **ret) {
        return launcher_describe_host(c, on_host);
}

/* "s filter, t offset, u limit": filter is {connectionId, workspaceId, jobType, status}, the newest come
 * first. */
static int list_jobs(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *items = json_object_new_array(), *o = NULL;
        const char *text, *workspace = NULL, *type = NULL, *status = NULL;
        JobFilter filter = JOB_FILTER_ALL;
        Listing l = {};
        JobArray found = {};
        uint64_t offset;
        uint32_t limit;
        int r = sd_bus_message_read(m, "stu", &text, &offset, &limit);

        if (r >= 0)
                r = bus_set_page(c, offset, limit, &l);
        if (r >= 0 && *text)
                r = json_parse(text, strlen(text), &o, &c->error);
        if (r >= 0)
                r = json_get_string(o, "connectionId", &filter.connection_id, "The filter", &c->error);
        if (r >= 0)
                r = json_get_string(o, "workspaceId", &workspace, "The filter", &c->error);
        if (r >= 0)
                r = json_get_string(o, "jobType", &type, "The filter", &c->error);
        if (r >= 0)
                r = json_get_string(o, "status", &status, "The filter", &c->error);
        if (r < 0)
                return r;
        if (type)
                filter.type = job_type_from_string(type);
        if (status)
                filter.status = job_status_from_string(status);
        if (type && filter.type < 0)
                return call_fail(c, -EINVAL, NULL,
                                 "There is no job type '%s'; there are sync, refresh, clear and reset", type);
        if (status && filter.status < 0)
                return call_fail(c, -EINVAL, NULL,
                                 "There is no job status '%s'; there are pending, running, incomplete, "
                                 "failed, succeeded and cancelled", status);
        filter.order = JOB_ORDER_CREATED_DESCENDING;
        l.workspace_ids = workspace ? (char *[]) { (char *) workspace, NULL } : NULL;
        r = job_service_list(c, &l, &filter, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *job = NULL;

                r = job_view(found.items[i], &job);
                if (r >= 0)
                        r = out_append(items, job);
        }
        job_array_done(&found);
        if (r >= 0)
                *ret = TAKE_PTR(items);
        return r;
}

/* Sources and destinations may leave the workspace out: the first one. */
static int complete_body(Call *c, JsonObject *body) {
        _cleanup_(workspace_freep) Workspace *w = NULL;
        int r;

        if (!body)
                return call_fail(c, -EINVAL, NULL, "The memfd is empty");
        if (json_member(body, "workspaceId"))
                return 0;
        r = workspace_service_default(c, &w);
        return r < 0 ? r : json_add_string(body, "workspaceId", w->id);
}

static int create_workspace(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_(workspace_freep) Workspace *w = NULL;
        int r = bus_read_memfd(c, m, &body);

        if (r >= 0)
                r = workspace_service_create(c, body, &w);
        if (r < 0)
                return r;
        return bus_object_result("workspace", w->id, ret);
}

/* "s workspace_id". */
static int delete_workspace(Call *c, sd_bus_message *m, JsonObject **ret) {
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        return r < 0 ? r : workspace_service_delete(c, id);
}

static int create_actor(Call *c, sd_bus_message *m, ActorRole role, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        int r = bus_read_memfd(c, m, &body);

        if (r >= 0)
                r = complete_body(c, body);
        if (r >= 0)
                r = actor_service_create(c, role, body, &a);
        return r != 0 ? r : bus_object_result(actor_role_to_string(role), a->id, ret);
}

static int create_source(Call *c, sd_bus_message *m, JsonObject **ret) {
        return create_actor(c, m, ACTOR_SOURCE, ret);
}

static int create_destination(Call *c, sd_bus_message *m, JsonObject **ret) {
        return create_actor(c, m, ACTOR_DESTINATION, ret);
}

static int create_connection(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_(connection_freep) Connection *connection = NULL;
        int r = bus_read_memfd(c, m, &body);

        if (r >= 0 && !body)
                r = call_fail(c, -EINVAL, NULL, "The memfd is empty");
        if (r >= 0)
                r = connection_service_create(c, body, &connection);
        return r != 0 ? r : bus_object_result("connection", connection->id, ret);
}

/* "s connection_id, s options". */
static int start(Call *c, sd_bus_message *m, JobType type) {
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        return r < 0 ? r : bus_start_job(c, m, id, type);
}

static int start_sync(Call *c, sd_bus_message *m, JsonObject **ret) {
        return start(c, m, JOB_SYNC);
}

static int start_refresh(Call *c, sd_bus_message *m, JsonObject **ret) {
        return start(c, m, JOB_REFRESH);
}

static int start_clear(Call *c, sd_bus_message *m, JsonObject **ret) {
        return start(c, m, JOB_CLEAR);
}

static int cancel_job(Call *c, sd_bus_message *m, JsonObject **ret) {
        int64_t id;
        int r = sd_bus_message_read(m, "x", &id);

        return r < 0 ? r : job_service_cancel(c, id);
}

static int get_credentials(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_wipe_ char *secret = NULL;
        _cleanup_free_ char *id = NULL;
        _cleanup_out_ Out out = out_object();
        int r = application_service_credentials(c, &id, &secret);

        if (r < 0)
                return r;
        out_string(&out, "clientId", id);
        out_string(&out, "clientSecret", secret);
        return out_take(&out, ret);
}

static int write_credentials(Call *c, JsonObject *result, sd_bus_message *reply) {
        return sd_bus_message_append(reply, "ss", json_object_get_string(json_member(result, "clientId")),
                                     json_object_get_string(json_member(result, "clientSecret")));
}

/* A workspace's tags are few: they are read as a whole, and a page is a part of that. */
static int append_tags(Call *c, const Listing *l, JsonObject *items) {
        TagArray found = {};
        int r = tag_service_list(c, l, &found);

        for (uint64_t i = l->options.offset; r >= 0 && i < found.n && i - l->options.offset < l->options.limit; i++) {
                JsonObject *o = NULL;

                r = tag_view(found.items[i], &o);
                if (r >= 0)
                        r = out_append(items, o);
        }
        tag_array_done(&found);
        return r;
}

static int list_tags(Call *c, sd_bus_message *m, JsonObject **ret) {
        return list(c, m, append_tags, ret);
}

static int create_tag(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_(tag_freep) Tag *t = NULL;
        _cleanup_out_ Out out = out_object();
        int r = bus_read_memfd(c, m, &body);

        if (r >= 0)
                r = complete_body(c, body);
        if (r >= 0)
                r = tag_service_create(c, body, &t);
        if (r < 0)
                return r;
        out_string(&out, "id", t->id);
        return out_take(&out, ret);
}

static int write_id(Call *c, JsonObject *result, sd_bus_message *reply) {
        return sd_bus_message_append(reply, "s", json_object_get_string(json_member(result, "id")));
}

/* "s tag_id": connections lose it. */
static int delete_tag(Call *c, sd_bus_message *m, JsonObject **ret) {
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        return r < 0 ? r : tag_service_delete(c, id);
}

/* "s actor_id, h config": from gantry-workload, which runs as we do. */
static int put_rotated(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *config = NULL;
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        if (r >= 0)
                r = bus_read_memfd(c, m, &config);
        return r < 0 ? r : actor_service_rotate(c, id, config);
}

/* "h progress": likewise. */
static int put_progress(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        int r = bus_read_memfd(c, m, &body);

        return r < 0 ? r : job_progress_put(c, body);
}

/* "t since, u limit". */
static int list_changes(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *items = json_object_new_array();
        ChangeArray found = {};
        uint64_t since;
        uint32_t limit;
        int r = sd_bus_message_read(m, "tu", &since, &limit);

        if (r >= 0 && since > INT64_MAX)
                return call_fail(c, -EINVAL, NULL, "There is no such seq");
        if (r >= 0)
                r = change_list(c->server->db, (int64_t) since, limit == 0 || limit > BUS_LIST_MAX ? BUS_LIST_MAX :
                                limit,
                                &found, &c->error);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                Out out = out_object();
                JsonObject *o = NULL;

                out_i64(&out, "seq", found.items[i]->seq);
                out_string(&out, "kind", change_kind_to_string(found.items[i]->kind));
                out_string(&out, "id", found.items[i]->id);
                out_i64(&out, "at", (int64_t) found.items[i]->at);
                r = out_take(&out, &o);
                if (r >= 0)
                        r = out_append(items, o);
        }
        change_array_done(&found);
        if (r >= 0)
                *ret = TAKE_PTR(items);
        return r;
}

static int write_changes(Call *c, JsonObject *result, sd_bus_message *reply) {
        int r = sd_bus_message_open_container(reply, 'a', "(tsst)");

        for (size_t i = 0; r >= 0 && i < json_object_array_length(result); i++) {
                JsonObject *o = json_object_array_get_idx(result, i);

                r = sd_bus_message_append(reply, "(tsst)", (uint64_t) json_object_get_int64(json_member(o,
                                                                                                        "seq")),
                                          json_object_get_string(json_member(o, "kind")),
                                          json_object_get_string(json_member(o, "id")),
                                          (uint64_t) json_object_get_int64(json_member(o, "at")));
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int subscribe(Call *c, sd_bus_message *m, JsonObject **ret) {
        return bus_signals_subscribe(c->server->signals, m);
}

static int unsubscribe(Call *c, sd_bus_message *m, JsonObject **ret) {
        return bus_signals_unsubscribe(c->server->signals, m);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        return sd_bus_message_append(reply, "s", PACKAGE_VERSION);
}

#define METHOD(member_, action_, role_, run_, write_) { MANAGER_INTERFACE, member_, action_, role_, run_, write_ }

const BusMethod bus_manager_methods[] = {
        METHOD("ListWorkspaces", "read", ROLE_READER, list_workspaces, bus_write_list),
        METHOD("ListSources", "read", ROLE_READER, list_sources, bus_write_list),
        METHOD("ListDestinations", "read", ROLE_READER, list_destinations, bus_write_list),
        METHOD("ListConnections", "read", ROLE_READER, list_connections, bus_write_list),
        METHOD("ListTags", "read", ROLE_READER, list_tags, bus_write_list),
        METHOD("ListDefinitions", "read", ROLE_READER, bus_list_definitions, bus_write_list),
        METHOD("ListJobs", "read", ROLE_READER, list_jobs, bus_write_list),
        METHOD("ListChanges", "read", ROLE_READER, list_changes, write_changes),
        METHOD("Subscribe", "read", ROLE_READER, subscribe, NULL),
        METHOD("Unsubscribe", "read", ROLE_READER, unsubscribe, NULL),
        METHOD("GetSpec", "read", ROLE_READER, bus_get_spec, bus_write_memfd),
        METHOD("GetHost", "read", ROLE_READER, get_host, bus_write_memfd),
        METHOD("CreateDefinition", "install-connector", ROLE_ADMIN, bus_create_definition, bus_write_memfd),
        METHOD("UpdateDefinition", "install-connector", ROLE_ADMIN, bus_update_definition, bus_write_memfd),
        METHOD("DeleteDefinition", "install-connector", ROLE_ADMIN, bus_delete_definition, NULL),
        METHOD("InstallConnector", "install-connector", ROLE_ADMIN, bus_install_connector, bus_write_memfd),
        METHOD("RemoveConnector", "install-connector", ROLE_ADMIN, bus_remove_connector, NULL),
        METHOD("CreateWorkspace", "configure", ROLE_ADMIN, create_workspace, bus_write_object),
        METHOD("DeleteWorkspace", "configure", ROLE_ADMIN, delete_workspace, NULL),
        METHOD("CreateSource", "configure", ROLE_ADMIN, create_source, bus_write_object),
        METHOD("CreateDestination", "configure", ROLE_ADMIN, create_destination, bus_write_object),
        METHOD("CreateConnection", "configure", ROLE_ADMIN, create_connection, bus_write_object),
        METHOD("CreateTag", "configure", ROLE_ADMIN, create_tag, write_id),
        METHOD("DeleteTag", "configure", ROLE_ADMIN, delete_tag, NULL),
        METHOD("Sync", "run", ROLE_RUNNER, start_sync, bus_write_job),
        METHOD("Refresh", "clear-data", ROLE_ADMIN, start_refresh, bus_write_job),
        METHOD("Clear", "clear-data", ROLE_ADMIN, start_clear, bus_write_job),
        METHOD("Cancel", "run", ROLE_RUNNER, cancel_job, NULL),
        METHOD("GetCredentials", "secrets", ROLE_ADMIN, get_credentials, write_credentials),
        METHOD("PutProgress", NULL, ROLE_ADMIN, put_progress, NULL),
        METHOD("PutRotatedConfiguration", NULL, ROLE_ADMIN, put_rotated, NULL),
        {},
};

#define LIST_IN SD_BUS_ARGS("s", workspace_id, "t", offset, "u", limit)
#define ITEMS_OUT SD_BUS_RESULT("as", items)
#define JSON_IN SD_BUS_ARGS("h", json)
#define OBJECT_OUT SD_BUS_RESULT("o", path, "s", id)
#define JOB_IN SD_BUS_ARGS("s", connection_id, "s", options)

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS("ListWorkspaces", LIST_IN, ITEMS_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListSources", LIST_IN, ITEMS_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListDestinations", LIST_IN, ITEMS_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListConnections", LIST_IN, ITEMS_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListTags", LIST_IN, ITEMS_OUT, bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListDefinitions", SD_BUS_ARGS("s", role, "s", workspace_id, "t", offset,
                                                               "u", limit),
                                ITEMS_OUT, bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListJobs", SD_BUS_ARGS("s", filter, "t", offset, "u", limit),
                                ITEMS_OUT, bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListChanges", SD_BUS_ARGS("t", since, "u", limit),
                                SD_BUS_RESULT("a(tsst)",
                                              changes), bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unsubscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetSpec", SD_BUS_ARGS("s", definition_id),
                                SD_BUS_RESULT("h", spec), bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHost", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", host), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateDefinition", SD_BUS_ARGS("s", role, "s", reference, "h", json),
                                SD_BUS_RESULT("h", definition), bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("UpdateDefinition", SD_BUS_ARGS("s", definition_id, "h", json),
                                SD_BUS_RESULT("h", definition), bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DeleteDefinition", SD_BUS_ARGS("s", definition_id), SD_BUS_NO_RESULT,
                                bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("InstallConnector", SD_BUS_ARGS("s", reference, "s", workspace_id),
                                SD_BUS_RESULT("h", definition), bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveConnector", SD_BUS_ARGS("s", reference), SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateWorkspace", JSON_IN, OBJECT_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DeleteWorkspace", SD_BUS_ARGS("s", workspace_id), SD_BUS_NO_RESULT,
                                bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateSource", JSON_IN, OBJECT_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateDestination", JSON_IN, OBJECT_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateConnection", JSON_IN, OBJECT_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateTag", JSON_IN, SD_BUS_RESULT("s", id), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("DeleteTag", SD_BUS_ARGS("s", tag_id), SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Sync", JOB_IN, SD_BUS_RESULT("x", job_id), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Refresh", JOB_IN, SD_BUS_RESULT("x", job_id), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Clear", JOB_IN, SD_BUS_RESULT("x", job_id), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("x", job_id), SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetCredentials", SD_BUS_NO_ARGS,
                                SD_BUS_RESULT("s", client_id, "s", client_secret), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PutProgress", SD_BUS_ARGS("h", progress), SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PutRotatedConfiguration", SD_BUS_ARGS("s", actor_id, "h", config),
                                SD_BUS_NO_RESULT,
                                bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Changed", SD_BUS_ARGS("t", seq), 0),
        SD_BUS_VTABLE_END,
};

int bus_manager_add(Server *s) {
        return sd_bus_add_object_vtable(s->bus, NULL, SERVER_PATH, MANAGER_INTERFACE, manager_vtable, s);
}
