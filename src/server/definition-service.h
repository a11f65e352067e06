/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions of connectors. Built-in ones are everybody's to read; a custom one belongs to a workspace.
 * */

#include "db/definition-store.h"
#include "server/list-service.h"

int definition_service_get(Call *c, ActorRole role, const char *id, Definition **ret);
/* Its specification is there afterwards, or the connector is asked for it first (a package is installed for
 * that): CALL_LATER, and the call runs anew. */
int definition_service_require_spec(Call *c, Definition *d);
/* "airbyte/source-x" and "airbyte-source-x" become the connector type "x". NULL when out of memory. */
char *definition_service_type_of(const char *name);
/* The one that `definition_id` or, without it, `connector_type` names, for use in the workspace. */
int definition_service_find(Call *c, ActorRole role, const char *definition_id, const char *connector_type,
                            const char *workspace_id, Definition **ret);

/* The ETag of an answer that shows it. */
int definition_show_edition(Call *c, const Definition *o);
/* All that can be used in the workspace (NULL: what everybody can use). */
int definition_service_list(Call *c, ActorRole role, const char *workspace_id, DefinitionArray *ret);

/* Custom definitions of a workspace: images (dockerRepository, dockerImageTag), or, where `declarative`,
 * manifests. */
int definition_service_list_custom(Call *c, const char *workspace_id, ActorRole role, bool declarative,
                                   const Listing *l, DefinitionArray *ret);
int definition_service_get_custom(Call *c, const char *workspace_id, ActorRole role, bool declarative, const char *id,
                                  Role need, Definition **ret);
int definition_service_create(Call *c, const char *workspace_id, ActorRole role, bool declarative, JsonObject *body,
                              Definition **ret);
int definition_service_update(Call *c, const char *workspace_id, ActorRole role, bool declarative, const char *id,
                              JsonObject *body, Definition **ret);
int definition_service_delete(Call *c, const char *workspace_id, ActorRole role, bool declarative, const char *id,
                              Definition **ret);
