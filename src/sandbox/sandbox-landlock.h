/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A second fence around files, and the only one where there is no mount namespace; also around abstract
 * sockets, signals and, without a network namespace, TCP. */

#include "sandbox/sandbox.h"

/* 0 when the kernel has none. */
int sandbox_landlock_abi(void);

int sandbox_landlock_apply(Sandbox *s);
