/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Carries out a SandboxPlan. Three processes share the work, see src/sandbox/README.md: the shim
 * (prepare, clone), the first process inside (enter), and the one that becomes the connector (confine).
 * Each has its own copy of Sandbox. */

#include <sys/types.h>

#include "sandbox/sandbox-plan.h"

typedef struct Sandbox {
        SandboxPlan *plan;  /* borrowed */
        unsigned level;     /* how much has been given up, see sandbox_degrade() */
        uint64_t flags;     /* CLONE_NEW… that the first process inside was made with */
        uint32_t missing;   /* SANDBOX_LAYER_BIT()s that do not hold */
        uid_t uid;          /* who the connector is */
        gid_t gid;
        bool privileged;    /* … and whether root starts it */
        bool bare;          /* its root holds the plan's mounts and nothing else */
        int file_fds[SANDBOX_FILES_MAX]; /* the contents of plan->files, borrowed by the shim's copy */
        int *trees;         /* sources that were opened before entering, one a mount, or -EBADF */
        char *step;         /* what failed, for the error */
        bool refused;       /* … because the kernel or a missing privilege refuses a layer: degrade and try again */
} Sandbox;

void sandbox_init(Sandbox *s, SandboxPlan *plan);
void sandbox_done(Sandbox *s);

/* Remembers what was being done and returns `r`; a refusal of the kind that degrading helps against is
 * marked. */
int sandbox_fail(Sandbox *s, int r, const char *format, ...) _printf_(3, 4);
static inline bool sandbox_wants(const Sandbox *s, SandboxLayer l) {
        return !((s->plan->without | s->plan->outside) & SANDBOX_LAYER_BIT(l));
}
static inline void sandbox_miss(Sandbox *s, SandboxLayer l) {
        s->missing |= SANDBOX_LAYER_BIT(l) & ~s->plan->outside;
}

/* In the shim: fork() into new namespaces. Degrades by itself when the kernel refuses. */
pid_t sandbox_clone(Sandbox *s);
/* In the shim: tells the kernel who the cloned process may become. The process waits for it. */
int sandbox_map_user(Sandbox *s, pid_t pid);
/* Gives up a group of layers: first the user namespace (root does without), then all namespaces. false:
 * nothing left. */
bool sandbox_degrade(Sandbox *s);

/* In the first process inside: identity, with these groups beside its own, loopback, host name, file system. */
int sandbox_enter(Sandbox *s, const gid_t groups[], size_t n_groups);

/* In the process that becomes the connector, last before execve(): limits, privileges, Landlock, system
 * calls. */
int sandbox_confine(Sandbox *s);
