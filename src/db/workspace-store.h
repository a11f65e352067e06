/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workspaces. Written by gantry-server. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/workspace.h"

int workspace_store_insert(Db *db, const Workspace *w, usec_t now, Error **reterr_error);
int workspace_store_get(Db *db, const char *id, Workspace **ret, Error **reterr_error);
/* The oldest one: where things go that name none. */
int workspace_store_get_default(Db *db, Workspace **ret, Error **reterr_error);
int workspace_store_list(Db *db, const ListOptions *options, WorkspaceArray *ret, Error **reterr_error);
/* All but id, tombstone and created_at. */
int workspace_store_update(Db *db, const Workspace *w, usec_t now, Error **reterr_error);
/* Marks it deleted. -EBUSY while sources, destinations or connections that aren't deleted belong to it. */
int workspace_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error);
