/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What gantry-shim and the program that started it say to each other, over the AF_UNIX SOCK_SEQPACKET socket
 * that is the shim's fd 0. One JSON object a packet:
 *
 *   → {"plan": {…}, "stdin": bool, "stdout": bool, "stderr": bool}
 *                         with those descriptors in SCM_RIGHTS, in this order, then one for each of the plan's files
 *   ← {"started": {"pid": N, "missing": ["landlock", …]}}            what the kernel did not let us apply
 *   ← {"failed": {"step": "mount /usr", "errno": N, "message": "…"}}  it never ran; the shim exits
 *   → {"stop": true}      SIGTERM now (for destinations: when stdin has ended or the grace period is over),
 *                         SIGKILL after the grace period (for destinations: 5 s after it)
 *   → {"kill": true}      SIGKILL to all that is in the sandbox
 *   ← {"exited": {"code": N|-1, "signal": N, "user_usec": N, "system_usec": N, "max_rss_kib": N,
 *                 "oom": bool}}                                            the last packet
 *
 * A SIGTERM to the shim, as when the attempt's slice is stopped, is the same as a stop; but a destination gets its
 * signal only when the grace period is over: it is given the end of its input by the starter, and that time for its
 * last commit.
 * When the starter's end closes, everything in the sandbox is killed: an orphan never outlives its reader. The first
 * argument, if any, is the scratch directory, which goes too when the starter dies before it sends a plan. */

#include "sandbox/sandbox-plan.h"

#define SHIM_PACKET_MAX (192U * 1024U)

typedef enum ShimRequestType {
        SHIM_REQUEST_PLAN,
        SHIM_REQUEST_STOP,
        SHIM_REQUEST_KILL,
} ShimRequestType;

typedef struct ShimRequest {
        ShimRequestType type;
        SandboxPlan *plan;
        bool fds[3]; /* which of stdin, stdout, stderr come along */
} ShimRequest;

void shim_request_done(ShimRequest *q);

/* The text of a packet, appended. A request borrows its plan here; -E2BIG when it doesn't fit a packet. */
int shim_request_append(Buffer *b, const ShimRequest *q);
int shim_request_parse(const char *p, size_t n, ShimRequest *ret, Error **reterr_error);

typedef enum ShimEventType {
        SHIM_EVENT_STARTED,
        SHIM_EVENT_FAILED,
        SHIM_EVENT_EXITED,
} ShimEventType;

typedef struct ShimEvent {
        ShimEventType type;
        int64_t pid;     /* started */
        char **missing;
        char *step;      /* failed */
        int error;       /* positive errno */
        char *message;
        int code, signal; /* exited */
        uint64_t user_usec, system_usec, max_rss_kib;
        bool oom; /* the kernel killed for memory in the shim's control group while it ran */
} ShimEvent;

void shim_event_done(ShimEvent *e);
int shim_event_append(Buffer *b, const ShimEvent *e);
int shim_event_parse(const char *p, size_t n, ShimEvent *ret, Error **reterr_error);
