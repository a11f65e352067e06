/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tries what a hostile connector would try, and prints what came of it. Every call gets arguments that change nothing
 * where it is allowed: what counts is whether the kernel looks at them.
 *
 *   sandbox-probe syscalls              one line a call: NAME RESULT (an errno's name, "ok", "SIG<number>")
 *   sandbox-probe fds                   the open descriptors
 *   sandbox-probe forks N | threads N   how many of N could be made
 *   sandbox-probe memory MIB            how many MiB could be allocated and touched
 *   sandbox-probe descriptors           how many could be opened
 *   sandbox-probe fill FILE MIB         how many MiB could be written
 *   sandbox-probe inodes DIR N          how many files could be made
 *   sandbox-probe sparse FILE BYTES     makes a file of that size
 *   sandbox-probe thrash FILE MIB       writes and reads a file over and over; a line after the first time
 *   sandbox-probe spin | abort          burns the processor, dies with a core
 *   sandbox-probe linger                children that ignore SIGTERM, double-forked and in sessions of their own */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

typedef struct Call {
        const char *name;
        long nr;
        long args[6];
} Call;

static long bad_time[2] = { 0, -1 };

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static const Call calls[] = {
        { "acct", SYS_acct, { (long) "/nonexistent/file" } },
        { "add_key", SYS_add_key, { 0 } },
        { "adjtimex", SYS_adjtimex, { 0 } },
        { "bpf", SYS_bpf, { 9999, 0, 0 } },
        { "chroot", SYS_chroot, { 0 } },
        { "clock_adjtime", SYS_clock_adjtime, { 0, 0 } },
        { "clock_settime", SYS_clock_settime, { 0, 0 } },
        { "clone3", SYS_clone3, { 0, 0 } },
        { "delete_module", SYS_delete_module, { 0 } },
        { "fanotify_init", SYS_fanotify_init, { -1, 0 } },
        { "finit_module", SYS_finit_module, { -1, 0, 0 } },
        { "fsconfig", SYS_fsconfig, { -1, 0, 0, 0, 0 } },
        { "fsmount", SYS_fsmount, { -1, 0, 0 } },
        { "fsopen", SYS_fsopen, { 0, 0 } },
        { "fspick", SYS_fspick, { -1, 0, 0 } },
        { "init_module", SYS_init_module, { 0, 0, 0 } },
        { "io_uring_enter", SYS_io_uring_enter, { -1, 0, 0, 0 } },
        { "io_uring_register", SYS_io_uring_register, { -1, 0, 0, 0 } },
        { "io_uring_setup", SYS_io_uring_setup, { 0, 0 } },
        { "kcmp", SYS_kcmp, { 0, 0, -1, 0, 0 } },
        { "kexec_load", SYS_kexec_load, { 0, 0, 0, -1 } },
        { "keyctl", SYS_keyctl, { 0, -1, 0 } },
        { "memfd_secret", SYS_memfd_secret, { -1 } },
        { "migrate_pages", SYS_migrate_pages, { 0, 0, 0, 0 } },
        { "mount", SYS_mount, { 0, 0, 0, 0, 0 } },
        { "mount_setattr", SYS_mount_setattr, { -1, 0, 0, 0, 0 } },
        { "move_mount", SYS_move_mount, { -1, 0, -1, 0, 0 } },
        { "move_pages", SYS_move_pages, { 0, 0, 0, 0, 0, 0 } },
        { "name_to_handle_at", SYS_name_to_handle_at, { -1, 0, 0, 0, -1 } },
        { "open_by_handle_at", SYS_open_by_handle_at, { -1, 0, 0 } },
        { "open_tree", SYS_open_tree, { -1, 0, 0 } },
        { "openat2", SYS_openat2, { -1, 0, 0, 0 } },
        { "perf_event_open", SYS_perf_event_open, { 0, 0, 0, -1, 0 } },
        { "personality", SYS_personality, { 0 } },
        { "pidfd_getfd", SYS_pidfd_getfd, { -1, 0, 0 } },
        { "pivot_root", SYS_pivot_root, { 0, 0 } },
        { "process_madvise", SYS_process_madvise, { -1, 0, 0, 0, 0 } },
        { "process_mrelease", SYS_process_mrelease, { -1, 0 } },
        { "process_vm_readv", SYS_process_vm_readv, { 1, 0, 0, 0, 0, 0 } },
        { "process_vm_writev", SYS_process_vm_writev, { 1, 0, 0, 0, 0, 0 } },
        { "ptrace", SYS_ptrace, { PTRACE_TRACEME, 0, 0, 0 } },
        { "quotactl", SYS_quotactl, { 0, 0, 0, 0 } },
        { "quotactl_fd", SYS_quotactl_fd, { -1, 0, 0, 0 } },
        { "reboot", SYS_reboot, { 0, 0, 0, 0 } },
        { "remap_file_pages", SYS_remap_file_pages, { 0, 0, 0, 0, 0 } },
        { "request_key", SYS_request_key, { 0, 0, 0, 0 } },
        { "setdomainname", SYS_setdomainname, { 0, -1 } },
        { "sethostname", SYS_sethostname, { 0, -1 } },
        { "setns", SYS_setns, { -1, 0 } },
        { "settimeofday", SYS_settimeofday, { (long) bad_time, 0 } },
        { "shmat-exec", SYS_shmat, { -1, 0, SHM_EXEC } },
        { "socket-alg", SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 } },
        { "socket-bluetooth", SYS_socket, { AF_BLUETOOTH, SOCK_RAW, 1 } },
        { "socket-key", SYS_socket, { AF_KEY, SOCK_RAW, 2 } },
        { "socket-netlink-audit", SYS_socket, { AF_NETLINK, SOCK_RAW, 9 } },
        { "socket-netlink-uevent", SYS_socket, { AF_NETLINK, SOCK_RAW, 15 } },
        { "socket-packet", SYS_socket, { AF_PACKET, SOCK_DGRAM, 0 } },
        { "socket-vsock", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
        { "swapoff", SYS_swapoff, { 0 } },
        { "swapon", SYS_swapon, { 0, 0 } },
        { "syslog", SYS_syslog, { 10, 0, 0 } },
        { "tiocsti", SYS_ioctl, { -1, TIOCSTI, 0 } },
        { "tioclinux", SYS_ioctl, { -1, TIOCLINUX, 0 } },
        { "umount2", SYS_umount2, { 0, 0 } },
        { "unshare-mount", SYS_unshare, { CLONE_NEWNS } },
        { "unshare-user", SYS_unshare, { CLONE_NEWUSER } },
        { "userfaultfd", SYS_userfaultfd, { -1 } },
        { "vhangup", SYS_vhangup, { 0 } },
        /* Younger than the sandbox's list. */
        { "young-fchmodat2", 452, { -1, 0, 0, -1 } },
        { "young-statmount", 457, { 0, 0, 0, 0 } },
        { "young-listmount", 458, { 0, 0, 0, 0 } },
        { "young-lsm_list_modules", 461, { 0, 0, -1 } },
        { "young-open_tree_attr", 467, { -1, 0, 0, 0, 0 } },
#ifdef __x86_64__
        { "ioperm", SYS_ioperm, { 0, 1, 0 } },
        { "iopl", SYS_iopl, { 0 } },
        { "kexec_file_load", SYS_kexec_file_load, { -1, -1, 0, 0, -1 } },
        { "modify_ldt", SYS_modify_ldt, { 0, 0, 0 } },
        { "x32-getpid", 0x40000000 + SYS_getpid, { 0 } },
#endif
};

static const struct {
        const char *name;
        unsigned long flag;
} clones[] = {
        { "clone-user", CLONE_NEWUSER }, { "clone-mount", CLONE_NEWNS }, { "clone-pid", CLONE_NEWPID },
        { "clone-net", CLONE_NEWNET }, { "clone-ipc", CLONE_NEWIPC }, { "clone-uts", CLONE_NEWUTS },
        { "clone-cgroup", CLONE_NEWCGROUP },
};

static int try_clone(unsigned long flag) {
        long pid = syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0);

        if (pid == 0)
                _exit(0);
        if (pid > 0)
                (void) waitpid((pid_t) pid, NULL, __WALL);
        return pid < 0 ? -errno : 0;
}

