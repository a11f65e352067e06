/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "shim/shim-end.h"

int shim_end_wait(pid_t connector, bool podman) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigaddset(&set, SIGTERM);
        for (;;) {
                int signo = sigwaitinfo(&set, NULL), status;
                pid_t pid;

                if (signo == SIGTERM)
                        (void) kill(podman ? connector : -connector, SIGTERM);
                while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                        if (pid == connector || (podman && WIFSIGNALED(status)))
                                return status;
        }
}

static uint64_t timeval_usec(struct timeval tv) {
        return (uint64_t) tv.tv_sec * 1000000U + (uint64_t) tv.tv_usec;
}

void shim_end_report(int status, InitReport *ret) {
        struct rusage usage = {};

        (void) getrusage(RUSAGE_CHILDREN, &usage);
        ret->type = INIT_EXITED;
        ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        ret->signal = WIFEXITED(status) ? 0 : WTERMSIG(status);
        ret->user_usec = timeval_usec(usage.ru_utime);
        ret->system_usec = timeval_usec(usage.ru_stime);
        ret->max_rss_kib = (uint64_t) usage.ru_maxrss;
}
