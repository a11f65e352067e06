/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* write_file_atomic() writes beside the file, syncs, renames over it and syncs the directory: after a
 * crash there is the old content or the new one, and after its return the new one for sure. remove_tree()
 * follows no link, holds a descriptor for each level, and asks what a name is by trying to remove it:
 * there is no moment between asking and doing. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/path-util.h"

#define READ_CHUNK (64U * 1024U)

int read_file_fd(int fd, const char *name, size_t max, char **ret, size_t *ret_size, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};

        for (;;) {
                size_t want = MIN(max + 1 - b.len, (size_t) READ_CHUNK);
                char *to = buffer_reserve(&b, want);
                ssize_t k;

                if (!to)
                        return -ENOMEM;
                k = read_full(fd, to, want);
                if (k < 0)
                        return error_set_errno(reterr_error, (int) k, "Failed to read '%s'", name);
                buffer_commit(&b, k);
                if (b.len > max)
                        return error_set(reterr_error, -EFBIG, "'%s' is larger than %zu bytes", name, max);
                if ((size_t) k < want)
                        break;
        }
        if (ret_size)
                *ret_size = b.len;
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}

int read_file(const char *path, size_t max, char **ret, size_t *ret_size, Error **reterr_error) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return error_set_errno(reterr_error, -errno, "Failed to open '%s'", path);
        return read_file_fd(fd, path, max, ret, ret_size, reterr_error);
}

static int fsync_parent(const char *path) {
        _cleanup_free_ char *dir = path_dirname(path);
        _cleanup_close_ int fd = -EBADF;

        if (!dir)
                return -ENOMEM;
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return RET_NERRNO(fsync(fd));
}

int write_file_atomic(const char *path, const void *data, size_t n, unsigned mode, Error **reterr_error) {
        _cleanup_free_ char *tmp = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
                return -ENOMEM;
        fd = mkostemp(tmp, O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(reterr_error, -errno, "Failed to create a file beside '%s'", path);

        r = write_full(fd, data, n);
        if (r >= 0)
                r = RET_NERRNO(fchmod(fd, mode));
        if (r >= 0)
                r = RET_NERRNO(fsync(fd));
        if (r >= 0)
                r = RET_NERRNO(rename(tmp, path));
        if (r < 0) {
                (void) unlink(tmp);
                return error_set_errno(reterr_error, r, "Failed to write '%s'", path);
        }
        r = fsync_parent(path);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to sync the directory of '%s'", path);
        return 0;
}

int mkdir_parents(const char *path, unsigned mode) {
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1; *p; p++) {
                if (*p != '/')
                        continue;
                *p = 0;
                if (mkdir(copy, 0777) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
                return -errno;
        return 0;
}

/* Deletes what lies in `dirfd`, which it takes over. */
static int remove_children(int dirfd, unsigned depth) {
        DIR *d = fdopendir(dirfd);
        int r = 0;

        if (!d) {
                r = -errno;
                (void) close(dirfd);
                return r;
        }
        /* Deeper than any tree of ours: somebody is playing with us. */
        if (depth > 256)
                r = -ELOOP;
        while (r >= 0) {
                struct dirent *e;

                errno = 0;
                e = readdir(d);
                if (!e) {
                        r = -errno;
                        break;
                }
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                if (unlinkat(dirfd, e->d_name, 0) >= 0)
                        continue;
                if (errno == EISDIR || errno == EPERM) {
                        int fd = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

                        r = fd < 0 ? -errno : remove_children(fd, depth + 1);
                        if (r >= 0)
                                r = RET_NERRNO(unlinkat(dirfd, e->d_name, AT_REMOVEDIR));
                } else
                        r = -errno;
        }
        (void) closedir(d);
        return r;
}

int remove_tree(const char *path) {
        int fd, r;

        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                if (errno == ENOENT)
                        return 0;
                if (errno == ENOTDIR || errno == ELOOP)
                        return RET_NERRNO(unlink(path));
                return -errno;
        }
        r = remove_children(fd, 0);
        if (r < 0)
                return r;
        return RET_NERRNO(rmdir(path));
}
