/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sealed values (secrets/sealing.h). Written by gantry-server. Nothing here ever is in clear. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/principal.h"

/* Inserts it, or replaces the value of the one that is there. -EEXIST: that one belongs to somebody else. */
int secret_store_put(Db *db, const Secret *s, usec_t now, Error **reterr_error);
int secret_store_get(Db *db, const char *id, Secret **ret, Error **reterr_error);
int secret_store_list(Db *db, const ListOptions *options, SecretArray *ret, Error **reterr_error);
int secret_store_list_of_owner(Db *db, const char *owner_id, SecretArray *ret, Error **reterr_error);
/* Replaces `old` by `sealed` (rotation of the key). -ESTALE: it is another value by now. */
int secret_store_reseal(Db *db, const char *id, const Blob *old, const Blob *sealed, usec_t now,
                        Error **reterr_error);
/* A missing one is no error. */
int secret_store_delete(Db *db, const char *id, Error **reterr_error);
/* Deletes the owner's secrets but those of `keep`; returns how many. */
int secret_store_delete_of_owner(Db *db, const char *owner_id, char *const *keep, Error **reterr_error);
