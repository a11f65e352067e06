/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The seam to the outside world (basic/env.h) as it is in production: sd-event for the loop, plain system
 * calls for the rest. There is nothing to decide in here, and that is the point: whatever is decided
 * stands behind the seam, where a simulator can run it through faults that no kernel would give on
 * request.
 *
 * A handler may free the source that it was called for, or the object around it. So a source that is
 * freed while its handler runs is only marked, and goes when the handler returns; every call of a handler
 * is wrapped for that (source_leave()).
 *
 * Priorities: signals first, children last, so that what a child has written is read before its end is
 * told. A handler that returns an error ends the loop; nothing is switched off silently. */

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "shared/env-event.h"

typedef struct EnvEvent {
        Env env;
        sd_event *event;
} EnvEvent;

struct EnvSource {
        EnvEvent *env;
        sd_event_source *source;
        union {
                EnvIoHandler io;
                EnvTimerHandler timer;
                EnvSignalHandler signal;
                EnvChildHandler child;
        } handler;
        void *userdata;
        bool running; /* inside its handler: freed when that returns */
        bool dead;
};

#define FDS_PER_PACKET_MAX 8U

/* An Env is the first member of ours. */
static EnvEvent *env_event(Env *e) {
        return (EnvEvent *) e;
}

static void source_release(EnvSource *s) {
        sd_event_source_disable_unref(s->source);
        free(s);
}

/* Switched off at once even when it must stay for a moment: nothing more may come of it. */
static EnvSource *event_source_free(EnvSource *s) {
        if (s->running) {
                s->dead = true;
                (void) sd_event_source_set_enabled(s->source, SD_EVENT_OFF);
        } else
                source_release(s);
        return NULL;
}

/* Wraps every handler call, so that a handler may free its own source. */
static int source_leave(EnvSource *s, int r) {
        s->running = false;
        if (s->dead)
                source_release(s);
        return r;
}

static EnvSource *source_new(Env *e, void *userdata) {
        EnvSource *s = calloc(1, sizeof(*s));

        if (s) {
                s->env = env_event(e);
                s->userdata = userdata;
        }
        return s;
}

/* Finishes a constructor: sd-event's own policy is to switch a failing source off; ours is to end the
 * loop. */
static int source_ready(EnvSource *s, int r, int priority, EnvSource **ret) {
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(s->source, true);
        if (r >= 0 && priority != 0)
                r = sd_event_source_set_priority(s->source, priority);
        if (r < 0) {
                source_release(s);
                return r;
        }
        *ret = s;
        return 0;
}

/* Monotonic time goes on while the machine sleeps, so that a lease that ran out then is seen to have. */
static usec_t event_now(Env *e, EnvClock clock) {
        struct timespec ts = {};

        (void) clock_gettime(clock == ENV_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_BOOTTIME, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

static int event_random_bytes(Env *e, void *p, size_t n) {
        for (size_t done = 0; done < n;) {
                ssize_t k = getrandom((char *) p + done, n - done, 0);

                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k > 0)
                        done += (size_t) k;
        }
        return 0;
}

static uint32_t to_epoll(uint32_t events) {
        return (events & ENV_READABLE ? EPOLLIN : 0U) | (events & ENV_WRITABLE ? EPOLLOUT : 0U);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        EnvSource *s = userdata;
        uint32_t events = (revents & EPOLLIN ? ENV_READABLE : 0U) | (revents & EPOLLOUT ? ENV_WRITABLE : 0U) |
                (revents & (EPOLLHUP | EPOLLERR) ? ENV_HANGUP : 0U);

        s->running = true;
        return source_leave(s, s->handler.io(s, fd, events, s->userdata));
}

static int event_io_add(Env *e, int fd, uint32_t events, int priority, EnvIoHandler handler, void *userdata,
                        EnvSource **ret) {
        EnvSource *s = source_new(e, userdata);

        if (!s)
                return -ENOMEM;
        s->handler.io = handler;
        return source_ready(s, sd_event_add_io(s->env->event, &s->source, fd, to_epoll(events), on_io, s), priority,
                            ret);
}

/* Without interest the fd leaves epoll, else a hang-up would be reported without end. */
static int event_io_set(EnvSource *s, uint32_t events) {
        int r;

        if (events == 0)
                return sd_event_source_set_enabled(s->source, SD_EVENT_OFF);
        r = sd_event_source_set_io_events(s->source, to_epoll(events));
        return r < 0 ? r : sd_event_source_set_enabled(s->source, SD_EVENT_ON);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        EnvSource *s = userdata;

        s->running = true;
        return source_leave(s, s->handler.timer(s, event_now(&s->env->env, ENV_CLOCK_MONOTONIC),
                                                s->userdata));
}

/* One shot: who wants another sets it in the handler. */
static int event_timer_set(EnvSource *s, usec_t at) {
        int r;

        if (at == USEC_INFINITY)
                return sd_event_source_set_enabled(s->source, SD_EVENT_OFF);
        r = sd_event_source_set_time(s->source, at);
        return r < 0 ? r : sd_event_source_set_enabled(s->source, SD_EVENT_ONESHOT);
}

static int event_timer_add(Env *e, usec_t at, EnvTimerHandler handler, void *userdata, EnvSource **ret) {
        EnvSource *s = source_new(e, userdata);
        int r;

        if (!s)
                return -ENOMEM;
        s->handler.timer = handler;
        r = sd_event_add_time(s->env->event, &s->source, CLOCK_BOOTTIME, at, /* accuracy= */ 1000, on_timer, s);
        if (r >= 0 && at == USEC_INFINITY)
                r = sd_event_source_set_enabled(s->source, SD_EVENT_OFF);
        return source_ready(s, r, 0, ret);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        EnvSource *s = userdata;

        s->running = true;
        return source_leave(s, s->handler.signal(s, (int) si->ssi_signo, s->userdata));
}

/* Signals come before all else that waits; a Ctrl-C must not stand behind a full pipe. */
static int event_signal_add(Env *e, int signo, EnvSignalHandler handler, void *userdata, EnvSource **ret) {
        EnvSource *s = source_new(e, userdata);
        sigset_t set;

        if (!s)
                return -ENOMEM;
        (void) sigemptyset(&set);
        (void) sigaddset(&set, signo);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
                free(s);
                return -errno;
        }
        s->handler.signal = handler;
        return source_ready(s, sd_event_add_signal(s->env->event, &s->source, signo, on_signal, s), -10, ret);
}

