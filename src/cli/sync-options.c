/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line of `gantry sync`. Values are kept as they were written, and what they mean is decided
 * where it is known: a stream's name by the catalog, a mapper by its parser. Here only the form is
 * checked, and what excludes each other. Each mistake gets one sentence on standard error and exit code
 * 2, never the help text.
 *
 * Texts point into argv and are never freed, NULL means that nothing was said; what was made here (lists,
 * absolute paths) is freed. getopt's state is the process's, hence reset first. */

#include <getopt.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/parse-util.h"
#include "basic/path-util.h"
#include "cli/cli-error.h"
#include "cli/cli.h"
#include "cli/sync-options.h"

enum {
        OPT_STREAM = 256,
        OPT_EXCLUDE,
        OPT_MODE,
        OPT_CURSOR,
        OPT_PRIMARY_KEY,
        OPT_NAMESPACE,
        OPT_PREFIX,
        OPT_SELECT,
        OPT_MAPPER,
        OPT_STATE,
        OPT_NO_STATE,
        OPT_FULL_REFRESH,
        OPT_LIMIT,
        OPT_NAME,
        OPT_DRY_RUN,
        OPT_SOURCE_CONFIG,
        OPT_DESTINATION_CONFIG,
        OPT_ALLOW_READ,
        OPT_ALLOW_WRITE,
        OPT_REFRESH_CATALOG,
        OPT_PROGRESS,
        OPT_JSON,
        OPT_VERBOSE,
        OPT_TOLERATE,
};

static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "stream", required_argument, NULL, OPT_STREAM },
        { "exclude", required_argument, NULL, OPT_EXCLUDE },
        { "mode", required_argument, NULL, OPT_MODE },
        { "cursor", required_argument, NULL, OPT_CURSOR },
        { "primary-key", required_argument, NULL, OPT_PRIMARY_KEY },
        { "namespace", required_argument, NULL, OPT_NAMESPACE },
        { "prefix", required_argument, NULL, OPT_PREFIX },
        { "select", required_argument, NULL, OPT_SELECT },
        { "mapper", required_argument, NULL, OPT_MAPPER },
        { "state", required_argument, NULL, OPT_STATE },
        { "no-state", no_argument, NULL, OPT_NO_STATE },
        { "full-refresh", no_argument, NULL, OPT_FULL_REFRESH },
        { "limit", required_argument, NULL, OPT_LIMIT },
        { "name", required_argument, NULL, OPT_NAME },
        { "dry-run", no_argument, NULL, OPT_DRY_RUN },
        { "source-config", required_argument, NULL, OPT_SOURCE_CONFIG },
        { "destination-config", required_argument, NULL, OPT_DESTINATION_CONFIG },
        { "allow-read", required_argument, NULL, OPT_ALLOW_READ },
        { "allow-write", required_argument, NULL, OPT_ALLOW_WRITE },
        { "refresh-catalog", no_argument, NULL, OPT_REFRESH_CATALOG },
        { "progress", required_argument, NULL, OPT_PROGRESS },
        { "json", no_argument, NULL, OPT_JSON },
        { "verbose", no_argument, NULL, OPT_VERBOSE },
        { "tolerate-count-mismatch", no_argument, NULL, OPT_TOLERATE },
        {},
};

static void help(void) {
        printf("gantry sync SRC DST [OPTION]…\n\n"
               "Move the streams of a source into a destination.\n\n"
               "SRC and DST are connector references (NAME, native:NAME, pypi:PACKAGE[==VERSION],\n"
               "npm:PACKAGE, exec:PATH) or shorthands (sqlite:PATH, csv:PATH, jsonl:PATH,\n"
               "https://…, FILE.yaml, CONNECTOR?key=value).\n\n"
               "     --source-config FILE        Configuration of the source (JSON or YAML)\n"
               "     --destination-config FILE   Configuration of the destination\n"
               "     --stream NAME               Only this stream (repeatable, NAMESPACE.NAME works)\n"
               "     --exclude NAME              All but this stream (repeatable)\n"
               "     --mode MODE                 full_refresh_overwrite, full_refresh_append,\n"
               "                                 incremental_append or incremental_deduped_history\n"
               "     --cursor FIELD              Cursor of incremental streams\n"
               "     --primary-key FIELD[,FIELD] Primary key of deduplicated streams\n"
               "     --namespace source|destination|FORMAT  Namespace in the destination\n"
               "     --prefix PREFIX             Put before each stream's name\n"
               "     --select STREAM:FIELD,…     Only these fields of a stream\n"
               "     --mapper STREAM:MAPPER      Hash, encrypt, rename or filter (see gantry(1))\n"
               "     --state FILE                Keep the state in this file\n"
               "     --no-state                  Neither read nor keep a state\n"
               "     --full-refresh              Begin anew: forget the state, replace the data\n"
               "     --limit N                   At most N records of each stream\n"
               "     --name NAME                 Name of this sync (its state goes by it)\n"
               "     --dry-run                   Say what would be done\n"
               "     --allow-read PATH           The connectors may read this path\n"
               "     --allow-write PATH          The connectors may write this path\n"
               "     --refresh-catalog           Ask the source again what it has\n"
               "     --tolerate-count-mismatch   Warn where counts disagree instead of failing\n"
               "     --progress auto|bar|plain|json|none\n"
               "     --json                      Print the result as one JSON object\n"
               "     --verbose                   Say more, sandbox layers included\n");
}

