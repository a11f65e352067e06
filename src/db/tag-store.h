/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tags and which connections carry them. Written by gantry-server. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/workspace.h"

/* -EEXIST: the workspace has a tag of that name. */
int tag_store_insert(Db *db, const Tag *t, usec_t now, Error **reterr_error);
int tag_store_get(Db *db, const char *id, Tag **ret, Error **reterr_error);
/* NULL or no ids: of all workspaces. */
int tag_store_list(Db *db, char *const *workspace_ids, TagArray *ret, Error **reterr_error);
/* name, color. */
int tag_store_update(Db *db, const Tag *t, usec_t now, Error **reterr_error);
/* Connections lose it. */
int tag_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error);

/* The tags of a connection; setting replaces all. -EINVAL: one is of another workspace than the
 * connection. */
int tag_store_list_of_connection(Db *db, const char *connection_id, TagArray *ret, Error **reterr_error);
int tag_store_set_of_connection(Db *db, const char *connection_id, char *const *tag_ids, usec_t now,
                                Error **reterr_error);
