/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The objects below /org/gantry/Server1: none is registered, each is looked up when it is asked for.
 * Properties are open to everybody on the bus, so they hold nothing of a configuration; Get() does, under
 * polkit.
 *
 * A fallback vtable serves a whole prefix; sd-bus asks `find` for each path whether there is such an
 * object. So a hundred thousand connections cost nothing until one of them is asked for, and none can be
 * shown that is no longer in the database. Of those, the enumeration of the bus names live jobs alone, and
 * signals of change are bus-signals.c's.
 *
 * Properties are fields of the model by another name (`fields`), read from the row at each access. */

#include <stdio.h>

#include "basic/parse-util.h"
#include "db/attempt-store.h"
#include "server/actor-run.h"
#include "server/bus-objects.h"
#include "server/connection-overview.h"
#include "server/connection-service.h"
#include "server/connection-state.h"
#include "server/job-log.h"
#include "server/job-progress.h"
#include "server/job-service.h"
#include "server/out.h"
#include "server/timeline-service.h"

typedef enum ObjectKind {
        OBJECT_SOURCE,
        OBJECT_DESTINATION,
        OBJECT_CONNECTION,
        OBJECT_JOB,
        _OBJECT_KIND_MAX,
        _OBJECT_KIND_INVALID = -EINVAL,
} ObjectKind;

static const struct {
        const char *prefix, *interface;
} kinds[_OBJECT_KIND_MAX] = {
        [OBJECT_SOURCE] = { SERVER_PATH "/source", SERVER_INTERFACE ".Source" },
        [OBJECT_DESTINATION] = { SERVER_PATH "/destination", SERVER_INTERFACE ".Destination" },
        [OBJECT_CONNECTION] = { SERVER_PATH "/connection", SERVER_INTERFACE ".Connection" },
        [OBJECT_JOB] = { SERVER_PATH "/job", SERVER_INTERFACE ".Job" },
};

/* The kind and id that a path names; -ENOENT. */
static int parse_path(const char *path, ObjectKind *ret_kind, char **ret_id) {
        for (ObjectKind k = 0; k < _OBJECT_KIND_MAX; k++) {
                int r = sd_bus_path_decode(path, kinds[k].prefix, ret_id);

                if (r < 0)
                        return r;
                if (r > 0 && *ret_id && **ret_id) {
                        *ret_kind = k;
                        return 0;
                }
                free(*ret_id);
                *ret_id = NULL;
        }
        return -ENOENT;
}

typedef struct Object {
        const Model *model;
        void *o;
} Object;

static void object_done(Object *o) {
        if (o->o)
                model_free(o->model, o->o);
}

static int load(Server *s, ObjectKind kind, const char *id, Object *ret) {
        Connection *connection = NULL;
        Actor *a = NULL;
        Job *j = NULL;
        int64_t number;
        int r;

        if (kind == OBJECT_JOB) {
                r = parse_i64(id, &number) < 0 ? -ENOENT : job_store_get(s->db, number, &j, NULL);
                if (r >= 0)
                        job_progress_add(s, j);
                *ret = (Object) { &job_model, j };
        } else if (kind == OBJECT_CONNECTION) {
                r = connection_store_get(s->db, id, &connection, NULL);
                *ret = (Object) { &connection_model, connection };
                if (r >= 0 && connection->status == CONNECTION_DEPRECATED)
                        r = -ENOENT;
        } else {
                r = actor_store_get(s->db, id, &a, NULL);
                *ret = (Object) { &actor_model, a };
                if (r >= 0 && (a->tombstone || a->role != (kind == OBJECT_SOURCE ? ACTOR_SOURCE :
                                                           ACTOR_DESTINATION)))
                        r = -ENOENT;
        }
        return r;
}

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                sd_bus_error *reterr) {
        _cleanup_free_ char *id = NULL;
        _cleanup_(object_done) Object o = {};
        ObjectKind kind;
        int r = parse_path(path, &kind, &id);

        if (r >= 0 && !streq(interface, kinds[kind].interface))
                return 0;
        if (r >= 0)
                r = load(userdata, kind, id, &o);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        *ret_found = userdata;
        return 1;
}

