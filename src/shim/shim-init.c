/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first process inside the sandbox. It sets the sandbox up, forks the process that becomes the
 * connector, and stays as its supervisor: process 1 of the namespace, with whom everything inside ends.
 *
 *   shim ---- socket ---- init (here) ---- pipe ---- connector, until execve()
 *
 * It tells the shim at most twice: how the start went, and how the connector ended. The first is read
 * from the pipe, which closes at execve(): the last report in it is the truth, STARTED when nothing came
 * after it. Death goes down the chain by PDEATHSIG, and each side that arms it looks once more whether
 * the other was still alive. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "shim/shim-container.h"
#include "shim/shim-end.h"
#include "shim/shim-oom.h"
#include "shim/shim-reap.h"

static void report(int socket, const InitReport *what) {
        /* When the shim is gone there is nobody to tell, and PDEATHSIG is on its way. */
        (void) send(socket, what, sizeof(*what), MSG_NOSIGNAL);
}

/* REFUSED means that the kernel said no to a namespace: the shim may try again with fewer. */
static InitReport failure(const Sandbox *s, int r) {
        InitReport rep = {
                .type = s->refused ? INIT_REFUSED : INIT_FAILED,
                .error = r == -CONTAINER_REFUSED ? 0 : -r,
                .missing = s->missing,
        };

        snprintf(rep.step, sizeof(rep.step), "%s", strempty(s->step));
        return rep;
}

/* The process that becomes the connector puts its descriptors in order: 0, 1, 2, the socket to a container
 * if there is one, and the next for a last word. */
static int arrange_fds(Sandbox *s, const int fds[3], int container, int *last_word) {
        int next = container >= 0 ? CONTAINER_CONTROL_FD + 1 : CONTAINER_CONTROL_FD;

        for (int i = 0; i < 3; i++) {
                int fd = fds[i] >= 0 ? fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);

                if (fd < 0 || dup2(fd, i) < 0)
                        return sandbox_fail(s, -errno, "prepare standard descriptors");
        }
        /* First out of each other's way. */
        *last_word = fcntl(*last_word, F_DUPFD_CLOEXEC, next + 1);
        container = container >= 0 ? fcntl(container, F_DUPFD_CLOEXEC, next + 1) : container;
        if (*last_word < 0 || dup3(*last_word, next, O_CLOEXEC) < 0 ||
            (next > CONTAINER_CONTROL_FD && dup2(container, CONTAINER_CONTROL_FD) < 0))
                return sandbox_fail(s, -errno, "prepare standard descriptors");
        *last_word = next;
        /* Nothing else of ours, or of whoever started us, gets through. */
        if (close_range((unsigned) next + 1, ~0U, 0) < 0)
                return sandbox_fail(s, -errno, "close descriptors");
        return 0;
}

/* An ignored signal would be inherited through execve(). */
static void reset_signals(void) {
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                (void) signal(i, SIG_DFL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* STARTED is written before execve(), because after it nobody is left to write; a failure of execve()
 * itself overrides it. */
static _noreturn_ void become_connector(Sandbox *s, const int fds[3], int container, int last_word) {
        InitReport rep;
        int r;

        (void) setsid();
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        reset_signals();
        r = arrange_fds(s, fds, container, &last_word);
        if (r >= 0 && !s->plan->image && s->plan->working_directory && chdir(s->plan->working_directory) < 0)
                r = sandbox_fail(s, -errno, "enter directory '%s'", s->plan->working_directory);
        /* podman needs what a connector must not have, and gives the connector nothing of it. */
        if (r >= 0 && !s->plan->image)
                r = sandbox_confine(s);
        if (r >= 0) {
                char *nothing[] = { NULL };

                rep = (InitReport) { .type = INIT_STARTED, .missing = s->missing };
                (void) !write(last_word, &rep, sizeof(rep));
                (void) execve(s->plan->argv[0], s->plan->argv, s->plan->environment ?: nothing);
                r = sandbox_fail(s, -errno, "execute '%s'", s->plan->argv[0]);
                s->refused = false;
        }
        rep = failure(s, r);
        (void) !write(last_word, &rep, sizeof(rep));
        _exit(127);
}

/* Reads what the connector's process says before it is the connector: the last of its reports counts. */
static InitReport read_last_word(int fd) {
        InitReport rep, last = { .type = INIT_FAILED, .error = ECHILD, .step = "start the connector" };

        while (read_full(fd, &rep, sizeof(rep)) == sizeof(rep))
                last = rep;
        return last;
}

/* The connector is gone: its leftovers go too, then all that was used is counted. */
static _noreturn_ void finish(const Sandbox *s, int container, int socket, int status) {
        InitReport rep = {};

        if (container >= 0)
                shim_container_settle(status);
        reap_everything();
        shim_end_report(status, &rep);
        if (container >= 0)
                shim_container_report(s, container, status, &rep);
        report(socket, &rep);
        _exit(0);
}

void shim_init_run(Sandbox *s, const int fds[3], int socket) {
        _cleanup_close_ int read_end = -EBADF, write_end = -EBADF;
        int pipe_fds[2], container[2] = { -EBADF, -EBADF }, r;
        InitReport rep;
        pid_t pid;
        char go;

        /* The shim's end is ours, even when it is killed; the byte says that it was alive after we had
         * arranged that. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || recv(socket, &go, 1, 0) != 1)
                _exit(1);
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        shim_oom_protect(false);
        r = s->plan->image ? shim_container_open(s, container)
                : sandbox_enter(s, /* groups= */ NULL, /* n_groups= */ 0);
        /* The kernel forgets that our end is tied to the shim's when we become another user. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || recv(socket, &go, 1, MSG_DONTWAIT) == 0)
                _exit(1);
        if (r >= 0 && pipe2(pipe_fds, O_CLOEXEC) < 0)
                r = sandbox_fail(s, -errno, "make a pipe");
        pid = r >= 0 ? fork() : -1;
        if (pid < 0) {
                if (r >= 0)
                        r = sandbox_fail(s, -errno, "fork");
                rep = failure(s, r);
                report(socket, &rep);
                _exit(1);
        }
        read_end = pipe_fds[0];
        write_end = pipe_fds[1];
        if (pid == 0)
                become_connector(s, fds, container[1], write_end);

        /* The pipes are the connector's alone, so that their ends mean what they say. */
        for (int i = 0; i < 3; i++)
                (void) safe_close(fds[i]);
        write_end = safe_close(write_end);
        (void) safe_close(container[1]);
        rep = read_last_word(read_end);
        read_end = safe_close(read_end);
        report(socket, &rep);
        if (rep.type != INIT_STARTED) {
                reap_everything();
                _exit(1);
        }
        finish(s, container[0], socket, shim_end_wait(pid, /* podman= */ container[0] >= 0));
}
