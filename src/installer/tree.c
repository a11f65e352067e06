/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One walk, by descriptors, in the order of names, so that the list of hashes is the same each time.
 * Owner and mode are set before a file is hashed, and directories before they are read: from then on
 * nobody else can change what was looked at. Files become 0755 or 0644, which also takes every
 * set-user-ID bit. Links are owned and not followed, and have no hash, as they have no content. */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/utf8.h"
#include "installer/tree.h"
#include "secrets/digest.h"

/* node_modules nests; nothing nests like this. */
#define DEPTH_MAX 128U

typedef struct Walk {
        unsigned uid, gid;
        size_t n_entries;
        Buffer path; /* from the top to where the walk is, "a/b/" */
        Buffer *hashes;
        Error **reterr_error;
} Walk;

static int take_directory(Walk *w, int fd, unsigned depth);

/* For messages: names are a stranger's. */
static int refuse(Walk *w, int r, const char *name, const char *why) {
        _cleanup_buffer_ Buffer b = {};
        int k = utf8_append_printable(&b, buffer_bytes(&w->path), w->path.len, false);

        if (k >= 0)
                k = utf8_append_printable(&b, name, strlen(name), false);
        return error_set(w->reterr_error, r, "'%s' %s", k >= 0 ? strempty(buffer_string(&b)) : "?", why);
}

static int add_hash(Walk *w, int fd, const char *name) {
        char hash[SHA256_TEXT_MAX];
        int r;

        /* A line each; no package has use for such a name. */
        if (strpbrk(name, "\n\r\\"))
                return refuse(w, -EINVAL, name, "has a name that no file of a connector needs");
        r = sha256_fd(fd, hash);
        if (r >= 0)
                r = buffer_appendf(w->hashes, "%s  ", hash);
        if (r >= 0)
                r = buffer_append(w->hashes, buffer_bytes(&w->path), w->path.len);
        return r < 0 ? r : buffer_appendf(w->hashes, "%s\n", name);
}

/* The owner first: who is no longer it can't change the mode back, and set-user-ID bits are gone. */
static int take_fd(const Walk *w, int fd, unsigned mode) {
        if (fchown(fd, w->uid, w->gid) < 0)
                return -errno;
        return RET_NERRNO(fchmod(fd, mode));
}

static int take_file(Walk *w, int dirfd, const char *name) {
        _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return refuse(w, -EINVAL, name, "is no file any more");
        r = take_fd(w, fd, st.st_mode & 0111 ? 0755 : 0644);
        return r < 0 ? r : add_hash(w, fd, name);
}

static int take_below(Walk *w, int dirfd, const char *name, unsigned depth) {
        _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        size_t before = w->path.len;
        int r;

        if (fd < 0)
                return -errno;
        if (depth >= DEPTH_MAX)
                return refuse(w, -EINVAL, name, "lies too deep");
        r = buffer_appendf(&w->path, "%s/", name);
        if (r >= 0)
                r = take_directory(w, fd, depth + 1);
        w->path.len = before;
        return r;
}

static int take_entry(Walk *w, int dirfd, const char *name, unsigned depth) {
        struct stat st;

        if (++w->n_entries > TREE_ENTRIES_MAX)
                return error_set(w->reterr_error, -EINVAL, "It has more than %u files", TREE_ENTRIES_MAX);
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return take_below(w, dirfd, name, depth);
        if (S_ISREG(st.st_mode))
                return take_file(w, dirfd, name);
        /* Where it leads is for the sandbox to show or not. */
        if (S_ISLNK(st.st_mode))
                return RET_NERRNO(fchownat(dirfd, name, w->uid, w->gid, AT_SYMLINK_NOFOLLOW));
        return refuse(w, -EINVAL, name, "is neither a file nor a directory");
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int take_directory(Walk *w, int fd, unsigned depth) {
        struct dirent **entries = NULL;
        int n, r = take_fd(w, fd, 0755);

        if (r < 0)
                return r;
        n = scandirat(fd, ".", &entries, NULL, by_name);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                if (r >= 0 && !streq(entries[i]->d_name, ".") && !streq(entries[i]->d_name, ".."))
                        r = take_entry(w, fd, entries[i]->d_name, depth);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int tree_take_over(int dirfd, unsigned uid, unsigned gid, Buffer *hashes, Error **reterr_error) {
        Walk w = { .uid = uid, .gid = gid, .hashes = hashes, .reterr_error = reterr_error };
        int r = take_directory(&w, dirfd, 0);

        buffer_done(&w.path);
        return r;
}
