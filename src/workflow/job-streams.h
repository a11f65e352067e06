/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The streams that a job is asked for by name. */

#include "model/connection.h"
#include "shared/json-util.h"

/* Whether the connection moves each of `streams`, an array of {"name", "namespace"} or NULL: -EINVAL, with
 * the nearest name that there is, where it does not. One that moves whatever there is can't tell before its
 * attempt. */
int job_streams_check(const Connection *c, JsonObject *streams, Error **reterr_error);
