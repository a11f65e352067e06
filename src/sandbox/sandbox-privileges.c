/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the process inside gives up, and what it may use. The order is fixed by the kernel: the bounding
 * set and the securebits need a capability that is gone after the sets are emptied, and no_new_privs must
 * be there before Landlock and seccomp take a rule from somebody without privileges.
 *
 * Limits are the process's and its children's, each for itself; what all of them use together is for a
 * control group, which only the starter can have. What a kernel can't do is left out and said
 * (`missing`), never replaced by something that looks like it. */

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "sandbox/sandbox-privileges.h"

/* More than any kernel has; the first that it doesn't know ends the loop. */
#define CAPABILITY_LIMIT 64
/* The kernel takes no smaller pid_max (RESERVED_PIDS + 1). */
#define PID_MAX_FLOOR 301U

bool sandbox_kernel_is(unsigned major, unsigned minor) {
        struct utsname u;
        unsigned a = 0, b = 0;

        if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &a, &b) != 2)
                return false;
        return a > major || (a == major && b >= minor);
}

static int drop_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

        /* Without the privilege for the first two there is nothing that they could take away: the last
         * one counts. */
        for (int c = 0; c < CAPABILITY_LIMIT; c++)
                if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
                        break;
        (void) prctl(PR_SET_SECUREBITS,
                     SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                             SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                             SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED, 0, 0, 0);
        (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        return RET_NERRNO(syscall(SYS_capset, &header, none));
}

int sandbox_drop_privileges(Sandbox *s) {
        int r;

        if (!sandbox_wants(s, SANDBOX_CAPABILITIES))
                sandbox_miss(s, SANDBOX_CAPABILITIES);
        else {
                /* Root's further groups; in a user namespace they are beyond reach, and so is this call. */
                if (s->uid == 0)
                        (void) setgroups(0, NULL);
                r = drop_capabilities();
                if (r < 0)
                        return sandbox_fail(s, r, "drop capabilities");
        }
        if (!sandbox_wants(s, SANDBOX_NO_NEW_PRIVS))
                sandbox_miss(s, SANDBOX_NO_NEW_PRIVS);
        else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return sandbox_fail(s, -errno, "set no_new_privs");
        return 0;
}

/* A limit that is above what we may have is what we have. */
static int limit(int resource, uint64_t value) {
        struct rlimit l;

        if (getrlimit(resource, &l) < 0)
                return -errno;
        l.rlim_cur = l.rlim_max = MIN((rlim_t) value, l.rlim_max);
        return RET_NERRNO(setrlimit(resource, &l));
}

/* RLIMIT_NPROC counts a user's tasks within a user namespace since Linux 5.14; without one it would count
 * all that the user runs, and it never holds for root. */
static int limit_tasks(Sandbox *s) {
        if (s->uid == 0)
                return 0; /* see sandbox_limit_namespace_tasks() */
        if (!(s->flags & CLONE_NEWUSER) || !sandbox_kernel_is(5, 14) || !sandbox_wants(s,
                SANDBOX_TASKS_LIMIT)) {
                sandbox_miss(s, SANDBOX_TASKS_LIMIT);
                return 0;
        }
        return limit(RLIMIT_NPROC, s->plan->tasks_max);
}

int sandbox_set_limits(Sandbox *s) {
        const SandboxPlan *p = s->plan;
        int r;

        if (!sandbox_wants(s, SANDBOX_LIMITS)) {
                sandbox_miss(s, SANDBOX_LIMITS);
                return 0;
        }
        /* A core would hold the connector's secrets. One byte, not none: a core_pattern with a pipe
         * ignores a limit of 0 and takes 1 as a ban (core(5), fs/coredump.c). */
        r = limit(RLIMIT_CORE, 1);
        if (r >= 0 && p->files_max > 0)
                r = limit(RLIMIT_NOFILE, p->files_max);
        if (r >= 0 && p->file_size_max > 0)
                r = limit(RLIMIT_FSIZE, p->file_size_max);
#ifdef HAVE_SANITIZERS
        /* Their shadow memory meets every such limit. */
        if (p->memory_max > 0)
                sandbox_miss(s, SANDBOX_LIMITS);
#else
        /* Data, not address space: runtimes reserve much more than they use. */
        if (r >= 0 && p->memory_max > 0)
                r = limit(RLIMIT_DATA, p->memory_max);
#endif
        if (r >= 0 && p->tasks_max > 0)
                r = limit_tasks(s);
        return r < 0 ? sandbox_fail(s, r, "set resource limits") : 0;
}

void sandbox_limit_namespace_tasks(Sandbox *s, int proc) {
        _cleanup_close_ int fd = -EBADF;
        char text[32];
        int n;

        if (s->uid != 0 || s->plan->tasks_max == 0)
                return;
        /* Before 6.14 this file is the whole machine's, and root inside may write it: never touch it
         * there. */
        if (sandbox_kernel_is(6, 14) && s->flags & CLONE_NEWPID && sandbox_wants(s, SANDBOX_TASKS_LIMIT)) {
                fd = openat(proc, "sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
                n = snprintf(text, sizeof(text), "%llu\n",
                             (unsigned long long) MAX(s->plan->tasks_max, (uint64_t) PID_MAX_FLOOR));
                if (fd >= 0 && write_full(fd, text, (size_t) n) >= 0)
                        return;
        }
        sandbox_miss(s, SANDBOX_TASKS_LIMIT);
}
