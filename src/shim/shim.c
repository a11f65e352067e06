/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-shim: runs one connector in its sandbox for the program at the other end of fd 0. See
 * sandbox/shim-protocol.h for what they say to each other and src/sandbox/README.md for who does what.
 *
 * The shim has one thread, one poll() and four things to listen to: its starter, signals, the process
 * inside, and the end of a destination's input. It never reads what the connector writes, and has no
 * reason to trust it.
 *
 *     plan ──> launch ──> started ──> (stop: grace, SIGTERM, SIGKILL) ──> exited or failed
 *                ^  │
 *                └──┘ refused: once more with fewer layers
 *
 * Its promises: the last packet comes when nothing of the connector is left; when the starter goes away,
 * everything is killed; a destination that is stopped may take what it was given and commit. Out of
 * memory is told by the counter of the control group, for a kill alone doesn't say whose it was. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/time-util.h"
#include "sandbox/shim-protocol.h"
#include "shim/shim-init.h"
#include "shim/shim-oom.h"
#include "shim/shim-reap.h"

#define CONTROL_FD 0
/* How often a pipe that has ended is looked at until the connector has read the rest of it. */
#define DRAIN_INTERVAL_MSEC 20
/* A starter that doesn't take a packet for so long is treated as gone. */
#define SEND_TIMEOUT_MSEC 10000
/* Between the SIGTERM that a destination's grace period has held back and SIGKILL. */
#define LAST_TERM_USEC (5 * USEC_PER_SEC)

typedef struct Shim {
        SandboxPlan *plan;
        Sandbox sandbox;
        int fds[3];      /* the connector's, until they are handed on */
        int files[SANDBOX_FILES_MAX]; /* what the plan's files are made of, as long */
        char *groups;       /* our control groups, at the start: podman moves us */
        uint64_t oom_kills; /* in these, before it started */
        int signals;     /* signalfd */
        int stdin_name;  /* O_PATH: names the connector's stdin without being a reader of it */
        int stdin_watch; /* opened when a stop waits for its end */
        int init_socket;
        pid_t init;
        bool stdin_is_reader; /* … or, where that isn't possible, a reader after all */
        bool started, starter_gone, stopping, term_sent, killed, finished;
        usec_t term_at, kill_at; /* at the latest */
        ShimEvent last; /* failed or exited */
} Shim;

static usec_t now_boottime(void) {
        struct timespec ts = {};

        (void) clock_gettime(CLOCK_BOOTTIME, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

/* Waits for a starter that is slow to read, but not for ever: a stuck one counts as gone. */
static void send_event(Shim *m, const ShimEvent *e) {
        _cleanup_buffer_ Buffer b = {};

        if (shim_event_append(&b, e) < 0)
                return;
        while (!m->starter_gone && send(CONTROL_FD, buffer_bytes(&b), b.len, MSG_NOSIGNAL) < 0) {
                struct pollfd p = { .fd = CONTROL_FD, .events = POLLOUT };

                if (errno != EINTR && (errno != EAGAIN || poll(&p, 1, SEND_TIMEOUT_MSEC) <= 0))
                        m->starter_gone = true;
        }
}

/* Before there is a sandbox; later failures go through `last`. */
static void send_failure(Shim *m, int error, const char *step, const char *message) {
        ShimEvent e = { .type = SHIM_EVENT_FAILED, .error = error };

        e.step = strdup(step);
        e.message = strdup(message);
        send_event(m, &e);
        shim_event_done(&e);
}

#define FDS_MAX (3 + SANDBOX_FILES_MAX)

/* Waits for the first packet. 0 when the starter went away instead. */
static ssize_t receive_first(char *buffer, int fds[FDS_MAX], size_t *ret_n_fds) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        } control;
        struct iovec iov = { buffer, SHIM_PACKET_MAX };
        struct msghdr msg = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
        };
        struct pollfd p = { .fd = CONTROL_FD, .events = POLLIN };
        ssize_t n;

        while (poll(&p, 1, -1) < 0 && errno == EINTR)
                ;
        n = recvmsg(CONTROL_FD, &msg, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return -errno;
        *ret_n_fds = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                        *ret_n_fds = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t) FDS_MAX);
                        memcpy(fds, CMSG_DATA(c), *ret_n_fds * sizeof(int));
                }
        return msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : n;
}

