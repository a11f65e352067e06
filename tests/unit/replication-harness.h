/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A Replication between two peers that live in the same process: a source that writes a given text and exits, and a
 * destination that keeps every line and answers states as it is told. All on the production Env and real pipes. */

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "shared/env-event.h"
#include "unit/test.h"
#include "worker/replication.h"

typedef struct Harness Harness;

struct Harness {
        /* filled by the test */
        const char *catalog;      /* JSON */
        const char *prefix;       /* before every stream's name at the destination */
        const char *namespace;    /* of every stream at the destination; NULL = none */
        char *const *selected_fields;
        Mapper *const *mappers;
        ReplicationOptions options;
        const char *input;        /* what the source writes */
        bool destination_starts_late; /* reads only after the source's end and three grace times more */
        int source_code, source_signal;
        uint64_t source_oom; /* it was killed for this limit */
        bool source_hangs;        /* writes, then neither ends nor exits until it is stopped */
        bool source_silent_exit;  /* exits and leaves its output open */
        int destination_code;
        bool destination_deaf;    /* reads nothing */
        bool destination_hangs;   /* doesn't exit at the end of input until it is stopped */
        size_t destination_exits_after; /* lines; 0 = never before the end of input */
        /* Answers one STATE line; NULL echoes it. */
        void (*answer)(Harness *h, const char *line);
        int (*flush)(Harness *h, const StateSet *changed);
        int n_flush_failures;     /* the first ones fail */
        int cancel_after_lines;   /* of the destination */
        int fail_after_lines;     /* the surroundings report a failure of theirs */

        /* what came of it */
        Env *env;
        Replication *replication;
        ReplicationStatus status;
        Buffer received;          /* by the destination */
        size_t n_lines;
        Buffer stored;            /* the last flush */
        Buffer logged;
        Buffer controls;
        int n_flushes, n_stops, n_kills, n_progress, n_done;

        ConfiguredCatalog *parsed;
        StreamOptions *streams;
        char **names;
        EnvSource *source_io, *destination_io, *late;
        int source_out, destination_in, destination_out;
        size_t written;
        Buffer pending; /* an unfinished line of the destination */
        bool source_done, destination_done;
};

static int harness_source_exit(Harness *h) {
        EnvExit e = { .code = h->source_signal ? -1 : h->source_code, .signal = h->source_signal,
                      .oom = h->source_oom > 0, .memory_max = h->source_oom };

        if (h->source_done)
                return 0;
        h->source_done = true;
        if (!h->source_silent_exit) {
                env_source_free(h->env, TAKE_PTR(h->source_io));
                h->source_out = safe_close(h->source_out);
        }
        return replication_source_exited(h->replication, &e, NULL);
}

static int harness_destination_exit(Harness *h, int code) {
        EnvExit e = { code, 0 };

        if (h->destination_done)
                return 0;
        h->destination_done = true;
        env_source_free(h->env, TAKE_PTR(h->destination_io));
        h->destination_in = safe_close(h->destination_in);
        h->destination_out = safe_close(h->destination_out);
        return replication_destination_exited(h->replication, &e, NULL);
}

static int harness_on_source(EnvSource *s, int fd, uint32_t events, void *userdata) {
        Harness *h = userdata;
        struct iovec iov = { (void *) (h->input + h->written), strlen(h->input) - h->written };
        ssize_t n = iov.iov_len > 0 ? h->env->ops->writev(h->env, fd, &iov, 1) : 0;

        if (n == -EPIPE)
                return harness_source_exit(h);
        if (n > 0)
                h->written += (size_t) n;
        if (h->written < strlen(h->input))
                return 0;
        if (h->source_hangs)
                return h->env->ops->io_set(s, 0);
        return harness_source_exit(h);
}

static void harness_say(Harness *h, const char *text) {
        if (h->destination_out >= 0)
                assert_int_equal(write_full(h->destination_out, text, strlen(text)), 0);
}

