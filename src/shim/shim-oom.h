/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether the kernel killed for memory: what tells "ended by SIGKILL" from "needed more memory than it
 * may have". */

#include "basic/macro.h"

/* This process's control groups, as /proc/self/cgroup has them; NULL where that can't be read. */
char *shim_oom_groups(void);
/* How often it has done so in these and below (with control groups of version 1: in these only). */
uint64_t shim_oom_kills(const char *groups);
/* The same from one such file of a group. */
uint64_t shim_oom_kills_in(const char *path);

/* As root: rather the connector than the shim. The shim before it starts one, the process inside
 * afterwards. */
void shim_oom_protect(bool protect);
