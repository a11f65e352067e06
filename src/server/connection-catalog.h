/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which streams a connection moves and how: what a client wants of them, held against what the source
 * offers and the destination can do. */

#include "db/catalog-store.h"
#include "protocol/catalog.h"
#include "server/actor-service.h"

/* The source's newest catalog. Where there is none yet, the source is asked: CALL_LATER, and the call runs
 * anew. */
int connection_catalog_source(Call *c, const Actor *source, CatalogFetch **ret_fetch, Catalog **ret);

/* `streams`: the public API's stream configurations, or NULL for all streams in their best mode. What
 * comes out names modes, cursors and keys of each stream, and has the mappers as given
 * (mapper_secrets_seal() takes keys out of it). -EINVAL with a problem type of connection-validation or
 * mapper-validation, and the stream's name. */
int connection_catalog_choose(Call *c, const Catalog *catalog, const Definition *destination, JsonObject *streams,
                              JsonObject **ret);