/* Puts each descriptor of the first packet in its place. */
static int sort_fds(Shim *m, const ShimRequest *q, const int fds[FDS_MAX], size_t n_fds,
                    Error **reterr_error) {
        size_t used = 0, wanted = m->plan->n_files;

        for (size_t i = 0; i < 3; i++)
                wanted += q->fds[i];
        if (wanted != n_fds) {
                for (size_t i = 0; i < n_fds; i++)
                        (void) safe_close(fds[i]);
                return error_set(reterr_error, -EBADMSG, "The plan came with %zu descriptors, not %zu",
                                 n_fds, wanted);
        }
        for (size_t i = 0; i < 3; i++)
                if (q->fds[i]) {
                        m->fds[i] = fds[used++];
                        /* Our starter's pipes don't block; programs expect standard streams that do. */
                        (void) fd_set_nonblock(m->fds[i], false);
                }
        for (size_t i = 0; i < m->plan->n_files; i++)
                m->files[i] = fds[used++];
        return 0;
}

/* Takes the plan. */
static int receive_plan(Shim *m, Error **reterr_error) {
        _cleanup_free_ char *buffer = malloc(SHIM_PACKET_MAX);
        int fds[FDS_MAX];
        ShimRequest q = {};
        size_t n_fds = 0;
        ssize_t n;
        int r;

        if (!buffer)
                return -ENOMEM;
        n = receive_first(buffer, fds, &n_fds);
        if (n < 0)
                return error_set_errno(reterr_error, (int) n, "Failed to receive the plan");
        if (n == 0)
                return error_set(reterr_error, -ECONNRESET, "The starter went away before it sent a plan");
        r = shim_request_parse(buffer, (size_t) n, &q, reterr_error);
        if (r < 0)
                return r;
        if (q.type != SHIM_REQUEST_PLAN)
                return error_set(reterr_error, -EBADMSG, "The first packet is no plan");
        m->plan = q.plan;
        return sort_fds(m, &q, fds, n_fds, reterr_error);
}

/* The same pipe with flags of our own; those of the descriptor itself are shared with the connector. */
static int open_fd_again(int fd, int flags) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return open(path, flags | O_CLOEXEC);
}

/* Remembers the connector's stdin, to see its end later. A name is best: a reader of ours would keep the
 * writer from seeing that the connector has closed it. A pipe that another user made can't be opened by
 * name: then a reader it is. */
static void keep_stdin(Shim *m) {
        _cleanup_close_ int trial = -EBADF;

        if (m->fds[0] < 0 || !m->plan->hold_term_until_stdin_ends)
                return;
        trial = open_fd_again(m->fds[0], O_RDONLY | O_NONBLOCK);
        if (trial >= 0)
                m->stdin_name = open_fd_again(m->fds[0], O_PATH);
        else
                m->stdin_name = fcntl(m->fds[0], F_DUPFD_CLOEXEC, 3);
        m->stdin_is_reader = trial < 0;
}

/* In the new process: everything of the shim's goes, the starter's socket first of all. */
static _noreturn_ void enter_child(Shim *m, int socket) {
        (void) close(CONTROL_FD);
        (void) safe_close(m->signals);
        (void) safe_close(m->stdin_name);
        shim_init_run(&m->sandbox, m->fds, socket);
}

static int launch(Shim *m) {
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return sandbox_fail(&m->sandbox, -errno, "make a socket pair");
        m->init = sandbox_clone(&m->sandbox);
        if (m->init == 0)
                enter_child(m, pair[1]);
        (void) close(pair[1]);
        if (m->init < 0) {
                (void) close(pair[0]);
                return sandbox_fail(&m->sandbox, m->init, "clone");
        }
        m->init_socket = pair[0];
        r = sandbox_map_user(&m->sandbox, m->init);
        if (r < 0) {
                /* It gets no byte, so it ends. */
                m->init_socket = safe_close(m->init_socket);
                (void) waitpid(m->init, NULL, 0);
                m->init = 0;
                return r;
        }
        (void) send(m->init_socket, "g", 1, MSG_NOSIGNAL);
        return 0;
}

