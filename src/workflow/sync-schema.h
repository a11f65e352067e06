/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The source's catalog has changed since the connection was configured: what its policy makes of that, in
 * front of the plan of an attempt. */

#include "model/catalog-fetch.h"
#include "model/connection.h"
#include "workflow/sync-attempt.h"

/* Whether there is a newer catalog than the one that the connection goes by. */
bool sync_schema_is_behind(const Connection *c, const CatalogFetch *newest);

/* The step. Connection, timeline, what is owed as a backfill and history change in one transaction. Records
 * {"verdict", "catalogId", "changes", "failure"}; with a failure the attempt ends: the connection was
 * turned off. */
int sync_step_schema(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error);

