/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bench-generate and bench-sink joined by pipes of 1 MiB, and between them what is to be measured:
 *
 *   bench-worker MODE RECORDS [STREAMS [READ-SIZE]]
 *
 *   copy     a relay that only reads and writes
 *   relay    the worker, nothing mapped
 *   prefix   … with a prefix and a namespace for every record
 *   mappers  … with hashing, renaming and filtering (SHA-256 of one field, one renamed, one left out)
 *
 * Prints one JSON object: wall time, the CPU time and the peak memory of this process alone, the bytes that it read; and
 * what is allocated when the catalogs are made and when all records have passed. */

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/parse-util.h"
#include "basic/path-util.h"
#include "shared/env-event.h"
#include "worker/sync-catalog.h"

#define PIPE_SIZE (1U << 20)
#define CHUNK (256U * 1024U)
#define MAPPERS                                                                                                     \
        "[{\"type\":\"hashing\",\"mapperConfiguration\":{\"targetField\":\"email\",\"method\":\"SHA-256\","            \
        "\"fieldNameSuffix\":\"_hashed\"}},{\"type\":\"field-renaming\",\"mapperConfiguration\":{"                    \
        "\"originalFieldName\":\"name\",\"newFieldName\":\"full_name\"}},{\"type\":\"field-filtering\","              \
        "\"mapperConfiguration\":{\"targetField\":\"country\"}}]"

typedef struct Bench {
        Env *env;
        Replication *replication;
        uint64_t bytes;
        size_t heap_catalog, heap_end;
        int result;
} Bench;

static size_t heap_now(void) {
        struct mallinfo2 m = mallinfo2();

        return m.uordblks + m.hblkhd;
}

typedef struct Child {
        pid_t pid;
        EnvSource *source;
} Child;

static uint64_t arg_read_size; /* 0 = the worker's own choice */

static double wall_now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* getrusage() would count what the process was before it became this program, too. */
static long peak_kib(void) {
        FILE *f = fopen("/proc/self/status", "re");
        char line[256];
        long kib = 0;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "VmHWM: %ld", &kib) == 1)
                        break;
        if (f)
                fclose(f);
        return kib;
}

static char *tool_path(const char *self, const char *name) {
        _cleanup_free_ char *dir = path_dirname(self);

        return dir ? path_join(dir, name) : NULL;
}

/* The relay: what any process in the middle has to pay. It reads to where the worker would. */
static int copy_loop(int from, int to, uint64_t *ret_bytes) {
        _cleanup_buffer_ Buffer b = {};
        char *buffer = buffer_reserve_read(&b, CHUNK);
        ssize_t n;

        if (!buffer)
                return -ENOMEM;
        while ((n = read(from, buffer, CHUNK)) > 0) {
                *ret_bytes += (uint64_t) n;
                for (ssize_t done = 0; done < n;) {
                        ssize_t k = write(to, buffer + done, (size_t) (n - done));

                        if (k < 0)
                                return -errno;
                        done += k;
                }
        }
        return n < 0 ? -errno : 0;
}

static int make_pipe(int fds[2]) {
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void) fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
        return 0;
}

static pid_t start(const char *path, char *const *argv, int in, int out) {
        pid_t pid = fork();

        if (pid == 0) {
                int null = open("/dev/null", O_RDWR);

                (void) dup2(in >= 0 ? in : null, 0);
                (void) dup2(out >= 0 ? out : null, 1);
                (void) dup2(null, 2);
                (void) execv(path, argv);
                _exit(127);
        }
        return pid;
}

static int run_copy(const char *generator, char **generator_argv, const char *sink, char **sink_argv, Bench *ret) {
        int in[2], out[2], r, status;
        pid_t children[2];

        if (make_pipe(in) < 0 || make_pipe(out) < 0)
                return -EMFILE;
        children[0] = start(generator, generator_argv, -1, in[1]);
        children[1] = start(sink, sink_argv, out[0], -1);
        close(in[1]);
        close(out[0]);
        r = copy_loop(in[0], out[1], &ret->bytes);
        close(in[0]);
        close(out[1]);
        for (size_t i = 0; i < 2; i++)
                if (waitpid(children[i], &status, 0) < 0 || status != 0)
                        r = -EIO;
        return r;
}

static int flush_state(const StateSet *changed, void *userdata, Error **reterr_error) {
        return 0;
}

static int on_control(FailureOrigin from, JsonObject *config, void *userdata, Error **reterr_error) {
        return 0;
}

