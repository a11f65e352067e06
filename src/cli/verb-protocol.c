/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `gantry spec|check|discover|read|write CONNECTOR`: a connector with its plain protocol on our own
 * standard streams, sandboxed and with its configuration put together; what `docker run IMAGE read …` is
 * elsewhere.
 *
 * The configuration isn't checked against the specification here: whoever speaks the protocol wants the
 * connector's own answer. The exit code is the connector's, with signals as a shell tells them, and a
 * signal to us is passed on as a request to stop; we leave when the connector has. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/log.h"
#include "basic/path-util.h"
#include "cli/cli-error.h"
#include "cli/cli.h"
#include "cli/config-file.h"
#include "cli/endpoint.h"
#include "protocol/message.h"
#include "shared/env-event.h"

#define STATE_FILE_MAX (1024U * 1024U * 1024U)

enum {
        OPT_CONFIG = 256,
        OPT_CATALOG,
        OPT_STATE,
        OPT_ALLOW_READ,
        OPT_ALLOW_WRITE,
        OPT_VERBOSE,
};

typedef struct Options {
        const char *verb, *connector, *config, *catalog, *state;
        char **read_paths, **write_paths;
        bool verbose;
} Options;

typedef struct Run {
        Env *env;
        ConnectorProcess *process;
        int code;
} Run;

static void options_done(Options *o) {
        strv_free(o->read_paths);
        strv_free(o->write_paths);
}

static void help(const char *verb) {
        printf("gantry %s CONNECTOR [OPTION]…\n\n"
               "Run '%s' of a connector, sandboxed, with the Airbyte protocol on standard input and output.\n\n"
               "     --config FILE       Its configuration (JSON or YAML)\n"
               "     --catalog FILE      The configured catalog (read, write)\n"
               "     --state FILE        The state to go on from (read)\n"
               "     --allow-read PATH   It may read this path\n"
               "     --allow-write PATH  It may write this path\n"
               "     --verbose           Say what the sandbox lacks\n",
               verb, verb);
}

static int apply_option(Options *o, int option, const char *value) {
        switch (option) {
        case OPT_CONFIG:
                o->config = value;
                return 0;
        case OPT_CATALOG:
                o->catalog = value;
                return 0;
        case OPT_STATE:
                o->state = value;
                return 0;
        case OPT_ALLOW_READ:
                return strv_consume(&o->read_paths, path_absolute(value));
        case OPT_ALLOW_WRITE:
                return strv_consume(&o->write_paths, path_absolute(value));
        case OPT_VERBOSE:
                o->verbose = true;
                return 0;
        default:
                return -EINVAL;
        }
}

/* 1: go on, 0: help was printed, negative: told. */
static int parse(Options *o, int argc, char *argv[]) {
        static const struct option long_options[] = {
                { "help", no_argument, NULL, 'h' },
                { "config", required_argument, NULL, OPT_CONFIG },
                { "catalog", required_argument, NULL, OPT_CATALOG },
                { "state", required_argument, NULL, OPT_STATE },
                { "allow-read", required_argument, NULL, OPT_ALLOW_READ },
                { "allow-write", required_argument, NULL, OPT_ALLOW_WRITE },
                { "verbose", no_argument, NULL, OPT_VERBOSE },
                {},
        };
        int c, r;

        optind = 0;
        o->verb = argv[0];
        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
                if (c == 'h') {
                        help(argv[0]);
                        return 0;
                }
                r = apply_option(o, c, optarg);
                if (r < 0)
                        return r;
        }
        if (argc - optind != 1) {
                (void) cli_usage_error("gantry", "'%s' takes one connector", argv[0]);
                return -EINVAL;
        }
        o->connector = argv[optind];
        if ((streq(o->verb, "read") || streq(o->verb, "write")) && !o->catalog) {
                (void) cli_usage_error("gantry", "'%s' needs --catalog FILE", argv[0]);
                return -EINVAL;
        }
        return 1;
}

static int on_started(ConnectorProcess *p, char *const *missing, void *userdata) {
        _cleanup_free_ char *list = missing && missing[0] ? strv_join(missing, ", ") : NULL;

        if (list)
                log_debug("The sandbox lacks what this system does not allow: %s", list);
        return 0;
}

