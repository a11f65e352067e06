/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connector that runs, seen from the side that started it.
 *
 *   start --> shim is spawned --> files are written --> plan is sent
 *                                                          |
 *                   started <------------------------------+
 *                      |
 *            stop / kill / its own end
 *                      |
 *                   exited (once, whatever happens)
 *
 * The order of the first line matters: a shim exists before there is a secret on a file system, so that
 * somebody removes the files if we are killed in between. From the plan on, all that happens comes back
 * as a packet on the control socket. The end of the shim itself is only looked at when the socket has
 * nothing more to say; without a last packet it is a failure of ours, not an exit code of the
 * connector's.
 *
 * Any callback may free the process. Functions that go on after one has run look at `gone`, which
 * connector_process_free() sets. */

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/path-util.h"
#include "runtime/connector-plan.h"
#include "runtime/connector-process.h"
#include "runtime/runtime-paths.h"
#include "sandbox/shim-protocol.h"

/* The record path moves large blocks: a pipe of the usual 64 KiB costs a switch for each. */
#define PIPE_SIZE (1024U * 1024U)

struct ConnectorProcess {
        Env *env;
        ConnectorEvents events;
        char *name;    /* for messages */
        uint64_t memory_max;
        char *scratch; /* private directory with its files; the shim removes it, we make sure */
        int control;
        int fds[3];
        EnvSource *control_source, *child_source;
        bool attached; /* somebody else's child: its socket's end is its end */
        bool done;     /* `exited` has been told */
        bool stopping;
        bool *gone;    /* set when we are freed, for the loop that must know */
        char *buffer;  /* of SHIM_PACKET_MAX */
};

/* Whether what is written there stays in memory; swap is the administrator's to encrypt. */
static bool is_memory(const char *path) {
        struct statfs st;

        return statfs(path, &st) >= 0 && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC);
}

static int make_scratch_in(const char *place, char **ret) {
        _cleanup_free_ char *path = path_join(place, "gantry-XXXXXX");

        if (!path)
                return -ENOMEM;
        if (!mkdtemp(path))
                return -errno;
        *ret = TAKE_PTR(path);
        return 0;
}

/* Files with secrets go where nothing reaches a disk, if there is such a place: /run is one but in some
 * containers. */
static int make_scratch(char **ret) {
        const char *const places[] = {
                getenv("XDG_RUNTIME_DIR"), geteuid() == 0 ? "/run" : NULL, "/dev/shm", getenv("TMPDIR"),
                        "/tmp",
        };
        int r = -ENOENT;

        for (size_t i = 0; i < 2 * ELEMENTSOF(places); i++) {
                const char *place = places[i % ELEMENTSOF(places)];
                bool only_memory = i < ELEMENTSOF(places);

                if (!place || place[0] != '/' || (only_memory && !is_memory(place)))
                        continue;
                r = make_scratch_in(place, ret);
                if (r >= 0)
                        return 0;
        }
        return r;
}

/* The directory is new and ours alone, so a file that is there already would be somebody's trick. */
static int write_private(const char *dir, const char *name, const char *text, mode_t mode,
                         Error **reterr_error) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!text)
                return 0;
        path = path_join(dir, name);
        if (!path)
                return -ENOMEM;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        r = fd < 0 ? -errno : write_full(fd, text, strlen(text));
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to write '%s'", path) : 0;
}

/* The configuration may be rewritten by the connector (Airbyte's Python CDK does so); the rest may not. */
static int write_files(ConnectorProcess *p, const ConnectorStart *start, Error **reterr_error) {
        int r;

        r = write_private(p->scratch, "config.json", start->config, 0600, reterr_error);
        if (r >= 0)
                r = write_private(p->scratch, "catalog.json", start->catalog, 0400, reterr_error);
        if (r >= 0)
                r = write_private(p->scratch, "state.json", start->state, 0400, reterr_error);
        return r;
}

static void remove_files(ConnectorProcess *p) {
        if (p->scratch)
                (void) remove_tree(p->scratch);
        free(p->scratch);
        p->scratch = NULL;
}

/* Tells the end, once. The callback may free `p`: nobody touches it after this. */
static int tell_exit(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error) {
        if (p->done)
                return 0;
        p->done = true;
        remove_files(p);
        return p->events.exited ? p->events.exited(p, usage, error, p->events.userdata) : 0;
}

static int tell_failure(ConnectorProcess *p, int code, const char *what) {
        _cleanup_error_ Error *error = NULL;

        (void) error_set(&error, code, "Connector '%s' did not run: %s", p->name, what);
        return tell_exit(p, NULL, error);
}

/* Returns 1 or an error of a callback; `p` may be gone then. */
static int handle_event(ConnectorProcess *p, const ShimEvent *e) {
        ConnectorUsage usage = {
                .exit = { .code = e->code, .signal = e->signal, .oom = e->oom, .memory_max = p->memory_max },
                .user_usec = e->user_usec,
                .system_usec = e->system_usec,
                .max_rss_kib = e->max_rss_kib,
        };
        int r = 0;

        switch (e->type) {
        case SHIM_EVENT_STARTED:
                r = p->events.started ? p->events.started(p, e->missing, p->events.userdata) : 0;
                break;
        case SHIM_EVENT_FAILED:
                r = tell_failure(p, e->error ? -e->error : -EIO, strempty(e->message));
                break;
        case SHIM_EVENT_EXITED:
                r = tell_exit(p, &usage, NULL);
        }
        return r < 0 ? r : 1;
}

