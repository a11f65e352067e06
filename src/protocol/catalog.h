/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* AirbyteCatalog, ConfiguredAirbyteCatalog and stream descriptors (reference: the Airbyte protocol,
 * version 0.18). Members that we don't know are kept in `raw` and written out again. */

#include "shared/json-util.h"

/* Of a configured catalog's file: 10,000 streams with schemas of 20 KB have room. */
#define CATALOG_FILE_MAX (256U * 1024U * 1024U)

typedef enum SyncMode {
        SYNC_MODE_FULL_REFRESH,
        SYNC_MODE_INCREMENTAL,
        _SYNC_MODE_MAX,
        _SYNC_MODE_INVALID = -EINVAL,
} SyncMode;

typedef enum DestinationSyncMode {
        DESTINATION_SYNC_MODE_APPEND,
        DESTINATION_SYNC_MODE_OVERWRITE,
        DESTINATION_SYNC_MODE_APPEND_DEDUP,
        DESTINATION_SYNC_MODE_UPDATE,
        DESTINATION_SYNC_MODE_SOFT_DELETE,
        DESTINATION_SYNC_MODE_OVERWRITE_DEDUP,
        _DESTINATION_SYNC_MODE_MAX,
        _DESTINATION_SYNC_MODE_INVALID = -EINVAL,
} DestinationSyncMode;

/* The protocol's words ("full_refresh", "append_dedup"); from_string gives _INVALID for others. */
const char *sync_mode_to_string(SyncMode m);
SyncMode sync_mode_from_string(const char *s);
const char *destination_sync_mode_to_string(DestinationSyncMode m);
DestinationSyncMode destination_sync_mode_from_string(const char *s);

/* A path into a record: a strv of keys. A primary key is a NULL-terminated list of paths. */
typedef char **FieldPath;

typedef struct AirbyteStream {
        char *name;
        char *namespace; /* may be NULL */
        JsonObject *json_schema;
        bool supports_full_refresh;
        bool supports_incremental;
        bool source_defined_cursor;
        FieldPath default_cursor_field;          /* NULL when none */
        FieldPath *source_defined_primary_key;   /* NULL when none */
        bool is_resumable;
        bool is_file_based;
        JsonObject *raw; /* the whole stream object as it came; NULL for one made by us */
} AirbyteStream;

typedef struct ConfiguredStream {
        AirbyteStream stream;
        SyncMode sync_mode;
        DestinationSyncMode destination_sync_mode;
        FieldPath cursor_field;
        FieldPath *primary_key;
        bool include_files;  /* the files that records refer to are to be moved, too */
        bool has_generation; /* the three ids below are set */
        int64_t generation_id;
        int64_t minimum_generation_id;
        int64_t sync_id;
        JsonObject *raw; /* the whole configured stream as it came; NULL for one made by us */
} ConfiguredStream;

typedef struct Catalog {
        AirbyteStream *streams;
        size_t n_streams;
} Catalog;

typedef struct ConfiguredCatalog {
        ConfiguredStream *streams;
        size_t n_streams;
} ConfiguredCatalog;

FieldPath *field_paths_free(FieldPath *paths);
FieldPath *field_paths_copy(FieldPath *paths);
size_t field_paths_length(FieldPath *paths);
/* The same paths in the same order; NULL is none. */
bool field_paths_equal(FieldPath *a, FieldPath *b);
/* As JSON arrays; nothing is an empty array. NULL when out of memory. */
JsonObject *field_path_to_json(FieldPath path);
JsonObject *field_paths_to_json(FieldPath *paths);

void airbyte_stream_done(AirbyteStream *s);
int airbyte_stream_copy(const AirbyteStream *s, AirbyteStream *ret);
void configured_stream_done(ConfiguredStream *s);

Catalog *catalog_free(Catalog *c);
DEFINE_CLEANUP(Catalog, catalog_free);
#define _cleanup_catalog_ _cleanup_(catalog_freep)
ConfiguredCatalog *configured_catalog_free(ConfiguredCatalog *c);
DEFINE_CLEANUP(ConfiguredCatalog, configured_catalog_free);
#define _cleanup_configured_catalog_ _cleanup_(configured_catalog_freep)

/* From JSON `{"streams": […]}`. Errors name the stream and the member. Duplicate (namespace, name) pairs,
 * streams without a sync mode, an incremental stream without a cursor, a dedup stream without a primary
 * key are errors. Where a configured stream names no cursor or key and its mode needs one, the source's
 * own is filled in. */
int catalog_from_json(JsonObject *o, Catalog **ret, Error **reterr_error);
int configured_catalog_from_json(JsonObject *o, ConfiguredCatalog **ret, Error **reterr_error);
int configured_catalog_from_file(const char *path, ConfiguredCatalog **ret, Error **reterr_error);

/* To JSON; unknown members that came in are kept. The result shares values with the catalog: write it,
 * don't change it. */
int catalog_to_json(const Catalog *c, JsonObject **ret);
int configured_catalog_to_json(const ConfiguredCatalog *c, JsonObject **ret);

/* Both names as one key of a map, into `b`; what was in it goes. */
int stream_key_make(const char *namespace, const char *name, Buffer *b);

/* NULL when there is no such stream. NULL and "" are the same namespace. */
const AirbyteStream *catalog_find(const Catalog *c, const char *namespace, const char *name);
const ConfiguredStream *configured_catalog_find(const ConfiguredCatalog *c, const char *namespace,
                                                const char *name);