/* Once the connector has them: ours would keep its readers from seeing the end. */
static void close_connector_fds(Shim *m) {
        for (size_t i = 0; i < 3; i++)
                m->fds[i] = safe_close(m->fds[i]);
        for (size_t i = 0; i < SANDBOX_FILES_MAX; i++)
                m->files[i] = m->sandbox.file_fds[i] = safe_close(m->files[i]);
}

/* All that the connector has started dies with it: with a process namespace by the kernel, else one by
 * one. */
static void kill_all(Shim *m) {
        if (m->killed || m->init <= 0)
                return;
        m->killed = true;
        (void) kill(m->init, SIGKILL);
        /* Without a process namespace the rest does not fall with it. */
        if (!(m->sandbox.missing & SANDBOX_LAYER_BIT(SANDBOX_PID_NAMESPACE)))
                return;
        (void) waitpid(m->init, NULL, 0);
        m->init = 0;
        reap_everything();
}

/* At most once. What comes after it is SIGKILL, when the grace time is over. */
static void send_term(Shim *m) {
        if (m->term_sent || m->init <= 0)
                return;
        m->term_sent = true;
        m->stdin_watch = safe_close(m->stdin_watch);
        (void) kill(m->init, SIGTERM);
}

/* A destination that has input is let finish: what it was given is written, and its last commit with it. */
static bool may_finish(const Shim *m) {
        return m->stdin_name >= 0 || m->stdin_watch >= 0;
}

/* The grace period begins. Whoever needn't be let finish is told at once; before it runs, the signal waits
 * with the stop, and STARTED comes back here. */
static void begin_stop(Shim *m) {
        usec_t grace_over = now_boottime() + m->plan->stop_grace_usec;

        if (!m->stopping) {
                m->stopping = true;
                m->term_at = may_finish(m) ? grace_over : 0;
                m->kill_at = may_finish(m) ? grace_over + LAST_TERM_USEC : grace_over;
        }
        if (m->term_at == 0 && m->started)
                send_term(m);
}

/* The starter's word is also that nothing more comes and that it has waited long enough: a destination is
 * told as soon as it has taken what there is; see the header on `stop`. Somebody else's signal says less:
 * there the starter, who has heard it, too, ends the input, and the whole grace period is for the last
 * commit. */
static void on_stop(Shim *m) {
        begin_stop(m);
        if (m->stdin_watch >= 0 || m->term_sent || !may_finish(m))
                return;
        m->stdin_watch = m->stdin_is_reader ? TAKE_FD(m->stdin_name)
                                            : open_fd_again(m->stdin_name, O_RDONLY | O_NONBLOCK);
        if (m->stdin_watch >= 0)
                return;
        m->term_at = 0;
        begin_stop(m);
}

/* The pipe has no writer any more; when it is also empty, the connector has taken everything. */
static void on_stdin_ended(Shim *m) {
        int unread = 0;

        if (ioctl(m->stdin_watch, FIONREAD, &unread) < 0 || unread == 0)
                send_term(m);
}

/* The end of this socket is how a starter says that it has died, on purpose or not: nothing may outlive
 * it. */
static void on_control(Shim *m) {
        _cleanup_free_ char *buffer = malloc(SHIM_PACKET_MAX);
        ShimRequest q = {};
        ssize_t n = buffer ? recv(CONTROL_FD, buffer, SHIM_PACKET_MAX, MSG_DONTWAIT) : -1;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                m->starter_gone = true;
                kill_all(m);
                return;
        }
        if (shim_request_parse(buffer, (size_t) n, &q, NULL) < 0)
                return;
        if (q.type == SHIM_REQUEST_STOP)
                on_stop(m);
        else if (q.type == SHIM_REQUEST_KILL)
                kill_all(m);
        shim_request_done(&q);
}

