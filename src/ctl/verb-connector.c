/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl connector: what sources and destinations can be made of.
 *
 * What can be made of a definition is told by its specification, which may have to be asked for: `show`
 * then takes as long as the connector takes to start, and for a package as long as its installation. */

#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-connector.h"

/* --type= is a role, or all of them. */
static int check_role(const Ctl *c, const char *role) {
        if (!*role || streq(role, "source") || streq(role, "destination"))
                return EXIT_OK;
        return ctl_usage_error(c->verb, "--type is 'source' or 'destination', not '%s'", role);
}

/* Sources before destinations, and each by name. */
static int compare_definitions(const void *a, const void *b) {
        JsonObject *const *x = a, *const *y = b;
        int r = strcmp(ctl_text(*y, "role"), ctl_text(*x, "role"));

        return r != 0 ? r : strcasecmp(ctl_text(*x, "name"), ctl_text(*y, "name"));
}

static int connector_list(Ctl *c, int argc, char **argv) {
        static const CtlColumn columns[] = {
                { "NAME", "name", CTL_TEXT },           { "ROLE", "role", CTL_TEXT },
                { "TYPE", "connectorType", CTL_TEXT },  { "VERSION", "version", CTL_TEXT },
                { "REFERENCE", "reference", CTL_TEXT }, { "INSTALLED", "installed", CTL_TEXT },
        };
        const char *role = c->values[CTL_OPTION_TYPE] ?: "";
        _cleanup_json_ JsonObject *rows = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = check_role(c, role);

        if (r != EXIT_OK)
                return r;
        r = ctl_list_definitions(c, role, &rows, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        json_object_array_sort(rows, compare_definitions);
        return ctl_print_rows(c, rows, columns, ELEMENTSOF(columns));
}

/* Its specification, which is JSON for whoever reads it. */
static int connector_show(Ctl *c, int argc, char **argv) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *role = c->values[CTL_OPTION_TYPE] ?: "";
        _cleanup_json_ JsonObject *spec = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r = check_role(c, role);

        if (r != EXIT_OK)
                return r;
        r = ctl_find_definition(c, role, argv[0], &id, &error);
        if (r >= 0)
                r = ctl_new_call(c, "GetSpec", &m, &error);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = ctl_send(c, m, &reply, &error);
        if (r >= 0)
                r = ctl_read_json(reply, &spec, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_json(c, spec);
}

/* Returns when it is there. */
static int connector_install(Ctl *c, int argc, char **argv) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_free_ char *workspace_id = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = 0;

        if (c->given[CTL_OPTION_WORKSPACE])
                r = ctl_find(c, &ctl_kind_workspace, c->values[CTL_OPTION_WORKSPACE], &workspace_id, NULL, &error);
        if (r >= 0)
                r = ctl_new_call(c, "InstallConnector", &m, &error);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", argv[0], strempty(workspace_id));
        if (r >= 0)
                r = ctl_send_long(c, m, CTL_INSTALL_USEC, &reply, &error);
        if (r >= 0)
                r = ctl_read_json(reply, &o, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        if (c->json)
                return ctl_print_json(c, o);
        ctl_say(c, "%s, version %s, is installed%s: %s connector '%s'", ctl_text(o, "reference"),
                ctl_text(o, "version"),
                json_object_get_boolean(json_member(o, "builtFromSource")) ? ", with parts built from source" : "",
                ctl_text(o, "role"), ctl_text(o, "connectorType"));
        return EXIT_OK;
}

static int connector_remove(Ctl *c, int argc, char **argv) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = ctl_new_call(c, "RemoveConnector", &m, &error);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", argv[0]);
        if (r >= 0)
                r = ctl_send(c, m, NULL, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "%s is removed", argv[0]);
        return EXIT_OK;
}

static const CtlVerb verbs[] = {
        { "install", "REFERENCE", "install pypi:NAME[==VERSION] or npm:NAME[@VERSION]", 1, 1, CTL_BIT(WORKSPACE),
          connector_install },
        { "remove", "REFERENCE", "remove an installed version that nobody uses", 1, 1, 0, connector_remove },
        { "list", NULL, "list them; --type=source or destination", 0, 0, CTL_BIT(TYPE), connector_list },
        { "show", "NAME", "print its specification", 1, 1, CTL_BIT(TYPE), connector_show },
};
const CtlNoun ctl_noun_connector = { "connector", "what sources and destinations are made of", verbs,
                                     ELEMENTSOF(verbs) };
