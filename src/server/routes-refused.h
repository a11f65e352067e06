/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Airbyte's API has and Gantry hasn't. */

#include "server/api.h"

extern const ApiTable routes_refused;
