/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What sources and destinations are run for on request: check and discover. Both are CALL_LATER. */

#include "protocol/catalog.h"
#include "db/catalog-store.h"
#include "server/actor-service.h"

/* The answer: {"status": "succeeded"|"failed", "message"?, "failureType"?}. `config` (NULL: the stored
 * one) may hold masks; it is merged over the stored one and nothing of it is kept. */
int actor_run_check(Call *c, ActorRole role, const char *id, JsonObject *config);

typedef struct Discovered {
        const Actor *source;
        const CatalogFetch *fetch;
        const Catalog *catalog;
        JsonObject *raw; /* the AirbyteCatalog */
} Discovered;
/* Makes the answer of what was found. */
typedef int (*DiscoverView)(Call *c, const Discovered *d, void *userdata, JsonObject **ret);
/* A failed discover is -EDOM with the connector's words. `userdata` is freed with the call (may be NULL).
 * */
int actor_run_discover(Call *c, const char *source_id, bool ignore_cache, DiscoverView view, void *userdata,
                       void (*userdata_free)(void *));
