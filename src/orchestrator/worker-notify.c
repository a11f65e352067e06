/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/fd-util.h"
#include "orchestrator/worker-notify.h"

#define MESSAGE_MAX 512U

/* As a log has one place for the whole program, so has this. */
static int notify_fd = -EBADF;

void worker_notify_open(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *path = getenv("NOTIFY_SOCKET");
        _cleanup_close_ int fd = -EBADF;

        if (!path || path[0] != '/' || strlen(path) >= sizeof(address.sun_path))
                return;
        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) >= 0)
                notify_fd = TAKE_FD(fd);
}

void worker_notify(const char *format, ...) {
        char text[MESSAGE_MAX];
        va_list ap;
        int n;

        if (notify_fd < 0)
                return;
        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (n > 0 && (size_t) n < sizeof(text))
                (void) send(notify_fd, text, (size_t) n, MSG_DONTWAIT | MSG_NOSIGNAL);
}
