/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The ACTOR of a workload's input (docs/INTERFACES.md), from the database's rows. */

#include "db/catalog-store.h"
#include "model/actor.h"
#include "secrets/sealing.h"
#include "shared/json-util.h"

typedef struct ActorInput {
        Actor *actor;           /* NULL: a definition alone */
        Definition *definition;
        JsonObject *configuration; /* NULL: none */
        char hash[CATALOG_HASH_MAX]; /* of configuration and connector: what a check or discover is good for */
} ActorInput;

void actor_input_done(ActorInput *a);
#define _cleanup_actor_input_ _cleanup_(actor_input_done)

/* Reads a source or destination and its definition. -ENOENT: there is none, or it was deleted. */
int actor_input_load(Db *db, const char *actor_id, ActorInput *ret, Error **reterr_error);
int actor_input_load_definition(Db *db, const char *definition_id, ActorInput *ret, Error **reterr_error);

/* Puts another configuration in the place of the stored one: `text` with secrets in clear, which get
 * sealed for the workload of that id. What the specification marks as secret is; without a specification,
 * every string. */
int actor_input_override(ActorInput *a, const char *text, size_t n, const SealingKeys *keys,
                         const char *workload_id, Error **reterr_error);

int actor_input_to_json(const ActorInput *a, JsonObject **ret, Error **reterr_error);
