/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-container-init: the first process of a connector's container. podman puts it in front of the
 * image's entry point (--init-path), so it is linked statically: the image may hold nothing but one program.
 *
 * It makes the connector's files, out of memory that never had a name, in a private tmpfs: as the image's
 * user, whoever that is, and without a secret in podman's database, on a command line or in the environment.
 * Then it starts the entry point with the same filter of system calls as connectors have elsewhere, hands
 * SIGTERM on (the kernel keeps it from a first process that doesn't handle it), reaps, and says how the
 * connector ended. Nothing of the connector's is parsed here. */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "sandbox/sandbox-privileges.h"
#include "sandbox/sandbox-seccomp.h"
#include "shim/shim-container.h"
#include "shim/shim-end.h"
#include "shim/shim-oom.h"

static void report(const InitReport *what) {
        (void) send(CONTAINER_CONTROL_FD, what, sizeof(*what), MSG_NOSIGNAL);
}

static _noreturn_ void fail(int error, const char *what, const char *detail) {
        InitReport rep = { .type = INIT_FAILED, .error = error };

        snprintf(rep.step, sizeof(rep.step), "%s '%s' in the image", what, detail);
        report(&rep);
        _exit(127);
}

static int receive_order(ContainerOrder *o, int fds[SANDBOX_FILES_MAX]) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * SANDBOX_FILES_MAX)];
        } control;
        struct iovec iov = { o, sizeof(*o) };
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
        };
        size_t n = 0;

        if (recvmsg(CONTAINER_CONTROL_FD, &m, MSG_CMSG_CLOEXEC) != (ssize_t) sizeof(*o))
                return -EBADMSG;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                        n = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t) SANDBOX_FILES_MAX);
                        memcpy(fds, CMSG_DATA(c), n * sizeof(int));
                }
        return n == o->n_files && !(m.msg_flags & MSG_CTRUNC) ? 0 : -EBADMSG;
}

static int copy_file(int from, int to) {
        char buffer[65536];
        ssize_t n;

        if (lseek(from, 0, SEEK_SET) < 0)
                return -errno;
        while ((n = read(from, buffer, sizeof(buffer))) > 0) {
                int r = write_full(to, buffer, (size_t) n);

                if (r < 0)
                        return r;
        }
        return n < 0 ? -errno : 0;
}

static void make_files(const ContainerOrder *o, int fds[SANDBOX_FILES_MAX]) {
        for (size_t i = 0; i < o->n_files; i++) {
                const char *target = o->files[i].target;
                _cleanup_close_ int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                int r = fd < 0 ? -errno : copy_file(fds[i], fd);

                if (r >= 0)
                        r = RET_NERRNO(fchmod(fd, o->files[i].mode));
                if (r < 0)
                        fail(-r, "make the file", target);
                fds[i] = safe_close(fds[i]);
        }
}

/* Whether podman has mounted what the launcher has looked at. */
static void check_mounts(const ContainerOrder *o) {
        for (size_t i = 0; i < MIN(o->n_mounts, CONTAINER_MOUNTS_MAX); i++) {
                SandboxMount m = { .checked = true, .device = o->mounts[i].device,
                                   .inode = o->mounts[i].inode };
                struct stat st;
                int r = stat(o->mounts[i].target, &st) < 0 ? -errno : sandbox_mount_check(&m, &st);

                if (r < 0)
                        fail(-r, "find what belongs at", o->mounts[i].target);
        }
}

static int confine(const ContainerOrder *o) {
        SandboxPlan plan = { .files_max = o->files_max, .file_size_max = o->file_size_max, .network = NETWORK_ANY,
                             .allow_write_exec = true };
        Sandbox s = { .plan = &plan, .flags = CLONE_NEWNS | (o->own_network ? CLONE_NEWNET : 0U) };
        int r;

        /* In the host's network abstract sockets are the host's. */
        if (!o->own_network)
                sandbox_miss(&s, SANDBOX_LANDLOCK_SCOPE);
        for (size_t i = 0; i < SANDBOX_FILES_MAX; i++)
                s.file_fds[i] = -EBADF;
        r = sandbox_set_limits(&s);
        if (r >= 0)
                r = sandbox_seccomp_apply(&s);
        sandbox_done(&s);
        return r;
}

/* STARTED is said before, because after execve() nobody is left to say it. */
static _noreturn_ void become_connector(const ContainerOrder *o, char *argv[]) {
        InitReport started = { .type = INIT_STARTED };
        sigset_t none;
        int r;

        (void) setsid();
        for (int i = 1; i < NSIG; i++)
                (void) signal(i, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        /* The container's copy of the socket is ours alone from here on. */
        (void) fcntl(CONTAINER_CONTROL_FD, F_SETFD, FD_CLOEXEC);
        (void) close_range(CONTAINER_CONTROL_FD + 1, ~0U, 0);
        r = confine(o);
        if (r < 0)
                fail(-r, "confine", argv[0]);
        report(&started);
        (void) execvp(argv[0], argv);
        fail(errno, "execute", argv[0]);
}

/* The two versions of control groups; podman shows the container its own one. */
static uint64_t oom_kills(void) {
        return shim_oom_kills_in("/sys/fs/cgroup/memory.events") +
                shim_oom_kills_in("/sys/fs/cgroup/memory/memory.oom_control");
}

/* With us all that is left in the container goes. */
static _noreturn_ void finish(int status, uint64_t oom_kills_before) {
        InitReport rep = {};

        shim_end_report(status, &rep);
        rep.oom = rep.signal == SIGKILL && oom_kills() > oom_kills_before;
        report(&rep);
        _exit(rep.signal ? 128 + rep.signal : rep.code);
}

int main(int argc, char *argv[]) {
        int fds[SANDBOX_FILES_MAX] = { [0 ... SANDBOX_FILES_MAX - 1] = -EBADF };
        int command = argc > 1 && streq(argv[1], "--") ? 2 : 1;
        uint64_t before = oom_kills();
        ContainerOrder o = {};
        sigset_t set;
        pid_t pid;

        if (argc <= command)
                return EXIT_FAILURE;
        if (receive_order(&o, fds) < 0)
                fail(EBADMSG, "understand the order for", argv[command]);
        /* The connector is of the same user: it must not look into this process, nor write into its socket. */
        (void) prctl(PR_SET_DUMPABLE, 0);
        check_mounts(&o);
        make_files(&o, fds);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        pid = fork();
        if (pid < 0)
                fail(errno, "start", argv[command]);
        if (pid == 0)
                become_connector(&o, argv + command);
        /* The pipes are the connector's alone, so that their ends mean what they say. */
        for (int i = 0; i < 3; i++)
                (void) close(i);
        finish(shim_end_wait(pid, /* podman= */ false), before);
}
