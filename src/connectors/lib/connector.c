/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The frame of every native connector: from the command line to the verb, with configuration, catalog and
 * state read and checked on the way. What a connector must never do is put right here once: print
 * something that is no message, show a secret, end without a word. The type of a failure is a global,
 * because errors travel as return values through code that knows nothing of types; who knows better sets
 * it on the way up (connector_fail()). */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "connectors/lib/connector.h"
#include "connectors/lib/destination.h"
#include "connectors/lib/emitter.h"

/* Configurations and states come from the platform, which has limits of its own; these are against
 * accidents. */
#define CONFIG_SIZE_MAX (16U * 1024U * 1024U)
#define STATE_SIZE_MAX (64U * 1024U * 1024U)
/* A source that was asked to end and is stuck in a call dies after this. */
#define STOP_GRACE_SECONDS 10U

enum { EXIT_USAGE = 2, EXIT_TERMINATED = 143 };

typedef enum Verb {
        VERB_SPEC,
        VERB_CHECK,
        VERB_DISCOVER,
        VERB_READ,
        VERB_WRITE,
        _VERB_MAX,
        _VERB_INVALID = -EINVAL,
} Verb;

typedef struct Invocation {
        const ConnectorInfo *info;
        Verb verb;
        const char *config_path, *catalog_path, *state_path;
        Emitter *out;
        ConnectorSpec *spec;
        JsonObject *config;
        ConfiguredCatalog *catalog;
        StateSet *state;
} Invocation;

static volatile sig_atomic_t stop_signal;
static FailureType failure_type = FAILURE_SYSTEM_ERROR;

int connector_fail(Error **reterr_error, FailureType type, int code, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        failure_type = type;
        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return error_set(reterr_error, code, "%s", text);
}

static void invocation_done(Invocation *i) {
        emitter_free(i->out);
        connector_spec_free(i->spec);
        if (i->config)
                json_object_put(i->config);
        configured_catalog_free(i->catalog);
        state_set_free(i->state);
}

static void on_term(int signo) {
        stop_signal = 1;
        /* The default action of SIGALRM ends a source that doesn't come back to its emitter. */
        (void) alarm(STOP_GRACE_SECONDS);
}

/* A source ends between two records. A destination keeps the default action: it is gone at once, and what
 * it hasn't acknowledged isn't there for anybody. */
static int set_signals(Verb verb) {
        struct sigaction ignore = { .sa_handler = SIG_IGN }, term = { .sa_handler = on_term };

        if (sigaction(SIGPIPE, &ignore, NULL) < 0)
                return -errno;
        if (verb == VERB_READ && sigaction(SIGTERM, &term, NULL) < 0)
                return -errno;
        return 0;
}

static int load_spec(Invocation *i, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = json_parse(i->info->spec_json, strlen(i->info->spec_json), &o, reterr_error);
        return r < 0 ? r : connector_spec_from_json(o, &i->spec, reterr_error);
}

/* Secrets are known to the emitter before the configuration is checked: the check's own words could hold
 * one. */
static int load_config(Invocation *i, Error **reterr_error) {
        _cleanup_strv_ char **secrets = NULL;
        int r;

        failure_type = FAILURE_CONFIG_ERROR;
        r = json_parse_file(i->config_path, CONFIG_SIZE_MAX, &i->config, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "The configuration cannot be read");
        if (!json_object_is_type(i->config, json_type_object))
                return error_set(reterr_error, -EINVAL, "The configuration is not a JSON object");
        r = connector_spec_secret_strings(i->spec, i->config, &secrets);
        if (r < 0)
                return r;
        emitter_set_secrets(i->out, TAKE_PTR(secrets));
        r = connector_spec_check_config(i->spec, i->config, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "The configuration doesn't fit the specification");
        failure_type = FAILURE_SYSTEM_ERROR;
        return 0;
}

/* What a destination shall do is none of a source's business: a deduplicating stream without a primary
 * key, which the CDK's standard tests ask for, is read like any other. */