static int event_run(Env *e) {
        return sd_event_loop(env_event(e)->event);
}

static void event_exit(Env *e, int code) {
        (void) sd_event_exit(env_event(e)->event, code);
}

static ssize_t event_read(Env *e, int fd, void *p, size_t n) {
        ssize_t k;

        do
                k = read(fd, p, n);
        while (k < 0 && errno == EINTR);
        return k < 0 ? -errno : k;
}

static ssize_t event_writev(Env *e, int fd, const struct iovec *iov, int n_iov) {
        ssize_t k;

        do
                k = writev(fd, iov, n_iov);
        while (k < 0 && errno == EINTR);
        return k < 0 ? -errno : k;
}

static int event_pipe(Env *e, size_t size, int ret_read_write[2]) {
        if (pipe2(ret_read_write, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        /* Smaller pipes work too: the kernel's quota may not allow ours. */
        if (size > 0)
                (void) fcntl(ret_read_write[0], F_SETPIPE_SZ, (int) size);
        return 0;
}

static int event_socketpair(Env *e, int ret[2]) {
        return RET_NERRNO(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret));
}

static ssize_t event_send_fds(Env *e, int fd, const void *p, size_t n, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * FDS_PER_PACKET_MAX)];
        } control = {};
        struct iovec iov = { (void *) p, n };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t k;

        if (n_fds > FDS_PER_PACKET_MAX)
                return -E2BIG;
        if (n_fds > 0) {
                m.msg_control = &control;
                m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                control.header = (struct cmsghdr) {
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(int) * n_fds),
                };
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        }
        k = sendmsg(fd, &m, MSG_NOSIGNAL);
        return k < 0 ? -errno : k;
}

static ssize_t event_receive(Env *e, int fd, void *p, size_t n) {
        ssize_t k;

        do
                k = recv(fd, p, n, 0);
        while (k < 0 && errno == EINTR);
        return k < 0 ? -errno : k;
}

static int event_close(Env *e, int fd) {
        return safe_close(fd);
}

/* A child that dumped core is told like one that was killed. */
static int on_child(sd_event_source *source, const siginfo_t *si, void *userdata) {
        EnvSource *s = userdata;
        EnvExit status = { .code = -1 };

        if (si->si_code == CLD_EXITED)
                status.code = si->si_status;
        else
                status.signal = si->si_status;
        s->running = true;
        return source_leave(s, s->handler.child(s, si->si_pid, &status, s->userdata));
}

/* Between fork() and execve(): only calls that a signal handler could make. What fails is told through
 * the pipe. */
