/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /tags of the public API. */

#include "server/api.h"

extern const ApiTable routes_tags;