static int harness_on_line(Harness *h, const char *line) {
        h->n_lines++;
        assert_int_equal(buffer_append_string(&h->received, line), 0);
        if (strstr(line, "\"STATE\"")) {
                if (h->answer)
                        h->answer(h, line);
                else
                        harness_say(h, line);
        }
        if (h->cancel_after_lines > 0 && --h->cancel_after_lines == 0)
                return replication_cancel(h->replication, NULL);
        if (h->fail_after_lines > 0 && --h->fail_after_lines == 0)
                return replication_fail(h->replication, ORIGIN_PERSISTENCE, FAILURE_SYSTEM_ERROR, "the store is gone");
        return 0;
}

static int harness_on_destination(EnvSource *s, int fd, uint32_t events, void *userdata) {
        Harness *h = userdata;
        char *to = buffer_reserve(&h->pending, 65536), *newline;
        ssize_t n = h->env->ops->read(h->env, fd, to, 65536);

        if (n == -EAGAIN)
                return 0;
        assert_true(n >= 0);
        buffer_commit(&h->pending, (size_t) n);
        while (h->pending.len > 0 && (newline = memchr(buffer_bytes(&h->pending), '\n', h->pending.len))) {
                size_t k = (size_t) (newline - buffer_bytes(&h->pending)) + 1;
                char *line = strndup(buffer_bytes(&h->pending), k);
                int r = harness_on_line(h, line);

                free(line);
                buffer_consume(&h->pending, k);
                if (r < 0)
                        return r;
                if (h->destination_exits_after > 0 && h->n_lines >= h->destination_exits_after)
                        return harness_destination_exit(h, h->destination_code);
        }
        if (n > 0)
                return 0;
        /* A half line at the end of the input would be the worker's fault. */
        assert_int_equal(h->pending.len, 0);
        if (h->destination_hangs)
                return h->env->ops->io_set(s, 0);
        return harness_destination_exit(h, h->destination_code);
}

static int harness_on_late(EnvSource *s, usec_t now, void *userdata) {
        Harness *h = userdata;

        return h->env->ops->io_set(h->destination_io, ENV_READABLE);
}

static int harness_stop_source(void *userdata) {
        Harness *h = userdata;

        h->n_stops++;
        h->source_signal = SIGTERM;
        return harness_source_exit(h);
}

static int harness_stop_destination(void *userdata) {
        Harness *h = userdata;

        h->n_stops++;
        return 0;
}

static int harness_kill_destination(void *userdata) {
        Harness *h = userdata;

        h->n_kills++;
        return harness_destination_exit(h, 137);
}

static int harness_flush(const StateSet *changed, void *userdata, Error **reterr_error) {
        Harness *h = userdata;

        h->n_flushes++;
        if (h->n_flush_failures > 0) {
                h->n_flush_failures--;
                return error_set(reterr_error, -EIO, "the store is away");
        }
        return state_set_append(changed, &h->stored);
}

static int harness_control(FailureOrigin from, JsonObject *config, void *userdata, Error **reterr_error) {
        Harness *h = userdata;

        return buffer_append_string(&h->controls, json_object_to_json_string(config));
}

static void harness_log(FailureOrigin from, const char *level, const char *message, void *userdata) {
        Harness *h = userdata;

        (void) buffer_appendf(&h->logged, "%s %s %s\n", failure_origin_to_string(from), level, message);
}

static void harness_progress(Replication *r, void *userdata) {
        ((Harness *) userdata)->n_progress++;
}

static void harness_finished(Replication *r, void *userdata) {
        Harness *h = userdata;

        h->n_done++;
        h->status = replication_status(r);
        h->env->ops->exit(h->env, 0);
}

