/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The `?key=value&…` of a connector reference as a configuration object. Dots in a key nest
 * ("provider.storage=local"), a repeated key makes an array, percent escapes are decoded after splitting,
 * "+" is itself. Values stay strings: see connector_config_coerce(). */

#include "shared/json-util.h"

/* The '?' of a reference behind which a query stands, NULL when there is none. A '?' without a '=' behind
 * it belongs to the name. */
const char *connector_query_find(const char *s);

/* Sets the members of `query` (behind the '?') in `config`. */
int connector_query_apply(const char *query, JsonObject *config, Error **reterr_error);
