/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The config API's calls for jobs and states. */

#include "server/api.h"

extern const ApiTable routes_config_jobs;
