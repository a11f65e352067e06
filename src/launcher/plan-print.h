/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shows what would be started for a workload, without starting anything. */

#include "launcher/launcher-internal.h"

int plan_print(const char *path);
