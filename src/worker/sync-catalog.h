/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From what the source offers and what the person wants to what each side is told: stream selection,
 * modes, cursor, keys, generations, namespace and prefix, field selection, mappers. Pure. */

#include "protocol/connector-spec.h"
#include "worker/mapper.h"
#include "worker/replication.h"
#include "worker/sync-generation.h"
#include "worker/sync-mode.h"

typedef enum NamespaceDefinition {
        NAMESPACE_SOURCE,
        NAMESPACE_DESTINATION,
        NAMESPACE_CUSTOM_FORMAT,
} NamespaceDefinition;

/* Destination-side catalog and per-stream options out of a source-side catalog. Two streams that would
 * get the same destination name are -EEXIST, one whose files are wanted too (include_files) is
 * -EOPNOTSUPP. `ret_streams` has catalog->n_streams entries that borrow from `ret_destination` and from
 * the given lists; free the array with free(). */
int sync_catalog_map(const ConfiguredCatalog *catalog, NamespaceDefinition definition,
                     const char *namespace_format,
                     const char *prefix, char **const *selected_fields, Mapper **const *mappers,
                     ConfiguredCatalog **ret_destination, StreamOptions **ret_streams, Error **reterr_error);

/* The catalog of a clear (Airbyte's reset), run with an empty source: `cleared[i]` streams become
 * full_refresh with overwrite, which empties them; all others full_refresh with append and get no data. */
int sync_catalog_for_clear(const ConfiguredCatalog *catalog, const bool *cleared, ConfiguredCatalog **ret);

/* Copies a stream with all that is in it. */
int configured_stream_copy(const ConfiguredStream *s, ConfiguredStream *ret);
