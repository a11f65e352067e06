/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Health, the root, and tokens. */

#include "server/api.h"

extern const ApiTable routes_system;