/* Reads one packet. 1: there was one (and `p` may be gone); 0: there is none now; -ECONNRESET: the shim
 * hung up. */
static int receive_event(ConnectorProcess *p) {
        _cleanup_(shim_event_done) ShimEvent e = {};
        _cleanup_error_ Error *error = NULL;
        ssize_t n = p->env->ops->receive(p->env, p->control, p->buffer, SHIM_PACKET_MAX);
        int r;

        if (n == -EAGAIN)
                return 0;
        if (n <= 0)
                return -ECONNRESET;
        r = shim_event_parse(p->buffer, (size_t) n, &e, &error);
        if (r < 0) {
                r = tell_failure(p, r, error_message(error, r));
                return r < 0 ? r : 1;
        }
        return handle_event(p, &e);
}

/* One packet a call; the loop calls again while there are more. */
static int on_control(EnvSource *s, int fd, uint32_t events, void *userdata) {
        ConnectorProcess *p = userdata;
        int r = receive_event(p);

        if (r == -ECONNRESET && p->attached && !p->done)
                return tell_failure(p, -EIO, "gantry-shim ended without a word");
        /* The end of the shim itself tells the rest. */
        if (r == -ECONNRESET)
                return p->env->ops->io_set(s, 0);
        return r < 0 ? r : 0;
}

/* The shim has ended. */
static int on_child(EnvSource *source, pid_t pid, const EnvExit *status, void *userdata) {
        ConnectorProcess *p = userdata;
        bool gone = false;
        char what[64];
        int r;

        /* What it said last may not have been read yet, and any of it may make a handler free us. */
        p->gone = &gone;
        do
                r = receive_event(p);
        while (r > 0 && !gone && !p->done);
        if (gone)
                return r < 0 ? r : 0;
        p->gone = NULL;
        if (r < 0 && r != -ECONNRESET)
                return r;
        if (p->done)
                return 0;
        if (status->signal)
                snprintf(what, sizeof(what), "gantry-shim was ended by signal %d", status->signal);
        else
                snprintf(what, sizeof(what), "gantry-shim ended with code %d", status->code);
        return tell_failure(p, -EIO, what);
}

/* Its argument is the directory to remove should we die before it has a plan. It gets no environment:
 * what the connector is to have stands in the plan. */
static int spawn_shim(ConnectorProcess *p, int *socket, pid_t *ret_pid, Error **reterr_error) {
        _cleanup_free_ char *shim = NULL;
        char *nothing[] = { NULL };
        int r = runtime_libexec_path("gantry-shim", &shim);

        if (r < 0)
                return error_set(reterr_error, r, "The program gantry-shim is missing, looked for at '%s'",
                                 strempty(shim));
        char *argv[] = { shim, p->scratch, NULL };
        EnvSpawn spawn = {
                .argv = argv,
                .envp = nothing,
                .fds = { *socket, -EBADF, -EBADF },
                .new_session = true,
        };

        r = p->env->ops->spawn(p->env, &spawn, on_child, p, ret_pid, &p->child_source, reterr_error);
        *socket = env_close(p->env, *socket);
        return r;
}

static int send_request(ConnectorProcess *p, const ShimRequest *q, const int *fds, size_t n_fds) {
        _cleanup_buffer_ Buffer b = {};
        ssize_t n;
        int r = shim_request_append(&b, q);

        if (r < 0)
                return r;
        n = p->env->ops->send_fds(p->env, p->control, buffer_bytes(&b), b.len, fds, n_fds);
        return n < 0 ? (int) n : 0;
}

static void close_three(Env *env, int fds[3]) {
        for (size_t i = 0; i < 3; i++)
                fds[i] = env_close(env, fds[i]);
}

/* Makes the pipes: our ends in p->fds, the connector's in `theirs`. */
static int make_pipes(ConnectorProcess *p, bool want_stdin, int theirs[3], Error **reterr_error) {
        for (int i = want_stdin ? 0 : 1; i < 3; i++) {
                int ends[2];
                /* Messages of people's size go to standard error. */
                int r = p->env->ops->pipe(p->env, i == 2 ? 0 : PIPE_SIZE, ends);

                if (r < 0)
                        return error_set_errno(reterr_error, r, "Failed to make a pipe");
                p->fds[i] = ends[i == 0 ? 1 : 0];
                theirs[i] = ends[i == 0 ? 0 : 1];
        }
        return 0;
}