/* Properties and the fields that they show. */
static const struct {
        const char *property, *field;
} fields[] = {
        { "Id", "id" },
        { "Name", "name" },
        { "WorkspaceId", "workspace_id" },
        { "DefinitionId", "definition_id" },
        { "CheckStatus", "check_status" },
        { "CheckedAt", "check_at" },
        { "SourceId", "source_id" },
        { "DestinationId", "destination_id" },
        { "ConnectionId", "connection_id" },
        { "Status", "status" },
        { "StatusReason", "status_reason" },
        { "ScheduleType", "schedule_type" },
        { "NextRun", "next_run" },
        { "BreakingChange", "breaking_change" },
        { "Type", "type" },
        { "Attempts", "attempts" },
        { "RecordsCommitted", "records_committed" },
        { "BytesCommitted", "bytes_committed" },
        { "Revision", "revision" },
        { "CreatedAt", "created_at" },
        { "StartedAt", "started_at" },
        { "EndedAt", "ended_at" },
        { "UpdatedAt", "updated_at" },
};

static int append_field(sd_bus_message *reply, const Field *f, const void *o) {
        const void *p = field_of_const(f, o);

        switch (f->type) {
        case FIELD_TEXT:
                return sd_bus_message_append(reply, "s", strempty(*(char *const *) p));
        case FIELD_ENUM:
                return sd_bus_message_append(reply, "s", strempty(enum_to_string(f->names,
                                                                                 *(const int *) p)));
        case FIELD_TIME:
                return sd_bus_message_append(reply, "t", *(const usec_t *) p);
        case FIELD_BOOL:
                return sd_bus_message_append(reply, "b", *(const bool *) p);
        case FIELD_INT:
        case FIELD_INT_OPTIONAL:
                return sd_bus_message_append(reply, "i", *(const int *) p);
        case FIELD_I64:
        case FIELD_I64_OPTIONAL:
                return sd_bus_message_append(reply, "x", *(const int64_t *) p);
        default:
                return -ENOTSUP;
        }
}

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        _cleanup_free_ char *id = NULL;
        _cleanup_(object_done) Object o = {};
        ObjectKind kind;
        int r = parse_path(path, &kind, &id);

        if (r >= 0)
                r = load(userdata, kind, id, &o);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (streq(fields[i].property, property))
                        return append_field(reply, model_field(o.model, fields[i].field), o.o);
        return -ENOENT;
}

/* The id of the object that the message is for. */
static int target(sd_bus_message *m, ObjectKind *ret_kind, char **ret_id) {
        return parse_path(sd_bus_message_get_path(m), ret_kind, ret_id);
}

/* The last argument of what changes an object: the revision that the caller has seen, or 0. */
static int read_revision(Call *c, sd_bus_message *m) {
        int r = sd_bus_message_read(m, "x", &c->revision);

        if (r >= 0 && c->revision < 0)
                return call_fail(c, -EINVAL, NULL, "A revision is 1 or more, or 0 for whatever is stored");
        return r < 0 ? r : 0;
}

/* Get() tells which revision it shows. */
static int write_with_revision(Call *c, JsonObject *result, sd_bus_message *reply) {
        int r = bus_write_memfd(c, result, reply);

        return r < 0 ? r : sd_bus_message_append(reply, "x", c->revision);
}

static ActorRole role_of(ObjectKind kind) {
        return kind == OBJECT_SOURCE ? ACTOR_SOURCE : ACTOR_DESTINATION;
}

static int actor_get(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(actor_freep) Actor *a = NULL;
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = actor_service_get(c, role_of(kind), id, ROLE_READER, &a);
        if (r < 0)
                return r;
        c->revision = a->revision;
        return actor_view(c, a, ret);
}

static int actor_check(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *config = NULL;
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = bus_read_memfd(c, m, &config);
        return r < 0 ? r : actor_run_check(c, role_of(kind), id, config);
}

static int view_catalog(Call *c, const Discovered *d, void *userdata, JsonObject **ret) {
        *ret = json_object_get(d->raw);
        return 0;
}

