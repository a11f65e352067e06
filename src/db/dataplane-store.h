/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Dataplanes: hosts with a launcher. Written by gantry-workload; the local one is made by the bootloader. */

#include "db/db.h"
#include "model/workload.h"

int dataplane_store_insert(Db *db, const Dataplane *d, usec_t now, Error **reterr_error);
int dataplane_store_get(Db *db, const char *id, Dataplane **ret, Error **reterr_error);
int dataplane_store_get_by_name(Db *db, const char *name, Dataplane **ret, Error **reterr_error);
int dataplane_store_list(Db *db, DataplaneArray *ret, Error **reterr_error);
int dataplane_store_set_token(Db *db, const char *id, const Blob *token_hash, usec_t now,
                              Error **reterr_error);
/* Leaves no row in `change`. */
int dataplane_store_heartbeat(Db *db, const char *id, usec_t now, Error **reterr_error);
int dataplane_store_set_enabled(Db *db, const char *id, bool enabled, usec_t now, Error **reterr_error);