static void harness_set_up(Harness *h) {
        _cleanup_json_ JsonObject *o = NULL;

        ASSERT_OK(json_parse(h->catalog, strlen(h->catalog), &o, NULL));
        ASSERT_OK(configured_catalog_from_json(o, &h->parsed, NULL));
        h->streams = calloc(h->parsed->n_streams, sizeof(*h->streams));
        for (size_t i = 0; i < h->parsed->n_streams; i++) {
                ASSERT_OK(strv_extendf(&h->names, "%s%s", strempty(h->prefix), h->parsed->streams[i].stream.name));
                h->streams[i] = (StreamOptions) {
                        .destination_name = h->names[i],
                        .destination_namespace = h->namespace ?: h->parsed->streams[i].stream.namespace,
                        .selected_fields = h->selected_fields,
                        .mappers = h->mappers,
                };
        }
        h->options.catalog = h->parsed;
        h->options.streams = h->streams;
        if (h->options.stop_grace == 0)
                h->options.stop_grace = 60 * USEC_PER_SEC;
        (void) signal(SIGPIPE, SIG_IGN);
        ASSERT_OK(env_event_new(&h->env));
}

static void harness_connect(Harness *h) {
        int source[2], in[2], out[2];
        ReplicationEndpoint source_end = { -EBADF, -EBADF, -EBADF, harness_stop_source, harness_stop_source, h };
        ReplicationEndpoint destination_end = { -EBADF, -EBADF, -EBADF, harness_stop_destination,
                                                harness_kill_destination, h };

        ASSERT_OK(h->env->ops->pipe(h->env, 0, source));
        ASSERT_OK(h->env->ops->pipe(h->env, 0, in));
        ASSERT_OK(h->env->ops->pipe(h->env, 0, out));
        source_end.stdout_fd = source[0];
        h->source_out = source[1];
        destination_end.stdin_fd = in[1];
        h->destination_in = in[0];
        destination_end.stdout_fd = out[0];
        h->destination_out = out[1];
        ASSERT_OK(replication_start(h->replication, &source_end, &destination_end));
        ASSERT_OK(h->env->ops->io_add(h->env, h->source_out, ENV_WRITABLE, 0, harness_on_source, h, &h->source_io));
        if (!h->destination_deaf)
                ASSERT_OK(h->env->ops->io_add(h->env, h->destination_in, ENV_READABLE, 0, harness_on_destination, h,
                                              &h->destination_io));
}

static void harness_let_late_destination_read(Harness *h) {
        ASSERT_OK(h->env->ops->io_set(h->destination_io, 0));
        ASSERT_OK(h->env->ops->timer_add(h->env, env_now(h->env, ENV_CLOCK_MONOTONIC) + 3 * h->options.stop_grace,
                                         harness_on_late, h, &h->late));
}

static void harness_run(Harness *h) {
        ReplicationSink sink = {
                .flush_state = harness_flush,
                .control = harness_control,
                .log = harness_log,
                .progress = harness_progress,
                .done = harness_finished,
                .userdata = h,
        };

        harness_set_up(h);
        ASSERT_OK(replication_new(h->env, &h->options, &sink, &h->replication, NULL));
        harness_connect(h);
        if (h->destination_starts_late)
                harness_let_late_destination_read(h);
        ASSERT_OK(h->env->ops->run(h->env));
        assert_int_equal(h->n_done, 1);
}

static const char *harness_received(Harness *h) {
        return buffer_string(&h->received);
}

static const char *harness_stored(Harness *h) {
        return buffer_string(&h->stored);
}

/* The text of the n-th failure; "" when there is none. */
static const char *harness_failure(Harness *h, size_t i) {
        size_t n;
        const FailureReason *f = replication_failures(h->replication, &n);

        return i < n ? f[i].external_message : "";
}

static void harness_done(Harness *h) {
        replication_free(h->replication);
        env_source_free(h->env, h->source_io);
        env_source_free(h->env, h->destination_io);
        env_source_free(h->env, h->late);
        safe_close(h->source_out);
        safe_close(h->destination_in);
        safe_close(h->destination_out);
        env_event_free(h->env);
        configured_catalog_free(h->parsed);
        free(h->streams);
        strv_free(h->names);
        buffer_done(&h->received);
        buffer_done(&h->stored);
        buffer_done(&h->logged);
        buffer_done(&h->controls);
        buffer_done(&h->pending);
}
