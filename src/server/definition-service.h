/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions of connectors. Built-in ones are everybody's to read; a custom one belongs to a workspace.
 * */

#include "db/definition-store.h"
#include "server/list-service.h"

int definition_service_get(Call *c, ActorRole role, const char *id, Definition **ret);
/* Its specification is there afterwards, or the connector is asked for it first: CALL_LATER, and the call
 * runs anew. */
int definition_service_require_spec(Call *c, const Definition *d);
/* The one that `definition_id` or, without it, `connector_type` names, for use in the workspace. */
int definition_service_find(Call *c, ActorRole role, const char *definition_id, const char *connector_type,
                            const char *workspace_id, Definition **ret);
