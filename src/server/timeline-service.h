/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The timeline of a connection: what has happened to it. */

#include "server/list-service.h"

/* Appends a page of events, the newest first, as the config API has them: {id, connectionId, eventType,
 * summary, createdAt (seconds), user}. `types` NULL or empty: of all types. */
int timeline_service_list(Call *c, const char *connection_id, char *const *types, const ListOptions *options,
                          JsonObject *items);