static int try_map(int protection, int then) {
        void *p = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                return -errno;
        return then && mprotect(p, 4096, then) < 0 ? -errno : 0;
}

static int try_suid(bool create) {
        char path[64] = "/tmp/gantry-probe-XXXXXX";
        int fd, r = 0;

        if (!create) {
                fd = mkstemp(path);
                if (fd >= 0 && fchmod(fd, 04755) < 0)
                        r = -errno;
        } else {
                snprintf(path, sizeof(path), "/tmp/gantry-probe-%d", (int) getpid());
                fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 04755);
                r = fd < 0 ? -errno : 0;
        }
        (void) unlink(path);
        return fd < 0 && r == 0 ? -EIO : r;
}

#ifdef __x86_64__
/* getpid by the i386 door: number 20 there, writev here. */
static int try_i386(void) {
        long r;

        __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "r8", "r9", "r10", "r11", "memory");
        return r < 0 ? (int) r : 0;
}
#endif

/* Runs one attempt in a child, since it may be killed for it, and says what came of it. */
static void attempt(const char *name, int (*f)(long), long argument) {
        int fds[2], r = 0, status;
        pid_t pid;

        if (pipe(fds) < 0)
                exit(1);
        fflush(stdout);
        pid = fork();
        if (pid < 0)
                exit(1);
        if (pid == 0) {
                (void) setsid();
                r = f(argument);
                if (write(fds[1], &r, sizeof(r)) != sizeof(r))
                        _exit(1);
                _exit(0);
        }
        close(fds[1]);
        if (read(fds[0], &r, sizeof(r)) != sizeof(r))
                r = 1;
        close(fds[0]);
        (void) waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
                printf("%s SIG%d\n", name, WTERMSIG(status));
        else
                printf("%s %s\n", name, r < 0 ? strerrorname_np(-r) : "ok");
}

