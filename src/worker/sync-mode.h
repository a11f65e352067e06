/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which pair of source mode and destination mode a stream is synced with: what the person asked for, or
 * the best that both sides support. Pure. */

#include "protocol/connector-spec.h"

/* The pairs, by the names of Airbyte's public API. */
typedef enum PublicSyncMode {
        PUBLIC_FULL_REFRESH_OVERWRITE,
        PUBLIC_FULL_REFRESH_OVERWRITE_DEDUPED,
        PUBLIC_FULL_REFRESH_APPEND,
        PUBLIC_FULL_REFRESH_UPDATE,
        PUBLIC_FULL_REFRESH_SOFT_DELETE,
        PUBLIC_INCREMENTAL_APPEND,
        PUBLIC_INCREMENTAL_DEDUPED_HISTORY,
        PUBLIC_INCREMENTAL_UPDATE,
        PUBLIC_INCREMENTAL_SOFT_DELETE,
        _PUBLIC_SYNC_MODE_MAX,
        _PUBLIC_SYNC_MODE_INVALID = -EINVAL,
} PublicSyncMode;

const char *public_sync_mode_to_string(PublicSyncMode m);
PublicSyncMode public_sync_mode_from_string(const char *s);
SyncMode public_sync_mode_source(PublicSyncMode m);
DestinationSyncMode public_sync_mode_destination(PublicSyncMode m);
/* _INVALID for a pair without a public name (full_refresh with append_dedup). */
PublicSyncMode public_sync_mode_of(SyncMode source, DestinationSyncMode destination);

typedef struct SyncModeWish {
        PublicSyncMode mode;    /* _PUBLIC_SYNC_MODE_INVALID: the best one */
        FieldPath cursor_field; /* the person's; NULL = the source's */
        FieldPath *primary_key; /* the person's; NULL = the source's */
} SyncModeWish;

/* Fills `ret` with a copy of the stream, the modes, cursor and primary key (free with
 * configured_stream_done()). A destination that lists no modes takes append and overwrite. Without a
 * wished mode the first that is possible of: incremental_deduped_history, full_refresh_overwrite_deduped,
 * full_refresh_overwrite, incremental_append, full_refresh_append; `ret_why` (may be NULL) then gets a
 * sentence that says what and why, else NULL. -EOPNOTSUPP: a side cannot do the mode; -ENODATA: cursor or
 * primary key missing; -ENOENT: a cursor or key field is not in the schema; -EPERM: the source defines
 * the cursor and another one was asked for. Errors name the stream. */
int sync_modes_choose(const AirbyteStream *stream, const ConnectorSpec *destination,
                      const SyncModeWish *wish,
                      ConfiguredStream *ret, char **ret_why, Error **reterr_error);

/* "a" or "a.b" as a path: a property of that very name first, else split at dots. -ENOENT when the schema
 * of the stream has properties and this is none of them. */
int stream_field_path(const AirbyteStream *stream, const char *field, FieldPath *ret, Error **reterr_error);
