/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl connection: a source, a destination, and what moves between them.
 *
 * --config carries what has no option of its own, in the words of the HTTP API; options win over members
 * of the same meaning. Ids in it are ids: only --source and --destination take names. */

#include "basic/parse-util.h"
#include "basic/time-util.h"
#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-connection.h"

/* In one command. */
#define TAGS_MAX 64
#define EVENTS_DEFAULT 100U

static int connection_list(Ctl *c, int argc, char **argv) {
        static const CtlColumn columns[] = {
                { "NAME", "name", CTL_TEXT },
                { "STATE", "status", CTL_TEXT },
                { "SCHEDULE", "schedule.scheduleType", CTL_TEXT },
                { "NEXT", "nextRun", CTL_TIME },
                { "LAST", "lastJob.startTime", CTL_TIME },
                { "STATUS", "lastJob.status", CTL_TEXT },
                { "ID", "connectionId", CTL_TEXT },
        };
        _cleanup_json_ JsonObject *rows = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = ctl_list(c, &ctl_kind_connection, &rows, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_rows(c, rows, columns, ELEMENTSOF(columns));
}

static int print_streams(const Ctl *c, JsonObject *o) {
        static const CtlColumn columns[] = {
                { "STREAM", "name", CTL_TEXT },
                { "NAMESPACE", "namespace", CTL_TEXT },
                { "SYNC MODE", "syncMode", CTL_TEXT },
                { "CURSOR", "cursorField", CTL_PATH },
                { "PRIMARY KEY", "primaryKey", CTL_LIST },
        };

        return ctl_print_part(c, json_member(json_member(o, "configurations"), "streams"), columns,
                              ELEMENTSOF(columns));
}

/* For tables. */
static int add_tag_names(const Ctl *c, JsonObject *o) {
        _cleanup_json_ JsonObject *names = json_object_new_array();
        JsonObject *tags = json_member(o, "tags");

        if (c->json || !json_object_is_type(tags, json_type_array) || json_object_array_length(tags) == 0)
                return 0;
        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(tags); i++) {
                JsonObject *name = json_member(json_object_array_get_idx(tags, i), "name");

                if (json_object_array_add(names, json_object_get(name)) < 0) {
                        json_object_put(name);
                        return -ENOMEM;
                }
        }
        return json_add(o, "tagNames", TAKE_PTR(names));
}

static int connection_show(Ctl *c, int argc, char **argv) {
        static const CtlColumn fields[] = {
                { "Name", "name", CTL_TEXT },
                { "Id", "connectionId", CTL_TEXT },
                { "State", "status", CTL_TEXT },
                { "Reason", "statusReason", CTL_TEXT },
                { "Source", "sourceName", CTL_TEXT },
                { "Destination", "destinationName", CTL_TEXT },
                { "Schedule", "schedule.scheduleType", CTL_TEXT },
                { "Cron", "schedule.cronExpression", CTL_TEXT },
                { "Next run", "nextRun", CTL_TIME },
                { "Last job", "lastJob.jobId", CTL_NUMBER },
                { "Began", "lastJob.startTime", CTL_TIME },
                { "Status", "lastJob.status", CTL_TEXT },
                { "Namespace", "namespaceDefinition", CTL_TEXT },
                { "Prefix", "prefix", CTL_TEXT },
                { "Tags", "tagNames", CTL_LIST },
                { "Schema changes", "nonBreakingSchemaUpdatesBehavior", CTL_TEXT },
        };
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = ctl_find(c, &ctl_kind_connection, argv[0], &id, NULL, &error);
        if (r >= 0)
                r = ctl_object_call(c, &ctl_kind_connection, id, "Get", &o, &error);
        if (r >= 0)
                r = ctl_add_names(c, o, &ctl_kind_source, "sourceName");
        if (r >= 0)
                r = ctl_add_names(c, o, &ctl_kind_destination, "destinationName");
        if (r >= 0)
                r = add_tag_names(c, o);
        if (r < 0)
                return ctl_fail(c, error, r);
        r = ctl_print_object(c, o, fields, ELEMENTSOF(fields));
        return r == EXIT_OK ? print_streams(c, o) : r;
}

/* {"scheduleType": "manual"} or {"scheduleType": "cron", "cronExpression"}. */
static int add_schedule(const Ctl *c, JsonObject *body) {
        const char *s = c->values[CTL_OPTION_SCHEDULE];
        _cleanup_json_ JsonObject *schedule = NULL;
        bool manual;

        if (!s)
                return 0;
        manual = streq(s, "manual");
        schedule = json_object_new_object();
        if (!schedule || json_add_string(schedule, "scheduleType", manual ? "manual" : "cron") < 0 ||
            (!manual && json_add_string(schedule, "cronExpression", s) < 0))
                return -ENOMEM;
        return json_add(body, "schedule", TAKE_PTR(schedule));
}

