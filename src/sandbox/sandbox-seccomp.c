/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two filters; the stricter answer of the two wins. The table denies single calls by name, each with its
 * reason, since connectors are arbitrary programs and a list of what is allowed would break them with
 * each new libc. The ceiling makes up for what a list of denials can't know: calls that are younger than
 * the table don't exist.
 *
 * A filter sees numbers and registers, never memory. Calls that take their flags by pointer (clone3,
 * openat2) therefore don't exist either, and programs use their older forms, whose flags can be looked
 * at. Only native calls are judged; the numbers of another architecture would be other calls, and end the
 * process. */

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox-seccomp.h"

typedef struct DeniedCall {
        const char *name;
        int error; /* what the caller gets: ENOSYS where programs have a way without it */
} DeniedCall;

static const DeniedCall denied_calls[] = {
        /* Namespaces and mounts: the way to privileges that were given up. */
        { "chroot", EPERM },         /* another root, from which old tricks lead out */
        { "clone3", ENOSYS },
                /* its flags lie in memory that a filter cannot see; libc falls back to clone() */
        { "fsconfig", EPERM },       /* the new way to mount: configure a file system */
        { "fsmount", EPERM },        /* … make it a mount */
        { "fsopen", EPERM },         /* … begin it */
        { "fspick", EPERM },         /* … change one */
        { "mount", EPERM },          /* file systems */
        { "mount_setattr", EPERM },  /* read-only made writable again */
        { "move_mount", EPERM },     /* uncovers what is covered */
        { "open_tree", EPERM },      /* copies of mounts without what covers them */
        { "pivot_root", EPERM },     /* another root */
        { "setns", EPERM },          /* enters a namespace */
        { "umount", EPERM },         /* uncovers what is covered, i386's name */
        { "umount2", EPERM },        /* uncovers what is covered */
        { "unshare", EPERM },
                /* a user namespace, and with it every mount call and much kernel code */

        /* Other processes. */
        { "kcmp", EPERM },              /* compares kernel addresses of two processes */
        { "pidfd_getfd", EPERM },       /* takes descriptors of another process */
        { "process_madvise", EPERM },   /* touches another's memory */
        { "process_mrelease", EPERM },  /* reaps another's memory */
        { "process_vm_readv", EPERM },  /* reads another's memory */
        { "process_vm_writev", EPERM }, /* writes it */
        { "ptrace", EPERM },            /* controls another */
        { "migrate_pages", EPERM },     /* moves another's memory between nodes */
        { "move_pages", EPERM },        /* likewise, page by page */

        /* Kernel code that is large, young or known for holes, and that no connector needs. */
        { "add_key", EPERM },          /* keyrings are not namespaced */
        { "bpf", EPERM },              /* programs in the kernel */
        { "fanotify_init", EPERM },    /* watches whole file systems */
        { "io_uring_enter", ENOSYS },  /* system calls that this filter doesn't see */
        { "io_uring_register", ENOSYS },
        { "io_uring_setup", ENOSYS },
        { "keyctl", EPERM },           /* keyrings of the user, shared with all that the user runs */
        { "lookup_dcookie", EPERM },   /* paths by profiling cookie */
        { "memfd_secret", ENOSYS },    /* memory that the kernel cannot look at */
        { "modify_ldt", EPERM },       /* 16-bit segments */
        { "openat2", ENOSYS },         /* its mode lies in memory, see suid below; libc doesn't use it */
        { "perf_event_open", EPERM },  /* performance counters: kernel addresses and other processes */
        { "remap_file_pages", ENOSYS }, /* emulated, unused */
        { "request_key", EPERM },      /* starts a helper as root */
        { "userfaultfd", EPERM },
                /* stops the kernel in the middle of a copy: every other exploit uses it */
        { "uselib", EPERM },           /* libc 5 */
        { "vm86", EPERM },             /* 16-bit code */
        { "vm86old", EPERM },

        /* The machine. */
        { "_sysctl", EPERM },          /* kernel switches, the old way */
        { "acct", EPERM },             /* process accounting into a file of choice */
        { "adjtimex", EPERM },         /* the clock's speed */
        { "clock_adjtime", EPERM },    /* likewise */
        { "clock_adjtime64", EPERM },
        { "clock_settime", EPERM },    /* the clock */
        { "clock_settime64", EPERM },
        { "create_module", EPERM },    /* kernel modules, the old way */
        { "delete_module", EPERM },    /* kernel modules */
        { "finit_module", EPERM },
        { "init_module", EPERM },
        { "get_kernel_syms", EPERM },
        { "query_module", EPERM },
        { "ioperm", EPERM },           /* I/O ports */
        { "iopl", EPERM },
        { "kexec_file_load", EPERM },  /* another kernel */
        { "kexec_load", EPERM },
        { "name_to_handle_at", EPERM }, /* the first half of the next */
        { "nfsservctl", EPERM },       /* the NFS server */
        { "open_by_handle_at", EPERM }, /* files by number, past every directory */
        { "pciconfig_read", EPERM },   /* PCI devices */
        { "pciconfig_write", EPERM },
        { "quotactl", EPERM },         /* disk quotas */
        { "quotactl_fd", EPERM },
        { "reboot", EPERM },           /* the machine */
        { "setdomainname", EPERM },    /* its names */
        { "sethostname", EPERM },
        { "settimeofday", EPERM },     /* the clock */
        { "stime", EPERM },
        { "swapoff", EPERM },          /* swap */
        { "swapon", EPERM },
        { "syslog", EPERM },           /* the kernel's log with its addresses */
        { "vhangup", EPERM },          /* the terminal */
        { "vserver", EPERM },          /* never merged; reserved */
};

