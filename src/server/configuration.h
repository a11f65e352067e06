/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration of a source or destination on its way in and out: checked against the connector's
 * spec, its secrets taken out and sealed, its paths held against gantry.conf, and masked for whoever reads
 * it. */

#include "model/actor.h"
#include "server/call.h"

#define SECRET_MASK "**********"

typedef struct Configuration {
        char *text;          /* JSON as it is stored, {"_secret": id} in the place of each secret */
        SecretArray secrets; /* new ones, sealed */
        char **keep;         /* ids of all that `text` refers to */
} Configuration;

void configuration_done(Configuration *c);
#define _cleanup_configuration_ _cleanup_(configuration_done)

/* `wanted` may hold masks in the place of secrets that stay, where `old` (as stored; NULL: there is none)
 * has them. It is changed. -EDOM (422) with a list of fields: it doesn't fit the spec; a mask without a
 * secret behind it; a secret would stay while a host or URL changes; a path outside the allowed roots. */
int configuration_prepare(Call *c, const Definition *d, const char *workspace_id, const char *actor_id,
                          const char *old, JsonObject *wanted, Configuration *ret);
/* The same judgement of a configuration that is not stored; gives it with secrets in clear. */
int configuration_try(Call *c, const Definition *d, const char *workspace_id, const char *actor_id, const char *old,
                      JsonObject *wanted, JsonObject **ret_clear);
/* `stored`, masked, but with those secrets of `config` (in clear) that are new or others than the stored
 * ones. */
int configuration_take_secrets(Call *c, const Definition *d, const char *actor_id, const char *stored,
                               JsonObject *config, JsonObject **ret);
/* Inside the transaction that stores the actor: puts new secrets, drops those that are no longer referred
 * to. */
int configuration_store(Call *c, const char *actor_id, const Configuration *configuration);

/* `stored` with SECRET_MASK in the place of each secret. */
int configuration_mask(const char *stored, JsonObject **ret);
/* `stored` with its secrets in clear, for a connector's eyes only. */
int configuration_unseal(Call *c, const char *actor_id, const char *stored, JsonObject **ret);
/* RFC 7396: members of `patch` replace or remove those of `target`, which is changed. */
int configuration_merge(JsonObject *target, JsonObject *patch);
