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
        _cleanup_json_ JsonObject *spec = NULL, *definition = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = check_role(c, role);

        if (r != EXIT_OK)
                return r;
        r = ctl_find_definition(c, role, argv[0], &definition, &error);
        if (r >= 0)
                r = ctl_new_call(c, "GetSpec", &m, &error);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", ctl_text(definition, "id"));
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

/* {name?, workspaceId?} of what the options say. */
static int make_body(Ctl *c, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *body = json_object_new_object();
        _cleanup_free_ char *workspace_id = NULL;
        int r = body ? 0 : -ENOMEM;

        if (r >= 0 && c->given[CTL_OPTION_NAME])
                r = json_add_string(body, "name", c->values[CTL_OPTION_NAME]);
        if (r >= 0 && c->given[CTL_OPTION_WORKSPACE]) {
                r = ctl_find(c, &ctl_kind_workspace, c->values[CTL_OPTION_WORKSPACE], &workspace_id, NULL,
                             reterr_error);
                if (r >= 0)
                        r = json_add_string(body, "workspaceId", workspace_id);
        }
        if (r >= 0)
                *ret = TAKE_PTR(body);
        return r;
}

/* Sends what defines a connector; the answer is the definition. A package is installed meanwhile. */
static int define(Ctl *c, sd_bus_message *m, JsonObject *body, const char *done, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = ctl_append_memfd(m, body);
        if (r >= 0)
                r = ctl_send_long(c, m, CTL_INSTALL_USEC, &reply, reterr_error);
        if (r >= 0)
                r = ctl_read_json(reply, &o, reterr_error);
        if (r < 0)
                return r;
        if (c->json)
                return ctl_print_json(c, o);
        ctl_say(c, "%s the %s connector '%s', version %s, %s.", done, ctl_text(o, "role"), ctl_text(o, "name"),
                ctl_text(o, "version"), ctl_text(o, "id"));
        return EXIT_OK;
}

static int connector_add(Ctl *c, int argc, char **argv) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const char *role = c->values[CTL_OPTION_TYPE] ?: "";
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = check_role(c, role);

        if (r != EXIT_OK)
                return r;
        r = make_body(c, &body, &error);
        if (r >= 0)
                r = ctl_new_call(c, "CreateDefinition", &m, &error);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", role, argv[0]);
        if (r >= 0)
                r = define(c, m, body, "Made", &error);
        return r < 0 ? ctl_fail(c, error, r) : r;
}

/* Another version, another name, or both. */
static int connector_update(Ctl *c, int argc, char **argv) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_json_ JsonObject *body = NULL, *definition = NULL;
        const char *role = c->values[CTL_OPTION_TYPE] ?: "";
        _cleanup_error_ Error *error = NULL;
        int r = check_role(c, role);

        if (r != EXIT_OK)
                return r;
        if (argc < 2 && !c->given[CTL_OPTION_NAME])
                return ctl_usage_error(c->verb, "needs a VERSION or --name=NAME");
        r = make_body(c, &body, &error);
        if (r >= 0 && argc > 1)
                r = json_add_string(body, "dockerImageTag", argv[1]);
        if (r >= 0)
                r = ctl_find_definition(c, role, argv[0], &definition, &error);
        if (r >= 0)
                r = ctl_new_call(c, "UpdateDefinition", &m, &error);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", ctl_text(definition, "id"));
        if (r >= 0)
                r = define(c, m, body, "Changed", &error);
        return r < 0 ? ctl_fail(c, error, r) : r;
}

static int send_remove(Ctl *c, const char *member, const char *what, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = ctl_new_call(c, member, &m, reterr_error);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", what);
        return r < 0 ? r : ctl_send(c, m, NULL, reterr_error);
}

/* A package's reference is what was installed; any other word is a definition's. What is neither is for the
 * server to explain. */
static int connector_remove(Ctl *c, int argc, char **argv) {
        bool package = strncmp(argv[0], "pypi:", STRLEN("pypi:")) == 0 || strncmp(argv[0], "npm:", STRLEN("npm:")) == 0;
        bool reference = strchr(argv[0], ':');
        const char *role = c->values[CTL_OPTION_TYPE] ?: "";
        _cleanup_json_ JsonObject *definition = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = check_role(c, role);

        if (r != EXIT_OK)
                return r;
        if (!package)
                r = ctl_find_definition(c, role, argv[0], &definition, &error);
        if (r == -ENOENT && reference) {
                error = error_free(error);
                r = 0;
        }
        if (r >= 0)
                r = definition ? send_remove(c, "DeleteDefinition", ctl_text(definition, "id"), &error)
                               : send_remove(c, "RemoveConnector", argv[0], &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "%s is removed", argv[0]);
        return EXIT_OK;
}

static const CtlVerb verbs[] = {
        { "install", "REFERENCE", "install pypi:NAME[==VERSION] or npm:NAME[@VERSION]", 1, 1, CTL_BIT(WORKSPACE),
          connector_install },
        { "add", "REFERENCE [--name=NAME] [--type=TYPE]", "make one of image:REPOSITORY:TAG, or of a package", 1, 1,
          CTL_BIT(NAME) | CTL_BIT(TYPE) | CTL_BIT(WORKSPACE), connector_add },
        { "update", "NAME [VERSION] [--name=NAME]", "change the version or the name of one that you made", 1, 2,
          CTL_BIT(NAME) | CTL_BIT(TYPE), connector_update },
        { "remove", "REFERENCE|NAME", "remove an installed version, or one that you made", 1, 1, CTL_BIT(TYPE),
          connector_remove },
        { "list", NULL, "list them; --type=source or destination", 0, 0, CTL_BIT(TYPE), connector_list },
        { "show", "NAME", "print its specification", 1, 1, CTL_BIT(TYPE), connector_show },
};
const CtlNoun ctl_noun_connector = { "connector", "what sources and destinations are made of", verbs,
                                     ELEMENTSOF(verbs) };
