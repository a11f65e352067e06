/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A container's first process is podman's, not ours, so our part of the sandbox runs inside of it: what
 * it needs to know (files with their modes, limits) is an order in one packet, files as descriptors, and
 * its reports come back through the same socket pair. What podman prints is for the log; what counts is
 * the last report, or, without one, podman's exit code, which a person would not understand: then it is
 * asked whether the image is there at all. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/time-util.h"
#include "sandbox/container-runtime.h"
#include "shim/shim-container.h"

/* conmon's own clean-up runs podman once more: a second on a slow machine. */
#define SETTLE_USEC (10 * USEC_PER_SEC)
/* What podman may take, and say, about an image. */
#define ASK_USEC (120 * USEC_PER_SEC)
#define ASK_MAX 65536U

static usec_t now_usec(void) {
        struct timespec ts = {};

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

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
        for (size_t i = 0; i < p->n_mounts; i++) {
                const SandboxMount *m = &p->mounts[i];

                if (!m->checked)
                        continue;
                if (o->n_mounts == CONTAINER_MOUNTS_MAX)
                        return -E2BIG;
                if (strlen(m->target) >= PATH_MAX)
                        return -ENAMETOOLONG;
                o->mounts[o->n_mounts].device = m->device;
                o->mounts[o->n_mounts].inode = m->inode;
                memcpy(o->mounts[o->n_mounts].target, m->target, strlen(m->target) + 1);
                o->n_mounts++;
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

/* ---- What podman says about an image, and crun about itself ---- */

/* Reads until the end, as long as there is room and time; a byte of `out` stays for a 0. */
static int read_answer(int fd, char *out, size_t size) {
        size_t have = 0;

        for (usec_t until = now_usec() + ASK_USEC;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                usec_t now = now_usec();
                ssize_t n;

                if (now >= until)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int) ((until - now) / USEC_PER_MSEC) + 1) <= 0)
                        continue;
                n = read(fd, out + have, size - 1 - have);
                if (n <= 0) {
                        out[have] = 0;
                        return n < 0 ? -errno : 0;
                }
                have += (size_t) n;
                if (have == size - 1)
                        return -EFBIG;
        }
}

/* Asks a program. Its exit code, or a negative errno; what it says beyond `size` or after ASK_USEC is nobody's
 * concern: it is ended. `out` may be NULL. */
static int ask(const SandboxPlan *p, char *const argv[], char *out, size_t size) {
        _cleanup_close_ int read_end = -EBADF, write_end = -EBADF;
        posix_spawn_file_actions_t actions;
        char ignored[ASK_MAX];
        int fds[2], status = 0, r;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_end = fds[0];
        write_end = fds[1];
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        (void) posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        (void) posix_spawn_file_actions_adddup2(&actions, write_end, 1);
        (void) posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        r = posix_spawn(&pid, argv[0], &actions, NULL, argv, p->environment);
        (void) posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;
        write_end = safe_close(write_end);
        r = read_answer(read_end, out ?: ignored, out ? size : sizeof(ignored));
        if (r < 0)
                (void) kill(pid, SIGKILL);
        if (waitpid(pid, &status, 0) != pid)
                return -ECHILD;
        return r < 0 ? r : WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* Whether podman has the image; true where it can't be asked. */
static bool image_exists(const SandboxPlan *p) {
        char *const argv[] = { p->argv[0], (char *) "image", (char *) "exists", p->image, NULL };

        return ask(p, argv, NULL, 0) != 1;
}

/* What podman is to run instead of the name that was given. */
static int replace_image(SandboxPlan *p, const char *id) {
        for (char **s = p->argv; *s; s++)
                if (streq(*s, p->image)) {
                        char *own = strdup(id);

                        if (!own)
                                return -ENOMEM;
                        free(*s);
                        *s = own;
                        return 0;
                }
        return -EINVAL;
}

/* A name with a digest is one image for ever. podman ignores the tag of "NAME:TAG@DIGEST"; whoever wrote both
 * wants to hear that the tag is another image's by now. What runs is named by its id, so that nothing moves
 * between here and there. */
static int hold_to_digest(Sandbox *s) {
        static const char form[] = "{{.Id}} {{.Digest}}{{range .RepoDigests}} {{.}}{{end}}";
        SandboxPlan *p = s->plan;
        const char *at = strchr(p->image, '@'), *slash = strrchr(p->image, '/'), *colon;
        _cleanup_free_ char *name = NULL, *answer = malloc(ASK_MAX);
        _cleanup_strv_ char **words = NULL;
        int r;

        if (!at)
                return 0;
        colon = memchr(slash ?: p->image, ':', (size_t) (at - (slash ?: p->image)));
        name = colon ? strndup(p->image, (size_t) (at - p->image)) : strdup(p->image);
        if (!name || !answer)
                return -ENOMEM;
        char *const argv[] = { p->argv[0], (char *) "image", (char *) "inspect", (char *) "--format", (char *) form,
                               name, NULL };
        r = ask(p, argv, answer, ASK_MAX);
        if (r < 0)
                return sandbox_fail(s, r, "ask podman about the image '%s'", name);
        /* It isn't there: podman says so once more, and then it is explained. */
        if (r > 0)
                return 0;
        answer[strcspn(answer, "\n")] = 0;
        words = strv_split(answer, " ");
        if (!words || !words[0] || !words[1])
                return sandbox_fail(s, -EBADMSG, "understand podman about the image '%s'", name);
        STRV_FOREACH(w, words + 1) {
                const char *digest = strchr(*w, '@');

                if (streq(digest ? digest + 1 : *w, at + 1))
                        return replace_image(p, words[0]);
        }
        return sandbox_fail(s, -CONTAINER_REFUSED, "The image '%s' is held to %s, and on this host it is %s:"
                            " the name has been given to another image, which is not run", name, at + 1, words[1]);
}

/* podman is told to take crun; asked at each start, as it may be another by now. */
static int check_runtime(Sandbox *s) {
        char *const argv[] = { (char *) CONTAINER_RUNTIME, (char *) "--version", NULL };
        char answer[ASK_MAX], version[CONTAINER_VERSION_MAX];
        bool said = ask(s->plan, argv, answer, sizeof(answer)) == 0;
        _cleanup_error_ Error *error = NULL;

        if (container_runtime_check(said ? answer : NULL, version, &error) < 0)
                return sandbox_fail(s, -CONTAINER_REFUSED, "%s", error_message(error, -CONTAINER_REFUSED));
        return 0;
}

int shim_container_open(Sandbox *s, int ret_fds[static 2]) {
        ContainerOrder o;
        int r = fill_order(s, &o);

        if (r < 0)
                return sandbox_fail(s, r, "prepare the container's files");
        r = check_runtime(s);
        if (r >= 0)
                r = hold_to_digest(s);
        if (r < 0)
                return r;
        r = RET_NERRNO(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds));
        if (r >= 0)
                r = send_order(ret_fds[0], &o, s->file_fds);
        return r < 0 ? sandbox_fail(s, r, "prepare the container's files") : 0;
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

        /* A failure is the truth whatever comes after it. That nobody has read the order is told before all else. */
        while (last.type != INIT_FAILED) {
                ssize_t n = recv(control, &word, sizeof(word), MSG_DONTWAIT);

                if (n == sizeof(word))
                        last = word;
                else if (n >= 0 || errno != ECONNRESET)
                        break;
        }
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