static _noreturn_ void child_exec(const EnvSpawn *spawn, int error_fd) {
        int fds[4], error;
        sigset_t none;

        /* Lift all out of the way of 0–3 first, so that none is overwritten before it is used. */
        for (int i = 0; i < 3; i++) {
                fds[i] = spawn->fds[i] >= 0 ? fcntl(spawn->fds[i], F_DUPFD, 10) : open("/dev/null", O_RDWR);
                if (fds[i] < 0)
                        goto fail;
        }
        fds[3] = fcntl(error_fd, F_DUPFD, 10);
        if (fds[3] < 0)
                goto fail;
        for (int i = 0; i < 4; i++)
                if (dup2(fds[i], i) < 0)
                        goto fail;
        error_fd = 3;
        if (fcntl(3, F_SETFD, FD_CLOEXEC) < 0 || close_range(4, ~0U, 0) < 0)
                goto fail;
        if (spawn->new_session)
                (void) setsid();
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        for (int i = 1; i < NSIG; i++)
                (void) signal(i, SIG_DFL);
        (void) execve(spawn->argv[0], spawn->argv, spawn->envp);
fail:
        error = errno;
        (void) !write(error_fd, &error, sizeof(error));
        _exit(127);
}

/* A program that cannot be executed is an error here and now, not an exit code later: the pipe closes by
 * itself on success. */
static int event_spawn(Env *e, const EnvSpawn *spawn, EnvChildHandler handler, void *userdata,
                       pid_t *ret_pid,
                       EnvSource **ret, Error **reterr_error) {
        _cleanup_close_ int error_read = -EBADF, error_write = -EBADF;
        int pipe_fds[2], error = 0, r;
        EnvSource *s;
        sigset_t set;
        pid_t pid;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return error_set_errno(reterr_error, -errno, "Failed to make a pipe");
        error_read = pipe_fds[0];
        error_write = pipe_fds[1];
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        s = source_new(e, userdata);
        if (!s)
                return -ENOMEM;
        s->handler.child = handler;

        pid = fork();
        if (pid < 0) {
                r = -errno;
                free(s);
                return error_set_errno(reterr_error, r, "Failed to fork");
        }
        if (pid == 0)
                child_exec(spawn, error_write);
        error_write = safe_close(error_write);
        if (read_full(error_read, &error, sizeof(error)) == sizeof(error)) {
                (void) waitpid(pid, NULL, 0);
                free(s);
                return error_set_errno(reterr_error, -error, "Failed to start '%s'", spawn->argv[0]);
        }
        /* Its last words come before its exit is told. */
        r = source_ready(s, sd_event_add_child(s->env->event, &s->source, pid, WEXITED, on_child, s), 10, ret);
        if (r < 0) {
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                return error_set_errno(reterr_error, r, "Failed to watch '%s'", spawn->argv[0]);
        }
        if (ret_pid)
                *ret_pid = pid;
        return 0;
}

static int event_kill(Env *e, pid_t pid, int signo) {
        return RET_NERRNO(kill(pid, signo));
}

static int event_file_read(Env *e, const char *path, size_t max, char **ret, size_t *ret_size,
                           Error **reterr_error) {
        return read_file(path, max, ret, ret_size, reterr_error);
}

static int event_file_replace(Env *e, const char *path, const void *p, size_t n, unsigned mode,
                              Error **reterr_error) {
        return write_file_atomic(path, p, n, mode, reterr_error);
}

static int event_file_remove(Env *e, const char *path) {
        return RET_NERRNO(unlink(path));
}

/* A lock of the open file: it ends with the last descriptor, whoever inherited one. */
static int event_file_lock(Env *e, const char *path, int *ret_fd) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static const EnvOps event_ops = {
        .now = event_now,
        .random_bytes = event_random_bytes,
        .io_add = event_io_add,
        .io_set = event_io_set,
        .timer_add = event_timer_add,
        .timer_set = event_timer_set,
        .signal_add = event_signal_add,
        .source_free = event_source_free,
        .run = event_run,
        .exit = event_exit,
        .read = event_read,
        .writev = event_writev,
        .pipe = event_pipe,
        .socketpair = event_socketpair,
        .send_fds = event_send_fds,
        .receive = event_receive,
        .close = event_close,
        .spawn = event_spawn,
        .kill = event_kill,
        .file_read = event_file_read,
        .file_replace = event_file_replace,
        .file_remove = event_file_remove,
        .file_lock = event_file_lock,
};

int env_event_new(Env **ret) {
        EnvEvent *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        e->env.ops = &event_ops;
        r = sd_event_new(&e->event);
        if (r < 0) {
                free(e);
                return r;
        }
        *ret = &e->env;
        return 0;
}

Env *env_event_free(Env *env) {
        EnvEvent *e;

        if (!env)
                return NULL;
        e = env_event(env);
        sd_event_unref(e->event);
        free(e);
        return NULL;
}

struct sd_event *env_event_loop(Env *e) {
        return env_event(e)->event;
}
