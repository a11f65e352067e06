/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The keys of encryption mappers on their way in and out: sealed as secrets of the connection
 * (db/secret-store.h), with {"_secret": id} in their place in what is stored, and masked for whoever reads it.
 * gantry-workload puts them back for the runner. */

#include "model/principal.h"
#include "server/call.h"

typedef struct MapperSecrets {
        bool given;          /* streams were chosen anew: what is not among `keep` goes */
        SecretArray secrets; /* new ones, sealed */
        char **keep;         /* ids of all that the catalog refers to */
} MapperSecrets;

void mapper_secrets_done(MapperSecrets *m);
#define _cleanup_mapper_secrets_ _cleanup_(mapper_secrets_done)

/* Before `streams` (as a client sends them; changed) are judged: a masked key becomes the marker of the one that
 * `stored` (the connection's catalog as stored, or NULL) has for that mapper. -EINVAL, as for a mapper that is none:
 * there is no such key; a marker came from outside. */
int mapper_secrets_restore(Call *c, const char *stored, JsonObject *streams);
/* Takes the keys out of what is going to be stored. */
int mapper_secrets_seal(Call *c, const char *workspace_id, const char *connection_id, JsonObject *chosen,
                        MapperSecrets *ret);
/* Inside the transaction that stores the connection. */
int mapper_secrets_store(Call *c, const char *connection_id, const MapperSecrets *m);

/* Masks the keys of a stored catalog, in place. */
int mapper_secrets_mask(JsonObject *catalog);
