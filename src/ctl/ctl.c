/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A command is noun and verb, each a row of a table; help, the check of options and of the number of
 * arguments are made of the rows. So all options are parsed by one getopt_long(), in any place of the
 * line, before it is known which verb it is, and refused afterwards if this one does not take them. A
 * noun whose first verb has no name takes its words itself (`gantryctl logs 7`).
 *
 * Nothing is said on standard output but what was asked for, and nothing is asked: scripts get JSON and
 * exit codes (shared/exit-codes.h). */

#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/strv.h"
#include "basic/suggest.h"
#include "basic/utf8.h"
#include "ctl/ctl-agent.h"
#include "ctl/ctl.h"
#include "ctl/verb-actor.h"
#include "ctl/verb-connection.h"
#include "ctl/verb-connector.h"
#include "ctl/verb-job.h"
#include "ctl/verb-state.h"
#include "ctl/verb-status.h"
#include "ctl/verb-tag.h"
#include "ctl/verb-workflow.h"
#include "ctl/verb-workspace.h"

static const CtlNoun *const nouns[] = {
        &ctl_noun_status, &ctl_noun_sync,        &ctl_noun_job,       &ctl_noun_logs,      &ctl_noun_connection,
        &ctl_noun_source, &ctl_noun_destination, &ctl_noun_connector, &ctl_noun_workspace, &ctl_noun_workflow,
        &ctl_noun_state,  &ctl_noun_tag,         &ctl_noun_launcher,  &ctl_noun_web,
};

/* What an option is called, and whether it takes an argument. */
static const struct {
        const char *name;
        bool argument;
        const char *help;
} option_table[_CTL_OPTION_MAX] = {
        [CTL_OPTION_ATTEMPT] = { "attempt", true, "of which attempt; the last one" },
        [CTL_OPTION_COLOR] = { "color", true, "its colour, six hexadecimal digits" },
        [CTL_OPTION_CONFIG] = { "config", true, "a file with JSON; - is standard input" },
        [CTL_OPTION_CONNECTOR] = { "connector", true, "the connector" },
        [CTL_OPTION_DESTINATION] = { "destination", true, "the destination" },
        [CTL_OPTION_FOLLOW] = { "follow", false, "show what happens, as it does" },
        [CTL_OPTION_LIMIT] = { "limit", true, "at most so many" },
        [CTL_OPTION_LINES] = { "lines", true, "so many of the last lines; all" },
        [CTL_OPTION_NAME] = { "name", true, "its name" },
        [CTL_OPTION_PROGRESS] = { "progress", true, "auto, bar, plain, json or none" },
        [CTL_OPTION_SCHEDULE] = { "schedule", true, "a cron expression, or 'manual'" },
        [CTL_OPTION_SOURCE] = { "source", true, "the source" },
        [CTL_OPTION_STATUS] = { "status", true, "only of this status" },
        [CTL_OPTION_STREAM] = { "stream", true, "only this stream, NAME or NAMESPACE.NAME; again for more" },
        [CTL_OPTION_TYPE] = { "type", true, "the type" },
        [CTL_OPTION_WAIT] = { "wait", false, "until it has ended" },
        [CTL_OPTION_WORKSPACE] = { "workspace", true, "the workspace" },
};

#define VERBS_MAX 16U

enum {
        GLOBAL_JSON = 512,
        GLOBAL_NO_PAGER,
        GLOBAL_NO_LEGEND,
        GLOBAL_NO_ASK_PASSWORD,
        GLOBAL_VERSION,
        OPTION_BASE = 1024, /* + CtlOption */
};

static const struct option global_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "host", required_argument, NULL, 'H' },
        { "json", optional_argument, NULL, GLOBAL_JSON },
        { "no-ask-password", no_argument, NULL, GLOBAL_NO_ASK_PASSWORD },
        { "no-legend", no_argument, NULL, GLOBAL_NO_LEGEND },
        { "no-pager", no_argument, NULL, GLOBAL_NO_PAGER },
        { "quiet", no_argument, NULL, 'q' },
        { "version", no_argument, NULL, GLOBAL_VERSION },
};

void ctl_done(Ctl *c) {
        ctl_agent_close();
        sd_bus_flush_close_unref(c->bus);
        strv_free(c->streams);
}

int ctl_fail(const Ctl *c, const Error *e, int r) {
        _cleanup_buffer_ Buffer b = {};
        const char *text = error_message(e, r);

        if (utf8_append_printable(&b, text, strlen(text), /* keep_newlines= */ false) >= 0 && buffer_string(&b))
                log_error("gantryctl: %s", buffer_string(&b));
        return r == -ECONNREFUSED ? EXIT_SERVICE_UNAVAILABLE : exit_code_from_errno(r);
}

int ctl_usage_error(const char *verb, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        log_error("gantryctl%s%s: %s", verb ? " " : "", strempty(verb), n < 0 ? "wrong command line" : text);
        return EXIT_USAGE;
}

