/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* confined-probe UID GID GROUP SOCKET: shuts itself in as gantry-worker does with these arguments, tries what somebody would try
 * who has taken a worker over, and prints what came of it: NAME RESULT, an errno's name or "ok".
 * confined-probe free SOCKET: the same as whoever starts it, for comparison.
 *
 * From the environment: PORT of a TCP server of this machine, ABSTRACT name of an abstract socket, PID of a process. Calls get
 * arguments that change nothing where they are allowed. */

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/parse-util.h"
#include "orchestrator/worker-confine.h"

static void tell(const char *name, const char *what, long r) {
        printf("%s%s%s %s\n", name, what ? ":" : "", what ?: "", r < 0 ? strerrorname_np(errno) ?: "?" : "ok");
}

static long number(const char *name) {
        const char *text = getenv(name);
        int64_t n = 0;

        return text && parse_i64(text, &n) >= 0 ? (long) n : 0;
}

static void try_files(void) {
        static const char *const paths[] = {
                "/etc/passwd", "/etc/gantry", "/usr/bin", "/home", "/root", "/srv/gantry", "/var/lib/gantry", "/var/log", "/proc/1/status",
                "/proc/self/status", "/sys/kernel", "/dev/null", "/tmp", "/run/systemd", "/run/dbus", "/run/credentials",
        };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

                tell("read", paths[i], fd);
                if (fd >= 0)
                        (void) close(fd);
        }
        tell("make", "/x", mkdir("/x", 0700));
        tell("make", "/run/x", mkdir("/run/x", 0700));
        (void) rmdir("/x");
        (void) rmdir("/run/x");
}

static void try_connect(const char *name, const char *path, bool abstract) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t n = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path));

        memcpy(a.sun_path + abstract, path, strlen(path));
        tell(name, path, fd < 0 ? fd : connect(fd, (struct sockaddr *) &a, n));
        (void) close(fd);
}

static void try_network(void) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t) number("PORT")),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        tell("connect", "loopback", fd < 0 ? fd : connect(fd, (struct sockaddr *) &a, sizeof(a)));
        (void) close(fd);
        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        tell("packet socket", NULL, fd);
        (void) close(fd);
        try_connect("abstract", getenv("ABSTRACT") ?: "", true);
}

static void try_processes(void) {
        pid_t pid = (pid_t) number("PID"), child;
        int status;

        tell("signal", "init", kill(1, 0));
        tell("signal", "other", kill(pid, 0));
        tell("trace", NULL, ptrace(PTRACE_SEIZE, pid, NULL, NULL));
        child = fork();
        if (child == 0) {
                (void) execl("/usr/bin/true", "true", (char *) NULL);
                _exit(errno == ENOENT ? 77 : 78);
        }
        errno = EAGAIN;
        if (child > 0 && waitpid(child, &status, 0) == child && status != 0)
                errno = WEXITSTATUS(status) == 77 ? ENOENT : EPERM;
        else
                errno = 0;
        tell("execute", NULL, errno ? -1 : 0);
}

static void try_power(void) {
        char name[65] = "";

        (void) gethostname(name, sizeof(name) - 1);
        tell("host name", NULL, syscall(SYS_sethostname, name, strlen(name)));
        tell("become root", NULL, setresuid(0, 0, 0));
        /* Last, since who has a user namespace of its own has less outside. */
        tell("namespace", "mount", syscall(SYS_unshare, CLONE_NEWNS));
        tell("mount", NULL, mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
        tell("chroot", NULL, chroot("/"));
        tell("key", NULL, syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0));
        tell("write and execute", NULL,
             mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
        tell("namespace", "user", syscall(SYS_unshare, CLONE_NEWUSER));
}

int main(int argc, char *argv[]) {
        bool is_free = argc == 3 && streq(argv[1], "free");
        _cleanup_error_ Error *error = NULL;

        if (!is_free && worker_confine(argv, &error) < 0) {
                fprintf(stderr, "confined-probe: %s\n", error_message(error, -EINVAL));
                return 1;
        }
        try_connect("connect", argv[argc - 1], false);
        try_connect("connect", "/run/gantry/server.sock", false);
        try_connect("connect", "/run/dbus/system_bus_socket", false);
        try_connect("connect", "/run/systemd/private", false);
        try_files();
        try_network();
        try_processes();
        try_power();
        return 0;
}
