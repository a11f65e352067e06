/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Applications: API clients. Written by gantry-server. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/principal.h"

int application_store_insert(Db *db, const Application *a, usec_t now, Error **reterr_error);
int application_store_get(Db *db, const char *id, Application **ret, Error **reterr_error);
int application_store_get_by_client_id(Db *db, const char *client_id, Application **ret,
                                       Error **reterr_error);
int application_store_list(Db *db, const ListOptions *options, ApplicationArray *ret, Error **reterr_error);
/* Replaces `old` by `sealed` (rotation of the key). -ESTALE: it is another value by now, or gone. */
int application_store_reseal(Db *db, const char *id, const Blob *old, const Blob *sealed, Error **reterr_error);
/* With its permissions and sessions. */
int application_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error);
