/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Landlock knows paths by the file that is there when the rule is made, not by name, so rules are made
 * inside, after the root has been entered (or, without one, with the sources themselves). Everything that
 * is "handled" is forbidden but for what a rule allows; rights that the running kernel doesn't know must
 * not be named at all, hence the table by version of the interface.
 *
 * With a mount namespace it says the same as the mounts do, once more and by another mechanism; and it
 * adds what mounts can't: a path is written or executed, not both. Without one it is the only fence
 * around files, and then /proc is a list. It can't be taken back, and children inherit it. */

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/path-util.h"
#include "sandbox/sandbox-landlock.h"

/* Rights by the ABI version that brought them (Documentation/userspace-api/landlock.rst). The build
 * machine's header may be older than the kernel that runs us, so they are named here. */
#define FS_ABI_1 ((UINT64_C(1) << 13) - 1) /* EXECUTE … MAKE_SYM */
#define FS_REFER (UINT64_C(1) << 13)       /* 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)    /* 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)   /* 5 */
#define NET_BIND_TCP (UINT64_C(1) << 0)    /* 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_DEVICE_NODES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
/* The rights that a rule about a file may name; the others are about directories. */
#define FS_OF_FILES                                                                                       \
        (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |      \
         FS_TRUNCATE | FS_IOCTL_DEV)

/* As in the newest linux/landlock.h; older kernels take its beginning. */
typedef struct RulesetAttr {
        uint64_t handled_access_fs;
        uint64_t handled_access_net;
        uint64_t scoped;
} RulesetAttr;

typedef struct Ruleset {
        int fd;
        uint64_t fs; /* what is handled: all else is always allowed and may not be named in a rule */
} Ruleset;

int sandbox_landlock_abi(void) {
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

        return abi < 0 ? 0 : (int) abi;
}

static int ruleset_new(const Sandbox *s, int abi, Ruleset *ret) {
        RulesetAttr attr = { .handled_access_fs = FS_ABI_1 };
        size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? offsetof(RulesetAttr, scoped) : sizeof(uint64_t);

        if (abi >= 2)
                attr.handled_access_fs |= FS_REFER;
        if (abi >= 3)
                attr.handled_access_fs |= FS_TRUNCATE;
        if (abi >= 5)
                attr.handled_access_fs |= FS_IOCTL_DEV;
        /* Without a network, and without a namespace that says so: no TCP to anywhere. */
        if (abi >= 4 && s->plan->network == NETWORK_NONE && !(s->flags & CLONE_NEWNET))
                attr.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
        if (abi >= 6 && sandbox_wants(s, SANDBOX_LANDLOCK_SCOPE))
                attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        ret->fs = attr.handled_access_fs;
        ret->fd = (int) syscall(SYS_landlock_create_ruleset, &attr, size, 0);
        return ret->fd < 0 ? -errno : 0;
}

/* Allows `access` at and below `path`. What isn't there needs no rule. */
static int allow(const Ruleset *set, const char *path, uint64_t access) {
        struct landlock_path_beneath_attr rule = { .allowed_access = access & set->fs };
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                rule.allowed_access &= FS_OF_FILES;
        rule.parent_fd = fd;
        return RET_NERRNO((int) syscall(SYS_landlock_add_rule, set->fd, LANDLOCK_RULE_PATH_BENEATH, &rule,
                                        0));
}

static int allow_all(const Ruleset *set, const char *const paths[], size_t n, uint64_t access) {
        for (size_t i = 0; i < n; i++) {
                int r = allow(set, paths[i], access);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Where it is now: at its target, if we or whoever starts us has mounted it there; else at its source, and
 * so what is private and lies in the scratch directory. */
static const char *mount_path(const Sandbox *s, const SandboxMount *m) {
        const char *scratch = s->plan->scratch_directory;
        bool bound = s->plan->outside & SANDBOX_LAYER_BIT(SANDBOX_MOUNT_NAMESPACE) && m->source &&
                !(scratch && path_is_under(m->source, scratch));

        return s->flags & CLONE_NEWNS || bound ? m->target : m->source;
}

static int allow_mounts(const Ruleset *set, const Sandbox *s) {
        for (size_t i = 0; i < s->plan->n_mounts; i++) {
                const SandboxMount *m = &s->plan->mounts[i];
                const char *path = mount_path(s, m);
                uint64_t access = FS_READ | LANDLOCK_ACCESS_FS_EXECUTE;
                int r;

                if (!path)
                        continue;
                if (m->writable) {
                        /* Written or executed, not both, but for JITs and a connector that lies there. */
                        access = set->fs & ~FS_DEVICE_NODES & ~FS_IOCTL_DEV;
                        if (!s->plan->allow_write_exec && !sandbox_plan_runs_from(s->plan, path))
                                access &= ~(uint64_t) LANDLOCK_ACCESS_FS_EXECUTE;
                }
                r = allow(set, path, access);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What the sandbox gives beside the plan. With a root of our own that is all that lies there; without, a
 * list: of /proc only ourselves and what describes the machine, for other processes' environment is there
 * too. */
static int allow_system(const Ruleset *set, const Sandbox *s) {
        static const char *const devices[] = {
                "/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero",
        };
        static const char *const of_host[] = {
                "/etc/group", "/etc/nsswitch.conf", "/etc/passwd", "/proc/cpuinfo", "/proc/filesystems",
                "/proc/loadavg", "/proc/meminfo", "/proc/self", "/proc/stat", "/proc/version",
                        "/proc/uptime",
        };
        int r = allow_all(set, devices, ELEMENTSOF(devices),
                          LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV);

        if (r < 0)
                return r;
        return s->flags & CLONE_NEWNS ? allow(set, "/", FS_READ)
                                      : allow_all(set, of_host, ELEMENTSOF(of_host), FS_READ);
}

/* The kernel takes a ruleset of somebody without privileges only after no_new_privs: otherwise a program with the
 * set-id bit could be confused by rules that its caller made. The scope for signals and sockets came with version 6
 * of the interface. */
int sandbox_landlock_apply(Sandbox *s) {
        int abi = sandbox_wants(s, SANDBOX_LANDLOCK) ? sandbox_landlock_abi() : 0, r;
        _cleanup_close_ int fd = -EBADF;
        Ruleset set;

        if (abi < 6 || !sandbox_wants(s, SANDBOX_LANDLOCK_SCOPE))
                sandbox_miss(s, SANDBOX_LANDLOCK_SCOPE);
        if (abi == 0 || s->missing & SANDBOX_LAYER_BIT(SANDBOX_NO_NEW_PRIVS)) {
                sandbox_miss(s, SANDBOX_LANDLOCK);
                sandbox_miss(s, SANDBOX_LANDLOCK_SCOPE);
                return 0;
        }
        r = ruleset_new(s, abi, &set);
        if (r < 0)
                return sandbox_fail(s, r, "make a Landlock ruleset");
        fd = set.fd;
        r = allow_mounts(&set, s);
        if (r >= 0)
                r = allow_system(&set, s);
        if (r >= 0)
                r = RET_NERRNO((int) syscall(SYS_landlock_restrict_self, fd, 0));
        return r < 0 ? sandbox_fail(s, r, "apply Landlock") : 0;
}
