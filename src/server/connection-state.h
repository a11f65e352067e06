/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a connection's streams stand: gantry-workload's to keep, shown and set here. */

#include "server/connection-service.h"

/* An array of AirbyteStateMessage. */
int connection_state_get(Call *c, const char *id, JsonObject **ret);
/* The same back; an empty one removes all. CALL_LATER with no answer of its own; -EBUSY while a job runs.
 * */
int connection_state_set(Call *c, const char *id, JsonObject *states);
