/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connector's end, seen by the first process of a sandbox or of a container: waited for, and told. */

#include <sys/types.h>

#include "shim/shim-init.h"

/* Waits for the connector and reaps whatever else ends; returns its status as waitpid() has it. SIGTERM, which like
 * SIGCHLD must be blocked, is handed on to the connector and its group. With `podman` it is podman that runs: the
 * signal goes to it alone, which hands it on, for its helpers are not to end half way; and the end by a signal of
 * one of these, who come here when they are orphaned, counts as its own: podman would wait long for a container
 * whose conmon is gone. */
int shim_end_wait(pid_t connector, bool podman);

/* Fills the report's fields of an end: the status, and what all children that were reaped have used. */
void shim_end_report(int status, InitReport *ret);