/* Our exit code is the connector's own: callers know its meaning from elsewhere. */
static int on_exited(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error, void *userdata) {
        Run *run = userdata;

        if (!usage) {
                log_error("gantry: %s", error_message(error, -EIO));
                run->code = EXIT_FAILED;
        } else
                run->code = usage->exit.signal > 0 ? EXIT_SIGNAL_BASE + usage->exit.signal : usage->exit.code;
        run->env->ops->exit(run->env, 0);
        return 0;
}

static int on_signal(EnvSource *s, int signo, void *userdata) {
        Run *run = userdata;

        return connector_process_stop(run->process);
}

/* From the cache where it is known; the connector need not run for it. */
static int print_spec(const Endpoint *e) {
        _cleanup_free_ char *text = json_to_string(e->spec->raw);
        _cleanup_buffer_ Buffer b = {};

        if (!text || message_write_spec(&b, text) < 0)
                return -ENOMEM;
        return fwrite(buffer_bytes(&b), 1, b.len, stdout) == b.len && fflush(stdout) == 0 ? 0 : -EIO;
}

/* Our standard streams are the connector's; nothing of ours may be written to standard output. */
static int run_process(Run *run, const ConnectorStart *start, Error **reterr_error) {
        ConnectorEvents events = { .started = on_started, .exited = on_exited, .userdata = run };
        EnvSource *interrupt = NULL, *terminate = NULL;
        int r;

        r = run->env->ops->signal_add(run->env, SIGINT, on_signal, run, &interrupt);
        if (r >= 0)
                r = run->env->ops->signal_add(run->env, SIGTERM, on_signal, run, &terminate);
        if (r >= 0)
                r = connector_process_start(run->env, start, &events, &run->process, reterr_error);
        if (r >= 0)
                r = run->env->ops->run(run->env);
        run->process = connector_process_free(run->process);
        env_source_free(run->env, interrupt);
        env_source_free(run->env, terminate);
        return r;
}

static int run_verb(const Options *o, const Endpoint *e, int *ret_code, Error **reterr_error) {
        static const int own[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
        _cleanup_free_ char *config = endpoint_config_text(e), *catalog = NULL, *state = NULL;
        Run run = { .code = EXIT_FAILED };
        ConnectorStart start;
        int r = 0;

        if (!config)
                return -ENOMEM;
        if (o->catalog)
                r = read_file(o->catalog, CONFIG_FILE_MAX, &catalog, NULL, reterr_error);
        if (r >= 0 && o->state)
                r = read_file(o->state, STATE_FILE_MAX, &state, NULL, reterr_error);
        if (r >= 0)
                r = env_event_new(&run.env);
        if (r < 0)
                return r;
        start = endpoint_start(e, o->verb, config, catalog, state);
        start.fds = own;
        r = run_process(&run, &start, reterr_error);
        env_event_free(run.env);
        *ret_code = run.code;
        return r;
}

static int run(const Options *o, int *ret_code, Error **reterr_error) {
        _cleanup_(endpoint_freep) Endpoint *e = NULL;
        EndpointRequest q = {
                .role = streq(o->verb, "write") ? CONNECTOR_DESTINATION
                        : streq(o->verb, "read") || streq(o->verb, "discover") ? CONNECTOR_SOURCE
                                                                               : CONNECTOR_ANY_ROLE,
                .reference = o->connector,
                .config_file = o->config,
                .read_paths = o->read_paths,
                .write_paths = o->write_paths,
                .unchecked = true,
                .verbose = o->verbose,
        };
        int r;

        if (streq(o->verb, "spec")) {
                r = endpoint_open_bare(&q, &e, reterr_error);
                return r < 0 ? r : print_spec(e);
        }
        r = endpoint_open(&q, &e, reterr_error);
        return r < 0 ? r : run_verb(o, e, ret_code, reterr_error);
}

int verb_protocol(int argc, char *argv[]) {
        _cleanup_(options_done) Options o = {};
        _cleanup_error_ Error *e = NULL;
        int code = EXIT_OK, r;

        r = parse(&o, argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_OK;
        if (o.verbose)
                log_set_level(LOG_LEVEL_DEBUG);
        r = run(&o, &code, &e);
        return r < 0 ? cli_fail(e, r) : code;
}
