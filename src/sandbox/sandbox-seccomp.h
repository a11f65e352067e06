/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which system calls the connector may make. A list of what is denied, because connectors are programs of
 * all kinds, and a ceiling: calls that are younger than the list do not exist. */

#include "sandbox/sandbox.h"

int sandbox_seccomp_apply(Sandbox *s);
