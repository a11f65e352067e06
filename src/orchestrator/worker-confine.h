/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The worker shuts itself in, first of all: what it is given to read afterwards is made of strangers' data.
 * Its unit has few properties, because systemd takes longer for the same fence. */

#include "basic/error.h"

/* argv: UID, GID, GROUP (0: none), SOCKET. Becomes that user, with that further group, and sees the
 * directory of the socket and nothing else of the host from then on. -EINVAL for other arguments. */
int worker_confine(char *const *argv, Error **reterr_error);
