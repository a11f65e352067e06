/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Objects in the form of Airbyte's config API (/api/v1), and that form back into the public API's, which
 * the services speak. Times are seconds since 1970. */

#include "protocol/catalog.h"
#include "server/connection-service.h"
#include "server/job-service.h"
#include "server/workspace-service.h"

int config_view_workspace(const Workspace *w, JsonObject **ret);
int config_view_definition(const Definition *d, JsonObject **ret);
/* The specification as {…DefinitionId, connectionSpecification, documentationUrl, …}. */
int config_view_specification(const Definition *d, JsonObject **ret);
int config_view_actor(Call *c, const Actor *a, JsonObject **ret);
/* `found` (NULL: what the connection goes by) is the source's catalog that its streams are shown in. */
int config_view_connection(Call *c, const Connection *connection, const Catalog *found, JsonObject **ret);
/* AirbyteCatalog in the config API's words ({"streams": [{"stream", "config"}]}); `configured` (the public
 * API's stream configurations, may be NULL) says which are selected and how. */
int config_view_catalog(const Catalog *catalog, JsonObject *configured, JsonObject **ret);
int config_view_job(const Job *j, JsonObject **ret);
/* {"attempt": …, "logs"} of each attempt; the lines (borrowed, may be NULL) go to the last one. */
int config_view_attempts(Call *c, const Job *j, JsonObject *last_lines, JsonObject **ret);