/* Only those descriptors travel that there are; the packet says which. */
static int send_plan(ConnectorProcess *p, const ConnectorStart *start, pid_t shim, Error **reterr_error) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *plan = NULL;
        int theirs[3] = { -EBADF, -EBADF, -EBADF }, send[3];
        ShimRequest q = { .type = SHIM_REQUEST_PLAN };
        size_t n = 0;
        int r = connector_plan_new(start, p->scratch, &plan, reterr_error);

        p->memory_max = r >= 0 ? plan->memory_max : 0;
        /* The shim waits for its plan: what it starts will be where it is put now. */
        if (r >= 0 && start->place)
                start->place(start, shim, plan->memory_max, plan->tasks_max, start->place_userdata);
        if (r >= 0 && !start->fds)
                r = make_pipes(p, start->want_stdin, theirs, reterr_error);
        if (r >= 0) {
                const int *fds = start->fds ?: theirs;

                q.plan = plan;
                for (size_t i = 0; i < 3; i++)
                        if (fds[i] >= 0) {
                                q.fds[i] = true;
                                send[n++] = fds[i];
                        }
                r = send_request(p, &q, send, n);
                if (r < 0)
                        r = error_set_errno(reterr_error, r,
                                            "Failed to hand the connector '%s' to gantry-shim", p->name);
        }
        close_three(p->env, theirs);
        return r;
}

static ConnectorProcess *process_new(Env *env, const char *name, const ConnectorEvents *events) {
        _cleanup_(connector_process_freep) ConnectorProcess *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        p->env = env;
        p->control = -EBADF;
        for (size_t i = 0; i < 3; i++)
                p->fds[i] = -EBADF;
        if (events)
                p->events = *events;
        p->name = strdup(name);
        p->buffer = malloc(SHIM_PACKET_MAX);
        return p->name && p->buffer ? TAKE_PTR(p) : NULL;
}

int connector_process_start(Env *env, const ConnectorStart *start, const ConnectorEvents *events,
                            ConnectorProcess **ret, Error **reterr_error) {
        const char *name = start->connector->reference ?: start->connector->command[0];
        _cleanup_(connector_process_freep) ConnectorProcess *p = process_new(env, name, events);
        pid_t shim = 0;
        int pair[2], r;

        if (!p)
                return -ENOMEM;
        r = make_scratch(&p->scratch);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make a private directory for '%s'",
                                       p->name);
        r = env->ops->socketpair(env, pair);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make a socket pair");
        p->control = pair[0];
        r = spawn_shim(p, &pair[1], &shim, reterr_error);
        (void) env_close(env, pair[1]);
        /* Only now: should we be killed, there is somebody who removes the secrets. */
        if (r >= 0)
                r = write_files(p, start, reterr_error);
        if (r >= 0)
                r = send_plan(p, start, shim, reterr_error);
        if (r >= 0)
                r = env->ops->io_add(env, p->control, ENV_READABLE, /* priority= */ 0, on_control, p,
                                     &p->control_source);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

int connector_process_attach(Env *env, const char *name, uint64_t memory_max, int control, const int fds[3],
                             const ConnectorEvents *events, ConnectorProcess **ret, Error **reterr_error) {
        _cleanup_(connector_process_freep) ConnectorProcess *p = process_new(env, name, events);
        int r;

        if (!p) {
                for (size_t i = 0; i < 3; i++)
                        (void) env_close(env, fds[i]);
                (void) env_close(env, control);
                return -ENOMEM;
        }
        p->attached = true;
        p->memory_max = memory_max;
        p->control = control;
        memcpy(p->fds, fds, sizeof(p->fds));
        r = fd_set_nonblock(control, true);
        for (size_t i = 0; r >= 0 && i < 3; i++)
                r = fds[i] >= 0 ? fd_set_nonblock(fds[i], true) : 0;
        if (r >= 0)
                r = env->ops->io_add(env, control, ENV_READABLE, /* priority= */ 0, on_control, p,
                                     &p->control_source);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to watch the connector '%s'", name);
        *ret = TAKE_PTR(p);
        return 0;
}

ConnectorProcess *connector_process_free(ConnectorProcess *p) {
        if (!p)
                return NULL;
        if (p->gone)
                *p->gone = true;
        env_source_free(p->env, p->control_source);
        env_source_free(p->env, p->child_source);
        /* The shim kills all that it started when this end closes. */
        p->control = env_close(p->env, p->control);
        close_three(p->env, p->fds);
        remove_files(p);
        free(p->name);
        free(p->buffer);
        free(p);
        return NULL;
}

int connector_process_take_fd(ConnectorProcess *p, int fd) {
        assert(fd >= 0 && fd < 3);
        return TAKE_FD(p->fds[fd]);
}

/* To a connector that has ended already this is no error: its end and our wish have crossed. */
static int request(ConnectorProcess *p, ShimRequestType type) {
        ShimRequest q = { .type = type };
        int r = p->done ? 0 : send_request(p, &q, NULL, 0);

        /* It is on its way out already. */
        return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

int connector_process_stop(ConnectorProcess *p) {
        if (p->stopping)
                return 0;
        p->stopping = true;
        return request(p, SHIM_REQUEST_STOP);
}

int connector_process_kill(ConnectorProcess *p) {
        return request(p, SHIM_REQUEST_KILL);
}
