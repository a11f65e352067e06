/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions of connectors. Seeded by the bootloader and gantry-cron, written by gantry-server. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/definition.h"

typedef struct DefinitionFilter {
        ActorRole role;           /* _ACTOR_ROLE_INVALID: both */
        const char *workspace_id; /* built-in ones and those of this workspace; NULL: all */
        bool custom_only;
} DefinitionFilter;

int definition_store_insert(Db *db, const Definition *d, usec_t now, Error **reterr_error);
int definition_store_get(Db *db, const char *id, Definition **ret, Error **reterr_error);
/* As it is for a source or destination that keeps the version `pin` (NULL: the definition's own): of a
 * package, docker_image_tag is that version and `spec` what that version has said (NULL: not asked yet). */
int definition_store_get_version(Db *db, const char *id, const char *pin, Definition **ret, Error **reterr_error);
/* The definition behind a public API sourceType or destinationType: the workspace's own one before the
 * built-in one. */
int definition_store_get_by_type(Db *db, ActorRole role, const char *connector_type,
                                 const char *workspace_id, Definition **ret, Error **reterr_error);
int definition_store_list(Db *db, const DefinitionFilter *filter, const ListOptions *options,
                          DefinitionArray *ret, Error **reterr_error);
/* All but id, role, custom, workspace_id, tombstone and created_at. */
int definition_store_update(Db *db, const Definition *d, usec_t now, Error **reterr_error);
int definition_store_set_spec(Db *db, const char *id, const char *spec, usec_t now, Error **reterr_error);
/* Inserts it, or makes the row that is there equal to it; a `spec` of NULL keeps the one that is there
 * while the version stays the same. 1: something was changed; 0: it was so already. */
int definition_store_seed(Db *db, const Definition *d, usec_t now, Error **reterr_error);
/* Marks it deleted. -EBUSY while a source or destination that isn't deleted is made of it. */
int definition_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error);
