/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The end of the program's standard output is not waited for, only its exit: the last line is read from
 * what the pipe holds then. A tool that printed more than the pipe takes would hang; these print one
 * line. */

#include <unistd.h>

#include "basic/buffer.h"
#include "launcher/launcher-tool.h"

/* A pipe holds it: the program says one line, and nobody reads before it has ended. */
#define OUTPUT_MAX (64U * 1024U)

struct Tool {
        Env *env;
        EnvSource *child;
        int out;
        ToolDone done;
        void *userdata;
};

Tool *tool_free(Tool *t) {
        if (!t)
                return NULL;
        env_source_free(t->env, t->child);
        (void) env_close(t->env, t->out);
        free(t);
        return NULL;
}

/* A copy; NULL when out of memory. */
static char *last_line(Buffer *b) {
        char *start;

        while (b->len > 0 && buffer_bytes(b)[b->len - 1] == '\n')
                b->len--;
        if (b->len == 0)
                return strdup("");
        start = memrchr(buffer_bytes(b), '\n', b->len);
        start = start ? start + 1 : buffer_bytes(b);
        return strndup(start, (size_t) (buffer_bytes(b) + b->len - start));
}

static int on_exit_of(EnvSource *s, pid_t pid, const EnvExit *status, void *userdata) {
        _cleanup_buffer_ Buffer said = {};
        _cleanup_free_ char *line = NULL;
        Tool *t = userdata;
        ssize_t n = 1;

        while (n > 0 && said.len < OUTPUT_MAX) {
                char *to = buffer_reserve(&said, 4096);

                n = to ? t->env->ops->read(t->env, t->out, to, 4096) : 0;
                if (n > 0)
                        buffer_commit(&said, (size_t) n);
        }
        line = last_line(&said);
        t->done(status->signal > 0 ? 128 + status->signal : status->code, strempty(line), t->userdata);
        return 0;
}

int tool_start(Env *env, char *const *argv, ToolDone done, void *userdata, Tool **ret, Error **reterr_error) {
        _cleanup_(tool_freep) Tool *t = calloc(1, sizeof(*t));
        char *const envp[] = { (char *) "PATH=/usr/bin:/bin", (char *) "LANG=C.UTF-8", NULL };
        EnvSpawn spawn = { .argv = argv, .envp = envp, .fds = { -EBADF, -EBADF, STDERR_FILENO } };
        int ends[2], r;
        pid_t pid;

        if (!t)
                return -ENOMEM;
        *t = (Tool) { .env = env, .out = -EBADF, .done = done, .userdata = userdata };
        r = env->ops->pipe(env, OUTPUT_MAX, ends);
        if (r < 0)
                return r;
        t->out = ends[0];
        spawn.fds[1] = ends[1];
        r = env->ops->spawn(env, &spawn, on_exit_of, t, &pid, &t->child, reterr_error);
        (void) env_close(env, ends[1]);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}
