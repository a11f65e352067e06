/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workspaces: what can be done with them, whoever asks. */

#include "db/workspace-store.h"
#include "server/list-service.h"

/* Those that are deleted are not found. */
int workspace_service_get(Call *c, const char *id, Role role, Workspace **ret);
int workspace_service_list(Call *c, const Listing *l, WorkspaceArray *ret);
/* `body` is the public API's: name, notifications. */
int workspace_service_create(Call *c, JsonObject *body, Workspace **ret);
int workspace_service_update(Call *c, const char *id, JsonObject *body, Workspace **ret);
int workspace_service_delete(Call *c, const char *id);
/* The one that things go to which name none. */
int workspace_service_default(Call *c, Workspace **ret);
/* The ETag of an answer that shows it. */
int workspace_show_edition(Call *c, const Workspace *o);
/* The public API's form. */
int workspace_view(const Workspace *w, JsonObject **ret);