void ctl_say(const Ctl *c, const char *format, ...) {
        _cleanup_buffer_ Buffer plain = {}, safe = {};
        va_list ap;
        int r;

        if (c->quiet || c->json)
                return;
        va_start(ap, format);
        r = buffer_appendv(&plain, format, ap);
        va_end(ap);
        if (r >= 0 && utf8_append_printable(&safe, buffer_bytes(&plain), plain.len, /* keep_newlines= */ true) >= 0 &&
            buffer_string(&safe))
                puts(buffer_string(&safe));
}

/* -- Help -- */

static void print_option_help(uint64_t options) {
        for (int i = 0; i < _CTL_OPTION_MAX; i++)
                if (options & (UINT64_C(1) << i))
                        printf("  --%s%s%*s%s\n", option_table[i].name, option_table[i].argument ? "=…" : "",
                               (int) (18 - strlen(option_table[i].name) - (option_table[i].argument ? 2 : 0)), "",
                               option_table[i].help);
}

static void print_global_help(void) {
        puts("\nEverywhere:\n"
             "  --json[=short]      JSON instead of tables\n"
             "  --no-legend         no heads and sums in tables\n"
             "  --no-pager          no pager\n"
             "  -q --quiet          say nothing but what was asked for\n"
             "  -H --host=[USER@]HOST  the Gantry of another host, over ssh\n"
             "  --no-ask-password   don't ask for a password\n"
             "  -h --help, --version\n"
             "  --                  what follows is no option: a name that begins with '-'");
}

static int help_all(void) {
        puts("gantryctl [OPTION…] COMMAND …\n\nLook after the Gantry of this host.\n");
        for (size_t i = 0; i < ELEMENTSOF(nouns); i++)
                printf("  %-14s %s\n", nouns[i]->name, nouns[i]->help);
        print_global_help();
        puts("\n'gantryctl COMMAND --help' tells more of each; gantryctl(1) tells all.");
        return EXIT_OK;
}

/* Of one verb where it was named, else of all. */
static int help_noun(const CtlNoun *noun, const CtlVerb *only) {
        uint64_t options = 0;

        for (size_t i = 0; i < noun->n_verbs; i++) {
                const CtlVerb *v = &noun->verbs[i];

                if (only && v != only)
                        continue;

                printf("gantryctl %s%s%s%s%s\n        %s\n", noun->name, v->name ? " " : "", strempty(v->name),
                       v->arguments ? " " : "", strempty(v->arguments), v->help);
                options |= v->options;
        }
        if (options)
                puts("");
        print_option_help(options);
        print_global_help();
        return EXIT_OK;
}

/* -- The command line -- */

static const CtlNoun *find_noun(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(nouns); i++)
                if (streq(nouns[i]->name, name))
                        return nouns[i];
        return NULL;
}

/* A verb without a name matches whatever comes. */
static const CtlVerb *find_verb(const CtlNoun *noun, const char *name) {
        for (size_t i = 0; i < noun->n_verbs; i++)
                if (!noun->verbs[i].name || (name && streq(noun->verbs[i].name, name)))
                        return &noun->verbs[i];
        return NULL;
}

/* "unknown WHAT 'WORD'", with the nearest word that there is, or where to look. */
static int unknown_word(const char *noun, const char *what, const char *word, const char *const *known) {
        const char *hint = suggest_nearest(word, (char *const *) known);

        if (hint)
                return ctl_usage_error(noun, "unknown %s '%s', did you mean '%s'?", what, word, hint);
        return ctl_usage_error(noun, "unknown %s '%s', see 'gantryctl%s%s --help'", what, word,
                               noun ? " " : "", strempty(noun));
}

static int unknown_noun(const char *word) {
        const char *names[ELEMENTSOF(nouns) + 1] = {};

        for (size_t i = 0; i < ELEMENTSOF(nouns); i++)
                names[i] = nouns[i]->name;
        return unknown_word(NULL, "command", word, names);
}

static int unknown_verb(const CtlNoun *noun, const char *word) {
        const char *names[VERBS_MAX + 1] = {};

        assert(noun->n_verbs <= VERBS_MAX);
        for (size_t i = 0; i < noun->n_verbs; i++)
                names[i] = noun->verbs[i].name;
        return unknown_word(noun->name, "verb", word, names);
}

/* `words`: what --help was asked of, or what follows "help". */
static int help(char **words, int n_words) {
        const CtlNoun *noun = n_words > 0 ? find_noun(words[0]) : NULL;
        const CtlVerb *verb = noun && n_words > 1 ? find_verb(noun, words[1]) : NULL;

        if (n_words == 0)
                return help_all();
        if (!noun)
                return unknown_noun(words[0]);
        if (n_words > 1 && !verb)
                return unknown_verb(noun, words[1]);
        return help_noun(noun, verb);
}

