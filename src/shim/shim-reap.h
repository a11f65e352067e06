/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ending everything that a process has below it. */

#include "basic/macro.h"

/* The first child of this process as the kernel lists it, 0 when there is none or it cannot be told. */
int reap_first_child(int pid);

/* Kills and reaps until no child is left. The caller is pid 1 of its namespace or a subreaper, so what a
 * killed process leaves behind becomes our child and is met in the next round. */
void reap_everything(void);