/* Only now is it known which layers hold. A stop that came earlier is carried out here. */
static void on_started(Shim *m, const InitReport *rep) {
        ShimEvent e = { .type = SHIM_EVENT_STARTED, .pid = reap_first_child(m->init) ?: m->init };

        m->started = true;
        close_connector_fds(m);
        for (int i = 0; i < _SANDBOX_LAYER_MAX; i++)
                if (rep->missing & SANDBOX_LAYER_BIT(i))
                        (void) strv_extend(&e.missing, sandbox_layer_to_string((SandboxLayer) i));
        send_event(m, &e);
        shim_event_done(&e);
        if (m->stopping)
                begin_stop(m);
}

static void set_failed(Shim *m, int error, const char *step) {
        m->last.type = SHIM_EVENT_FAILED;
        m->last.error = error;
        m->last.step = strdup(step);
        if (error == 0)
                m->last.message = strdup(step);
        else if (asprintf(&m->last.message, "Failed to %s: %s", step, strerror(error)) < 0)
                m->last.message = NULL;
        m->finished = true;
}

static void forget_init(Shim *m) {
        m->init_socket = safe_close(m->init_socket);
        if (m->init > 0)
                (void) waitpid(m->init, NULL, 0);
        m->init = 0;
}

/* The process inside ended without its last report: we killed it, or somebody else did. */
static void on_init_gone(Shim *m) {
        struct rusage usage = {};
        int status = 0;

        m->init_socket = safe_close(m->init_socket);
        if (m->init > 0)
                (void) wait4(m->init, &status, 0, &usage);
        else
                (void) getrusage(RUSAGE_CHILDREN, &usage);
        m->init = 0;
        if (!m->started && !m->killed) {
                set_failed(m, ECHILD, "set up the sandbox");
                return;
        }
        m->last = (ShimEvent) {
                .type = SHIM_EVENT_EXITED,
                .code = -1,
                .signal = SIGKILL,
                .user_usec = (uint64_t) usage.ru_utime.tv_sec * USEC_PER_SEC + (uint64_t) usage.ru_utime.tv_usec,
                .system_usec = (uint64_t) usage.ru_stime.tv_sec * USEC_PER_SEC + (uint64_t) usage.ru_stime.tv_usec,
                .max_rss_kib = (uint64_t) usage.ru_maxrss,
        };
        m->finished = true;
}

/* The process inside speaks at most twice: that it has started or why not, and how the connector ended. */
static void on_init(Shim *m) {
        InitReport rep = {};
        ssize_t n = recv(m->init_socket, &rep, sizeof(rep), 0);

        if (n < 0 && errno == EINTR)
                return;
        if (n != (ssize_t) sizeof(rep)) {
                on_init_gone(m);
                return;
        }
        switch (rep.type) {
        case INIT_STARTED:
                on_started(m, &rep);
                break;
        case INIT_REFUSED:
                forget_init(m);
                if (!m->killed && sandbox_degrade(&m->sandbox)) {
                        if (launch(m) < 0)
                                set_failed(m, EPERM, strempty(m->sandbox.step));
                        break;
                }
                set_failed(m, rep.error, rep.step);
                break;
        case INIT_FAILED:
                forget_init(m);
                set_failed(m, rep.error, rep.step);
                break;
        case INIT_EXITED:
                forget_init(m);
                m->last = (ShimEvent) {
                        .type = SHIM_EVENT_EXITED,
                        .code = rep.code,
                        .signal = rep.signal,
                        .user_usec = rep.user_usec,
                        .system_usec = rep.system_usec,
                        .max_rss_kib = rep.max_rss_kib,
                        .oom = rep.oom,
                };
                m->finished = true;
        }
}

static void on_signal(Shim *m) {
        struct signalfd_siginfo si;

        if (read(m->signals, &si, sizeof(si)) == sizeof(si))
                begin_stop(m);
}

