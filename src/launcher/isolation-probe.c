/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What isolation.c starts in a unit: each try names what does not hold. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "launcher/isolation.h"
#include "protocol/message.h"

/* Above what the unit may have. */
#define TASKS_TRIED 40
#define MEMORY_TRIED (256UL << 20)

/* Nothing is allowed here, so each way to send must be refused, and by the filter: EPERM. Where it isn't,
 * 192.0.2.1 (RFC 5737, nobody's) leads nowhere. */
static bool is_refused(int type, int protocol, const char *where, bool connected) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };
        _cleanup_close_ int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

        if (fd < 0)
                /* For ICMP it takes a group that a host may give to nobody. */
                return protocol != 0;
        (void) inet_pton(AF_INET, where, &address.sin_addr);
        return (connected ? connect(fd, (struct sockaddr *) &address, sizeof(address))
                : sendto(fd, "\10\0\0\0\0\0\0\0", 8, 0, (struct sockaddr *) &address, sizeof(address))) < 0 &&
                errno == EPERM;
}

/* Of the last no call is looked at, only its packets. */
static bool can_send(void) {
        static const char *const places[] = { "127.0.0.1", "192.0.2.1" };

        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (!is_refused(SOCK_STREAM, 0, places[i], /* connected= */ true) ||
                    !is_refused(SOCK_DGRAM, 0, places[i], /* connected= */ true) ||
                    !is_refused(SOCK_DGRAM, 0, places[i], /* connected= */ false))
                        return true;
        return !is_refused(SOCK_DGRAM, IPPROTO_ICMP, places[0], /* connected= */ false);
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

        if (streq(what, "network")) {
                if (can_send())
                        r = buffer_append_string(&missing, "denied addresses, ");
        } else if (streq(what, "memory")) {
                fill_memory();
                r = buffer_append_string(&missing, "memory limits, ");
        } else {
                if (unshare(CLONE_NEWUSER) >= 0)
                        r = buffer_append_string(&missing, "the filter of system calls, ");
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
