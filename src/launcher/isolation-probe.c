/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What isolation.c starts in a unit: each try names what does not hold. */

#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "launcher/isolation.h"
#include "protocol/message.h"

/* Above what the unit may have. */
#define TASKS_TRIED 40
#define MEMORY_TRIED (256UL << 20)

/* Whether this machine's loopback, which is denied, can be used: here by talking to ourselves. */
static bool can_use_loopback(void) {
        struct sockaddr_in address = { .sin_family = AF_INET };
        struct timeval patience = { .tv_sec = 1 };
        _cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t n = sizeof(address);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (listener < 0 || fd < 0 || bind(listener, (struct sockaddr *) &address, n) < 0 ||
            listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *) &address, &n) < 0 ||
            /* Also bounds connect(). */
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
                return false;
        return connect(fd, (struct sockaddr *) &address, n) >= 0;
}

static bool can_fork_much(void) {
        int n = 0;

        while (n < TASKS_TRIED) {
                pid_t pid = fork();

                if (pid < 0)
                        break;
                if (pid == 0)
                        for (;;)
                                (void) pause();
                n++;
        }
        return n == TASKS_TRIED;
}

/* Touches it; the limit ends us. */
static void fill_memory(void) {
        char *p = mmap(NULL, MEMORY_TRIED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p != MAP_FAILED)
                memset(p, 1, MEMORY_TRIED);
}

int isolation_probe(const char *what) {
        _cleanup_buffer_ Buffer missing = {}, line = {};
        int r = 0;

        if (streq(what, "memory")) {
                fill_memory();
                r = buffer_append_string(&missing, "memory limits, ");
        } else {
                if (unshare(CLONE_NEWUSER) >= 0)
                        r = buffer_append_string(&missing, "the filter of system calls, ");
                if (r >= 0 && can_use_loopback())
                        r = buffer_append_string(&missing, "denied addresses, ");
                if (r >= 0 && can_fork_much())
                        r = buffer_append_string(&missing, "limits of tasks, ");
        }
        if (r >= 0)
                r = message_write_connection_status(&line, true, missing.len > 0 ? buffer_string(&missing)
                                                    : NULL);
        if (r >= 0)
                r = write_full(STDOUT_FILENO, buffer_bytes(&line), line.len);
        return r;
}
