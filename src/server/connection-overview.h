/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connections as an administrator looks at many of them: when each runs next, and how its last job stands.
 * */

#include "model/connection.h"
#include "server/list-service.h"

/* Appends a page of connections, of all workspaces or of the listing's only one, in the order of their ids:
 * the public API's form without `configurations`, and with `nextRun` (left out where nothing is due) and
 * `lastJob` ({jobId, jobType, status, startTime}; left out where there was none). */
int connection_overview_list(Call *c, const Listing *l, JsonObject *items);
/* The same of one, with its `configurations`. */
int connection_overview_view(Call *c, const Connection *connection, JsonObject **ret);
