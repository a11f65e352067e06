/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl source and destination: the same verbs, but for discover.
 *
 * Which of the two it is stands at the beginning of the verb's whole name (`c->verb`). A check that fails
 * is an exit code of its own and not an error of the call; the sentence is the connector's. */

#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-actor.h"

static const CtlKind *kind_of(const Ctl *c) {
        return strncmp(c->verb, "source", STRLEN("source")) == 0 ? &ctl_kind_source : &ctl_kind_destination;
}

static int actor_list(Ctl *c, int argc, char **argv) {
        bool source = kind_of(c) == &ctl_kind_source;
        const CtlColumn columns[] = {
                { "NAME", "name", CTL_TEXT },
                { "CONNECTOR", source ? "sourceType" : "destinationType", CTL_TEXT },
                { "ID", kind_of(c)->id_key, CTL_TEXT },
        };
        _cleanup_json_ JsonObject *rows = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = ctl_list(c, kind_of(c), &rows, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_rows(c, rows, columns, ELEMENTSOF(columns));
}

static int actor_show(Ctl *c, int argc, char **argv) {
        bool source = kind_of(c) == &ctl_kind_source;
        const CtlColumn fields[] = {
                { "Name", "name", CTL_TEXT },
                { "Id", kind_of(c)->id_key, CTL_TEXT },
                { "Connector", source ? "sourceType" : "destinationType", CTL_TEXT },
                { "Definition", "definitionId", CTL_TEXT },
                { "Workspace", "workspaceId", CTL_TEXT },
                { "Configuration", "configuration", CTL_TEXT },
        };
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = ctl_find(c, kind_of(c), argv[0], &id, NULL, &error);
        if (r >= 0)
                r = ctl_object_call(c, kind_of(c), id, "Get", &o, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_object(c, o, fields, ELEMENTSOF(fields));
}

/* The body of the API's POST: {"name", "definitionId", "configuration", "workspaceId"?}. */
static int make_body(Ctl *c, const char *name, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *body = json_object_new_object(), *configuration = NULL;
        _cleanup_json_ JsonObject *definition = NULL;
        _cleanup_free_ char *workspace_id = NULL;
        int r;

        r = ctl_read_config(c, &configuration, reterr_error);
        if (r >= 0)
                r = ctl_find_definition(c, kind_of(c)->name, c->values[CTL_OPTION_CONNECTOR], &definition,
                                        reterr_error);
        if (r >= 0 && c->given[CTL_OPTION_WORKSPACE])
                r = ctl_find(c, &ctl_kind_workspace, c->values[CTL_OPTION_WORKSPACE], &workspace_id, NULL,
                             reterr_error);
        if (r < 0)
                return r;
        if (!body || json_add_string(body, "name", name) < 0 ||
            json_add_string(body, "definitionId", ctl_text(definition, "id")) < 0 ||
            json_add(body, "configuration", TAKE_PTR(configuration) ?: json_object_new_object()) < 0 ||
            (workspace_id && json_add_string(body, "workspaceId", workspace_id) < 0))
                return -ENOMEM;
        *ret = TAKE_PTR(body);
        return 0;
}

static int actor_add(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *body = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        if (!c->given[CTL_OPTION_CONNECTOR])
                return ctl_usage_error(c->verb, "needs --connector=NAME, see 'gantryctl connector list'");
        r = make_body(c, argv[0], &body, &error);
        if (r >= 0)
                r = ctl_create(c, kind_of(c), body, &id, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_created(c, kind_of(c), argv[0], id);
}

/* What the file holds is merged into the configuration that is stored. */
static int actor_update(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *body = json_object_new_object(), *configuration = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = body ? 0 : -ENOMEM;

        if (!c->given[CTL_OPTION_CONFIG] && !c->given[CTL_OPTION_NAME])
                return ctl_usage_error(c->verb, "needs --config=FILE or --name=NAME");
        if (r >= 0)
                r = ctl_read_config(c, &configuration, &error);
        if (r >= 0 && configuration)
                r = json_add(body, "configuration", TAKE_PTR(configuration));
        if (r >= 0 && c->given[CTL_OPTION_NAME])
                r = json_add_string(body, "name", c->values[CTL_OPTION_NAME]);
        return r < 0 ? ctl_fail(c, error, r) : ctl_update(c, kind_of(c), argv[0], body);
}

static int actor_remove(Ctl *c, int argc, char **argv) {
        return ctl_remove(c, kind_of(c), argv[0]);
}

static int actor_check(Ctl *c, int argc, char **argv) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ JsonObject *result = NULL, *configuration = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        bool succeeded;
        int r;

        r = ctl_read_config(c, &configuration, &error);
        if (r >= 0)
                r = ctl_find(c, kind_of(c), argv[0], &id, NULL, &error);
        if (r >= 0)
                r = ctl_new_object_call(c, kind_of(c), id, "Check", &m, &error);
        if (r >= 0)
                r = ctl_append_memfd(m, configuration);
        if (r >= 0)
                r = ctl_send(c, m, &reply, &error);
        if (r >= 0)
                r = ctl_read_json(reply, &result, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        succeeded = streq(ctl_text(result, "status"), "succeeded");
        if (c->json)
                (void) ctl_print_json(c, result);
        else if (!succeeded)
                (void) error_set(&error, -EINVAL, "The check of '%s' failed: %s", argv[0],
                                 ctl_text(result, "message"));
        else
                ctl_say(c, "The check of '%s' succeeded.", argv[0]);
        if (error)
                (void) ctl_fail(c, error, -EINVAL);
        return succeeded ? EXIT_OK : EXIT_FAILED;
}

/* A row for each stream of an AirbyteCatalog. */
static int print_catalog(Ctl *c, JsonObject *catalog) {
        static const CtlColumn columns[] = {
                { "STREAM", "name", CTL_TEXT },
                { "NAMESPACE", "namespace", CTL_TEXT },
                { "SYNC MODES", "supported_sync_modes", CTL_LIST },
                { "PRIMARY KEY", "source_defined_primary_key", CTL_LIST },
        };
        JsonObject *streams = json_member(catalog, "streams");

        return c->json ? ctl_print_json(c, catalog) : ctl_print_rows(c, streams, columns, ELEMENTSOF(columns));
}

static int source_discover(Ctl *c, int argc, char **argv) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ JsonObject *catalog = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = ctl_find(c, &ctl_kind_source, argv[0], &id, NULL, &error);
        if (r >= 0)
                r = ctl_new_object_call(c, &ctl_kind_source, id, "Discover", &m, &error);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", 1);
        if (r >= 0)
                r = ctl_send(c, m, &reply, &error);
        if (r >= 0)
                r = ctl_read_json(reply, &catalog, &error);
        return r < 0 ? ctl_fail(c, error, r) : print_catalog(c, catalog);
}

#define ADD_OPTIONS (CTL_BIT(CONNECTOR) | CTL_BIT(CONFIG) | CTL_BIT(WORKSPACE))
#define VERBS(what_)                                                                                         \
        { "list", NULL, "list them", 0, 0, CTL_BIT(WORKSPACE), actor_list },                                 \
        { "show", "NAME", "show one, its secrets masked", 1, 1, CTL_BIT(WORKSPACE), actor_show },            \
        { "add", "NAME --connector=NAME [--config=FILE]", "make one; secrets come from the file only", 1, 1, \
          ADD_OPTIONS, actor_add },                                                                          \
        { "update", "NAME [--name=NAME] [--config=FILE]", "change its name, or members of its configuration", 1, 1, \
          CTL_BIT(NAME) | CTL_BIT(CONFIG) | CTL_BIT(WORKSPACE), actor_update },                              \
        { "check", "NAME [--config=FILE]", "try its configuration, or a changed one", 1, 1,                  \
          CTL_BIT(CONFIG) | CTL_BIT(WORKSPACE), actor_check },                                               \
        { "remove", "NAME", "delete one that no connection uses", 1, 1, CTL_BIT(WORKSPACE), actor_remove }

static const CtlVerb source_verbs[] = {
        VERBS("source"),
        { "discover", "NAME", "ask it for its streams", 1, 1, CTL_BIT(WORKSPACE), source_discover },
};
static const CtlVerb destination_verbs[] = { VERBS("destination") };

const CtlNoun ctl_noun_source = { "source", "where data comes from", source_verbs, ELEMENTSOF(source_verbs) };
const CtlNoun ctl_noun_destination = { "destination", "where data goes", destination_verbs,
                                       ELEMENTSOF(destination_verbs) };
