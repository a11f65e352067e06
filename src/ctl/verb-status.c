/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl status, launcher and web: the whole at a glance, the host alone, and the way into the web UI and
 * the API.
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

/* What the launcher has found of its host. It is a part of the answer, not its condition: a launcher that
 * can't say it is what there is to see. */
static int add_host(Ctl *c, JsonObject *o, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_error_ Error *error = NULL;
        JsonObject *host = NULL;
        int r;

        r = ctl_new_call(c, "GetHost", &m, reterr_error);
        if (r < 0)
                return r;
        r = ctl_send(c, m, &reply, &error);
        if (r >= 0)
                r = ctl_read_json(reply, &host, &error);
        if (r >= 0)
                return json_add(o, "host", host);
        host = json_object_new_object();
        if (!host || json_add_string(host, "error", error_message(error, r)) < 0) {
                json_object_put(host);
                return -ENOMEM;
        }
        return json_add(o, "host", host);
}

/* For people: "incomplete: memory limits". */
static int add_isolation_words(JsonObject *o) {
        JsonObject *isolation = json_member(json_member(o, "host"), "isolation");
        const char *state = ctl_text(isolation, "state"), *missing = ctl_text(isolation, "missing");
        _cleanup_free_ char *text = NULL;

        if (!*state)
                return 0;
        if (asprintf(&text, "%s%s%s", state, *missing ? ": " : "", missing) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return json_add_string(o, "isolationWords", text);
}

/* As wide as "Control groups", so that it stands in the column of the fields before. */
static int print_refused(const Ctl *c, JsonObject *o) {
        static const CtlColumn refused[] = { { "  Not run here", "words", CTL_TEXT } };
        JsonObject *rows = json_member(json_member(o, "host"), "refused");
        size_t n = json_object_is_type(rows, json_type_array) ? json_object_array_length(rows) : 0;
        int code = EXIT_OK;

        for (size_t i = 0; i < n && code == EXIT_OK; i++) {
                JsonObject *row = json_object_array_get_idx(rows, i);
                _cleanup_free_ char *words = NULL;

                if (asprintf(&words, "%s: %s", ctl_text(row, "what"), ctl_text(row, "why")) < 0) {
                        words = NULL;
                        return ctl_fail(c, NULL, -ENOMEM);
                }
                if (json_add_string(row, "words", words) < 0)
                        return ctl_fail(c, NULL, -ENOMEM);
                code = ctl_print_object(c, row, refused, ELEMENTSOF(refused));
        }
        return code;
}

#define HOST_FIELDS \
        { "Isolation", "isolationWords", CTL_TEXT }, \
        { "Control groups", "host.cgroupVersion", CTL_NUMBER }, \
        { "podman", "host.podman.version", CTL_TEXT }, { "crun", "host.crun.version", CTL_TEXT }, \
        { "Launcher", "host.error", CTL_TEXT }

static int print_host(Ctl *c, JsonObject *o, const CtlColumn *fields, size_t n_fields) {
        int r;

        if (c->json)
                return ctl_print_json(c, o);
        r = add_isolation_words(o);
        if (r < 0)
                return ctl_fail(c, NULL, r);
        r = ctl_print_object(c, o, fields, n_fields);
        return r != EXIT_OK ? r : print_refused(c, o);
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
        if (r >= 0)
                r = json_add(o, "runningJobs", rows);
        return r < 0 ? r : ctl_add_names(c, rows, &ctl_kind_connection, "connectionName");
}

static int status(Ctl *c, int argc, char **argv) {
        static const CtlColumn fields[] = {
                { "Version", "version", CTL_TEXT },          { "Workspaces", "workspaces", CTL_NUMBER },
                { "Sources", "sources", CTL_NUMBER },        { "Destinations", "destinations", CTL_NUMBER },
                { "Connections", "connections", CTL_NUMBER }, HOST_FIELDS,
        };
        static const CtlColumn columns[] = {
                { "RUNNING", "jobId", CTL_NUMBER },      { "TYPE", "jobType", CTL_TEXT },
                { "STARTED", "startTime", CTL_TIME },    { "RECORDS", "rowsSynced", CTL_NUMBER },
                { "BYTES", "bytesSynced", CTL_BYTES },   { "CONNECTION", "connectionName", CTL_TEXT },
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
            (r = add_running(c, o, &error)) < 0 || (r = add_host(c, o, &error)) < 0)
                return ctl_fail(c, error, r);
        r = print_host(c, o, fields, ELEMENTSOF(fields));
        if (r != EXIT_OK)
                return r;
        return ctl_print_part(c, json_member(o, "runningJobs"), columns, ELEMENTSOF(columns));
}

static const CtlVerb status_verbs[] = {
        { NULL, NULL, "what there is, and what runs now", 0, 0, CTL_BIT(WORKSPACE), status },
};
const CtlNoun ctl_noun_status = { "status", "what there is, and what runs now", status_verbs,
                                  ELEMENTSOF(status_verbs) };

static int launcher(Ctl *c, int argc, char **argv) {
        static const CtlColumn fields[] = { HOST_FIELDS };
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        int r = o ? add_host(c, o, &error) : -ENOMEM;

        if (r < 0)
                return ctl_fail(c, error, r);
        r = print_host(c, o, fields, ELEMENTSOF(fields));
        return r == EXIT_OK && json_member(json_member(o, "host"), "error") ? EXIT_SERVICE_UNAVAILABLE : r;
}

static const CtlVerb launcher_verbs[] = {
        { NULL, NULL, "what this host enforces, and which connectors it refuses", 0, 0, 0, launcher },
};
const CtlNoun ctl_noun_launcher = { "launcher", "what this host enforces, and which connectors it refuses",
                                    launcher_verbs, ELEMENTSOF(launcher_verbs) };

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