/* --config holds the rest of the API's POST: configurations, prefix and so on. */
static int make_body(Ctl *c, const char *name, JsonObject **ret, Error **reterr_error) {
        _cleanup_free_ char *source_id = NULL, *destination_id = NULL;
        _cleanup_json_ JsonObject *body = NULL;
        int r;

        r = ctl_read_config(c, &body, reterr_error);
        if (r >= 0)
                r = ctl_find(c, &ctl_kind_source, c->values[CTL_OPTION_SOURCE], &source_id, NULL, reterr_error);
        if (r >= 0)
                r = ctl_find(c, &ctl_kind_destination, c->values[CTL_OPTION_DESTINATION], &destination_id, NULL,
                             reterr_error);
        if (r < 0)
                return r;
        if (!body)
                body = json_object_new_object();
        if (!body || json_add_string(body, "name", name) < 0 || json_add_string(body, "sourceId", source_id) < 0 ||
            json_add_string(body, "destinationId", destination_id) < 0)
                return -ENOMEM;
        r = add_schedule(c, body);
        if (r >= 0)
                *ret = TAKE_PTR(body);
        return r;
}

static int connection_add(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        if (!c->given[CTL_OPTION_SOURCE] || !c->given[CTL_OPTION_DESTINATION])
                return ctl_usage_error(c->verb, "needs --source=NAME and --destination=NAME");
        r = make_body(c, argv[0], &body, &error);
        if (r >= 0)
                r = ctl_create(c, &ctl_kind_connection, body, &id, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_created(c, &ctl_kind_connection, argv[0], id);
}

/* --config holds members of the API's PATCH. */
static int connection_update(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        if (!c->given[CTL_OPTION_CONFIG] && !c->given[CTL_OPTION_NAME] && !c->given[CTL_OPTION_SCHEDULE])
                return ctl_usage_error(c->verb, "needs --config=FILE, --name=NAME or --schedule=CRON");
        r = ctl_read_config(c, &body, &error);
        if (r >= 0 && !body)
                r = (body = json_object_new_object()) ? 0 : -ENOMEM;
        if (r >= 0 && c->given[CTL_OPTION_NAME])
                r = json_add_string(body, "name", c->values[CTL_OPTION_NAME]);
        if (r >= 0)
                r = add_schedule(c, body);
        return r < 0 ? ctl_fail(c, error, r) : ctl_update(c, &ctl_kind_connection, argv[0], body);
}

static int connection_remove(Ctl *c, int argc, char **argv) {
        return ctl_remove(c, &ctl_kind_connection, argv[0]);
}

static int set_status(Ctl *c, const char *name, const char *member, const char *done) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = ctl_find(c, &ctl_kind_connection, name, &id, NULL, &error);
        if (r >= 0)
                r = ctl_object_call(c, &ctl_kind_connection, id, member, NULL, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "The connection '%s' is %s.", name, done);
        return EXIT_OK;
}

static int connection_enable(Ctl *c, int argc, char **argv) {
        return set_status(c, argv[0], "Enable", "active");
}

static int connection_disable(Ctl *c, int argc, char **argv) {
        return set_status(c, argv[0], "Disable", "inactive");
}

/* Whether the connection carries it, and where. */
static bool find_tag(JsonObject *tags, const char *id, size_t *ret) {
        for (size_t i = 0; i < json_object_array_length(tags); i++)
                if (streq(ctl_text(json_object_array_get_idx(tags, i), "tagId"), id)) {
                        *ret = i;
                        return true;
                }
        return false;
}

static int add_tag(JsonObject *tags, const char *id) {
        JsonObject *tag;
        size_t at;

        if (find_tag(tags, id, &at))
                return 0;
        tag = json_object_new_object();
        if (!tag || json_add_string(tag, "tagId", id) < 0 || json_object_array_add(tags, tag) < 0) {
                json_object_put(tag);
                return -ENOMEM;
        }
        return 0;
}

/* Looks the words up among what there is (of the workspace, or of the connection) and adds or takes each. */
static int change_tags(JsonObject *tags, JsonObject *known, char **names, int n_names, bool add, Error **reterr_error) {
        int r = 0;

        for (int i = 0; r >= 0 && i < n_names; i++) {
                _cleanup_free_ char *id = NULL;
                size_t at;

                r = ctl_find_row(&ctl_kind_tag, known, names[i], &id, NULL, reterr_error);
                if (r >= 0 && add)
                        r = add_tag(tags, id);
                else if (r >= 0 && find_tag(tags, id, &at))
                        (void) json_object_array_del_idx(tags, at, 1);
        }
        return r;
}

/* The API replaces them all: refused where somebody else has changed the connection since it was read. */
static int put_tags(Ctl *c, char **argv, int argc, bool add) {
        _cleanup_json_ JsonObject *o = NULL, *rows = NULL, *body = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        JsonObject *tags = NULL;
        int64_t revision = 0;
        int r = body ? ctl_find(c, &ctl_kind_connection, argv[0], &id, NULL, &error) : -ENOMEM;

        if (r >= 0)
                r = ctl_get(c, &ctl_kind_connection, id, &o, &revision, &error);
        if (r >= 0) {
                tags = json_member(o, "tags");
                r = json_object_is_type(tags, json_type_array) ? 0 : -EBADMSG;
        }
        if (r >= 0 && add)
                r = ctl_list_in(c, &ctl_kind_tag, ctl_text(o, "workspaceId"), &rows, &error);
        if (r >= 0)
                r = change_tags(tags, add ? rows : tags, argv + 1, argc - 1, add, &error);
        if (r >= 0)
                r = json_add(body, "tags", json_object_get(tags));
        if (r >= 0)
                r = ctl_put(c, &ctl_kind_connection, id, body, revision, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "Changed the tags of the connection '%s'.", argv[0]);
        return EXIT_OK;
}

