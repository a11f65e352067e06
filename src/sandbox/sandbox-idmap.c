/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "sandbox/sandbox-idmap.h"

static int write_map(pid_t pid, const char *name, unsigned id) {
        _cleanup_close_ int fd = -EBADF;
        char path[64], text[64];
        int n;

        snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* In the file system, in the mount, how many (Documentation/filesystems/idmappings.rst). */
        n = snprintf(text, sizeof(text), "%u 0 1\n", id);
        return write_full(fd, text, (size_t) n);
}

/* A user namespace is how the kernel takes such a map; it needs a process only until it is open. */
static int open_map(const struct stat *st) {
        pid_t pid = (pid_t) syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
        char path[64];
        int r;

        if (pid < 0)
                return -errno;
        if (pid == 0)
                for (;;)
                        (void) pause();
        r = write_map(pid, "uid_map", st->st_uid);
        if (r >= 0)
                r = write_map(pid, "gid_map", st->st_gid);
        if (r >= 0) {
                snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) pid);
                r = RET_NERRNO(open(path, O_RDONLY | O_CLOEXEC));
        }
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return r;
}

int idmap_owner_to_root(int tree, const struct stat *st) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
        _cleanup_close_ int map = open_map(st);

        if (map < 0)
                return map;
        attr.userns_fd = (uint64_t) map;
        return RET_NERRNO(mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)));
}