/* Until a signal is due, or, while the pipe is drained, until the next look at it. */
static int poll_timeout(const Shim *m, bool draining) {
        usec_t now, due;

        if (!m->stopping || m->killed)
                return -1;
        if (draining)
                return DRAIN_INTERVAL_MSEC;
        now = now_boottime();
        due = m->term_sent || !m->started ? m->kill_at : MIN(m->term_at, m->kill_at);
        return due <= now ? 0 : (int) MIN((due - now + 999) / 1000, (usec_t) INT32_MAX);
}

/* What the clock says. */
static void check_deadlines(Shim *m) {
        usec_t now = m->stopping && !m->killed ? now_boottime() : 0;

        if (now > 0 && m->started && now >= m->term_at)
                send_term(m);
        if (now > 0 && now >= m->kill_at)
                kill_all(m);
}

static void loop(Shim *m) {
        bool draining = false;

        while (!m->finished) {
                struct pollfd p[] = {
                        { .fd = m->starter_gone ? -1 : CONTROL_FD, .events = POLLIN },
                        { .fd = m->signals, .events = POLLIN },
                        { .fd = m->init_socket, .events = POLLIN },
                        /* A hang-up that is known already would be told again and again: then the timeout
                         * looks. */
                        { .fd = draining ? -1 : m->stdin_watch, .events = 0 },
                };
                int n = poll(p, ELEMENTSOF(p), poll_timeout(m, draining));

                if (n < 0 && errno != EINTR)
                        break;
                if (n > 0 && p[0].revents)
                        on_control(m);
                if (n > 0 && p[1].revents)
                        on_signal(m);
                if (n > 0 && p[2].revents)
                        on_init(m);
                draining = m->stdin_watch >= 0 && (draining || (n > 0 && p[3].revents & POLLHUP));
                if (draining && m->started)
                        on_stdin_ended(m);
                check_deadlines(m);
        }
}

static int prepare_process(Shim *m) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        /* Blocked here and so in what we fork, until it is the connector. */
        (void) sigaddset(&set, SIGCHLD);
        if (m->signals < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return -errno;
        return 0;
}

int main(int argc, char *argv[]) {
        Shim m = {
                .fds = { -EBADF, -EBADF, -EBADF },
                .files = { [0 ... SANDBOX_FILES_MAX - 1] = -EBADF },
                .signals = -EBADF, .stdin_name = -EBADF, .stdin_watch = -EBADF, .init_socket = -EBADF,
        };
        _cleanup_error_ Error *error = NULL;
        int r = receive_plan(&m, &error);

        if (r >= 0)
                r = prepare_process(&m);
        if (r < 0) {
                /* Named on the command line, because a starter that dies says nothing more. */
                if (argc > 1)
                        (void) remove_tree(argv[1]);
                send_failure(&m, -r, "receive the plan", error_message(error, r));
                return EXIT_FAILURE;
        }
        keep_stdin(&m);
        shim_oom_protect(true);
        m.groups = shim_oom_groups();
        m.oom_kills = shim_oom_kills(m.groups);
        sandbox_init(&m.sandbox, m.plan);
        memcpy(m.sandbox.file_fds, m.files, sizeof(m.files));
        r = launch(&m);
        if (r < 0)
                set_failed(&m, -r, strempty(m.sandbox.step));
        loop(&m);

        /* Nothing is left when the starter hears of the end. */
        close_connector_fds(&m);
        reap_everything();
        if (m.plan->scratch_directory)
                (void) remove_tree(m.plan->scratch_directory);
        m.last.oom = m.last.type == SHIM_EVENT_EXITED && m.last.signal == SIGKILL && !m.killed &&
                (m.last.oom || shim_oom_kills(m.groups) > m.oom_kills);
        free(m.groups);
        send_event(&m, &m.last);
        shim_event_done(&m.last);
        sandbox_done(&m.sandbox);
        sandbox_plan_free(m.plan);
        return EXIT_SUCCESS;
}