void sync_options_done(SyncOptions *o) {
        strv_free(o->streams);
        strv_free(o->excludes);
        strv_free(o->primary_key);
        strv_free(o->selects);
        strv_free(o->mappers);
        strv_free(o->read_paths);
        strv_free(o->write_paths);
        *o = (SyncOptions) {};
}

static int parse_progress(const char *s, ProgressMode *ret) {
        *ret = progress_mode_from_string(s);
        if (*ret >= 0)
                return 0;
        return cli_usage_error("gantry sync", "--progress is auto, bar, plain, json or none, not '%s'",
                               s), -EINVAL;
}

/* Any other word is a format with ${SOURCE_NAMESPACE} in it, as Airbyte has it. */
static void parse_namespace(SyncOptions *o, const char *s) {
        if (streq(s, "source"))
                o->namespace_definition = NAMESPACE_SOURCE;
        else if (streq(s, "destination"))
                o->namespace_definition = NAMESPACE_DESTINATION;
        else {
                o->namespace_definition = NAMESPACE_CUSTOM_FORMAT;
                o->namespace_format = s;
        }
}

static int parse_limit(const char *s, uint64_t *ret) {
        if (parse_u64(s, ret) < 0 || *ret == 0)
                return cli_usage_error("gantry sync", "--limit takes a number of records above 0, not '%s'",
                                       s), -EINVAL;
        return 0;
}

/* Against the directory that we were started in: connectors have another one. */
static int extend_path(char ***l, const char *path) {
        return strv_consume(l, path_absolute(path));
}

/* The options that fill lists. -ENODATA: not one of them. */
static int apply_list_option(SyncOptions *o, int option, const char *value) {
        switch (option) {
        case OPT_STREAM:
                return strv_extend(&o->streams, value);
        case OPT_EXCLUDE:
                return strv_extend(&o->excludes, value);
        case OPT_PRIMARY_KEY:
                strv_free(o->primary_key);
                o->primary_key = strv_split(value, ",");
                return o->primary_key ? 0 : -ENOMEM;
        case OPT_SELECT:
                return strv_extend(&o->selects, value);
        case OPT_MAPPER:
                return strv_extend(&o->mappers, value);
        case OPT_ALLOW_READ:
                return extend_path(&o->read_paths, value);
        case OPT_ALLOW_WRITE:
                return extend_path(&o->write_paths, value);
        default:
                return -ENODATA;
        }
}

/* Texts and flags differ only in where they go; the rest has a form of its own. */
static int apply_option(SyncOptions *o, int option, const char *value) {
        const char **text = option == OPT_MODE         ? &o->mode
                : option == OPT_CURSOR                 ? &o->cursor
                : option == OPT_PREFIX                 ? &o->prefix
                : option == OPT_STATE                  ? &o->state_file
                : option == OPT_NAME                   ? &o->name
                : option == OPT_SOURCE_CONFIG          ? &o->source_config
                : option == OPT_DESTINATION_CONFIG     ? &o->destination_config
                                                       : NULL;
        bool *flag = option == OPT_NO_STATE ? &o->no_state
                : option == OPT_FULL_REFRESH    ? &o->full_refresh
                : option == OPT_DRY_RUN         ? &o->dry_run
                : option == OPT_REFRESH_CATALOG ? &o->refresh_catalog
                : option == OPT_JSON            ? &o->json
                : option == OPT_VERBOSE         ? &o->verbose
                : option == OPT_TOLERATE        ? &o->tolerate_count_mismatch
                                                : NULL;

        if (text)
                *text = value;
        else if (flag)
                *flag = true;
        else if (option == OPT_NAMESPACE)
                parse_namespace(o, value);
        else if (option == OPT_PROGRESS)
                return parse_progress(value, &o->progress);
        else if (option == OPT_LIMIT)
                return parse_limit(value, &o->limit);
        else
                return apply_list_option(o, option, value);
        return 0;
}

/* A name becomes a directory, so it may not be one that leads elsewhere. */
static int check_together(const SyncOptions *o) {
        if (o->mode && public_sync_mode_from_string(o->mode) < 0)
                return cli_usage_error("gantry sync",
                                       "--mode '%s' is none of full_refresh_overwrite, full_refresh_append, "
                                       "incremental_append, incremental_deduped_history", o->mode), -EINVAL;
        if (o->no_state && o->state_file)
                return cli_usage_error("gantry sync", "--no-state and --state exclude each other"), -EINVAL;
        if (o->name && (o->name[0] == '.' || strchr(o->name, '/') || !o->name[0] || strlen(o->name) > 200))
                return cli_usage_error("gantry sync", "--name '%s' can't be a file name", o->name), -EINVAL;
        return 1;
}

int sync_options_parse(SyncOptions *o, int argc, char *argv[]) {
        int c, r;

        optind = 0; /* the parser's state is global: begin anew */
        opterr = 1;
        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
                if (c == 'h') {
                        help();
                        return 0;
                }
                if (c == '?')
                        return -EINVAL;
                r = apply_option(o, c, optarg);
                if (r < 0)
                        return r;
        }
        if (argc - optind != 2)
                return cli_usage_error("gantry sync",
                                       argc - optind < 2 ? "a source and a destination are needed"
                                                                         : "'%s' is one argument too many",
                                       argv[argc - 1]),
                       -EINVAL;
        o->source = argv[optind];
        o->destination = argv[optind + 1];
        return check_together(o);
}
