/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /connections of the public API. */

#include "server/api.h"

extern const ApiTable routes_connections;
