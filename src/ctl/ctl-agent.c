/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* pkttyagent(1) registers itself for its parent, which is us, and closes the descriptor that it was given
 * as soon as polkit knows it. It talks to /dev/tty and not to our standard input and output, so that the
 * answer of a call can be piped on all the same.
 *
 * It is started when polkit has said that somebody must be asked and that there is nobody, and not before:
 * whoever is allowed anyhow, and whoever has an agent in his session, never waits for one. Thus it needs no
 * --fallback, which polkit passes over where there is no session at all (su, runuser). */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "ctl/ctl-agent.h"

#define PKTTYAGENT "/usr/bin/pkttyagent"

static pid_t agent;

_noreturn_ static void run_agent(int fd, pid_t parent) {
        char notify[STRLEN("--notify-fd=") + 12];

        (void) snprintf(notify, sizeof(notify), "--notify-fd=%d", fd);
        (void) fcntl(fd, F_SETFD, 0);
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        /* A parent that ended before that would be waited for by nobody. */
        if (getppid() == parent)
                (void) execl(PKTTYAGENT, PKTTYAGENT, notify, NULL);
        _exit(EXIT_FAILED);
}

int ctl_agent_open(const Ctl *c) {
        _cleanup_close_ int ready = -EBADF, theirs = -EBADF;
        pid_t parent = getpid();
        char byte;
        int fds[2];

        if (agent != 0 || !c->ask_password || c->host || geteuid() == 0 || !isatty(STDIN_FILENO) ||
            access(PKTTYAGENT, X_OK) < 0)
                return 0;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return 0;
        ready = fds[0];
        theirs = fds[1];
        agent = fork();
        if (agent == 0)
                run_agent(theirs, parent);
        theirs = safe_close(theirs);
        if (agent < 0)
                return 0;
        /* It writes nothing: the end comes when it is ready, or gone. */
        while (read(ready, &byte, 1) < 0 && errno == EINTR)
                ;
        return 1;
}

void ctl_agent_close(void) {
        if (agent <= 0)
                return;
        /* It gives the terminal its echo back when it is asked to end. */
        (void) kill(agent, SIGTERM);
        (void) waitpid(agent, NULL, 0);
        agent = 0;
}
