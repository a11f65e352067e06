/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directory that a person named, and beside its files a hidden one for journals, locks and what isn't
 * finished. A path that ends like a file of the format is one file for one stream; then the hidden
 * directory is that file's own. Below the named directory nothing is opened through a link, as others may
 * write there.
 *
 * Buffers share one limit whatever the number of streams, and the limit of descriptors is raised as far
 * as it goes: a thousand streams are three thousand. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/path-util.h"
#include "connectors/lib/connector.h"
#include "connectors/lib/target-directory.h"

#define SIDE_DIRECTORY ".gantry"
/* All buffers together, whatever the number of streams. */
#define BUFFERS_MAX (8U * 1024U * 1024U)
#define BUFFER_MAX (128U * 1024U)
#define BUFFER_MIN 4096U
/* Descriptors a stream takes: file, journal, directory. */
#define FDS_PER_STREAM 3U

static bool is_directory(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0 && S_ISDIR(st.st_mode);
}

/* A directory that happens to be called x.csv is a directory. */
static bool names_file(const char *path, const char *extension) {
        size_t n = strlen(path), k = strlen(extension);

        return n > k && streq(path + n - k, extension) && !is_directory(path);
}

static int fail(const char *path, int r, const char *what, Error **reterr_error) {
        FailureType type = r == -ENOSPC || r == -EIO || r == -ENOMEM ? FAILURE_SYSTEM_ERROR : FAILURE_CONFIG_ERROR;

        return connector_fail(reterr_error, type, r, "Failed to %s '%s': %s", what, path, strerror(-r));
}

/* Never through a link: what a stranger placed there would lead elsewhere (threat T34). */
static int open_directory_at(int at, const char *name) {
        if (mkdirat(at, name, 0777) < 0 && errno != EEXIST)
                return -errno;
        return RET_NERRNO(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/* A thousand streams take more descriptors than the usual soft limit. */
static void raise_fd_limit(size_t n_streams) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= n_streams * FDS_PER_STREAM + 32)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

/* Beside the files, where no reader of *.csv will look. */
static int open_side(TargetDirectory *d, Error **reterr_error) {
        _cleanup_free_ char *name = NULL;

        if (d->single) {
                if (asprintf(&name, ".%s.gantry", d->single) < 0)
                        return -ENOMEM;
        } else {
                name = strdup(SIDE_DIRECTORY);
                if (!name)
                        return -ENOMEM;
        }
        d->side_fd = open_directory_at(d->root_fd, name);
        if (d->side_fd < 0)
                return fail(d->path, d->side_fd, "keep a journal beside", reterr_error);
        d->lock_fd = openat(d->side_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        return d->lock_fd < 0 ? fail(d->path, -errno, "make a lock for", reterr_error) : 0;
}

int target_directory_open(TargetDirectory *d, const char *path, const char *extension, size_t n_streams,
                          Error **reterr_error) {
        _cleanup_free_ char *directory = NULL;
        bool single = names_file(path, extension);
        int r;

        if (single && n_streams != 1)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EINVAL,
                                      "'%s' is one file, but the catalog has "
                                      "%zu streams: give a directory, which gets a file for each", path, n_streams);
        d->path = strdup(path);
        directory = single ? path_dirname(path) : strdup(path);
        if (single)
                d->single = strdup(path_basename(path));
        if (!d->path || !directory || (single && !d->single))
                return -ENOMEM;
        r = mkdir_parents(directory, 0777);
        if (r < 0)
                return fail(directory, r, "make the directory", reterr_error);
        d->root_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (d->root_fd < 0)
                return fail(directory, -errno, "open the directory", reterr_error);
        raise_fd_limit(n_streams);
        d->flush_size = n_streams > 0 ? MIN(BUFFER_MAX, BUFFERS_MAX / n_streams) : BUFFER_MAX;
        d->flush_size = MAX(d->flush_size, (size_t) BUFFER_MIN);
        return open_side(d, reterr_error);
}

void target_directory_close(TargetDirectory *d) {
        free(d->path);
        free(d->single);
        (void) safe_close(d->lock_fd);
        (void) safe_close(d->side_fd);
        (void) safe_close(d->root_fd);
        *d = TARGET_DIRECTORY_INIT;
}

int target_directory_check(const char *path, const char *extension, Error **reterr_error) {
        _cleanup_free_ char *directory = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        directory = names_file(path, extension) ? path_dirname(path) : strdup(path);
        /* The nearest directory that is there is the one that must let us write. */
        while (directory && stat(directory, &st) < 0 && errno == ENOENT && !streq(directory, ".") &&
               !streq(directory, "/")) {
                char *up = path_dirname(directory);

                free(directory);
                directory = up;
        }
        if (!directory)
                return -ENOMEM;
        fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0)
                return 0;
        /* Not every file system has unnamed files. */
        if (errno == EOPNOTSUPP || errno == EISDIR)
                return access(directory, W_OK | X_OK) >= 0 ? 0 : fail(directory, -errno, "write into",
                                                                      reterr_error);
        return fail(directory, -errno, "write into", reterr_error);
}
