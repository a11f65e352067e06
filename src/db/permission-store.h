/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may do what. Written by gantry-server. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/principal.h"

/* -EEXIST: the principal has a role there already. */
int permission_store_insert(Db *db, const Permission *p, usec_t now, Error **reterr_error);
int permission_store_get(Db *db, const char *id, Permission **ret, Error **reterr_error);
int permission_store_list(Db *db, const ListOptions *options, PermissionArray *ret, Error **reterr_error);
int permission_store_list_of(Db *db, PrincipalKind kind, const char *principal_id, PermissionArray *ret,
                             Error **reterr_error);
int permission_store_set_role(Db *db, const char *id, Role role, usec_t now, Error **reterr_error);
int permission_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error);
/* The highest role that the principal has on the workspace, its roles on the instance included (NULL: those
 * only); _ROLE_INVALID for none. */
int permission_store_role(Db *db, PrincipalKind kind, const char *principal_id, const char *workspace_id,
                          Role *ret, Error **reterr_error);
