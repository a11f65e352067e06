/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Name by name, each opened without following it: what was looked at is what is entered, whatever becomes of
 * its name meanwhile. A link's text and owner are those of the link that was opened. The kernel's own way,
 * openat2() with RESOLVE_NO_SYMLINKS, knows no difference between links. */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/path-trusted.h"

/* As the kernel. */
#define LINKS_MAX 40U

typedef struct Walk {
        int at;       /* where we are */
        char *rest;   /* what is still to be walked */
        char *behind; /* what was, links followed */
        char *where;  /* the name that is looked at, behind that */
        unsigned n_links;
} Walk;

static void walk_done(Walk *w) {
        (void) safe_close(w->at);
        free(w->rest);
        free(w->behind);
        free(w->where);
}

static int start_at_root(Walk *w) {
        int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        char *none = strdup("");

        if (fd < 0 || !none) {
                int r = fd < 0 ? -errno : -ENOMEM;

                (void) safe_close(fd);
                free(none);
                return r;
        }
        (void) safe_close(w->at);
        w->at = fd;
        free(w->behind);
        w->behind = none;
        return 0;
}

static bool is_beside(const char *text) {
        return *text && !strchr(text, '/') && !streq(text, ".") && !streq(text, "..");
}

static int may_follow(const Walk *w, const struct stat *link, const char *text) {
        struct stat parent;

        if (link->st_uid == 0)
                return true;
        if (!is_beside(text))
                return false;
        return fstat(w->at, &parent) < 0 ? -errno : !(parent.st_mode & S_ISVTX);
}

/* `rest` becomes what the link says, and what came after it. */
static int follow(Walk *w, int link, const char *rest) {
        char text[PATH_MAX], *joined;
        struct stat st;
        ssize_t n = readlinkat(link, "", text, sizeof(text) - 1);
        int r;

        if (n < 0 || fstat(link, &st) < 0)
                return -errno;
        text[n] = 0;
        if (++w->n_links > LINKS_MAX)
                return -ELOOP;
        r = may_follow(w, &st, text);
        if (r <= 0)
                return r < 0 ? r : -ENOLINK;
        if (asprintf(&joined, "%s%s%s", text, *rest ? "/" : "", rest) < 0)
                return -ENOMEM;
        free(w->rest);
        w->rest = joined;
        return joined[0] == '/' ? start_at_root(w) : 0;
}

static int enter(Walk *w, int next, const char *rest) {
        char *left = strdup(rest), *behind = strdup(w->where);

        if (!left || !behind) {
                free(left);
                free(behind);
                (void) safe_close(next);
                return -ENOMEM;
        }
        (void) safe_close(w->at);
        w->at = next;
        free(w->rest);
        w->rest = left;
        free(w->behind);
        w->behind = behind;
        return 0;
}

/* One name. */
static int step(Walk *w) {
        const char *begin = w->rest + strspn(w->rest, "/"), *end = begin + strcspn(begin, "/");
        const char *rest = end + strspn(end, "/");
        _cleanup_free_ char *name = strndup(begin, (size_t) (end - begin));
        _cleanup_close_ int next = -EBADF;
        struct stat st;
        char *where;

        if (!name || asprintf(&where, "%s/%s", w->behind, name) < 0)
                return -ENOMEM;
        free(w->where);
        w->where = where;
        /* "/" or what a link ends with. */
        next = openat(w->at, *name ? name : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 || fstat(next, &st) < 0)
                return -errno;
        return S_ISLNK(st.st_mode) ? follow(w, next, rest) : enter(w, TAKE_FD(next), rest);
}

int path_open_trusted(const char *path, char **ret_where) {
        _cleanup_(walk_done) Walk w = { .at = -EBADF, .rest = strdup(path) };
        int r = w.rest ? start_at_root(&w) : -ENOMEM;

        if (path[0] != '/')
                return -EINVAL;
        while (r >= 0 && *w.rest)
                r = step(&w);
        if (ret_where)
                *ret_where = TAKE_PTR(w.where);
        return r < 0 ? r : TAKE_FD(w.at);
}
