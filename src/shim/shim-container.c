/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/time-util.h"
#include "shim/shim-container.h"

/* conmon's own clean-up runs podman once more: a second on a slow machine. */
#define SETTLE_USEC (10 * USEC_PER_SEC)

static int fill_order(const Sandbox *s, ContainerOrder *o) {
        const SandboxPlan *p = s->plan;

        *o = (ContainerOrder) {
                .n_files = (uint32_t) p->n_files,
                /* podman is told by --network; a plan with one of the host's says so here. */
                .own_network = !strv_contains(p->argv, "--network=host"),
                .files_max = p->files_max,
                .file_size_max = p->file_size_max,
        };
        for (size_t i = 0; i < p->n_files; i++) {
                if (strlen(p->files[i].target) >= CONTAINER_TARGET_MAX)
                        return -ENAMETOOLONG;
                o->files[i].mode = (uint32_t) p->files[i].mode;
                memcpy(o->files[i].target, p->files[i].target, strlen(p->files[i].target) + 1);
        }
        return 0;
}

static int send_order(int fd, const ContainerOrder *o, const int *files) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * SANDBOX_FILES_MAX)];
        } control = {};
        struct iovec iov = { (void *) o, sizeof(*o) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (o->n_files > 0) {
                m.msg_control = &control;
                m.msg_controllen = CMSG_SPACE(sizeof(int) * o->n_files);
                control.header = (struct cmsghdr) {
                        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(int) * o->n_files),
                };
                memcpy(CMSG_DATA(&control.header), files, sizeof(int) * o->n_files);
        }
        return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int shim_container_open(Sandbox *s, int ret_fds[static 2]) {
        ContainerOrder o;
        int r = fill_order(s, &o);

        if (r >= 0)
                r = RET_NERRNO(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds));
        if (r >= 0)
                r = send_order(ret_fds[0], &o, s->file_fds);
        return r < 0 ? sandbox_fail(s, r, "prepare the container's files") : 0;
}

void shim_container_settle(int status) {
        struct timespec step = { .tv_nsec = 20 * 1000 * 1000 };

        /* One that was killed has left things as they were. */
        if (!WIFEXITED(status))
                return;
        for (usec_t waited = 0; waited < SETTLE_USEC; waited += 20 * USEC_PER_MSEC) {
                pid_t pid;

                while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                        ;
                if (pid < 0)
                        return;
                (void) nanosleep(&step, NULL);
        }
}

/* Whether podman has the image; true where it can't be asked. */
static bool image_exists(const SandboxPlan *p) {
        char *argv[] = { p->argv[0], (char *) "image", (char *) "exists", p->image, NULL };
        posix_spawn_file_actions_t actions;
        int status = 0;
        pid_t pid;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return true;
        for (int fd = 0; fd < 3; fd++)
                (void) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
        if (posix_spawn(&pid, argv[0], &actions, NULL, argv, p->environment) != 0)
                pid = -1;
        (void) posix_spawn_file_actions_destroy(&actions);
        return pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 1;
}

/* No container ever ran: why not is what a person needs. */
static void explain(const Sandbox *s, int status, InitReport *rep) {
        const char *image = s->plan->image;

        *rep = (InitReport) { .type = INIT_FAILED };
        if (WIFSIGNALED(status))
                snprintf(rep->step, sizeof(rep->step), "podman was ended by signal %d before the image '%s' ran",
                         WTERMSIG(status), image);
        else if (!image_exists(s->plan))
                snprintf(rep->step, sizeof(rep->step),
                         "The image '%s' is not on this host, and none is pulled by itself:"
                         " 'podman pull %s' or 'podman load' as root brings it", image, image);
        else
                snprintf(rep->step, sizeof(rep->step),
                         "podman could not start a container of the image '%s' (exit code %d); the log has its words",
                         image, WEXITSTATUS(status));
}

void shim_container_report(const Sandbox *s, int control, int status, InitReport *rep) {
        InitReport word, last = { .type = INIT_REFUSED };

        /* A failure is the truth whatever comes after it. */
        while (last.type != INIT_FAILED && recv(control, &word, sizeof(word), MSG_DONTWAIT) == sizeof(word))
                last = word;
        last.step[sizeof(last.step) - 1] = 0;
        switch (last.type) {
        case INIT_FAILED:
        case INIT_EXITED:
                *rep = last;
                break;
        case INIT_STARTED:
                /* It went with its container; podman says 128 and the signal, as shells do. */
                if (rep->code > 128 && rep->code < 128 + NSIG) {
                        rep->signal = rep->code - 128;
                        rep->code = -1;
                }
                break;
        case INIT_REFUSED:
                explain(s, status, rep);
        }
}
