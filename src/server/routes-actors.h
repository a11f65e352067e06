/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /sources and /destinations of the public API. */

#include "server/api.h"

extern const ApiTable routes_actors;
