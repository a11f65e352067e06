/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A program of ours that shuts itself in before it looks at anything that strangers have made. */

#include <sys/types.h>

#include "sandbox/sandbox-plan.h"

/* Carries the plan out for the calling process, which has one thread and CAP_SYS_ADMIN, and, where the plan
 * names a user, CAP_SETUID and CAP_SETGID: it becomes that user, with `groups` beside its own, in namespaces
 * and below a root of its own that hold the plan's mounts and nothing else: no /dev, /proc or /etc. There is no
 * process namespace, as that is for children; without a /proc and with a user of its own it finds no process to
 * look at or to signal. `argv` and the files of the plan mean nothing here.
 *
 * Unlike a connector's sandbox nothing may be missing but Landlock, where the kernel has none: an error means that
 * the caller must end. */
int sandbox_enclose(SandboxPlan *plan, const gid_t groups[], size_t n_groups, Error **reterr_error);
