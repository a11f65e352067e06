/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The first process inside the sandbox: makes it, starts the connector, reaps whatever it leaves behind,
 * tells the shim. With a process namespace it is pid 1 there, and the kernel ends everything when it
 * ends. */

#include "sandbox/sandbox.h"

typedef enum InitReportType {
        INIT_REFUSED, /* a layer was refused: the shim may try with less */
        INIT_FAILED,
        INIT_STARTED,
        INIT_EXITED,
} InitReportType;

#define INIT_STEP_MAX 512U

/* One packet from here to the shim, or from a container's first process to here; both ends are of one build, so
 * the structure itself travels. */
typedef struct InitReport {
        InitReportType type;
        int error;        /* positive errno; 0: `step` says it all */
        uint32_t missing; /* of SandboxLayer */
        int code, signal;
        uint64_t user_usec, system_usec, max_rss_kib;
        bool oom;         /* of a container that has looked itself */
        char step[INIT_STEP_MAX];
} InitReport;

/* `fds` become the connector's 0, 1, 2 (-EBADF: /dev/null); `socket` leads to the shim. */
_noreturn_ void shim_init_run(Sandbox *s, const int fds[3], int socket);