/* The youngest call that the list above has been checked against: set_mempolicy_home_node, Linux 5.17.
 * From here on all architectures share their numbers. What came later reports ENOSYS, as it does on an
 * older kernel. */
#define SYSCALL_CEILING 450

typedef struct DeniedCondition {
        const char *name;
        unsigned argument;
        enum scmp_compare compare;
        scmp_datum_t a, b; /* with SCMP_CMP_MASKED_EQ: mask and value */
        int error;
} DeniedCondition;

#define HAS_BITS(bits) SCMP_CMP_MASKED_EQ, (bits), (bits)
/* The kernel looks at 32 bits of a command; a filter sees 64. */
#define IS_32(value) SCMP_CMP_MASKED_EQ, UINT32_MAX, (value)

static const DeniedCondition denied_conditions[] = {
        /* New namespaces by clone(). */
        { "clone", 0, HAS_BITS(CLONE_NEWUSER), EPERM },
        { "clone", 0, HAS_BITS(CLONE_NEWNS), EPERM },
        { "clone", 0, HAS_BITS(CLONE_NEWPID), EPERM },
        { "clone", 0, HAS_BITS(CLONE_NEWNET), EPERM },
        { "clone", 0, HAS_BITS(CLONE_NEWIPC), EPERM },
        { "clone", 0, HAS_BITS(CLONE_NEWUTS), EPERM },
        { "clone", 0, HAS_BITS(CLONE_NEWCGROUP), EPERM },
        /* Keystrokes into a terminal, and its clipboard. */
        { "ioctl", 1, IS_32(TIOCSTI), EPERM },
        { "ioctl", 1, IS_32(TIOCLINUX), EPERM },
        /* Another execution domain: executable data, no address randomisation. Asking for the present one
         * is fine. */
        { "personality", 0, SCMP_CMP_NE, UINT32_MAX, 0, EPERM },
        /* Set-user-id and set-group-id files: here they give nothing, outside they would. */
        { "chmod", 1, HAS_BITS(S_ISUID), EPERM },
        { "chmod", 1, HAS_BITS(S_ISGID), EPERM },
        { "fchmod", 1, HAS_BITS(S_ISUID), EPERM },
        { "fchmod", 1, HAS_BITS(S_ISGID), EPERM },
        { "fchmodat", 2, HAS_BITS(S_ISUID), EPERM },
        { "fchmodat", 2, HAS_BITS(S_ISGID), EPERM },
        { "mkdir", 1, HAS_BITS(S_ISGID), EPERM },
        { "mkdirat", 2, HAS_BITS(S_ISGID), EPERM },
        { "mknod", 1, HAS_BITS(S_ISUID), EPERM },
        { "mknod", 1, HAS_BITS(S_ISGID), EPERM },
        { "mknodat", 2, HAS_BITS(S_ISUID), EPERM },
        { "mknodat", 2, HAS_BITS(S_ISGID), EPERM },
        { "creat", 1, HAS_BITS(S_ISUID), EPERM },
        { "creat", 1, HAS_BITS(S_ISGID), EPERM },
        /* Socket families: a process talks by AF_UNIX, AF_INET and AF_INET6; of netlink only what
         * getaddrinfo() asks for addresses and routes. AF_ALG, AF_PACKET, AF_VSOCK and some forty more
         * stay closed. */
        { "socket", 0, SCMP_CMP_GT, AF_NETLINK, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_UNSPEC, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_AX25, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_IPX, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_APPLETALK, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_NETROM, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_BRIDGE, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_ATMPVC, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_X25, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_ROSE, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_DECnet, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_NETBEUI, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_SECURITY, 0, EAFNOSUPPORT },
        { "socket", 0, SCMP_CMP_EQ, AF_KEY, 0, EAFNOSUPPORT },
};

/* Memory that is written and then executed: how injected code runs. JITs need it (allow_write_exec). A
 * memfd that is mapped twice goes round this; it stays possible, because that is how libffi makes
 * callbacks, and with it Python. */
static const DeniedCondition denied_write_exec[] = {
        { "mmap", 2, HAS_BITS(PROT_WRITE | PROT_EXEC), EPERM },
        { "mmap2", 2, HAS_BITS(PROT_WRITE | PROT_EXEC), EPERM },
        { "mprotect", 2, HAS_BITS(PROT_EXEC), EPERM },
        { "pkey_mprotect", 2, HAS_BITS(PROT_EXEC), EPERM },
        { "shmat", 2, HAS_BITS(SHM_EXEC), EPERM },
};

