/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Specs by connector version: a Python connector needs seconds to say what never changes, and even a native
 * one a sandbox. Kept in the cache directory, keyed by the reference and the program's size, inode and
 * modification time, so that a rebuilt one is asked again. */

#include "protocol/connector-spec.h"
#include "runtime/connector-store.h"

/* 1 and the spec, 0 when there is none. A broken entry counts as none. */
int spec_cache_get(const InstalledConnector *c, ConnectorSpec **ret);
int spec_cache_put(const InstalledConnector *c, JsonObject *spec, Error **reterr_error);
