/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sources and destinations: what can be done with them, whoever asks. */

#include "db/actor-store.h"
#include "server/definition-service.h"

/* `need` is the role that the caller must have on its workspace. Deleted ones are not found. */
int actor_service_get(Call *c, ActorRole role, const char *id, Role need, Actor **ret);
int actor_service_list(Call *c, ActorRole role, const Listing *l, ActorArray *ret);
/* `body` is the public API's: name, workspaceId, configuration, definitionId or configuration.sourceType.
 * May be CALL_LATER. */
int actor_service_create(Call *c, ActorRole role, JsonObject *body, Actor **ret);
/* Members that are there change; `replace` takes `configuration` for the whole, else it is merged into the
 * stored one. */
int actor_service_update(Call *c, ActorRole role, const char *id, JsonObject *body, bool replace, Actor **ret);
/* Lets it run the version that its definition has now. CALL_LATER while that is installed. */
int actor_service_upgrade(Call *c, ActorRole role, const char *id);
int actor_service_delete(Call *c, ActorRole role, const char *id);

/* What a connector asked to have stored (a CONTROL message): `config` is whole and in clear, but only what
 * the specification marks as secret is taken from it. */
int actor_service_rotate(Call *c, const char *id, JsonObject *config);

/* The ETag of an answer that shows it. */
int actor_show_edition(Call *c, const Actor *a);
/* The public API's form, secrets masked. */
int actor_view(Call *c, const Actor *a, JsonObject **ret);