static int source_discover(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int ignore_cache, r = target(m, &kind, &id);

        if (r >= 0)
                r = sd_bus_message_read(m, "b", &ignore_cache);
        return r < 0 ? r : actor_run_discover(c, id, ignore_cache, view_catalog, NULL, NULL);
}

static int actor_update(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(actor_freep) Actor *a = NULL;
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = bus_read_memfd(c, m, &body);
        if (r >= 0)
                r = read_revision(c, m);
        return r < 0 ? r : actor_service_update(c, role_of(kind), id, body, /* replace= */ false, &a);
}

static int actor_delete(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = read_revision(c, m);
        return r < 0 ? r : actor_service_delete(c, role_of(kind), id);
}

static int connection_get(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = connection_service_get(c, id, ROLE_READER, &connection);
        if (r < 0)
                return r;
        c->revision = connection->revision;
        return connection_overview_view(c, connection, ret);
}

static int connection_update(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = bus_read_memfd(c, m, &body);
        if (r >= 0)
                r = read_revision(c, m);
        return r < 0 ? r : connection_service_update(c, id, body, &connection);
}

static int connection_set_status(Call *c, sd_bus_message *m, const char *status) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_json_ JsonObject *body = json_object_new_object();
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = body ? json_add_string(body, "status", status) : -ENOMEM;
        return r < 0 ? r : connection_service_update(c, id, body, &connection);
}

static int connection_enable(Call *c, sd_bus_message *m, JsonObject **ret) {
        return connection_set_status(c, m, "active");
}

static int connection_disable(Call *c, sd_bus_message *m, JsonObject **ret) {
        return connection_set_status(c, m, "inactive");
}

static int connection_delete(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = read_revision(c, m);
        return r < 0 ? r : connection_service_delete(c, id);
}

static int connection_start(Call *c, sd_bus_message *m, JobType type) {
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        return r < 0 ? r : bus_start_job(c, m, id, type);
}

static int connection_sync(Call *c, sd_bus_message *m, JsonObject **ret) {
        return connection_start(c, m, JOB_SYNC);
}

static int connection_refresh(Call *c, sd_bus_message *m, JsonObject **ret) {
        return connection_start(c, m, JOB_REFRESH);
}

static int connection_clear(Call *c, sd_bus_message *m, JsonObject **ret) {
        return connection_start(c, m, JOB_CLEAR);
}

static int connection_get_state(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        return r < 0 ? r : connection_state_get(c, id, ret);
}

/* "t offset, u limit". */
static int connection_list_events(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *items = json_object_new_array();
        _cleanup_free_ char *id = NULL;
        Listing l = {};
        ObjectKind kind;
        uint64_t offset;
        uint32_t limit;
        int r = items ? target(m, &kind, &id) : -ENOMEM;

        if (r >= 0)
                r = sd_bus_message_read(m, "tu", &offset, &limit);
        if (r >= 0)
                r = bus_set_page(c, offset, limit, &l);
        if (r >= 0)
                r = timeline_service_list(c, id, NULL, &l.options, items);
        if (r >= 0)
                *ret = TAKE_PTR(items);
        return r;
}

/* {"states": […]}, because a memfd holds an object. */
static int connection_set_state(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        if (r >= 0)
                r = bus_read_memfd(c, m, &body);
        return r < 0 ? r : connection_state_set(c, id, json_member(body, "states"));
}

static int job_target(Call *c, sd_bus_message *m, int64_t *ret) {
        _cleanup_free_ char *id = NULL;
        ObjectKind kind;
        int r = target(m, &kind, &id);

        return r < 0 ? r : parse_i64(id, ret);
}

static int job_get(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_(job_freep) Job *j = NULL;
        int64_t id;
        int r = job_target(c, m, &id);

        if (r >= 0)
                r = job_service_get(c, id, ROLE_READER, &j);
        return r < 0 ? r : job_view_whole(c, j, ret);
}

static int job_cancel(Call *c, sd_bus_message *m, JsonObject **ret) {
        int64_t id;
        int r = job_target(c, m, &id);

        return r < 0 ? r : job_service_cancel(c, id);
}

