/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A root made of nothing: a tmpfs over /tmp, into it clones of the plan's sources, then pivot_root and
 * the old root is let go. Nothing of the host is visible that wasn't mounted on purpose.
 *
 * Sources are cloned as descriptors (open_tree) before anything is covered, with their restrictions as
 * attributes of the whole clone, so nothing that lies below, or is mounted there later, is looser than
 * it. As root they are opened outside already, since their owners are mapped there, and inside root isn't
 * root of those file systems. Targets are resolved inside the new root only: a link in a source leads
 * nowhere else (RESOLVE_IN_ROOT).
 *
 * The new root is read-only at the end. Files with secrets (configuration, state) come as descriptors and
 * are written into a private tmpfs, where only the connector sees them, and which is gone with its
 * namespace. */

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/path-util.h"
#include "sandbox/sandbox-idmap.h"
#include "sandbox/sandbox-privileges.h"
#include "sandbox/sandbox-root.h"

/* Any directory does: all sources are open before it is covered. */
#define BASE "/tmp"
/* The root holds mount points and a few files; a private tmpfs is memory that the connector may fill. */
#define ROOT_OPTIONS "mode=0755,size=4m,nr_inodes=8k"
#define PRIVATE_SIZE "512m"
#define PRIVATE_INODES "64k"

static int tree_open(const char *source, bool writable, bool exec) {
        struct mount_attr attr = {
                .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY) |
                        (exec ? 0 : MOUNT_ATTR_NOEXEC),
                /* Nothing that is mounted on the host later turns up inside. */
                .propagation = MS_PRIVATE,
        };
        _cleanup_close_ int fd = open_tree(AT_FDCWD, source,
                                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

        if (fd < 0)
                return -errno;
        if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Files that a connector can write are not to be executed, unless the plan asks for that or it lies there
 * itself. */
static bool may_execute(const SandboxPlan *p, const SandboxMount *m) {
        return !m->writable || p->allow_write_exec || sandbox_plan_runs_from(p, m->target);
}

/* "/bin" on a system where it is a link to "usr/bin": inside it is the same link. NULL for all else. */
static char *top_level_link(const SandboxMount *m) {
        char to[256];
        ssize_t n;

        if (!m->source || !streq(m->source, m->target) || strchr(m->target + 1, '/'))
                return NULL;
        n = readlink(m->source, to, sizeof(to) - 1);
        if (n <= 0 || n >= (ssize_t) sizeof(to) - 1)
                return NULL;
        to[n] = 0;
        return strncmp(to, "usr/", 4) == 0 && !strstr(to, "..") ? strdup(to) : NULL;
}

void sandbox_root_close_sources(Sandbox *s) {
        for (size_t i = 0; s->trees && i < s->plan->n_mounts; i++)
                (void) safe_close(s->trees[i]);
        free(s->trees);
        s->trees = NULL;
}

static int make_trees(Sandbox *s) {
        if (s->trees)
                return 0;
        s->trees = calloc(s->plan->n_mounts + 1, sizeof(*s->trees));
        if (!s->trees)
                return sandbox_fail(s, -ENOMEM, "open what is mounted");
        for (size_t i = 0; i < s->plan->n_mounts; i++)
                s->trees[i] = -EBADF;
        return 0;
}

/* As root, somebody else's file is made to look like root's (a connector that has a user of its own has
 * that user's rights); where the file system can't do that, its mode decides. */
static void map_foreign_owner(const Sandbox *s, int tree) {
        struct stat st;

        if (!s->plan->uid && fstat(tree, &st) >= 0 && st.st_uid != 0)
                (void) idmap_owner_to_root(tree, &st);
}

static int fail_changed(Sandbox *s, const char *path) {
        return sandbox_fail(s, -ESTALE, "give access to '%s': it was replaced by something else meanwhile",
                            path);
}

int sandbox_root_check(Sandbox *s) {
        for (size_t i = 0; i < s->plan->n_mounts; i++) {
                const SandboxMount *m = &s->plan->mounts[i];
                struct stat st;

                if (!m->checked)
                        continue;
                if (stat(m->target, &st) < 0)
                        return sandbox_fail(s, -errno, "find '%s'", m->target);
                if (sandbox_mount_check(m, &st) < 0)
                        return fail_changed(s, m->source);
        }
        return 0;
}

static int open_source(Sandbox *s, size_t i, bool early) {
        const SandboxMount *m = &s->plan->mounts[i];
        _cleanup_free_ char *link = NULL;
        struct stat st;
        int r;

        if (!m->source || s->trees[i] >= 0)
                return 0;
        link = top_level_link(m);
        if (link)
                return 0;
        s->trees[i] = tree_open(m->source, m->writable, may_execute(s->plan, m));
        if (s->trees[i] < 0)
                return s->trees[i];
        r = fstat(s->trees[i], &st) < 0 ? -errno : sandbox_mount_check(m, &st);
        if (r < 0) {
                s->trees[i] = safe_close(s->trees[i]);
                return r;
        }
        if (early)
                map_foreign_owner(s, s->trees[i]);
        return 0;
}

void sandbox_root_open_sources_early(Sandbox *s) {
        if (make_trees(s) < 0)
                return;
        for (size_t i = 0; i < s->plan->n_mounts; i++)
                (void) open_source(s, i, /* early= */ true);
}

static int open_sources(Sandbox *s) {
        int r = make_trees(s);

        for (size_t i = 0; r >= 0 && i < s->plan->n_mounts; i++) {
                const SandboxMount *m = &s->plan->mounts[i];

                r = open_source(s, i, /* early= */ false);
                if (m->optional && (r == -ENOENT || r == -ENOTDIR || r == -EACCES))
                        r = 0;
                if (r < 0) {
                        s->refused = r == -EPERM || r == -ENOSYS;
                        if (r == -ESTALE)
                                return fail_changed(s, m->source);
                        return sandbox_fail(s, r, "give access to '%s'", m->source);
                }
        }
        return r;
}

/* Opens a path inside; links lead nowhere but inside, whoever made them. */
static int open_inside(int root, const char *path) {
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };

        return RET_NERRNO((int) syscall(SYS_openat2, root, path, &how, sizeof(how)));
}

