/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The layers of one sandbox, in the order in which three processes apply them (README.md has the
 * picture). The shim chooses namespaces and clones; the first process inside makes the root and gives its
 * privileges up; the connector-to-be takes limits, Landlock and seccomp, in that order, because each
 * forbids what the one before needs.
 *
 * What the kernel refuses is given up step by step: first the user namespace, if we are root, then all
 * namespaces. A connector that has a user of its own never gets the last step. Refusal may show only
 * inside (`refused`), so a clone can be thrown away and made again one level lower. */

#include <fcntl.h>
#include <grp.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "sandbox/sandbox-landlock.h"
#include "sandbox/sandbox-privileges.h"
#include "sandbox/sandbox-root.h"
#include "sandbox/sandbox-seccomp.h"
#include "sandbox/sandbox.h"

/* Inside, the machine has this name: the host's is nobody's business there. */
#define HOST_NAME "gantry"

/* What is given up, in this order, when the kernel refuses. */
enum {
        LEVEL_USER_NAMESPACE, /* everything, in a user namespace of its own */
        LEVEL_PRIVILEGED,     /* root where user namespaces are switched off: all the others */
        LEVEL_PLAIN,          /* no namespaces: Landlock, seccomp, limits */
};

static const struct {
        SandboxLayer layer;
        uint64_t flag;
} namespaces[] = {
        { SANDBOX_USER_NAMESPACE, CLONE_NEWUSER },
        { SANDBOX_MOUNT_NAMESPACE, CLONE_NEWNS },
        { SANDBOX_PID_NAMESPACE, CLONE_NEWPID },
        { SANDBOX_IPC_NAMESPACE, CLONE_NEWIPC },
        { SANDBOX_UTS_NAMESPACE, CLONE_NEWUTS },
        { SANDBOX_CGROUP_NAMESPACE, CLONE_NEWCGROUP },
        { SANDBOX_NETWORK_NAMESPACE, CLONE_NEWNET },
};

void sandbox_init(Sandbox *s, SandboxPlan *plan) {
        *s = (Sandbox) {
                .plan = plan,
                .uid = plan->uid ? (uid_t) plan->uid : geteuid(),
                .gid = plan->uid ? (gid_t) plan->gid : getegid(),
                .privileged = geteuid() == 0,
        };
        for (size_t i = 0; i < SANDBOX_FILES_MAX; i++)
                s->file_fds[i] = -EBADF;
}

void sandbox_done(Sandbox *s) {
        sandbox_root_close_sources(s);
        free(s->step);
        s->step = NULL;
}

int sandbox_fail(Sandbox *s, int r, const char *format, ...) {
        va_list ap;

        free(s->step);
        va_start(ap, format);
        if (vasprintf(&s->step, format, ap) < 0)
                s->step = NULL;
        va_end(ap);
        return r;
}

/* Sets flags and the layers that are missing because of them. */
static void choose_namespaces(Sandbox *s) {
        s->flags = 0;
        s->missing = 0;
        for (size_t i = 0; i < ELEMENTSOF(namespaces); i++) {
                SandboxLayer l = namespaces[i].layer;

                /* With a network, its namespace is not missing: it isn't meant to be there. */
                if (l == SANDBOX_NETWORK_NAMESPACE && s->plan->network != NETWORK_NONE)
                        continue;
                if (!sandbox_wants(s, l) || s->level == LEVEL_PLAIN ||
                    (l == SANDBOX_USER_NAMESPACE && s->level == LEVEL_PRIVILEGED))
                        sandbox_miss(s, l);
                else
                        s->flags |= namespaces[i].flag;
        }
        if (!(s->flags & CLONE_NEWPID) || !(s->flags & CLONE_NEWNS))
                sandbox_miss(s, SANDBOX_PROC);
}

bool sandbox_degrade(Sandbox *s) {
        s->refused = false;
        if (s->level == LEVEL_USER_NAMESPACE && s->privileged)
                s->level = LEVEL_PRIVILEGED;
        else if (s->level < LEVEL_PLAIN && !s->plan->uid)
                s->level = LEVEL_PLAIN;
        else
                return false;
        return true;
}

