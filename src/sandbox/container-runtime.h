/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of the programs that start containers may start a stranger's (docs/SECURITY.md). */

#include "basic/error.h"

/* What podman is told to start containers with, by its name. */
#define CONTAINER_RUNTIME "/usr/bin/crun"
/* The oldest that our attacks were tried on. */
#define CONTAINER_RUNTIME_OLDEST "1.8.1"
#define CONTAINER_VERSION_MAX 36U

/* `said`: what `crun --version` printed, NULL or anything where it failed. 0, or -EKEYREJECTED with the
 * reason why no container is started with it. `ret_version` is filled wherever one could be read, and ""
 * else. */
int container_runtime_check(const char *said, char ret_version[static CONTAINER_VERSION_MAX],
                            Error **reterr_error);