static void forget_deduplication(JsonObject *catalog) {
        JsonObject *streams = json_member(catalog, "streams");
        size_t n = json_object_is_type(streams, json_type_array) ? json_object_array_length(streams) : 0;

        for (size_t k = 0; k < n; k++) {
                JsonObject *stream = json_object_array_get_idx(streams, k), *key = json_member(stream,
                        "primary_key");
                const char *mode = NULL;

                if (json_get_string(stream, "destination_sync_mode", &mode, "catalog", NULL) <= 0 ||
                    (!streq(mode, "append_dedup") && !streq(mode, "overwrite_dedup")))
                        continue;
                if (!json_object_is_type(key, json_type_array) || json_object_array_length(key) == 0)
                        (void) json_add_string(stream, "destination_sync_mode", "append");
        }
}

/* Records may refer to files that lie beside them (Airbyte's file transfer). None of ours reads or
 * writes such files, and to move the records alone would lose data without a word. */
static int refuse_files(const Invocation *i, Error **reterr_error) {
        for (size_t k = 0; k < i->catalog->n_streams; k++)
                if (i->catalog->streams[k].include_files)
                        return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EOPNOTSUPP,
                                              "Stream '%s': the configured catalog asks for files (include_files), "
                                              "and %s moves records only",
                                              i->catalog->streams[k].stream.name, i->info->name);
        return 0;
}

/* Catalogs may be as large as states and share their limit. */
static int load_catalog(Invocation *i, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        failure_type = FAILURE_CONFIG_ERROR;
        r = json_parse_file(i->catalog_path, STATE_SIZE_MAX, &o, reterr_error);
        if (r >= 0 && i->verb == VERB_READ)
                forget_deduplication(o);
        if (r >= 0) {
                r = configured_catalog_from_json(o, &i->catalog, reterr_error);
                if (r < 0)
                        (void) error_prefix(reterr_error, r, "'%s'", i->catalog_path);
        }
        if (r < 0)
                return error_prefix(reterr_error, r, "The configured catalog cannot be used");
        failure_type = FAILURE_SYSTEM_ERROR;
        return refuse_files(i, reterr_error);
}

static int load_state(Invocation *i, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int r;

        if (i->state_path) {
                r = read_file(i->state_path, STATE_SIZE_MAX, &text, &n, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "The state cannot be read");
        }
        /* An empty file is no state: platforms that had none pass one. */
        if (n == 0 || json_skip_space(text, text + n) == text + n) {
                i->state = state_set_new();
                return i->state ? 0 : -ENOMEM;
        }
        failure_type = FAILURE_CONFIG_ERROR;
        r = state_set_parse(text, n, &i->state, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "The state cannot be used");
        failure_type = FAILURE_SYSTEM_ERROR;
        return 0;
}

/* Held against what the source has now, by name and mode alone. */
static int check_stream(const Catalog *found, const ConfiguredStream *c, Error **reterr_error) {
        const AirbyteStream *s = catalog_find(found, c->stream.namespace, c->stream.name);
        bool good;

        if (!s)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -ENOENT,
                                      "The source has no stream '%s'%s%s; discover lists those that it has",
                                      c->stream.name, c->stream.namespace ? " in namespace " : "",
                                      strempty(c->stream.namespace));
        good = c->sync_mode == SYNC_MODE_INCREMENTAL ? s->supports_incremental : s->supports_full_refresh;
        if (!good)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EOPNOTSUPP,
                                      "Stream '%s' doesn't support the sync mode %s", c->stream.name,
                                      sync_mode_to_string(c->sync_mode));
        return 0;
}

/* The catalog of the source is made once more: the configured one may be older than it. */
static int verb_read(Invocation *i, Error **reterr_error) {
        _cleanup_catalog_ Catalog *found = NULL;
        int r;

        r = load_catalog(i, reterr_error);
        if (r >= 0)
                r = load_state(i, reterr_error);
        if (r >= 0)
                r = (i->info->list_streams ?: i->info->discover)(i->config, i->out, &found, reterr_error);
        if (r < 0)
                return r;
        for (size_t k = 0; k < i->catalog->n_streams; k++) {
                r = check_stream(found, i->catalog->streams + k, reterr_error);
                if (r < 0)
                        return r;
        }
        return i->info->read(i->config, i->catalog, i->state, i->out, reterr_error);
}