/* Makes `path` with its parents where it isn't there, and opens it. Each step resolves the whole way
 * again, so that links in mounted trees are followed as the connector will follow them. */
static int make_inside(int root, const char *path, bool directory) {
        int fd = open_inside(root, path);

        if (fd != -ENOENT)
                return fd;
        for (const char *end = path + 1;; end++) {
                _cleanup_free_ char *here = NULL, *dir = NULL;
                _cleanup_close_ int parent = -EBADF;
                bool last = *end == 0;

                if (!last && *end != '/')
                        continue;
                here = strndup(path, (size_t) (end - path));
                dir = here ? path_dirname(here) : NULL;
                if (!dir)
                        return -ENOMEM;
                parent = open_inside(root, dir);
                if (parent < 0)
                        return parent;
                if (last && !directory) {
                        if (mknodat(parent, path_basename(here), S_IFREG | 0644, 0) < 0 && errno != EEXIST)
                                return -errno;
                } else if (mkdirat(parent, path_basename(here), 0755) < 0 && errno != EEXIST)
                        return -errno;
                if (last)
                        return open_inside(root, path);
        }
}

static int attach(int tree, int root, const char *target) {
        _cleanup_close_ int at = -EBADF;
        struct stat st;

        if (fstat(tree, &st) < 0)
                return -errno;
        at = make_inside(root, target, S_ISDIR(st.st_mode));
        if (at < 0)
                return at;
        return RET_NERRNO(move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

/* A new file system that is nowhere yet. `options` are pairs, ended by NULL. */
static int new_filesystem(const char *type, const char *const options[], unsigned attributes) {
        _cleanup_close_ int context = fsopen(type, FSOPEN_CLOEXEC);

        if (context < 0)
                return -errno;
        for (; *options; options += 2)
                if (fsconfig(context, FSCONFIG_SET_STRING, options[0], options[1], 0) < 0)
                        return -errno;
        if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        return RET_NERRNO(fsmount(context, FSMOUNT_CLOEXEC, attributes));
}

static int private_tree(const Sandbox *s) {
        char uid[16], gid[16];
        /* Like the host's /tmp, but nobody else is there. */
        const char *const options[] = {
                "mode", "0700", "size", PRIVATE_SIZE, "nr_inodes", PRIVATE_INODES, "uid", uid, "gid", gid,
                        NULL,
        };

        snprintf(uid, sizeof(uid), "%u", s->uid);
        snprintf(gid, sizeof(gid), "%u", s->gid);
        return new_filesystem("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                              (s->plan->allow_write_exec ? 0 : MOUNT_ATTR_NOEXEC));
}

static int mount_one(Sandbox *s, int root, size_t i) {
        const SandboxMount *m = &s->plan->mounts[i];
        _cleanup_free_ char *link = top_level_link(m);
        _cleanup_close_ int made = -EBADF;
        int r;

        if (link) {
                r = RET_NERRNO(symlinkat(link, root, m->target + 1));
                return r < 0 ? sandbox_fail(s, r, "link '%s'", m->target) : 0;
        }
        if (!m->source) {
                made = private_tree(s);
                if (made < 0)
                        return sandbox_fail(s, made, "make a private '%s'", m->target);
        } else if (s->trees[i] < 0)
                return 0; /* optional */
        r = attach(made >= 0 ? made : s->trees[i], root, m->target);
        return r < 0 ? sandbox_fail(s, r, "mount '%s'", m->target) : 0;
}

/* Devices are links to the host's own: a user namespace cannot make any. No terminal, so there is none to
 * inject into. */
static int make_dev(Sandbox *s, int root) {
        static const char *const nodes[] = { "/dev/full", "/dev/null", "/dev/random", "/dev/urandom",
                                             "/dev/zero" };
        static const char *const links[][2] = {
                { "/proc/self/fd", "dev/fd" },
                { "/proc/self/fd/0", "dev/stdin" },
                { "/proc/self/fd/1", "dev/stdout" },
                { "/proc/self/fd/2", "dev/stderr" },
        };
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY };

        for (size_t i = 0; i < ELEMENTSOF(nodes); i++) {
                _cleanup_close_ int fd = open_tree(AT_FDCWD, nodes[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
                int r = fd < 0 ? -errno : 0;

                if (r >= 0)
                        r = RET_NERRNO(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
                if (r >= 0)
                        r = attach(fd, root, nodes[i]);
                if (r < 0)
                        return sandbox_fail(s, r, "give access to '%s'", nodes[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                if (symlinkat(links[i][0], root, links[i][1]) < 0)
                        return sandbox_fail(s, -errno, "link '/%s'", links[i][1]);
        return 0;
}

/* Its own /proc shows its own processes. Read-only, because root inside is root to the files in
 * /proc/sys. A host that hides parts of its /proc, as containers do, lets nobody make a new one: then
 * there is none. */
static int make_proc(Sandbox *s, int root) {
        static const char *const options[] = { NULL };
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (s->flags & CLONE_NEWPID && sandbox_wants(s, SANDBOX_PROC))
                fd = new_filesystem("proc", options,
                                    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (fd < 0) {
                sandbox_miss(s, SANDBOX_PROC);
                sandbox_limit_namespace_tasks(s, fd);
                return 0;
        }
        sandbox_limit_namespace_tasks(s, fd);
        r = RET_NERRNO(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
        if (r >= 0)
                r = attach(fd, root, "/proc");
        return r < 0 ? sandbox_fail(s, r, "mount '/proc'") : 0;
}

static int write_inside(Sandbox *s, int root, const char *path, const char *text) {
        _cleanup_close_ int at = make_inside(root, "/etc", /* directory= */ true), fd = -EBADF;
        int r;

        if (at >= 0)
                fd = openat(at, path_basename(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                            0644);
        /* What the plan mounts there stays. */
        if (fd < 0 && errno == EEXIST)
                return 0;
        r = at < 0 ? at : fd < 0 ? -errno : write_full(fd, text, strlen(text));
        return r < 0 ? sandbox_fail(s, r, "write '%s'", path) : 0;
}

/* Programs ask who they are; the answer names nobody of the host. */
static int make_etc(Sandbox *s, int root) {
        _cleanup_free_ char *passwd = NULL, *group = NULL;
        const char *name = s->uid == 0 ? "root" : "gantry";
        int r;

        if (asprintf(&passwd, "%s:x:%u:%u::/home/gantry:/usr/sbin/nologin\n"
                     "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n", name, s->uid, s->gid) < 0) {
                passwd = NULL;
                return -ENOMEM;
        }
        if (asprintf(&group, "%s:x:%u:\nnogroup:x:65534:\n", name, s->gid) < 0) {
                group = NULL;
                return -ENOMEM;
        }
        r = write_inside(s, root, "/etc/passwd", passwd);
        if (r >= 0)
                r = write_inside(s, root, "/etc/group", group);
        if (r >= 0)
                r = write_inside(s, root, "/etc/nsswitch.conf",
                                 "passwd: files\ngroup: files\nhosts: files dns\n");
        return r;
}

/* What programs expect of any system. */
static int make_system(Sandbox *s, int root) {
        int r = make_dev(s, root);

        if (r >= 0)
                r = make_proc(s, root);
        return r < 0 ? r : make_etc(s, root);
}

static int copy_content(int from, int to) {
        off_t at = 0;

        for (;;) {
                char buffer[16384];
                ssize_t n = pread(from, buffer, sizeof(buffer), at);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                r = write_full(to, buffer, (size_t) n);
                if (r < 0)
                        return r;
                at += n;
        }
}

/* Configuration, catalog, state: made new, in a private tmpfs, for the connector alone. */
static int make_file(Sandbox *s, int root, size_t i) {
        const SandboxFile *f = &s->plan->files[i];
        _cleanup_free_ char *dir = path_dirname(f->target);
        _cleanup_close_ int at = -EBADF, fd = -EBADF;
        int r;

        if (!dir)
                return -ENOMEM;
        /* Our own directory, still empty: nobody can have put a link into it. */
        at = root >= 0 ? make_inside(root, dir, /* directory= */ true)
                       : RET_NERRNO(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (at < 0)
                return at;
        fd = openat(at, path_basename(f->target), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
        if (fd < 0)
                return -errno;
        r = copy_content(s->file_fds[i], fd);
        if (r >= 0)
                r = RET_NERRNO(fchmod(fd, (mode_t) f->mode));
        if (r >= 0)
                r = RET_NERRNO(fchown(fd, s->uid, s->gid));
        s->file_fds[i] = safe_close(s->file_fds[i]);
        return r;
}

int sandbox_root_make_files(Sandbox *s, int root) {
        for (size_t i = 0; i < s->plan->n_files; i++) {
                int r = make_file(s, root, i);

                if (r < 0)
                        return sandbox_fail(s, r, "make '%s'", s->plan->files[i].target);
        }
        return 0;
}

/* Leaves the old root behind: nothing of it can be reached by a path any more. */
static int pivot(Sandbox *s, int root) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
        int r = RET_NERRNO(mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr)));

        if (r >= 0)
                r = RET_NERRNO(fchdir(root));
        if (r >= 0)
                r = RET_NERRNO(syscall(SYS_pivot_root, ".", "."));
        if (r >= 0)
                r = RET_NERRNO(umount2(".", MNT_DETACH));
        if (r >= 0)
                r = RET_NERRNO(chdir("/"));
        return r < 0 ? sandbox_fail(s, r, "change the root directory") : 0;
}

int sandbox_root_enter(Sandbox *s) {
        _cleanup_close_ int root = -EBADF;
        mode_t mask;
        int r;

        /* From here on nothing that is mounted or not mounted touches the host. */
        r = RET_NERRNO(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
        if (r < 0) {
                s->refused = true;
                return sandbox_fail(s, r, "make mounts private");
        }
        r = open_sources(s);
        if (r < 0)
                return r;
        r = RET_NERRNO(mount("tmpfs", BASE, "tmpfs", MS_NOSUID | MS_NODEV, ROOT_OPTIONS));
        if (r >= 0)
                r = root = RET_NERRNO(open(BASE, O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (r < 0) {
                s->refused = true;
                return sandbox_fail(s, r, "mount an empty root");
        }
        mask = umask(022);
        for (size_t i = 0; r >= 0 && i < s->plan->n_mounts; i++)
                r = mount_one(s, root, i);
        if (r >= 0 && !s->bare)
                r = make_system(s, root);
        if (r >= 0)
                r = sandbox_root_make_files(s, root);
        (void) umask(mask);
        return r < 0 ? r : pivot(s, root);
}
