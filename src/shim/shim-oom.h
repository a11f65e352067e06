/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether the kernel killed for memory: what tells "ended by SIGKILL" from "needed more memory than it
 * may have". */

#include "basic/macro.h"

/* How often it has done so in this process's control group and below; 0 where that can't be read. */
uint64_t shim_oom_kills(void);

/* As root: rather the connector than the shim. The shim before it starts one, the process inside
 * afterwards. */
void shim_oom_protect(bool protect);