/* Modes that the specification doesn't list would be written as something else without a word. */
static int check_modes(const Invocation *i, Error **reterr_error) {
        if (!i->spec->lists_destination_sync_modes)
                return 0;
        for (size_t k = 0; k < i->catalog->n_streams; k++) {
                const ConfiguredStream *c = i->catalog->streams + k;

                if (!i->spec->supported_destination_sync_modes[c->destination_sync_mode])
                        return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EOPNOTSUPP,
                                              "Stream '%s': %s doesn't support the mode %s", c->stream.name,
                                              i->info->name,
                                              destination_sync_mode_to_string(c->destination_sync_mode));
        }
        return 0;
}

static int verb_write(Invocation *i, Error **reterr_error) {
        int r;

        r = load_catalog(i, reterr_error);
        if (r >= 0)
                r = check_modes(i, reterr_error);
        return r < 0 ? r : destination_run(i->info, i->config, i->catalog, STDIN_FILENO, i->out,
                                           reterr_error);
}

static int verb_discover(Invocation *i, Error **reterr_error) {
        _cleanup_catalog_ Catalog *found = NULL;
        int r;

        r = i->info->discover(i->config, i->out, &found, reterr_error);
        return r < 0 ? r : message_write_catalog(emitter_buffer(i->out), found);
}

/* The answer is a message in both cases; only a broken output makes it fail. */
static int verb_check(Invocation *i) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *masked = NULL;
        int r;

        r = load_config(i, &error);
        if (r >= 0)
                r = i->info->check(i->config, i->out, &error);
        if (r < 0) {
                masked = emitter_mask(i->out, error_message(error, r));
                if (!masked)
                        return -ENOMEM;
        }
        return message_write_connection_status(emitter_buffer(i->out), r >= 0, masked);
}

static int run_verb(Invocation *i, Error **reterr_error) {
        int r;

        r = load_spec(i, reterr_error);
        if (r < 0)
                return r;
        if (i->verb == VERB_SPEC)
                return message_write_spec(emitter_buffer(i->out), i->info->spec_json);
        if (i->verb == VERB_CHECK)
                return verb_check(i);
        r = load_config(i, reterr_error);
        if (r < 0)
                return r;
        switch (i->verb) {
        case VERB_DISCOVER:
                return verb_discover(i, reterr_error);
        case VERB_READ:
                return verb_read(i, reterr_error);
        default:
                return verb_write(i, reterr_error);
        }
}

/* A record that was half written is dropped; everything that was whole before it still goes out. */
static int report_failure(Invocation *i, int r, const Error *error) {
        _cleanup_free_ char *masked = emitter_mask(i->out, error_message(error, r));

        emitter_drop_open_record(i->out);
        if (stop_signal)
                return EXIT_TERMINATED;
        if (!masked)
                return EXIT_FAILURE;
        (void) message_write_trace_error(emitter_buffer(i->out), emitter_now_ms(i->out), failure_type,
                                         masked, masked,
                                         NULL, NULL, NULL);
        (void) emitter_flush(i->out);
        return EXIT_FAILURE;
}

static int run(Invocation *i) {
        _cleanup_error_ Error *error = NULL;
        int r;

        i->out = emitter_new(STDOUT_FILENO);
        if (!i->out)
                return EXIT_FAILURE;
        r = set_signals(i->verb);
        if (r >= 0) {
                emitter_set_stop(i->out, &stop_signal);
                r = run_verb(i, &error);
        }
        if (r >= 0)
                r = emitter_flush(i->out);
        if (r >= 0)
                return EXIT_SUCCESS;
        return report_failure(i, r, error);
}