static int connection_tag(Ctl *c, int argc, char **argv) {
        return put_tags(c, argv, argc, /* add= */ true);
}

static int connection_untag(Ctl *c, int argc, char **argv) {
        return put_tags(c, argv, argc, /* add= */ false);
}

static int new_events_call(Ctl *c, void *userdata, sd_bus_message **ret, Error **reterr_error) {
        return ctl_new_object_call(c, &ctl_kind_connection, userdata, "ListEvents", ret, reterr_error);
}

/* The API's seconds as what a column of times shows. */
static int add_times(const Ctl *c, JsonObject *rows) {
        int r = 0;

        for (size_t i = 0; !c->json && r >= 0 && i < json_object_array_length(rows); i++) {
                JsonObject *row = json_object_array_get_idx(rows, i);
                int64_t at = json_object_get_int64(json_member(row, "createdAt"));

                r = json_add(row, "at", json_object_new_int64(at * (int64_t) USEC_PER_SEC));
        }
        return r;
}

/* What has happened to it, the newest first. */
static int connection_events(Ctl *c, int argc, char **argv) {
        static const CtlColumn columns[] = {
                { "TIME", "at", CTL_TIME },
                { "EVENT", "eventType", CTL_TEXT },
                { "JOB", "summary.jobId", CTL_NUMBER },
                { "RECORDS", "summary.recordsLoaded", CTL_NUMBER },
                { "FAILURE", "summary.failureReason", CTL_FAILURE },
        };
        _cleanup_json_ JsonObject *rows = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        uint64_t limit = EVENTS_DEFAULT;
        int r;

        if (c->given[CTL_OPTION_LIMIT] && (parse_u64(c->values[CTL_OPTION_LIMIT], &limit) < 0 || limit < 1))
                return ctl_usage_error(c->verb, "'%s' is not a number from 1 up", c->values[CTL_OPTION_LIMIT]);
        r = ctl_find(c, &ctl_kind_connection, argv[0], &id, NULL, &error);
        if (r >= 0)
                r = ctl_list_pages(c, new_events_call, id, limit, &rows, &error);
        if (r >= 0)
                r = add_times(c, rows);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_rows(c, rows, columns, ELEMENTSOF(columns));
}

/* The states are JSON for whoever reads them, with --json or without. */
static int connection_state(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *states = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = ctl_find(c, &ctl_kind_connection, argv[0], &id, NULL, &error);
        if (r >= 0)
                r = ctl_object_call(c, &ctl_kind_connection, id, "GetState", &states, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_json(c, states);
}

#define ADD_OPTIONS \
        (CTL_BIT(SOURCE) | CTL_BIT(DESTINATION) | CTL_BIT(SCHEDULE) | CTL_BIT(CONFIG) | CTL_BIT(WORKSPACE))
static const CtlVerb verbs[] = {
        { "list", NULL, "list them", 0, 0, CTL_BIT(WORKSPACE), connection_list },
        { "show", "NAME", "show one and its streams", 1, 1, CTL_BIT(WORKSPACE), connection_show },
        { "add", "NAME --source=NAME --destination=NAME", "make one; all streams unless --config says which", 1, 1,
          ADD_OPTIONS, connection_add },
        { "update", "NAME [--name=NAME] [--schedule=CRON] [--config=FILE]", "change these of it", 1, 1,
          CTL_BIT(NAME) | CTL_BIT(SCHEDULE) | CTL_BIT(CONFIG) | CTL_BIT(WORKSPACE), connection_update },
        { "enable", "NAME", "let its schedule run", 1, 1, CTL_BIT(WORKSPACE), connection_enable },
        { "disable", "NAME", "stop its schedule", 1, 1, CTL_BIT(WORKSPACE), connection_disable },
        { "tag", "NAME TAG…", "let it carry these tags, too", 2, 1 + TAGS_MAX, CTL_BIT(WORKSPACE), connection_tag },
        { "untag", "NAME TAG…", "take these tags from it", 2, 1 + TAGS_MAX, CTL_BIT(WORKSPACE), connection_untag },
        { "events", "NAME [--limit=N]", "what has happened to it, the newest first", 1, 1,
          CTL_BIT(LIMIT) | CTL_BIT(WORKSPACE), connection_events },
        { "state", "NAME", "print where its streams stand", 1, 1, CTL_BIT(WORKSPACE), connection_state },
        { "remove", "NAME", "delete it; what it has written stays", 1, 1, CTL_BIT(WORKSPACE), connection_remove },
};
const CtlNoun ctl_noun_connection = { "connection", "a source, a destination, and what moves", verbs,
                                      ELEMENTSOF(verbs) };
