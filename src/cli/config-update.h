/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CONTROL messages: a connector that has rotated a token wants its configuration kept. */

#include "cli/endpoint.h"

/* Puts the changed secrets of `config` into the file that the configuration came from. Only fields that
 * the spec marks as secret change; what else differs is left alone and said. 0: nothing to do, 1: stored;
 * -EOPNOTSUPP where it can't be kept: no file, YAML, a reference ($env, …) in that place. */
int config_update(const Endpoint *e, const char *file, JsonObject *config, Error **reterr_error);
