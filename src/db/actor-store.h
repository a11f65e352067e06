/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sources and destinations. Written by gantry-server; the result of a check by whoever had it made. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/actor.h"

typedef struct ActorFilter {
        ActorRole role;             /* _ACTOR_ROLE_INVALID: both */
        char *const *workspace_ids; /* NULL or empty: all */
        const char *definition_id;  /* NULL: all */
        const char *name;           /* NULL: all */
} ActorFilter;

int actor_store_insert(Db *db, const Actor *a, usec_t now, Error **reterr_error);
/* Deleted ones are found too: see `tombstone`. */
int actor_store_get(Db *db, const char *id, Actor **ret, Error **reterr_error);
int actor_store_list(Db *db, const ActorFilter *filter, const ListOptions *options, ActorArray *ret,
                     Error **reterr_error);
/* name, configuration, version_pin, resource_allocation. -ESTALE unless a->revision is the stored one,
 * which is raised. */
int actor_store_update(Db *db, const Actor *a, usec_t now, Error **reterr_error);
/* Says nothing about the configuration, so it neither needs nor raises the revision. */
int actor_store_set_check(Db *db, const char *id, CheckStatus status, const char *message, const char *hash,
                          usec_t now, Error **reterr_error);
/* Marks it deleted, drops its secrets. -EBUSY while a connection that isn't deleted uses it. Deleting
 * twice is no error. */
int actor_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error);
