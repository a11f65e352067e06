/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The config API's calls about what a source offers and what of that a connection moves. */

#include "server/api.h"

extern const ApiTable routes_config_schema;
