/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/parse-util.h"
#include "basic/strv.h"
#include "shim/shim-reap.h"

#define CHILDREN_TEXT_MAX (1024U * 1024U)

static char **list_children(int pid) {
        _cleanup_free_ char *text = NULL;
        char path[64];

        /* Both processes have one thread, so that thread's list is all. */
        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
        if (read_file(path, CHILDREN_TEXT_MAX, &text, NULL, NULL) < 0)
                return NULL;
        return strv_split(text, " ");
}

static int parse_pid(const char *s) {
        int64_t n;

        return parse_i64(s, &n) >= 0 && n > 1 && n <= INT32_MAX ? (int) n : 0;
}

int reap_first_child(int pid) {
        _cleanup_strv_ char **children = list_children(pid);

        STRV_FOREACH(c, children)
                if (parse_pid(*c) > 0)
                        return parse_pid(*c);
        return 0;
}

static void kill_children(void) {
        if (getpid() == 1)
                /* All but ourselves, in one step that a fork bomb cannot outrun. */
                (void) kill(-1, SIGKILL);
        else {
                _cleanup_strv_ char **children = list_children(getpid());

                STRV_FOREACH(c, children)
                        if (parse_pid(*c) > 0)
                                (void) kill(parse_pid(*c), SIGKILL);
        }
}

void reap_everything(void) {
        for (;;) {
                pid_t pid = waitpid(-1, NULL, WNOHANG);

                if (pid > 0 || (pid < 0 && errno == EINTR))
                        continue;
                if (pid < 0)
                        return;
                kill_children();
                (void) waitpid(-1, NULL, 0);
        }
}
