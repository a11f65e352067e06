/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* replicate CATALOG [OPTION…] -- SOURCE [ARG…] -- DESTINATION [ARG…]
 *
 * Runs two programs through the worker library, without sandbox, connector store or configuration, and prints one JSON
 * object that says what came of it. For scenario tests and measurements. */

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/json-write.h"
#include "shared/env-event.h"
#include "worker/replication.h"
#include "worker/sync-catalog.h"

extern char **environ;

static const char *arg_prefix, *arg_state_out, *arg_mappers;
static char **arg_secrets, **arg_select;
static bool arg_log;
static ReplicationOptions arg_options = { .fail_on_heartbeat = true, .destination_supports_refreshes = true };

typedef struct Peer {
        Env *env;
        Replication **replication;
        bool source;
        pid_t pid;
        EnvSource *child;
} Peer;

typedef struct Driver {
        Env *env;
        Replication *replication;
        Peer source, destination;
        StateSet *stored;
} Driver;

static int die(const char *what, int r, const Error *e) {
        fprintf(stderr, "replicate: %s: %s\n", what, error_message(e, r));
        exit(2);
}

static int on_child(EnvSource *s, pid_t pid, const EnvExit *status, void *userdata) {
        Peer *p = userdata;

        p->pid = 0;
        return p->source ? replication_source_exited(*p->replication, status, NULL)
                         : replication_destination_exited(*p->replication, status, NULL);
}

static int stop_peer(void *userdata) {
        Peer *p = userdata;

        return p->pid > 0 ? p->env->ops->kill(p->env, p->pid, SIGTERM) : 0;
}

static int kill_peer(void *userdata) {
        Peer *p = userdata;

        return p->pid > 0 ? p->env->ops->kill(p->env, p->pid, SIGKILL) : 0;
}

/* Starts a program with pipes at the ends that the worker wants. A failed start is told like a failed connector. */
static int start_peer(Peer *p, char **argv, ReplicationEndpoint *ret, Error **reterr_error) {
        size_t size = arg_options.buffer_size ?: 1024 * 1024;
        int in[2] = { -EBADF, -EBADF }, out[2], r;
        EnvSpawn spawn = { .argv = argv, .envp = environ, .fds = { -EBADF, -EBADF, STDERR_FILENO } };

        if (!p->source && (r = p->env->ops->pipe(p->env, size, in)) < 0)
                return r;
        r = p->env->ops->pipe(p->env, size, out);
        if (r < 0)
                return r;
        spawn.fds[0] = in[0];
        spawn.fds[1] = out[1];
        if (in[0] >= 0)
                (void) fd_set_nonblock(in[0], false);
        (void) fd_set_nonblock(out[1], false);
        r = p->env->ops->spawn(p->env, &spawn, on_child, p, &p->pid, &p->child, reterr_error);
        safe_close(in[0]);
        safe_close(out[1]);
        *ret = (ReplicationEndpoint) { in[1], out[0], -EBADF, stop_peer, kill_peer, p };
        return r;
}

static int on_flush(const StateSet *changed, void *userdata, Error **reterr_error) {
        Driver *d = userdata;
        _cleanup_buffer_ Buffer b = {};
        _cleanup_state_set_ StateSet *set = NULL;
        int r;

        /* The file holds an array; a later one replaces what it names. One more parse is the simplest merge. */
        if ((r = state_set_append(d->stored, &b)) < 0)
                return r;
        if (b.len > 2 && !state_set_is_empty(d->stored)) {
                _cleanup_buffer_ Buffer c = {};

                if ((r = state_set_append(changed, &c)) < 0)
                        return r;
                b.len--;
                if ((r = buffer_append_char(&b, ',')) < 0 || (r = buffer_append(&b, buffer_bytes(&c) + 1, c.len - 1)) < 0)
                        return r;
        } else {
                buffer_reset(&b);
                if ((r = state_set_append(changed, &b)) < 0)
                        return r;
        }
        r = state_set_parse(buffer_bytes(&b), b.len, &set, reterr_error);
        if (r < 0)
                return r;
        state_set_free(d->stored);
        d->stored = TAKE_PTR(set);
        if (!arg_state_out)
                return 0;
        buffer_reset(&b);
        r = state_set_append(d->stored, &b);
        return r < 0 ? r : d->env->ops->file_replace(d->env, arg_state_out, buffer_bytes(&b), b.len, 0600, reterr_error);
}

static void on_log(FailureOrigin from, const char *level, const char *message, void *userdata) {
        if (arg_log)
                fprintf(stderr, "%s %s %s\n", failure_origin_to_string(from), level, message);
}

static void on_done(Replication *r, void *userdata) {
        Driver *d = userdata;

        d->env->ops->exit(d->env, 0);
}

static int on_signal(EnvSource *s, int signo, void *userdata) {
        return replication_cancel(((Driver *) userdata)->replication, NULL);
}

