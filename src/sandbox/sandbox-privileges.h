/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Capabilities, no_new_privs and resource limits. */

#include "sandbox/sandbox.h"

/* Gives all capabilities up, for good: none to use, none to inherit, none to gain by execve(). */
int sandbox_drop_privileges(Sandbox *s);

/* Resource limits of the process and what it starts. */
int sandbox_set_limits(Sandbox *s);

/* Whether the running kernel is of at least that version. */
bool sandbox_kernel_is(unsigned major, unsigned minor);

/* Limits the number of tasks of a process namespace, where the kernel has that. `proc` is its own /proc,
 * not yet read-only. */
void sandbox_limit_namespace_tasks(Sandbox *s, int proc);
