/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.gantry.Workflow1.Workflows: looking at workflows and cancelling them, for people. polkit decides,
 * as for org.gantry.Server1; what the daemons say to each other is the Manager's.
 *
 * The view is read straight from the database, not from the engine, so that ended workflows are seen as
 * well. A history goes out as a memfd; bus messages are bounded, histories of long jobs are not. */

#include "basic/fd-util.h"
#include "shared/bus-error.h"
#include "shared/bus-polkit.h"
#include "shared/memfd.h"
#include "workflow/workflow-bus-internal.h"
#include "workflow/workflow-view.h"

#define LIST_MAX 1000U
#define FILTER "The filter"

/* {"status","type","connectionId"}, each optional. Without a status, or with "open", those that have not ended; "ended"
 * is all others. */
static int read_filter(JsonObject *o, WorkflowFilter *ret, Error **reterr_error) {
        const char *status = NULL, *type = NULL;
        int r;

        *ret = (WorkflowFilter) { .type = _WORKFLOW_TYPE_INVALID, .status = WORKFLOW_OPEN };
        r = json_get_string(o, "status", &status, FILTER, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "type", &type, FILTER, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "connectionId", &ret->connection_id, FILTER, reterr_error);
        if (r < 0)
                return r;
        if (status && streq(status, "ended"))
                ret->status = _WORKFLOW_STATUS_INVALID;
        else if (status && (ret->status = workflow_status_from_string(status)) < 0)
                return error_set(reterr_error, -EINVAL, "There is no workflow status '%s'", status);
        if (type && (ret->type = workflow_type_from_string(type)) < 0)
                return error_set(reterr_error, -EINVAL, "There is no workflow type '%s'", type);
        return 0;
}

static int parse_filter(const char *text, JsonObject **ret, Error **reterr_error) {
        int r;

        if (!*text)
                return 0;
        r = json_parse(text, strlen(text), ret, reterr_error);
        if (r >= 0 && !json_object_is_type(*ret, json_type_object))
                r = error_set(reterr_error, -EINVAL, FILTER " is not a JSON object");
        return r;
}

static int append_items(sd_bus_message *reply, const WorkflowArray *found) {
        int r = sd_bus_message_open_container(reply, 'a', "s");

        for (size_t i = 0; r >= 0 && i < found->n; i++) {
                _cleanup_json_ JsonObject *o = NULL;
                _cleanup_free_ char *text = NULL;

                r = workflow_view(found->items[i], &o);
                if (r < 0)
                        return r;
                text = json_to_string(o);
                r = text ? sd_bus_message_append(reply, "s", text) : -ENOMEM;
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int list(WorkflowBus *b, sd_bus_message *m, WorkflowArray *ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        ListOptions options = {};
        WorkflowFilter filter;
        const char *text;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(m, "stu", &text, &options.offset, &limit);
        if (r >= 0)
                r = parse_filter(text, &o, reterr_error);
        if (r >= 0)
                r = read_filter(o, &filter, reterr_error);
        if (r >= 0 && options.offset > INT64_MAX)
                r = error_set(reterr_error, -EINVAL, "The offset is too large");
        if (r < 0)
                return r;
        options.limit = limit == 0 || limit > LIST_MAX ? LIST_MAX : limit;
        return workflow_store_list(workflow_manager_db(b->manager), &filter, &options, ret, reterr_error);
}

static int run_list(WorkflowBus *b, sd_bus_message *m, sd_bus_message *reply, Error **reterr_error) {
        _cleanup_(workflow_array_done) WorkflowArray found = {};
        int r = list(b, m, &found, reterr_error);

        return r < 0 ? r : append_items(reply, &found);
}

static int get(WorkflowBus *b, const char *id, JsonObject **ret, Error **reterr_error) {
        _cleanup_(workflow_event_array_done) WorkflowEventArray events = {};
        _cleanup_(workflow_freep) Workflow *w = NULL;
        Db *db = workflow_manager_db(b->manager);
        int r;

        r = workflow_store_get(db, id, &w, reterr_error);
        if (r >= 0)
                r = workflow_store_history(db, id, &events, reterr_error);
        return r < 0 ? r : workflow_view_whole(w, &events, ret);
}

static int run_get(WorkflowBus *b, sd_bus_message *m, sd_bus_message *reply, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r >= 0)
                r = get(b, id, &o, reterr_error);
        if (r < 0)
                return r;
        text = json_to_string(o);
        fd = text ? memfd_new("workflow", text, strlen(text)) : -ENOMEM;
        return fd < 0 ? fd : sd_bus_message_append(reply, "h", fd);
}

static int run_cancel(WorkflowBus *b, sd_bus_message *m, sd_bus_message *reply, Error **reterr_error) {
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        return r < 0 ? r : workflow_manager_cancel_workflow(b->manager, id, "Cancelled by a person", reterr_error);
}

static const struct {
        const char *member, *action;
        /* Reads the arguments, fills the reply. */
        int (*run)(WorkflowBus *b, sd_bus_message *m, sd_bus_message *reply, Error **reterr_error);
} methods[] = {
        { "List", "org.gantry.read", run_list },
        { "Get", "org.gantry.read", run_get },
        { "Cancel", "org.gantry.run", run_cancel },
};

/* Comes a second time with polkit's answer, see polkit_check(). */
static int handle(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        size_t i = 0;
        int r;

        while (!streq(methods[i].member, sd_bus_message_get_member(m)))
                i++;
        b->touch(b->userdata);
        r = polkit_check(b->polkit, m, methods[i].action, NULL, reterr_bus);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = methods[i].run(b, m, reply, &error);
        return r < 0 ? bus_error_from(reterr_bus, r, error) : sd_bus_send(NULL, reply, NULL);
}

const sd_bus_vtable workflow_bus_workflows[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_ARGS("s", filter, "t", offset, "u", limit),
                                SD_BUS_RESULT("as", items), handle, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Get", SD_BUS_ARGS("s", id), SD_BUS_RESULT("h", json), handle,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, handle,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