static int take_global(Ctl *c, int option) {
        switch (option) {
        case 'H':
                c->host = optarg;
                return 0;
        case 'q':
                c->quiet = true;
                return 0;
        case GLOBAL_JSON:
                c->json = true;
                c->json_pretty = !optarg || streq(optarg, "pretty");
                if (optarg && !c->json_pretty && !streq(optarg, "short"))
                        return ctl_usage_error(NULL, "--json is 'short' or 'pretty'");
                return 0;
        case GLOBAL_NO_ASK_PASSWORD:
                c->ask_password = false;
                return 0;
        case GLOBAL_NO_LEGEND:
                c->legend = false;
                return 0;
        case GLOBAL_NO_PAGER:
                c->pager = false;
                return 0;
        default:
                return EXIT_USAGE; /* getopt has said why */
        }
}

static int take_option(Ctl *c, int option) {
        c->given[option] = true;
        c->values[option] = optarg;
        if (option == CTL_OPTION_STREAM && strv_extend(&c->streams, optarg) < 0)
                return ctl_fail(c, NULL, -ENOMEM);
        return 0;
}

typedef struct Line {
        bool help, version;
        char **words; /* borrowed: what is no option, in order */
        int n_words;
} Line;

/* 0, or an exit code. */
static int parse_line(Ctl *c, int argc, char **argv, Line *line) {
        struct option options[ELEMENTSOF(global_options) + _CTL_OPTION_MAX + 1] = {};
        int option, r = 0;

        memcpy(options, global_options, sizeof(global_options));
        for (int i = 0; i < _CTL_OPTION_MAX; i++)
                options[ELEMENTSOF(global_options) + (size_t) i] = (struct option) {
                        option_table[i].name, option_table[i].argument, NULL, OPTION_BASE + i };
        while (r == 0 && (option = getopt_long(argc, argv, "hH:qfn:", options, NULL)) >= 0)
                if (option == 'h')
                        line->help = true;
                else if (option == GLOBAL_VERSION)
                        line->version = true;
                else if (option == 'f')
                        r = take_option(c, CTL_OPTION_FOLLOW);
                else if (option == 'n')
                        r = take_option(c, CTL_OPTION_LINES);
                else
                        r = option >= OPTION_BASE ? take_option(c, option - OPTION_BASE) : take_global(c, option);
        line->words = argv + optind;
        line->n_words = argc - optind;
        return r;
}

/* Names go over the bus, which takes UTF-8 alone; what a person has typed is quoted in no other words. */
static int check_text(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (!utf8_is_valid(argv[i], strlen(argv[i]))) {
                        _cleanup_buffer_ Buffer b = {};

                        (void) utf8_append_printable(&b, argv[i], strlen(argv[i]), /* keep_newlines= */ false);
                        return ctl_usage_error(NULL, "'%s' is not UTF-8", strempty(buffer_string(&b)));
                }
        return 0;
}

static int check_verb(Ctl *c, const CtlVerb *verb, int n_words) {
        for (int i = 0; i < _CTL_OPTION_MAX; i++)
                if (c->given[i] && !(verb->options & (UINT64_C(1) << i)))
                        return ctl_usage_error(c->verb, "does not take --%s", option_table[i].name);
        if (n_words < verb->min)
                return ctl_usage_error(c->verb, "needs %s", verb->arguments);
        if (n_words > verb->max)
                return ctl_usage_error(c->verb, "takes %s%s", verb->max == 0 ? "no arguments" : "only ",
                                       verb->max == 0 ? "" : strempty(verb->arguments));
        return EXIT_OK;
}

static int run_noun(Ctl *c, const CtlNoun *noun, char **words, int n_words) {
        const char *name = n_words > 0 ? words[0] : NULL;
        const CtlVerb *verb = find_verb(noun, name);
        _cleanup_free_ char *whole = NULL;
        int r;

        if (!verb)
                return name ? unknown_verb(noun, name) :
                              ctl_usage_error(noun->name, "a verb is needed, see 'gantryctl %s --help'",
                                              noun->name);
        if (asprintf(&whole, "%s%s%s", noun->name, verb->name ? " " : "", strempty(verb->name)) < 0)
                return ctl_fail(c, NULL, -ENOMEM);
        c->verb = whole;
        if (verb->name) {
                words++;
                n_words--;
        }
        r = check_verb(c, verb, n_words);
        if (r == EXIT_OK)
                r = verb->run(c, n_words, words);
        c->verb = NULL;
        return r;
}

int ctl_main(int argc, char **argv) {
        _cleanup_(ctl_done) Ctl c = { .pager = true, .legend = true, .ask_password = true };
        const CtlNoun *noun;
        Line line = {};
        int r;

        r = check_text(argc, argv);
        if (r == 0)
                r = parse_line(&c, argc, argv, &line);
        if (r != 0)
                return r;
        if (line.version) {
                puts("gantryctl " PACKAGE_VERSION);
                return EXIT_OK;
        }
        if (line.n_words == 0)
                return line.help ? help_all() : ctl_usage_error(NULL, "a command is needed, see 'gantryctl --help'");
        if (streq(line.words[0], "help"))
                return help(line.words + 1, line.n_words - 1);
        if (line.help)
                return help(line.words, line.n_words);
        noun = find_noun(line.words[0]);
        if (!noun)
                return unknown_noun(line.words[0]);
        return run_noun(&c, noun, line.words + 1, line.n_words - 1);
}
