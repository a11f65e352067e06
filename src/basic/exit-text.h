/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a process ended, for people. */

#include "basic/env.h"

/* What goes behind its name: "exited with code 3", "was ended by signal 15, SIGTERM", "was killed: it needed more
 * memory than its limit of 512 MiB". NULL when out of memory; the caller frees it. */
char *exit_text(const EnvExit *e);