static int do_call(long i) {
        const long *a = calls[i].args;

        return syscall(calls[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? -errno : 0;
}

static int do_clone(long i) {
        return try_clone(clones[i].flag);
}

static int do_special(long i) {
        switch (i) {
        case 0:
                return try_map(PROT_READ | PROT_WRITE | PROT_EXEC, 0);
        case 1:
                return try_map(PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC);
        case 2:
                return try_suid(false);
        case 3:
                return try_suid(true);
        }
#ifdef __x86_64__
        return try_i386();
#else
        return -ENOSYS;
#endif
}

static int probe_syscalls(void) {
        static const char *const special[] = {
                "mmap-write-exec", "mprotect-exec", "fchmod-suid", "open-suid", "i386-getpid",
        };

        for (size_t i = 0; i < N_ELEMENTS(calls); i++)
                attempt(calls[i].name, do_call, (long) i);
        for (size_t i = 0; i < N_ELEMENTS(clones); i++)
                attempt(clones[i].name, do_clone, (long) i);
        for (size_t i = 0; i < N_ELEMENTS(special); i++)
                attempt(special[i], do_special, (long) i);
        return 0;
}

static int probe_fds(void) {
        for (int fd = 0; fd < 65536; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        printf("%d\n", fd);
        return 0;
}

static int probe_forks(long n) {
        long made = 0;

        while (made < n) {
                pid_t pid = fork();

                if (pid == 0) {
                        (void) pause();
                        _exit(0);
                }
                if (pid < 0)
                        break;
                made++;
        }
        printf("%ld\n", made);
        return 0;
}

static void *idle(void *p) {
        (void) pause();
        return p;
}

static int probe_threads(long n) {
        pthread_attr_t attr;
        long made = 0;
        pthread_t t;

        (void) pthread_attr_init(&attr);
        (void) pthread_attr_setstacksize(&attr, 65536);
        while (made < n && pthread_create(&t, &attr, idle, NULL) == 0)
                made++;
        printf("%ld\n", made);
        fflush(stdout);
        _exit(0);
}

static int probe_memory(long mib) {
        long made = 0;

        for (; made < mib; made++) {
                char *p = mmap(NULL, 1U << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

                if (p == MAP_FAILED)
                        break;
                for (size_t i = 0; i < 1U << 20; i += 4096)
                        p[i] = 1;
        }
        printf("%ld\n", made);
        return 0;
}

static int probe_descriptors(void) {
        long n = 0;

        while (dup(0) >= 0)
                n++;
        printf("%ld\n", n);
        return 0;
}

static int probe_fill(const char *path, long mib) {
        static char block[1U << 20];
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        long n = 0;

        while (fd >= 0 && n < mib && write(fd, block, sizeof(block)) == sizeof(block))
                n++;
        printf("%ld %s\n", n, n < mib ? strerrorname_np(errno) : "ok");
        return 0;
}

static int probe_inodes(const char *dir, long n) {
        char path[4096];
        long made = 0;
        int fd = 0;

        for (; made < n && fd >= 0; made++) {
                snprintf(path, sizeof(path), "%s/inode-%ld", dir, made);
                fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
                if (fd >= 0)
                        close(fd);
        }
        printf("%ld %s\n", made, fd < 0 ? strerrorname_np(errno) : "ok");
        return 0;
}

static int probe_sparse(const char *path, long size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        (void) signal(SIGXFSZ, SIG_IGN);
        printf("%s\n", fd >= 0 && ftruncate(fd, size) == 0 ? "ok" : strerrorname_np(errno));
        return 0;
}

static int probe_thrash(const char *path, long mib) {
        static char block[1U << 20];
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

        for (bool first = true; fd >= 0; first = false) {
                for (long i = 0; i < mib; i++)
                        if (pwrite(fd, block, sizeof(block), i << 20) < 0)
                                return 1;
                for (long i = 0; i < mib; i++)
                        if (pread(fd, block, sizeof(block), i << 20) < 0)
                                return 1;
                if (first) {
                        printf("thrashing\n");
                        fflush(stdout);
                }
        }
        return 1;
}

static int probe_linger(void) {
        for (int i = 0; i < 3; i++)
                if (fork() == 0) {
                        (void) setsid();
                        (void) signal(SIGTERM, SIG_IGN);
                        (void) signal(SIGHUP, SIG_IGN);
                        if (fork() > 0)
                                _exit(0);
                        for (;;)
                                (void) pause();
                }
        (void) signal(SIGTERM, SIG_IGN);
        while (wait(NULL) > 0)
                ;
        printf("lingering\n");
        fflush(stdout);
        for (;;)
                (void) pause();
        return 0;
}

int main(int argc, char *argv[]) {
        const char *what = argc > 1 ? argv[1] : "";
        long n = argc > 2 ? strtol(argv[argc - 1], NULL, 10) : 0;

        if (strcmp(what, "syscalls") == 0)
                return probe_syscalls();
        if (strcmp(what, "fds") == 0)
                return probe_fds();
        if (strcmp(what, "forks") == 0)
                return probe_forks(n);
        if (strcmp(what, "threads") == 0)
                return probe_threads(n);
        if (strcmp(what, "memory") == 0)
                return probe_memory(n);
        if (strcmp(what, "descriptors") == 0)
                return probe_descriptors();
        if (strcmp(what, "fill") == 0 && argc > 3)
                return probe_fill(argv[2], n);
        if (strcmp(what, "inodes") == 0 && argc > 3)
                return probe_inodes(argv[2], n);
        if (strcmp(what, "thrash") == 0 && argc > 3)
                return probe_thrash(argv[2], n);
        if (strcmp(what, "sparse") == 0 && argc > 3)
                return probe_sparse(argv[2], n);
        if (strcmp(what, "linger") == 0)
                return probe_linger();
        if (strcmp(what, "abort") == 0)
                abort();
        for (; strcmp(what, "spin") == 0;)
                ;
        fprintf(stderr, "sandbox-probe: what?\n");
        return 2;
}