pid_t sandbox_clone(Sandbox *s) {
        for (;;) {
                pid_t pid;

                choose_namespaces(s);
                if (s->flags & CLONE_NEWNS && s->privileged)
                        sandbox_root_open_sources_early(s);
                else
                        sandbox_root_close_sources(s);
                /* The C library has no fork() with flags. Both of us have one thread, and all other
                 * arguments are null, so their order, which differs between machines, doesn't matter. */
                pid = (pid_t) syscall(SYS_clone, s->flags | SIGCHLD, NULL, NULL, NULL, NULL);
                if (pid >= 0)
                        return pid;
                if (errno == EAGAIN || errno == ENOMEM || !sandbox_degrade(s))
                        return -errno;
        }
}

static int write_proc(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 ? -errno : write_full(fd, text, strlen(text));
}

int sandbox_map_user(Sandbox *s, pid_t pid) {
        char path[64], text[64];
        int r;

        if (!(s->flags & CLONE_NEWUSER) || !s->plan->uid)
                return 0;
        snprintf(path, sizeof(path), "/proc/%d/gid_map", (int) pid);
        snprintf(text, sizeof(text), "%u %u 1\n", s->gid, s->gid);
        r = write_proc(path, text);
        if (r >= 0) {
                snprintf(path, sizeof(path), "/proc/%d/uid_map", (int) pid);
                snprintf(text, sizeof(text), "%u %u 1\n", s->uid, s->uid);
                r = write_proc(path, text);
        }
        return r < 0 ? sandbox_fail(s, r, "map user %u", s->uid) : 0;
}

/* From root to the connector's own user. Capabilities stay until sandbox_drop_privileges(): what is
 * mounted next needs them. */
static int become_user(Sandbox *s, const gid_t groups[], size_t n_groups) {
        if (!s->plan->uid)
                return 0;
        if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 || setgroups(n_groups, groups) < 0 ||
            setresgid(s->gid, s->gid, s->gid) < 0 || setresuid(s->uid, s->uid, s->uid) < 0)
                return sandbox_fail(s, -errno, "become user %u", s->uid);
        return 0;
}

/* Inside we are who we are outside, and nobody else exists: files that the connector writes belong to the
 * caller. */
static int map_identity(Sandbox *s) {
        char uid[64], gid[64];
        int r;

        snprintf(uid, sizeof(uid), "%u %u 1\n", s->uid, s->uid);
        snprintf(gid, sizeof(gid), "%u %u 1\n", s->gid, s->gid);
        r = write_proc("/proc/self/setgroups", "deny");
        if (r >= 0 || r == -ENOENT)
                r = write_proc("/proc/self/gid_map", gid);
        if (r >= 0)
                r = write_proc("/proc/self/uid_map", uid);
        if (r < 0) {
                s->refused = true;
                return sandbox_fail(s, r, "map user and group");
        }
        return 0;
}

/* A loopback that is down is no leak, but programs expect one: failure changes nothing. */
static void raise_loopback(void) {
        struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd >= 0)
                (void) ioctl(fd, SIOCSIFFLAGS, &ifr);
}

/* Without a root of its own: what is private lies in the scratch directory. */
static int enter_flat(Sandbox *s) {
        int r = sandbox_root_check(s);

        if (r < 0)
                return r;
        r = sandbox_plan_flatten(s->plan);
        if (r < 0)
                return sandbox_fail(s, r, "make private directories");
        return sandbox_root_make_files(s, /* root= */ -EBADF);
}

int sandbox_enter(Sandbox *s, const gid_t groups[], size_t n_groups) {
        int r = 0;

        if (s->flags & CLONE_NEWUSER)
                r = s->plan->uid ? become_user(s, groups, n_groups) : map_identity(s);
        if (r >= 0 && s->flags & CLONE_NEWNET)
                raise_loopback();
        if (r >= 0 && s->flags & CLONE_NEWUTS)
                r = RET_NERRNO(sethostname(HOST_NAME, STRLEN(HOST_NAME)));
        if (r >= 0 && s->flags & CLONE_NEWNS)
                r = sandbox_root_enter(s);
        else if (r >= 0)
                r = enter_flat(s);
        sandbox_root_close_sources(s);
        if (r >= 0 && !(s->flags & CLONE_NEWUSER))
                r = become_user(s, groups, n_groups);
        if (r < 0)
                return r;
        /* The connector must not look into this process, which is of the same user. */
        (void) prctl(PR_SET_DUMPABLE, 0);
        return sandbox_drop_privileges(s);
}

int sandbox_confine(Sandbox *s) {
        int r = sandbox_set_limits(s);

        if (r >= 0)
                r = sandbox_landlock_apply(s);
        /* Last: it forbids what the steps before it need. */
        if (r >= 0)
                r = sandbox_seccomp_apply(s);
        return r;
}
