/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a connection's source differs from what the connection goes by. Looking changes nothing: what a connection does
 * about it is decided by its next sync (src/workflow/sync-schema.h). */

#include "db/catalog-store.h"
#include "protocol/catalog.h"
#include "server/connection-service.h"

/* The catalog that the connection was configured from, or else the newest. -ENOENT: there is none yet. */
int connection_schema_base(Call *c, const Connection *connection, Catalog **ret);

/* The difference to `found`, as the config API's CatalogDiff, and whether it breaks the connection. */
int connection_schema_compare(Call *c, const Connection *connection, const Catalog *found, JsonObject **ret_diff,
                              bool *ret_breaking);

/* In the config API's words, by what is known without asking the source: "no_change", "non_breaking", "breaking". */
int connection_schema_change(Call *c, const Connection *connection, const char **ret);