static void on_log(FailureOrigin from, const char *level, const char *message, void *userdata) {
        if (streq(level, "ERROR") || streq(level, "FATAL"))
                fprintf(stderr, "bench-worker: %s\n", message);
}

static void on_progress(Replication *r, void *userdata) {
}

static void on_done(Replication *r, void *userdata) {
        Bench *b = userdata;
        StreamStats totals;
        const FailureReason *failures;
        size_t n;

        b->heap_end = heap_now();
        replication_totals(r, &totals);
        failures = replication_failures(r, &n);
        b->bytes = totals.bytes_emitted;
        b->result = replication_status(r) == REPLICATION_COMPLETED ? 0 : -EIO;
        for (size_t i = 0; i < n; i++)
                fprintf(stderr, "bench-worker: %s\n", failures[i].external_message);
        b->env->ops->exit(b->env, 0);
}

static int on_source_exit(EnvSource *s, pid_t pid, const EnvExit *status, void *userdata) {
        return replication_source_exited(((Bench *) userdata)->replication, status, NULL);
}

static int on_destination_exit(EnvSource *s, pid_t pid, const EnvExit *status, void *userdata) {
        return replication_destination_exited(((Bench *) userdata)->replication, status, NULL);
}

static int ignore(void *userdata) {
        return 0;
}

static int spawn(Bench *b, const char *path, char **argv, int in, int out, int err, EnvChildHandler handler, Child *ret) {
        EnvSpawn spawn_ = { .argv = argv, .envp = environ, .fds = { in, out, err } };
        _cleanup_error_ Error *e = NULL;
        int r = b->env->ops->spawn(b->env, &spawn_, handler, b, &ret->pid, &ret->source, &e);

        if (r < 0)
                fprintf(stderr, "bench-worker: %s\n", error_message(e, r));
        return r;
}

