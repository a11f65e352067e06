/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `gantry connector install|list|remove|show`.
 *
 * Installing works below the user's own directory and with that user's rights; the suite has another
 * store, which only gantry-installer(8) writes. "show" may have to start the connector, in its sandbox,
 * to learn its specification. */

#include <getopt.h>
#include <stdio.h>

#include "basic/log.h"
#include "cli/cli-error.h"
#include "cli/cli.h"
#include "cli/endpoint.h"
#include "shared/env-event.h"

typedef struct Options {
        bool json, verbose;
        const char *reference;
} Options;

static int help(void) {
        printf("gantry connector install REFERENCE   Install pypi:PACKAGE[==VERSION], npm:PACKAGE or exec:PATH\n"
               "gantry connector list [--json]       Installed and native connectors\n"
               "gantry connector show REFERENCE      One connector and its configuration fields [--json: its spec]\n"
               "gantry connector remove REFERENCE    Remove an installed connector\n\n"
               "     --verbose   Show what the installer says\n");
        return EXIT_OK;
}

static int list(const Options *o, Error **reterr_error) {
        _cleanup_json_ JsonObject *array = json_object_new_array();
        InstalledConnector **all = NULL;
        int r;

        r = connector_store_list(&all, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; all[i]; i++) {
                if (o->json) {
                        JsonObject *entry = json_object_new_object();

                        if (!entry || json_object_array_add(array, entry) < 0 ||
                            json_add_string(entry, "reference", all[i]->reference) < 0 ||
                            json_add_string(entry, "version", strempty(all[i]->version)) < 0 ||
                            json_add_string(entry, "directory", strempty(all[i]->directory)) < 0)
                                r = -ENOMEM;
                } else
                        printf("%-48s %s\n", all[i]->reference, strempty(all[i]->version));
                installed_connector_free(all[i]);
        }
        free(all);
        if (r >= 0 && o->json)
                puts(json_object_to_json_string_ext(array,
                                                    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        return r;
}

static bool is_required(JsonObject *schema, const char *name) {
        JsonObject *required = json_member(schema, "required");

        if (!required || !json_object_is_type(required, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(required); i++)
                if (streq_ptr(json_object_get_string(json_object_array_get_idx(required, i)), name))
                        return true;
        return false;
}

/* One line a field, for a person who is about to write a configuration. */
static void print_field(JsonObject *schema, const char *name, JsonObject *field) {
        JsonObject *type = json_member(field, "type");
        const char *description = NULL, *title = NULL;
        bool secret = false;

        (void) json_get_string(field, "title", &title, "", NULL);
        (void) json_get_string(field, "description", &description, "", NULL);
        (void) json_get_bool(field, "airbyte_secret", &secret, "", NULL);
        printf("  %-28s %-10s %s%s%s\n", name,
               type && json_object_is_type(type, json_type_string) ? json_object_get_string(type) : "",
               is_required(schema,
                           name) ? "required " : "", secret ? "secret " : "", strempty(title ?: description));
}

static void print_connector(const Endpoint *e) {
        JsonObject *properties = json_member(e->spec->connection_specification, "properties");

        printf("%s\nversion:   %s\ndirectory: %s\n", e->connector->reference,
               strempty(e->connector->version),
               strempty(e->connector->directory));
        if (e->spec->documentation_url)
                printf("about:     %s\n", e->spec->documentation_url);
        printf("fields:\n");
        if (!properties || !json_object_is_type(properties, json_type_object))
                return;
        json_object_object_foreach(properties, name, field) {
                print_field(e->spec->connection_specification, name, field);
        }
}

/* Asks the connector, in its sandbox, where its specification is not known yet. */
static int show(const Options *o, Error **reterr_error) {
        _cleanup_(endpoint_freep) Endpoint *e = NULL;
        EndpointRequest q = { .role = CONNECTOR_ANY_ROLE, .reference = o->reference, .verbose = o->verbose };
        int r;

        r = endpoint_open_bare(&q, &e, reterr_error);
        if (r < 0)
                return r;
        if (o->json)
                puts(json_object_to_json_string_ext(e->spec->raw,
                                                    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        else
                print_connector(e);
        return 0;
}

static int install(const Options *o, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_(env_event_freep) Env *env = NULL;
        int r;

        r = connector_ref_parse(o->reference, CONNECTOR_ANY_ROLE, &ref, reterr_error);
        if (r >= 0)
                r = env_event_new(&env);
        if (r >= 0)
                r = connector_store_install(env, ref, o->verbose ? CONNECTOR_INSTALL_VERBOSE : 0, &c, reterr_error);
        if (r < 0)
                return r;
        printf("%s\n", c->reference);
        return 0;
}

static int remove_connector(const Options *o, Error **reterr_error) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        int r;

        r = connector_ref_parse(o->reference, CONNECTOR_ANY_ROLE, &ref, reterr_error);
        return r < 0 ? r : connector_store_remove(ref, reterr_error);
}

static const struct {
        const char *name;
        bool takes_reference;
        int (*run)(const Options *o, Error **reterr_error);
} verbs[] = {
        { "install", true, install },
        { "list", false, list },
        { "remove", true, remove_connector },
        { "show", true, show },
};

static int parse_options(Options *o, int argc, char *argv[]) {
        static const struct option long_options[] = {
                { "help", no_argument, NULL, 'h' },
                { "json", no_argument, NULL, 'j' },
                { "verbose", no_argument, NULL, 'v' },
                {},
        };
        int c;

        optind = 0;
        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
                if (c == 'h')
                        return 0;
                if (c == '?')
                        return -EINVAL;
                *(c == 'j' ? &o->json : &o->verbose) = true;
        }
        return 1;
}

int verb_connector(int argc, char *argv[]) {
        _cleanup_error_ Error *e = NULL;
        Options o = {};
        int r;

        r = parse_options(&o, argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : help();
        argc -= optind;
        argv += optind;
        if (argc < 1)
                return cli_usage_error("gantry connector",
                                       "a verb is needed: install, list, remove or show");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                if (!streq(argv[0], verbs[i].name))
                        continue;
                if (argc != 1 + verbs[i].takes_reference)
                        return cli_usage_error("gantry connector",
                                               verbs[i].takes_reference ? "'%s' takes one reference"
                                                                                             : "'%s' takes no argument",
                                               argv[0]);
                o.reference = argv[1];
                if (o.verbose)
                        log_set_level(LOG_LEVEL_DEBUG);
                r = verbs[i].run(&o, &e);
                return r < 0 ? cli_fail(e, r) : EXIT_OK;
        }
        return cli_usage_error("gantry connector", "unknown verb '%s': install, list, remove or show", argv[0]);
}
