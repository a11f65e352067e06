/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a tool says is read as it comes, so that one that says much is not held up by a full pipe; all of it
 * is kept, up to the limit, since only the end shows which line was the last. The end of the tool is the
 * end: what it left behind may hold the pipe, and is not waited for. */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/fd-util.h"
#include "basic/path-util.h"
#include "basic/utf8.h"
#include "launcher/launcher-tool.h"

#define READ_SIZE 16384U

struct Tool {
        Env *env;
        EnvSource *child, *output, *patience;
        char *name;
        pid_t pid;
        int out;
        usec_t patience_usec;
        Buffer said;
        bool too_much, overdue;
        ToolDone done;
        void *userdata;
};

Tool *tool_free(Tool *t) {
        if (!t)
                return NULL;
        env_source_free(t->env, t->child);
        env_source_free(t->env, t->output);
        env_source_free(t->env, t->patience);
        (void) env_close(t->env, t->out);
        buffer_done(&t->said);
        free(t->name);
        free(t);
        return NULL;
}

/* It has a session of its own: what it started goes with it. */
static void end_it(Tool *t) {
        (void) t->env->ops->kill(t->env, -t->pid, SIGKILL);
}

static void close_output(Tool *t) {
        t->output = env_source_free(t->env, t->output);
        t->out = env_close(t->env, t->out);
}

/* Reads once. false: there is nothing more now or ever. */
static bool read_some(Tool *t) {
        char *to = buffer_reserve(&t->said, READ_SIZE);
        ssize_t n = to ? t->env->ops->read(t->env, t->out, to, READ_SIZE) : -ENOMEM;

        if (n > 0)
                buffer_commit(&t->said, (size_t) n);
        if (t->said.len > TOOL_OUTPUT_MAX) {
                t->too_much = true;
                end_it(t);
        }
        if (n != -EAGAIN && (n <= 0 || t->too_much))
                close_output(t);
        return n > 0 && !t->too_much;
}

static int on_output(EnvSource *s, int fd, uint32_t events, void *userdata) {
        (void) read_some(userdata);
        return 0;
}

/* Told when it is gone: what takes its place must not meet it. */
static int on_overdue(EnvSource *s, usec_t now, void *userdata) {
        Tool *t = userdata;

        t->overdue = true;
        end_it(t);
        return 0;
}

/* What is no text is made some. A copy; NULL when out of memory. */
static char *line_of(const char *p, size_t n) {
        _cleanup_buffer_ Buffer line = {};

        if (utf8_append_printable(&line, p, n, /* keep_newlines= */ false) < 0)
                return NULL;
        return buffer_steal_string(&line);
}

int tool_first_line(const Tool *t, char **ret) {
        const char *p = t->said.len > 0 ? buffer_bytes(&t->said) : "", *end = memchr(p, '\n', t->said.len);

        *ret = line_of(p, end ? (size_t) (end - p) : t->said.len);
        return *ret ? 0 : -ENOMEM;
}

static char *last_line(const Tool *t) {
        const char *p = t->said.len > 0 ? buffer_bytes(&t->said) : "", *start;
        size_t n = t->said.len;

        while (n > 0 && p[n - 1] == '\n')
                n--;
        start = n > 0 ? memrchr(p, '\n', n) : NULL;
        start = start ? start + 1 : p;
        return line_of(start, (size_t) (p + n - start));
}

static char *result_of(const Tool *t) {
        char *text = NULL;

        if (!t->too_much && !t->overdue)
                return last_line(t);
        if ((t->too_much ? asprintf(&text, "'%s' said more than %u bytes and was ended", t->name, TOOL_OUTPUT_MAX)
             : asprintf(&text, "'%s' did not end within %" PRIu64 " s and was killed", t->name,
                        t->patience_usec / USEC_PER_SEC)) < 0)
                return NULL;
        return text;
}

static int on_exit_of(EnvSource *s, pid_t pid, const EnvExit *status, void *userdata) {
        _cleanup_free_ char *said = NULL;
        Tool *t = userdata;
        int code = status->signal > 0 ? 128 + status->signal : status->code;

        /* Its last words; what it left behind, and may hold the pipe, is not waited for. */
        while (t->out >= 0 && read_some(t))
                ;
        if (code == 0 && (t->too_much || t->overdue))
                code = 128 + SIGKILL;
        said = result_of(t);
        t->patience = env_source_free(t->env, t->patience);
        t->done(code, strempty(said), t->userdata);
        return 0;
}

static int watch(Tool *t, char *const *argv, int write_end, Error **reterr_error) {
        char *const envp[] = { (char *) "PATH=/usr/bin:/bin", (char *) "LANG=C.UTF-8", NULL };
        EnvSpawn spawn = { .argv = argv, .envp = envp, .fds = { -EBADF, write_end, STDERR_FILENO },
                           .new_session = true };
        usec_t until = env_now(t->env, ENV_CLOCK_MONOTONIC) + t->patience_usec;
        int r;

        r = t->env->ops->io_add(t->env, t->out, ENV_READABLE, /* priority= */ 0, on_output, t, &t->output);
        if (r >= 0)
                r = t->env->ops->timer_add(t->env, until, on_overdue, t, &t->patience);
        /* Last, for what runs is not taken back. */
        return r < 0 ? r : t->env->ops->spawn(t->env, &spawn, on_exit_of, t, &t->pid, &t->child, reterr_error);
}

int tool_start(Env *env, char *const *argv, usec_t patience, ToolDone done, void *userdata, Tool **ret,
               Error **reterr_error) {
        _cleanup_(tool_freep) Tool *t = calloc(1, sizeof(*t));
        int ends[2], r;

        if (!t)
                return -ENOMEM;
        *t = (Tool) { .env = env, .out = -EBADF, .patience_usec = patience, .done = done, .userdata = userdata };
        t->name = strdup(path_basename(argv[0]));
        if (!t->name)
                return -ENOMEM;
        r = env->ops->pipe(env, /* size= */ 0, ends);
        if (r < 0)
                return r;
        t->out = ends[0];
        /* Its own end waits when the pipe is full: not everybody minds EAGAIN. */
        r = fd_set_nonblock(ends[1], false);
        if (r >= 0)
                r = watch(t, argv, ends[1], reterr_error);
        (void) env_close(env, ends[1]);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}