static int run_replication(Bench *b, const char *generator, char **generator_argv, const char *sink, char **sink_argv) {
        ReplicationEndpoint source = { .stdin_fd = -EBADF, .stop = ignore, .kill = ignore },
                            destination = { .stop = ignore, .kill = ignore };
        int data[2], input[2], echo[2], source_err[2], destination_err[2], r;
        Child children[2] = {};

        if ((r = b->env->ops->pipe(b->env, PIPE_SIZE, data)) < 0 || (r = b->env->ops->pipe(b->env, PIPE_SIZE, input)) < 0 ||
            (r = b->env->ops->pipe(b->env, PIPE_SIZE, echo)) < 0 || (r = b->env->ops->pipe(b->env, 0, source_err)) < 0 ||
            (r = b->env->ops->pipe(b->env, 0, destination_err)) < 0)
                return r;
        /* The children's ends must wait, not fail. */
        for (size_t i = 0; i < 5; i++) {
                int fd = ((int[]) { data[1], input[0], echo[1], source_err[1], destination_err[1] })[i];

                (void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        }
        r = spawn(b, sink, sink_argv, input[0], echo[1], destination_err[1], on_destination_exit, &children[1]);
        if (r >= 0)
                r = spawn(b, generator, generator_argv, -EBADF, data[1], source_err[1], on_source_exit, &children[0]);
        if (r < 0)
                return r;
        close(data[1]);
        close(input[0]);
        close(echo[1]);
        close(source_err[1]);
        close(destination_err[1]);
        source.stdout_fd = data[0];
        source.stderr_fd = source_err[0];
        destination.stdin_fd = input[1];
        destination.stdout_fd = echo[0];
        destination.stderr_fd = destination_err[0];
        r = replication_start(b->replication, &source, &destination);
        if (r >= 0)
                r = b->env->ops->run(b->env);
        env_source_free(b->env, children[0].source);
        env_source_free(b->env, children[1].source);
        return r < 0 ? r : b->result;
}

/* The catalog that bench-generate's discover would give, configured as incremental append. */
static int make_catalog(uint64_t streams, ConfiguredCatalog **ret) {
        _cleanup_buffer_ Buffer b = {};
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = buffer_append_string(&b, "{\"streams\":[");
        for (uint64_t i = 0; r >= 0 && i < streams; i++)
                r = buffer_appendf(&b,
                                   "%s{\"stream\":{\"name\":\"s%llu\",\"json_schema\":{\"type\":\"object\"},"
                                   "\"supported_sync_modes\":[\"incremental\"],\"source_defined_cursor\":true},"
                                   "\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append\"}",
                                   i > 0 ? "," : "", (unsigned long long) i);
        if (r >= 0)
                r = buffer_append_string(&b, "]}");
        if (r >= 0)
                r = json_parse(buffer_bytes(&b), b.len, &o, NULL);
        return r < 0 ? r : configured_catalog_from_json(o, ret, NULL);
}

static int run_worker(const char *mode, uint64_t streams, const char *generator, char **generator_argv,
                      const char *sink, char **sink_argv, Bench *ret) {
        _cleanup_configured_catalog_ ConfiguredCatalog *catalog = NULL, *mapped = NULL;
        _cleanup_free_ StreamOptions *options = NULL;
        _cleanup_free_ Mapper ***lists = NULL;
        _cleanup_json_ JsonObject *json = NULL;
        _cleanup_error_ Error *e = NULL;
        bool prefix = streq(mode, "prefix");
        Mapper **mappers = NULL;
        Bench b = {};
        ReplicationSink events = { flush_state, on_control, on_log, on_progress, on_done, &b };
        int r;

        r = make_catalog(streams, &catalog);
        if (r >= 0 && streq(mode, "mappers")) {
                r = json_parse(MAPPERS, strlen(MAPPERS), &json, &e);
                if (r >= 0)
                        r = mappers_from_json(json, &mappers, &e);
        }
        lists = calloc(streams, sizeof(Mapper **));
        for (uint64_t i = 0; lists && i < streams; i++)
                lists[i] = mappers;
        if (r >= 0)
                r = sync_catalog_map(catalog, prefix ? NAMESPACE_CUSTOM_FORMAT : NAMESPACE_SOURCE, "landing",
                                     prefix ? "raw_" : "", NULL, lists, &mapped, &options, &e);
        if (r >= 0)
                r = env_event_new(&b.env);
        if (r >= 0) {
                ReplicationOptions o = {
                        .catalog = catalog,
                        .streams = options,
                        .flush_interval = REPLICATION_FLUSH_USEC,
                        .heartbeat_timeout = REPLICATION_HEARTBEAT_USEC,
                        .destination_timeout = REPLICATION_DESTINATION_TIMEOUT_USEC,
                        .stop_grace = USEC_PER_SEC,
                        .validate_records = true,
                        .buffer_size = (size_t) arg_read_size,
                };

                b.heap_catalog = heap_now();
                r = replication_new(b.env, &o, &events, &b.replication, &e);
        }
        if (r >= 0)
                r = run_replication(&b, generator, generator_argv, sink, sink_argv);
        if (r < 0)
                fprintf(stderr, "bench-worker: %s\n", error_message(e, r));
        *ret = b;
        replication_free(b.replication);
        env_event_free(b.env);
        mappers_free(mappers);
        return r;
}

int main(int argc, char *argv[]) {
        _cleanup_free_ char *generator = tool_path(argv[0], "bench-generate"), *sink = tool_path(argv[0], "bench-sink");
        uint64_t streams = 1, records;
        Bench result = {};
        struct rusage usage;
        double started = wall_now();
        int r;

        if (argc < 3 || parse_u64(argv[2], &records) < 0 || (argc > 3 && parse_u64(argv[3], &streams) < 0) ||
            (argc > 4 && parse_u64(argv[4], &arg_read_size) < 0)) {
                fprintf(stderr, "Usage: %s copy|relay|prefix|mappers RECORDS [STREAMS [READ-SIZE]]\n", argv[0]);
                return 2;
        }
        {
                char *generator_argv[] = { generator, argv[2], argc > 3 ? argv[3] : (char *) "1", NULL };
                char *sink_argv[] = { sink, NULL };

                r = streq(argv[1], "copy")
                        ? run_copy(generator, generator_argv, sink, sink_argv, &result)
                        : run_worker(argv[1], streams, generator, generator_argv, sink, sink_argv, &result);
        }
        (void) getrusage(RUSAGE_SELF, &usage);
        printf("{\"mode\":\"%s\",\"ok\":%s,\"seconds\":%.6f,\"bytes\":%llu,\"cpu_user\":%.6f,\"cpu_system\":%.6f,"
               "\"peak_kib\":%ld,\"heap_catalog\":%zu,\"heap_end\":%zu}\n",
               argv[1], r < 0 ? "false" : "true", wall_now() - started,
               (unsigned long long) result.bytes, (double) usage.ru_utime.tv_sec + (double) usage.ru_utime.tv_usec / 1e6,
               (double) usage.ru_stime.tv_sec + (double) usage.ru_stime.tv_usec / 1e6, peak_kib(),
               result.heap_catalog, result.heap_end);
        return r < 0;
}