/* A negative number: a call that this machine or the library does not know, so it cannot be made or lies
 * above the ceiling. */
static int add_calls(scmp_filter_ctx ctx) {
        for (size_t i = 0; i < ELEMENTSOF(denied_calls); i++) {
                int nr = seccomp_syscall_resolve_name(denied_calls[i].name), r;

                if (nr < 0)
                        continue;
                r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t) denied_calls[i].error), nr, 0,
                                           NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_conditions(scmp_filter_ctx ctx, const DeniedCondition *list, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const DeniedCondition *c = &list[i];
                struct scmp_arg_cmp compare = { c->argument, c->compare, c->a, c->b };
                int nr = seccomp_syscall_resolve_name(c->name), r;

                if (nr < 0)
                        continue;
                r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t) c->error), nr, 1, &compare);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* open() with O_CREAT and a set-id mode: two conditions. */
static int add_suid_open(scmp_filter_ctx ctx) {
        static const struct {
                const char *name;
                unsigned flags, mode;
        } opens[] = { { "open", 1, 2 }, { "openat", 2, 3 } };

        for (size_t i = 0; i < ELEMENTSOF(opens); i++)
                for (scmp_datum_t bit = S_ISGID; bit <= S_ISUID; bit <<= 1) {
                        struct scmp_arg_cmp compare[] = {
                                { opens[i].flags, HAS_BITS(O_CREAT) },
                                { opens[i].mode, HAS_BITS(bit) },
                        };
                        int nr = seccomp_syscall_resolve_name(opens[i].name), r;

                        if (nr < 0)
                                continue;
                        r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), nr, ELEMENTSOF(compare),
                                                   compare);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int add_sockets(scmp_filter_ctx ctx, const Sandbox *s) {
        struct scmp_arg_cmp netlink[] = {
                { 0, SCMP_CMP_EQ, AF_NETLINK, 0 },
                { 2, SCMP_CMP_NE, 0 /* NETLINK_ROUTE */, 0 },
        };
        struct scmp_arg_cmp family = { .arg = 0, .op = SCMP_CMP_EQ };
        int nr = seccomp_syscall_resolve_name("socket");
        int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), nr, ELEMENTSOF(netlink), netlink);
        bool alone = s->flags & CLONE_NEWNET;

        /* Where no namespace keeps the network away, the calls do. */
        for (int i = 0; r >= 0 && !alone && s->plan->network == NETWORK_NONE && i < 2; i++) {
                family.datum_a = i == 0 ? AF_INET : AF_INET6;
                r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), nr, 1, &family);
        }
        /* Abstract sockets belong to the network namespace, and socket files to whoever sees them:
         * without something that keeps the host's away there are only socket pairs. */
        if (r >= 0 && ((!alone && s->missing & SANDBOX_LAYER_BIT(SANDBOX_LANDLOCK_SCOPE)) ||
                       !(s->flags & CLONE_NEWNS))) {
                family.datum_a = AF_UNIX;
                r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), nr, 1, &family);
        }
        return r;
}

/* A filter of its own, because libseccomp compares arguments but not call numbers. A foreign
 * architecture's numbers mean something else; libseccomp's filter kills those calls. */
static int apply_ceiling(void) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYSCALL_CEILING, 0, 2),
                /* x32 calls have this bit and are left to the other filter. */
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x40000000U, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = ELEMENTSOF(code), .filter = code };

        return RET_NERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
}

static int build(scmp_filter_ctx ctx, const Sandbox *s) {
        /* Native calls only: i386 and x32 would go round every rule. Such a call ends the process. */
        int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

        if (r >= 0)
                r = add_calls(ctx);
        if (r >= 0)
                r = add_conditions(ctx, denied_conditions, ELEMENTSOF(denied_conditions));
        if (r >= 0 && !s->plan->allow_write_exec)
                r = add_conditions(ctx, denied_write_exec, ELEMENTSOF(denied_write_exec));
        if (r >= 0)
                r = add_suid_open(ctx);
        if (r >= 0)
                r = add_sockets(ctx, s);
        return r;
}

int sandbox_seccomp_apply(Sandbox *s) {
        scmp_filter_ctx ctx;
        int r;

        if (!sandbox_wants(s, SANDBOX_SECCOMP) || s->missing & SANDBOX_LAYER_BIT(SANDBOX_NO_NEW_PRIVS)) {
                sandbox_miss(s, SANDBOX_SECCOMP);
                return 0;
        }
        ctx = seccomp_init(SCMP_ACT_ALLOW);
        if (!ctx)
                return sandbox_fail(s, -ENOMEM, "make a system call filter");
        r = build(ctx, s);
        if (r >= 0)
                r = apply_ceiling();
        if (r >= 0)
                r = seccomp_load(ctx);
        seccomp_release(ctx);
        if (r == -EINVAL || r == -ENOSYS) {
                /* A kernel without filters. */
                sandbox_miss(s, SANDBOX_SECCOMP);
                return 0;
        }
        return r < 0 ? sandbox_fail(s, r, "apply the system call filter") : 0;
}
