/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl workflow: the durable procedures behind jobs, checks and discovers, as gantry-workflow has
 * them.
 *
 * This is the one noun that asks gantry-workflow itself, since the server knows jobs and no workflows.
 * Cancelling says that the wish is stored; the end comes when the workload has ended. */

#include "basic/parse-util.h"
#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-workflow.h"

#define LIMIT_DEFAULT 100U

static int new_call(Ctl *c, const char *member, sd_bus_message **ret, Error **reterr_error) {
        return ctl_new_call_to(c, "org.gantry.Workflow1", "/org/gantry/Workflow1", "org.gantry.Workflow1.Workflows",
                               member, ret, reterr_error);
}

static int new_list_call(Ctl *c, void *userdata, sd_bus_message **ret, Error **reterr_error) {
        int r;

        r = new_call(c, "List", ret, reterr_error);
        return r < 0 ? r : sd_bus_message_append(*ret, "s", (const char *) userdata);
}

static int make_filter(Ctl *c, const char *connection, const char *status, char **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *filter = json_object_new_object();
        _cleanup_free_ char *id = NULL;
        int r;

        if (!filter)
                return -ENOMEM;
        r = json_add_string(filter, "status", status);
        if (r >= 0 && c->given[CTL_OPTION_TYPE])
                r = json_add_string(filter, "type", c->values[CTL_OPTION_TYPE]);
        if (r >= 0 && connection)
                r = ctl_find(c, &ctl_kind_connection, connection, &id, NULL, reterr_error);
        if (r >= 0 && id)
                r = json_add_string(filter, "connectionId", id);
        if (r < 0)
                return r;
        *ret = json_to_string(filter);
        return *ret ? 0 : -ENOMEM;
}

static int append_rows(JsonObject *rows, JsonObject *more) {
        for (size_t i = 0; i < json_object_array_length(more); i++)
                if (json_object_array_add(rows, json_object_get(json_object_array_get_idx(more, i))) < 0)
                        return -ENOMEM;
        return 0;
}

/* Those of one status, up to the limit, behind the rows that there are. */
static int list_status(Ctl *c, const char *connection, const char *status, size_t limit, JsonObject *rows,
                       Error **reterr_error) {
        _cleanup_json_ JsonObject *found = NULL;
        _cleanup_free_ char *filter = NULL;
        size_t n = json_object_array_length(rows);
        int r;

        if (n >= limit)
                return 0;
        r = make_filter(c, connection, status, &filter, reterr_error);
        if (r >= 0)
                r = ctl_list_pages(c, new_list_call, filter, limit - n, &found, reterr_error);
        return r < 0 ? r : append_rows(rows, found);
}

static int workflow_list(Ctl *c, int argc, char **argv) {
        static const CtlColumn columns[] = {
                { "WORKFLOW", "id", CTL_TEXT },       { "TYPE", "type", CTL_TEXT },
                { "STATUS", "status", CTL_TEXT },     { "EVENTS", "events", CTL_NUMBER },
                { "CREATED", "createdAt", CTL_TIME }, { "ENDED", "endedAt", CTL_TIME },
                { "WAKES", "wakeAt", CTL_TIME },      { "CONNECTION", "connectionName", CTL_TEXT },
        };
        _cleanup_json_ JsonObject *rows = json_object_new_array();
        const char *connection = argc > 0 ? argv[0] : NULL, *status = c->values[CTL_OPTION_STATUS];
        _cleanup_error_ Error *error = NULL;
        uint64_t limit = LIMIT_DEFAULT;
        int r = rows ? 0 : -ENOMEM;

        if (c->given[CTL_OPTION_LIMIT] && (parse_u64(c->values[CTL_OPTION_LIMIT], &limit) < 0 || limit < 1))
                return ctl_usage_error(c->verb, "'%s' is not a number from 1 up", c->values[CTL_OPTION_LIMIT]);
        /* What runs, then what has ended last. */
        if (r >= 0)
                r = list_status(c, connection, status ?: "open", limit, rows, &error);
        if (r >= 0 && !status)
                r = list_status(c, connection, "ended", limit, rows, &error);
        if (r >= 0)
                r = ctl_add_names(c, rows, &ctl_kind_connection, "connectionName");
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_rows(c, rows, columns, ELEMENTSOF(columns));
}

static int print_history(const Ctl *c, JsonObject *workflow) {
        static const CtlColumn columns[] = {
                { "SEQ", "seq", CTL_NUMBER }, { "TIME", "at", CTL_TIME }, { "EVENT", "type", CTL_TEXT },
                { "NAME", "name", CTL_TEXT }, { "KEY", "key", CTL_TEXT },
        };

        return ctl_print_part(c, json_member(workflow, "history"), columns, ELEMENTSOF(columns));
}

/* What the daemon says of an id: one that is a number is a job's. */
static int call_id(Ctl *c, const char *member, const char *id, sd_bus_message **ret_reply, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_buffer_ Buffer whole = {};
        int64_t number;
        int r;

        r = parse_i64(id, &number) >= 0 ? buffer_appendf(&whole, "job-%s", id) : buffer_append_string(&whole, id);
        if (r >= 0)
                r = new_call(c, member, &m, reterr_error);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", buffer_string(&whole));
        return r < 0 ? r : ctl_send(c, m, ret_reply, reterr_error);
}

static int workflow_show(Ctl *c, int argc, char **argv) {
        static const CtlColumn fields[] = {
                { "Workflow", "id", CTL_TEXT },           { "Type", "type", CTL_TEXT },
                { "Status", "status", CTL_TEXT },         { "Connection", "connectionName", CTL_TEXT },
                { "Job", "jobId", CTL_NUMBER },           { "Waits for", "workloadId", CTL_TEXT },
                { "Wakes", "wakeAt", CTL_TIME },          { "Created", "createdAt", CTL_TIME },
                { "Ended", "endedAt", CTL_TIME },
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = call_id(c, "Get", argv[0], &reply, &error);
        if (r >= 0)
                r = ctl_read_json(reply, &o, &error);
        if (r == -ENOENT)
                r = error_set(&error, r, "There is no workflow '%s'", argv[0]);
        if (r >= 0)
                r = ctl_add_names(c, o, &ctl_kind_connection, "connectionName");
        if (r < 0)
                return ctl_fail(c, error, r);
        r = ctl_print_object(c, o, fields, ELEMENTSOF(fields));
        return r == EXIT_OK ? print_history(c, o) : r;
}

static int workflow_cancel(Ctl *c, int argc, char **argv) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = call_id(c, "Cancel", argv[0], &reply, &error);
        if (r == -ENOENT)
                r = error_set(&error, r, "There is no workflow '%s'", argv[0]);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "The workflow '%s' is told to end.", argv[0]);
        return EXIT_OK;
}

static const CtlVerb verbs[] = {
        { "list", "[CONNECTION]", "list what runs, and what ran last", 0, 1,
          CTL_BIT(LIMIT) | CTL_BIT(STATUS) | CTL_BIT(TYPE) | CTL_BIT(WORKSPACE), workflow_list },
        { "show", "WORKFLOW|JOB", "show one and what has happened in it", 1, 1, 0, workflow_show },
        { "cancel", "WORKFLOW|JOB", "let it end", 1, 1, 0, workflow_cancel },
};
const CtlNoun ctl_noun_workflow = { "workflow", "the durable procedures behind jobs and checks", verbs,
                                    ELEMENTSOF(verbs) };