/* A source has no `write`, a destination no `read`: asking for it is a usage error. */
static Verb verb_from_string(const ConnectorInfo *info, const char *s) {
        static const char *const names[_VERB_MAX] = { "spec", "check", "discover", "read", "write" };

        for (Verb v = 0; v < _VERB_MAX; v++) {
                if (!streq(s, names[v]))
                        continue;
                if (v == VERB_WRITE)
                        return info->destination ? v : _VERB_INVALID;
                if (v == VERB_DISCOVER || v == VERB_READ)
                        return info->discover ? v : _VERB_INVALID;
                return v;
        }
        return _VERB_INVALID;
}

static void print_help(const ConnectorInfo *info) {
        printf("%s VERB [OPTIONS…]\n\n"
               "An Airbyte connector. Messages go to standard output, one JSON object a line.\n\n"
               "Verbs:\n"
               "  spec                                  Say what the configuration looks like\n"
               "  check --config FILE                   Say whether the configuration works\n", info->name);
        if (info->discover)
                printf("  discover --config FILE                List the streams\n"
                       "  read --config FILE --catalog FILE [--state FILE]\n"
                       "                                        Read records\n");
        if (info->destination)
                printf("  write --config FILE --catalog FILE    Write the records on standard input\n");
        printf("\nOptions:\n"
               "  -h --help                             Show this help\n"
               "     --version                          Show the version\n");
}

/* On standard error and as exit code 2; whoever calls us so is a person or a wrong program, and reads no
 * messages. */
static int usage_error(const ConnectorInfo *info, const char *what, const char *arg) {
        fprintf(stderr, "%s: %s%s%s%s\n", info->name, what, arg ? " '" : "", strempty(arg), arg ? "'" : "");
        return EXIT_USAGE;
}

/* 0 run it, else exit with *ret_code. */
static int parse_argv(Invocation *i, int argc, char *argv[], int *ret_code) {
        enum { ARG_VERSION = 0x100, ARG_CONFIG, ARG_CATALOG, ARG_STATE, ARG_DEBUG };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "catalog", required_argument, NULL, ARG_CATALOG },
                { "state", required_argument, NULL, ARG_STATE },
                { "debug", no_argument, NULL, ARG_DEBUG }, /* the field's connectors take it anywhere */
                {}
        };
        int c;

        opterr = 0;
        *ret_code = EXIT_SUCCESS;
        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        print_help(i->info);
                        return 1;
                case ARG_VERSION:
                        printf("%s %s\n", i->info->name, PACKAGE_VERSION);
                        return 1;
                case ARG_CONFIG:
                        i->config_path = optarg;
                        break;
                case ARG_CATALOG:
                        i->catalog_path = optarg;
                        break;
                case ARG_STATE:
                        i->state_path = optarg;
                        break;
                case ARG_DEBUG:
                        break;
                default:
                        *ret_code = usage_error(i->info, "unknown option or missing value", argv[optind - 1]);
                        return 1;
                }
        if (optind >= argc) {
                *ret_code = usage_error(i->info, "a verb is missing, see --help", NULL);
                return 1;
        }
        i->verb = verb_from_string(i->info, argv[optind]);
        if (i->verb < 0)
                *ret_code = usage_error(i->info, "unknown verb", argv[optind]);
        else if (optind + 1 < argc)
                *ret_code = usage_error(i->info, "too many arguments", argv[optind + 1]);
        else if (i->verb != VERB_SPEC && !i->config_path)
                *ret_code = usage_error(i->info, "--config is missing", NULL);
        else if ((i->verb == VERB_READ || i->verb == VERB_WRITE) && !i->catalog_path)
                *ret_code = usage_error(i->info, "--catalog is missing", NULL);
        return *ret_code != EXIT_SUCCESS;
}

int connector_main(const ConnectorInfo *info, int argc, char *argv[]) {
        _cleanup_(invocation_done) Invocation i = { .info = info };
        int code;

        if (parse_argv(&i, argc, argv, &code) != 0)
                return code;
        return run(&i);
}
