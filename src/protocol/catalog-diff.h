/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What has changed between two catalogs of a source, in the terms of Airbyte's API (CatalogDiff). Pure. */

#include "protocol/catalog.h"

typedef enum StreamTransformType {
        STREAM_ADDED,
        STREAM_REMOVED,
        STREAM_UPDATED,
        _STREAM_TRANSFORM_TYPE_MAX,
        _STREAM_TRANSFORM_TYPE_INVALID = -EINVAL,
} StreamTransformType;

typedef enum FieldTransformType {
        FIELD_ADDED,
        FIELD_REMOVED,
        FIELD_SCHEMA_UPDATED,
        _FIELD_TRANSFORM_TYPE_MAX,
        _FIELD_TRANSFORM_TYPE_INVALID = -EINVAL,
} FieldTransformType;

/* The API's words: "add_stream", "remove_field", … */
const char *stream_transform_type_to_string(StreamTransformType t);
const char *field_transform_type_to_string(FieldTransformType t);

typedef struct FieldTransform {
        FieldTransformType type;
        FieldPath name; /* from the top of a record; "items" for the elements of an array */
        JsonObject *old_schema, *new_schema; /* what there is of them */
        bool breaking;
} FieldTransform;

typedef struct StreamTransform {
        StreamTransformType type;
        char *name, *namespace; /* namespace may be NULL */
        FieldTransform *fields;
        size_t n_fields;
        bool key_changed, key_breaking; /* the primary key that the source defines */
        FieldPath *old_key, *new_key;   /* where it has changed; NULL: none */
        bool applied;                   /* for whoever applies the difference; false at first */
} StreamTransform;

typedef struct CatalogDiff {
        StreamTransform *transforms;
        size_t n_transforms;
} CatalogDiff;

void catalog_diff_done(CatalogDiff *d);
#define _cleanup_catalog_diff_ _cleanup_(catalog_diff_done)

/* From `before` to `after`. Streams that were added or removed are all told, changes of a stream only of those
 * that are in `configured` (NULL: of all, and nothing is breaking): nobody else is concerned. A change breaks a
 * stream when its cursor is gone (incremental), or when it deduplicates and a field of its primary key is gone or
 * the source's own key is no longer the one that is used. */
int catalog_diff_make(const Catalog *before, const Catalog *after, const ConfiguredCatalog *configured,
                      CatalogDiff *ret);

bool catalog_diff_is_breaking(const CatalogDiff *d);

typedef enum CatalogDiffFlags {
        CATALOG_DIFF_APPLIED_ONLY = 1 << 0,
        CATALOG_DIFF_NO_SCHEMAS = 1 << 1, /* names alone, where the schemas would be too much */
} CatalogDiffFlags;

/* {"transforms": […]} */
int catalog_diff_to_json(const CatalogDiff *d, CatalogDiffFlags flags, JsonObject **ret);