static void write_stats(Buffer *b, const StreamStats *s) {
        (void) json_write_member_u64(b, "records_emitted", s->records_emitted);
        (void) json_write_member_u64(b, "bytes_emitted", s->bytes_emitted);
        (void) json_write_member_u64(b, "records_committed", s->records_committed);
        (void) json_write_member_u64(b, "bytes_committed", s->bytes_committed);
        (void) json_write_member_u64(b, "records_filtered", s->records_filtered);
        (void) json_write_member_u64(b, "records_rejected", s->records_rejected);
        (void) json_write_member_u64(b, "states_emitted", s->states_emitted);
        (void) json_write_member_u64(b, "states_committed", s->states_committed);
        (void) json_write_member_i64(b, "estimated_records", s->estimated_records);
        (void) json_write_member_u64(b, "invalid_records", s->invalid_records);
        (void) json_write_member_bool(b, "complete", s->complete);
}

static void write_result(Driver *d, Buffer *b) {
        const FailureReason *f;
        struct rusage usage = {};
        StreamStats totals;
        size_t n;

        (void) getrusage(RUSAGE_SELF, &usage);
        replication_totals(d->replication, &totals);
        (void) buffer_append_char(b, '{');
        (void) json_write_member_string(b, "status", replication_status_to_string(replication_status(d->replication)));
        write_stats(b, &totals);
        (void) json_write_member_u64(b, "worker_user_usec",
                                     (uint64_t) usage.ru_utime.tv_sec * 1000000 + (uint64_t) usage.ru_utime.tv_usec);
        (void) json_write_member_u64(b, "worker_system_usec",
                                     (uint64_t) usage.ru_stime.tv_sec * 1000000 + (uint64_t) usage.ru_stime.tv_usec);
        (void) json_write_member_u64(b, "worker_max_rss_kib", (uint64_t) usage.ru_maxrss);
        (void) json_write_key(b, "streams");
        (void) buffer_append_char(b, '[');
        for (size_t i = 0; i < replication_n_streams(d->replication); i++) {
                const StreamStats *s = replication_stream_stats(d->replication, i);

                (void) buffer_append_string(b, i > 0 ? ",{" : "{");
                (void) json_write_member_string(b, "name", s->name);
                (void) json_write_member_string(b, "namespace", s->namespace);
                write_stats(b, s);
                (void) buffer_append_char(b, '}');
        }
        (void) buffer_append_string(b, "],\"failures\":[");
        f = replication_failures(d->replication, &n);
        for (size_t i = 0; i < n; i++) {
                (void) buffer_append_string(b, i > 0 ? ",{" : "{");
                (void) json_write_member_string(b, "failureOrigin", failure_origin_to_string(f[i].origin));
                (void) json_write_member_string(b, "failureType", failure_type_to_string(f[i].type));
                (void) json_write_member_string(b, "externalMessage", f[i].external_message);
                (void) json_write_member_string(b, "stream", f[i].stream_name);
                (void) buffer_append_char(b, '}');
        }
        (void) buffer_append_string(b, "],\"states\":");
        (void) state_set_append(d->stored, b);
        (void) buffer_append_string(b, "}\n");
}

static usec_t parse_ms(const char *s) {
        return strtoull(s, NULL, 10) * USEC_PER_MSEC;
}

static void parse_options(int argc, char **argv) {
        enum { PREFIX = 1, STATE_OUT, LIMIT, TOLERATE, HEARTBEAT, TIMEOUT, GRACE, FLUSH, OLD, SECRET, LOG, MAPPERS, SELECT,
               VALIDATE, BUFFER };
        static const struct option options[] = {
                { "prefix", required_argument, NULL, PREFIX },
                { "state-out", required_argument, NULL, STATE_OUT },
                { "limit", required_argument, NULL, LIMIT },
                { "tolerate-counts", no_argument, NULL, TOLERATE },
                { "heartbeat-ms", required_argument, NULL, HEARTBEAT },
                { "destination-timeout-ms", required_argument, NULL, TIMEOUT },
                { "grace-ms", required_argument, NULL, GRACE },
                { "flush-ms", required_argument, NULL, FLUSH },
                { "no-refreshes", no_argument, NULL, OLD },
                { "secret", required_argument, NULL, SECRET },
                { "log", no_argument, NULL, LOG },
                { "mappers", required_argument, NULL, MAPPERS },
                { "select", required_argument, NULL, SELECT },
                { "validate", no_argument, NULL, VALIDATE },
                { "buffer-size", required_argument, NULL, BUFFER },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0)
                switch (c) {
                case PREFIX:
                        arg_prefix = optarg;
                        break;
                case STATE_OUT:
                        arg_state_out = optarg;
                        break;
                case LIMIT:
                        arg_options.record_limit = strtoull(optarg, NULL, 10);
                        break;
                case TOLERATE:
                        arg_options.tolerate_count_mismatch = true;
                        break;
                case HEARTBEAT:
                        arg_options.heartbeat_timeout = parse_ms(optarg);
                        break;
                case TIMEOUT:
                        arg_options.destination_timeout = parse_ms(optarg);
                        break;
                case GRACE:
                        arg_options.stop_grace = parse_ms(optarg);
                        break;
                case FLUSH:
                        arg_options.flush_interval = parse_ms(optarg);
                        break;
                case OLD:
                        arg_options.destination_supports_refreshes = false;
                        break;
                case SECRET:
                        (void) strv_extend(&arg_secrets, optarg);
                        break;
                case LOG:
                        arg_log = true;
                        break;
                case MAPPERS:
                        arg_mappers = optarg;
                        break;
                case SELECT:
                        arg_select = strv_split(optarg, ",");
                        break;
                case VALIDATE:
                        arg_options.validate_records = true;
                        break;
                case BUFFER:
                        arg_options.buffer_size = strtoull(optarg, NULL, 10);
                        break;
                default:
                        exit(2);
                }
}

