/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* States between AirbyteStateMessage (the protocol's form) and ConnectionState (the config API's). */

#include "server/call.h"

/* An array of AirbyteStateMessage as ConnectionState. */
int config_view_state(const char *connection_id, JsonObject *states, JsonObject **ret);
/* ConnectionState as an array of AirbyteStateMessage. */
int config_to_states(Call *c, JsonObject *state, JsonObject **ret);
