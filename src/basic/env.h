/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one seam to the outside world: clocks, randomness, the event loop, pipes, children and files of
 * everything that must also run in a simulator. Production is shared/env-event.h (sd-event and the
 * kernel); a simulator gives another table. Code on this seam calls no clock, random source, pipe, child
 * or file function by itself (checked by tools/check-layering with the list in tools/layers.txt).
 *
 * Descriptors are plain ints that only the Env interprets. Handlers return 0, or a negative errno that
 * ends env_run() with it. Sources may be freed inside any handler, their own included. */

#include <sys/types.h>
#include <sys/uio.h>

#include "basic/error.h"
#include "basic/time-util.h"

typedef struct Env Env;
typedef struct EnvSource EnvSource; /* an io, timer, signal or child source */

typedef enum EnvClock {
        ENV_CLOCK_REALTIME,  /* wall clock, can jump */
        ENV_CLOCK_MONOTONIC, /* counts suspended time too (CLOCK_BOOTTIME) */
} EnvClock;

enum {
        ENV_READABLE = 1 << 0,
        ENV_WRITABLE = 1 << 1,
        ENV_HANGUP = 1 << 2, /* always reported */
};

typedef struct EnvExit {
        int code;   /* exit code, or -1 when a signal ended it */
        int signal; /* 0 when it exited by itself */
        bool oom;   /* the signal was the kernel's, for memory; false where nobody can tell */
        uint64_t memory_max; /* what it was allowed, for that; 0 where nobody knows */
} EnvExit;

typedef struct EnvSpawn {
        char *const *argv; /* argv[0] is the path of the program; no search in PATH */
        char *const *envp;
        int fds[3];        /* become 0, 1, 2; -EBADF gives /dev/null. All others are closed. */
        bool new_session;  /* setsid(), so that the terminal's Ctrl-C doesn't reach it */
} EnvSpawn;

typedef int (*EnvIoHandler)(EnvSource *s, int fd, uint32_t events, void *userdata);
typedef int (*EnvTimerHandler)(EnvSource *s, usec_t now, void *userdata);
typedef int (*EnvSignalHandler)(EnvSource *s, int signo, void *userdata);
typedef int (*EnvChildHandler)(EnvSource *s, pid_t pid, const EnvExit *status, void *userdata);

typedef struct EnvOps {
        usec_t (*now)(Env *e, EnvClock clock);
        int (*random_bytes)(Env *e, void *p, size_t n);

        /* The loop. A new source is on; timers are one-shot at an absolute ENV_CLOCK_MONOTONIC time and
         * are re-armed with timer_set (USEC_INFINITY = off). Priority: lower runs first, 0 is usual. */
        int (*io_add)(Env *e, int fd, uint32_t events, int priority, EnvIoHandler handler, void *userdata,
                      EnvSource **ret);
        int (*io_set)(EnvSource *s, uint32_t events);
        int (*timer_add)(Env *e, usec_t at, EnvTimerHandler handler, void *userdata, EnvSource **ret);
        int (*timer_set)(EnvSource *s, usec_t at);
        int (*signal_add)(Env *e, int signo, EnvSignalHandler handler, void *userdata, EnvSource **ret);
        EnvSource *(*source_free)(EnvSource *s);
        int (*run)(Env *e);           /* until env_exit(); returns its code or a handler's error */
        void (*exit)(Env *e, int code);

        /* Pipes and sockets; all non-blocking. read/writev return -EAGAIN rather than wait. */
        ssize_t (*read)(Env *e, int fd, void *p, size_t n);
        ssize_t (*writev)(Env *e, int fd, const struct iovec *iov, int n_iov);
        int (*pipe)(Env *e, size_t size, int ret_read_write[2]); /* size: wanted capacity, best effort */
        int (*socketpair)(Env *e, int ret[2]);                   /* AF_UNIX SOCK_SEQPACKET */
        ssize_t (*send_fds)(Env *e, int fd, const void *p, size_t n, const int *fds, size_t n_fds);
        ssize_t (*receive)(Env *e, int fd, void *p, size_t n);   /* one packet; 0 at the end */
        int (*close)(Env *e, int fd);                            /* always returns -EBADF */

        /* Children. The source reports the exit once; freeing it does not kill. */
        int (*spawn)(Env *e, const EnvSpawn *spawn, EnvChildHandler handler, void *userdata, pid_t *ret_pid,
                     EnvSource **ret, Error **reterr_error);
        int (*kill)(Env *e, pid_t pid, int signo);

        /* Files: whole ones only, durable when the call returns. See basic/file-util.h for the meaning. */
        int (*file_read)(Env *e, const char *path, size_t max, char **ret, size_t *ret_size,
                         Error **reterr_error);
        int (*file_replace)(Env *e, const char *path, const void *p, size_t n, unsigned mode,
                            Error **reterr_error);
        int (*file_remove)(Env *e, const char *path);
        int (*file_lock)(Env *e, const char *path, int *ret_fd); /* -EBUSY when somebody else holds it */
} EnvOps;

/* Implementations embed this first. */
struct Env {
        const EnvOps *ops;
};

static inline usec_t env_now(Env *e, EnvClock clock) {
        return e->ops->now(e, clock);
}
static inline EnvSource *env_source_free(Env *e, EnvSource *s) {
        return s ? e->ops->source_free(s) : NULL;
}
static inline int env_close(Env *e, int fd) {
        return fd >= 0 ? e->ops->close(e, fd) : -EBADF;
}