/* Names, fields and mappers of every stream: the same for all. */
static void map_streams(const ConfiguredCatalog *catalog, Mapper **mappers, ConfiguredCatalog **ret, StreamOptions **ret_streams) {
        char ***selected = calloc(catalog->n_streams + 1, sizeof(*selected));
        Mapper ***lists = calloc(catalog->n_streams + 1, sizeof(*lists));
        _cleanup_error_ Error *error = NULL;
        int r;

        for (size_t i = 0; i < catalog->n_streams; i++) {
                selected[i] = arg_select;
                lists[i] = mappers;
        }
        r = sync_catalog_map(catalog, NAMESPACE_SOURCE, NULL, arg_prefix, selected, lists, ret, ret_streams, &error);
        if (r < 0)
                die("catalog", r, error);
        free(selected);
        free(lists);
}

static void run(Driver *d, char **source_argv, char **destination_argv) {
        ReplicationSink sink = { .flush_state = on_flush, .log = on_log, .done = on_done, .userdata = d };
        ReplicationEndpoint source = { -EBADF, -EBADF, -EBADF, NULL, NULL, NULL }, destination = source;
        _cleanup_error_ Error *error = NULL, *source_error = NULL, *destination_error = NULL;
        _cleanup_buffer_ Buffer b = {};
        EnvSource *term = NULL;
        int r;

        d->source = (Peer) { d->env, &d->replication, true, 0, NULL };
        d->destination = (Peer) { d->env, &d->replication, false, 0, NULL };
        r = replication_new(d->env, &arg_options, &sink, &d->replication, &error);
        if (r < 0)
                die("replication", r, error);
        (void) start_peer(&d->source, source_argv, &source, &source_error);
        (void) start_peer(&d->destination, destination_argv, &destination, &destination_error);
        if ((r = d->env->ops->signal_add(d->env, SIGTERM, on_signal, d, &term)) < 0 ||
            (r = replication_start(d->replication, &source, &destination)) < 0 ||
            (source_error && (r = replication_source_exited(d->replication, NULL, source_error)) < 0) ||
            (destination_error && (r = replication_destination_exited(d->replication, NULL, destination_error)) < 0) ||
            (r = d->env->ops->run(d->env)) < 0)
                die("run", r, NULL);
        write_result(d, &b);
        (void) fwrite(buffer_bytes(&b), 1, b.len, stdout);
        env_source_free(d->env, term);
        replication_free(d->replication);
        env_source_free(d->env, d->source.child);
        env_source_free(d->env, d->destination.child);
}

int main(int argc, char **argv) {
        _cleanup_configured_catalog_ ConfiguredCatalog *catalog = NULL, *mapped = NULL;
        _cleanup_free_ StreamOptions *streams = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        Mapper **mappers = NULL;
        Driver d = {};
        char **second;
        int r;

        if (argc < 2)
                return 2;
        (void) signal(SIGPIPE, SIG_IGN);
        r = configured_catalog_from_file(argv[1], &catalog, &error);
        if (r < 0)
                die(argv[1], r, error);
        parse_options(argc - 1, argv + 1);
        argv += optind + 1;
        for (second = argv; *second && !streq(*second, "--"); second++)
                ;
        if (!*argv || !*second)
                return 2;
        *second++ = NULL;
        if (arg_mappers && ((r = json_parse_file(arg_mappers, 1U << 20U, &o, &error)) < 0 ||
                            (r = mappers_from_json(o, &mappers, &error)) < 0))
                die(arg_mappers, r, error);
        map_streams(catalog, mappers, &mapped, &streams);
        arg_options.catalog = catalog;
        arg_options.streams = streams;
        arg_options.secrets = arg_secrets;
        d.stored = state_set_new();
        if (!d.stored || (r = env_event_new(&d.env)) < 0)
                return 1;
        run(&d, argv, second);
        state_set_free(d.stored);
        env_event_free(d.env);
        mappers_free(mappers);
        strv_free(arg_secrets);
        strv_free(arg_select);
        return 0;
}
