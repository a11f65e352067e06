/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/catalog-fetch.h"
#include "model/model-table.h"

DEFINE_NAMES(StateKind, state_kind, "state kind", _STATE_KIND_MAX,
        [STATE_KIND_STREAM] = "STREAM",
        [STATE_KIND_GLOBAL] = "GLOBAL",
        [STATE_KIND_LEGACY] = "LEGACY");

DEFINE_MODEL(CatalogFetch, catalog_fetch,
        FIELD_TEXT_OF(CatalogFetch, id),
        FIELD_TEXT_OF(CatalogFetch, actor_id),
        FIELD_TEXT_OF(CatalogFetch, config_hash),
        FIELD_TEXT_OF(CatalogFetch, connector_version),
        FIELD_TEXT_OF(CatalogFetch, catalog_hash),
        FIELD_TIME_OF(CatalogFetch, created_at));

DEFINE_MODEL(Generation, generation,
        FIELD_TEXT_OF(Generation, connection_id),
        FIELD_TEXT_OF(Generation, stream_namespace),
        FIELD_TEXT_OF(Generation, stream_name),
        FIELD_I64_OF(Generation, generation_id),
        FIELD_I64_OPTIONAL_OF(Generation, job_id),
        FIELD_BOOL_OF(Generation, refreshing),
        FIELD_TIME_OF(Generation, updated_at));

DEFINE_MODEL(Backfill, backfill,
        FIELD_TEXT_OF(Backfill, connection_id),
        FIELD_TEXT_OF(Backfill, stream_namespace),
        FIELD_TEXT_OF(Backfill, stream_name),
        FIELD_BOOL_OF(Backfill, forced),
        FIELD_BOOL_OF(Backfill, begun),
        FIELD_TIME_OF(Backfill, created_at));

DEFINE_MODEL(StateRow, state_row,
        FIELD_TEXT_OF(StateRow, connection_id),
        FIELD_NAMED(StateRow, kind, state_kind_names),
        FIELD_TEXT_OF(StateRow, stream_namespace),
        FIELD_TEXT_OF(StateRow, stream_name),
        FIELD_TEXT_OF(StateRow, state),
        FIELD_TIME_OF(StateRow, updated_at));
