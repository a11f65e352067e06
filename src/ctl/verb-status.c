/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl status and web: the whole at a glance, and the way into the web UI and the API.
 *
 * Asking starts the server if it sleeps, which is part of the answer: a status that comes shows that the
 * suite can be reached. Counts are of what this user may see; credentials are polkit's most guarded
 * action (org.gantry.secrets). */

#include <inttypes.h>

#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-status.h"

#define RUNNING_MAX 100U

static int new_running_call(Ctl *c, void *userdata, sd_bus_message **ret, Error **reterr_error) {
        int r;

        r = ctl_new_call(c, "ListJobs", ret, reterr_error);
        return r < 0 ? r : sd_bus_message_append(*ret, "s", "{\"status\":\"running\"}");
}

static int add_version(Ctl *c, JsonObject *o, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *version;
        int r;

        r = ctl_bus_open(c, reterr_error);
        if (r >= 0)
                r = sd_bus_message_new_method_call(c->bus, &m, CTL_SERVICE, CTL_MANAGER_PATH,
                                                   "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", CTL_MANAGER, "Version");
        if (r >= 0)
                r = ctl_send(c, m, &reply, reterr_error);
        if (r >= 0)
                r = sd_bus_message_read(reply, "v", "s", &version);
        return r < 0 ? r : json_add_string(o, "version", version);
}

static int add_count(Ctl *c, JsonObject *o, const char *key, const CtlKind *kind, Error **reterr_error) {
        _cleanup_json_ JsonObject *rows = NULL;
        int r;

        r = ctl_list(c, kind, &rows, reterr_error);
        return r < 0 ? r : json_add(o, key, json_object_new_int64((int64_t) json_object_array_length(rows)));
}

static int add_running(Ctl *c, JsonObject *o, Error **reterr_error) {
        JsonObject *rows = NULL;
        int r;

        r = ctl_list_pages(c, new_running_call, NULL, RUNNING_MAX, &rows, reterr_error);
        return r < 0 ? r : json_add(o, "runningJobs", rows);
}

static int status(Ctl *c, int argc, char **argv) {
        static const CtlColumn fields[] = {
                { "Version", "version", CTL_TEXT },          { "Workspaces", "workspaces", CTL_NUMBER },
                { "Sources", "sources", CTL_NUMBER },        { "Destinations", "destinations", CTL_NUMBER },
                { "Connections", "connections", CTL_NUMBER },
        };
        static const CtlColumn columns[] = {
                { "RUNNING", "jobId", CTL_NUMBER },      { "TYPE", "jobType", CTL_TEXT },
                { "STARTED", "startTime", CTL_TEXT },    { "RECORDS", "rowsSynced", CTL_NUMBER },
                { "BYTES", "bytesSynced", CTL_BYTES },   { "CONNECTION", "connectionId", CTL_TEXT },
        };
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        int r;

        if (!o)
                return ctl_fail(c, NULL, -ENOMEM);
        if ((r = add_version(c, o, &error)) < 0 ||
            (r = add_count(c, o, "workspaces", &ctl_kind_workspace, &error)) < 0 ||
            (r = add_count(c, o, "sources", &ctl_kind_source, &error)) < 0 ||
            (r = add_count(c, o, "destinations", &ctl_kind_destination, &error)) < 0 ||
            (r = add_count(c, o, "connections", &ctl_kind_connection, &error)) < 0 ||
            (r = add_running(c, o, &error)) < 0)
                return ctl_fail(c, error, r);
        r = ctl_print_object(c, o, fields, ELEMENTSOF(fields));
        if (c->json || r != EXIT_OK || json_object_array_length(json_member(o, "runningJobs")) == 0)
                return r;
        ctl_say(c, "%s", "");
        return ctl_print_rows(c, json_member(o, "runningJobs"), columns, ELEMENTSOF(columns));
}

static const CtlVerb status_verbs[] = {
        { NULL, NULL, "what there is, and what runs now", 0, 0, CTL_BIT(WORKSPACE), status },
};
const CtlNoun ctl_noun_status = { "status", "what there is, and what runs now", status_verbs,
                                  ELEMENTSOF(status_verbs) };

static int web_credentials(Ctl *c, int argc, char **argv) {
        static const CtlColumn fields[] = {
                { "Client id", "clientId", CTL_TEXT },
                { "Client secret", "clientSecret", CTL_TEXT },
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        const char *id, *secret;
        int r;

        r = ctl_new_call(c, "GetCredentials", &m, &error);
        if (r >= 0)
                r = ctl_send(c, m, &reply, &error);
        if (r >= 0)
                r = sd_bus_message_read(reply, "ss", &id, &secret);
        if (r >= 0 && (!o || json_add_string(o, "clientId", id) < 0 || json_add_string(o, "clientSecret", secret) < 0))
                r = -ENOMEM;
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_object(c, o, fields, ELEMENTSOF(fields));
}

static const CtlVerb web_verbs[] = {
        { "credentials", NULL, "print the first API client's id and secret", 0, 0, 0, web_credentials },
};
const CtlNoun ctl_noun_web = { "web", "the way into the web UI and the API", web_verbs, ELEMENTSOF(web_verbs) };
