/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A library for LD_PRELOAD=: whoever loads it makes a file. */

#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void) {
        int fd = open("/srv/victim/preloaded", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd >= 0)
                (void) close(fd);
}