static int job_read_logs(Call *c, sd_bus_message *m, JsonObject **ret) {
        uint32_t attempt, max;
        uint64_t cursor;
        int64_t id;
        int r = job_target(c, m, &id);

        if (r >= 0)
                r = sd_bus_message_read(m, "utu", &attempt, &cursor, &max);
        return r < 0 ? r : job_log_read(c, id, attempt, cursor, max);
}

#define ROWS_ACTOR(i_)                                                                                   \
        { SERVER_INTERFACE i_, "Get", "read", ROLE_READER, actor_get, write_with_revision },               \
        { SERVER_INTERFACE i_, "Check", "configure", ROLE_EDITOR, actor_check, bus_write_json },       \
        { SERVER_INTERFACE i_, "Update", "configure", ROLE_EDITOR, actor_update, NULL },               \
        { SERVER_INTERFACE i_, "Delete", "configure", ROLE_EDITOR, actor_delete, NULL }
#define ROW_CONNECTION(member_, action_, role_, run_, write_) \
        { SERVER_INTERFACE ".Connection", member_, action_, role_, run_, write_ }

const BusMethod bus_object_methods[] = {
        ROWS_ACTOR(".Source"),
        ROWS_ACTOR(".Destination"),
        { SERVER_INTERFACE ".Source", "Discover", "run", ROLE_RUNNER, source_discover, bus_write_memfd },
        ROW_CONNECTION("Get", "read", ROLE_READER, connection_get, write_with_revision),
        ROW_CONNECTION("Update", "configure", ROLE_EDITOR, connection_update, NULL),
        ROW_CONNECTION("Enable", "configure", ROLE_EDITOR, connection_enable, NULL),
        ROW_CONNECTION("Disable", "configure", ROLE_EDITOR, connection_disable, NULL),
        ROW_CONNECTION("Delete", "configure", ROLE_EDITOR, connection_delete, NULL),
        ROW_CONNECTION("Sync", "run", ROLE_RUNNER, connection_sync, bus_write_job),
        ROW_CONNECTION("Refresh", "clear-data", ROLE_EDITOR, connection_refresh, bus_write_job),
        ROW_CONNECTION("Clear", "clear-data", ROLE_EDITOR, connection_clear, bus_write_job),
        ROW_CONNECTION("GetState", "read", ROLE_READER, connection_get_state, bus_write_memfd),
        ROW_CONNECTION("ListEvents", "read", ROLE_READER, connection_list_events, bus_write_list),
        ROW_CONNECTION("SetState", "configure", ROLE_EDITOR, connection_set_state, NULL),
        { SERVER_INTERFACE ".Job", "Get", "read", ROLE_READER, job_get, bus_write_memfd },
        { SERVER_INTERFACE ".Job", "Cancel", "run", ROLE_RUNNER, job_cancel, NULL },
        { SERVER_INTERFACE ".Job", "ReadLogs", "read", ROLE_READER, job_read_logs, job_log_write },
        {},
};

#define CONSTANT(name, type) SD_BUS_PROPERTY(name, type, get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST)
/* Told by name, see bus-signals.h. */
#define PROPERTY(name, type) SD_BUS_PROPERTY(name, type, get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION)
/* Changes without a row of `change`. */
#define SILENT(name, type) SD_BUS_PROPERTY(name, type, get_property, 0, 0)
#define JSON_OUT SD_BUS_RESULT("h", json)
#define JSON_AND_REVISION_OUT SD_BUS_RESULT("h", json, "x", revision)
#define UPDATE_IN SD_BUS_ARGS("h", json, "x", revision)
#define DELETE_IN SD_BUS_ARGS("x", revision)
#define OPTIONS_IN SD_BUS_ARGS("s", options)

