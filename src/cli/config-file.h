/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that people write: configurations, mappers. JSON, or YAML when they don't look like JSON. */

#include "shared/json-util.h"

#define CONFIG_FILE_MAX (64U * 1024U * 1024U)

/* Errors name the file and the place. The result is an object or an array. */
int config_file_load(const char *path, JsonObject **ret, Error **reterr_error);
