/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The config API's calls for projects of the connector builder. */

#include "server/api.h"

extern const ApiTable routes_config_builder;