#define ENTRIES_ACTOR                                                                                     \
        CONSTANT("Id", "s"), PROPERTY("Name", "s"), CONSTANT("WorkspaceId", "s"), CONSTANT("DefinitionId", "s"), \
        PROPERTY("CheckStatus", "s"), PROPERTY("CheckedAt", "t"), PROPERTY("Revision", "x"),              \
        CONSTANT("CreatedAt", "t"), PROPERTY("UpdatedAt", "t"),                                           \
        SD_BUS_METHOD_WITH_ARGS("Get", SD_BUS_NO_ARGS, JSON_AND_REVISION_OUT, bus_method_handler,         \
                                SD_BUS_VTABLE_UNPRIVILEGED),                                               \
        SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_ARGS("h", config), SD_BUS_RESULT("s", result), bus_method_handler,\
                                SD_BUS_VTABLE_UNPRIVILEGED),                                               \
        SD_BUS_METHOD_WITH_ARGS("Update", UPDATE_IN, SD_BUS_NO_RESULT, bus_method_handler,    \
                                SD_BUS_VTABLE_UNPRIVILEGED),                                               \
        SD_BUS_METHOD_WITH_ARGS("Delete", DELETE_IN, SD_BUS_NO_RESULT, bus_method_handler,            \
                                SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable source_vtable[] = {
        SD_BUS_VTABLE_START(0),
        ENTRIES_ACTOR,
        SD_BUS_METHOD_WITH_ARGS("Discover", SD_BUS_ARGS("b", ignore_cache),
                                SD_BUS_RESULT("h", catalog), bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable destination_vtable[] = {
        SD_BUS_VTABLE_START(0),
        ENTRIES_ACTOR,
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable connection_vtable[] = {
        SD_BUS_VTABLE_START(0),
        CONSTANT("Id", "s"),
        PROPERTY("Name", "s"),
        CONSTANT("WorkspaceId", "s"),
        CONSTANT("SourceId", "s"),
        CONSTANT("DestinationId", "s"),
        PROPERTY("Status", "s"),
        PROPERTY("StatusReason", "s"),
        PROPERTY("ScheduleType", "s"),
        SILENT("NextRun", "t"),
        PROPERTY("BreakingChange", "b"),
        PROPERTY("Revision", "x"),
        CONSTANT("CreatedAt", "t"),
        PROPERTY("UpdatedAt", "t"),
        SD_BUS_METHOD_WITH_ARGS("Get", SD_BUS_NO_ARGS, JSON_AND_REVISION_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Update", UPDATE_IN, SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Enable", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Disable", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Delete", DELETE_IN, SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Sync", OPTIONS_IN, SD_BUS_RESULT("x", job_id), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Refresh", OPTIONS_IN, SD_BUS_RESULT("x", job_id), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Clear", OPTIONS_IN, SD_BUS_RESULT("x", job_id), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetState", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", states), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListEvents", SD_BUS_ARGS("t", offset, "u", limit), SD_BUS_RESULT("as", items),
                                bus_method_handler, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetState", SD_BUS_ARGS("h", states), SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(0),
        CONSTANT("Id", "x"),
        CONSTANT("ConnectionId", "s"),
        CONSTANT("WorkspaceId", "s"),
        CONSTANT("Type", "s"),
        PROPERTY("Status", "s"),
        PROPERTY("Attempts", "i"),
        PROPERTY("RecordsCommitted", "x"),
        PROPERTY("BytesCommitted", "x"),
        CONSTANT("CreatedAt", "t"),
        PROPERTY("StartedAt", "t"),
        PROPERTY("EndedAt", "t"),
        PROPERTY("UpdatedAt", "t"),
        SD_BUS_METHOD_WITH_ARGS("Get", SD_BUS_NO_ARGS, JSON_OUT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ReadLogs", SD_BUS_ARGS("u", attempt, "t", cursor, "u", max),
                                SD_BUS_RESULT("h", lines, "t", cursor, "b", more), bus_method_handler,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int bus_objects_add(Server *s) {
        static const sd_bus_vtable *const vtables[_OBJECT_KIND_MAX] = {
                [OBJECT_SOURCE] = source_vtable,
                [OBJECT_DESTINATION] = destination_vtable,
                [OBJECT_CONNECTION] = connection_vtable,
                [OBJECT_JOB] = job_vtable,
        };
        int r = 0;

        for (ObjectKind k = 0; r >= 0 && k < _OBJECT_KIND_MAX; k++)
                r = sd_bus_add_fallback_vtable(s->bus, NULL, kinds[k].prefix, kinds[k].interface, vtables[k],
                                               find, s);
        return r;
}
