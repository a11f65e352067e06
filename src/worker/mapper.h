/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Airbyte's five mappers (hashing, encryption, field-renaming, field-filtering, row-filtering): a list
 * per stream that rewrites the bytes of a record's data object in one pass each, and its schema, cursor
 * and primary key once. */

#include "basic/json-scan.h"
#include "protocol/catalog.h"

typedef struct Mapper Mapper;

/* From `{"type": "hashing", "mapperConfiguration": {…}}` (also accepts "id"; snake_case keys of the
 * public API work). Errors name the field. */
int mapper_from_json(JsonObject *o, Mapper **ret, Error **reterr_error);
Mapper *mapper_free(Mapper *m);
DEFINE_CLEANUP(Mapper, mapper_free);
Mapper **mappers_free(Mapper **l);
static inline void mappers_freep(Mapper ***l) {
        mappers_free(*l);
}

/* A whole list: the array of a stream's `mappers`. NULL and an empty array give NULL. The list ends with
 * NULL. More than a hundred are -E2BIG. */
int mappers_from_json(JsonObject *array, Mapper ***ret, Error **reterr_error);

/* Appends what must never be logged (an encryption key) to a strv. */
int mappers_secret_strings(Mapper *const *l, char ***secrets);

/* Rewrites what the destination is told of the stream: schema, cursor field, primary key. -ENOENT
 * FIELD_NOT_FOUND, -EEXIST FIELD_ALREADY_EXISTS, -EINVAL INVALID_MAPPER_CONFIG. */
int mappers_apply_to_stream(Mapper *const *l, ConfiguredStream *stream, Error **reterr_error);

/* A compiled pipeline: field selection first, then the mappers, in one object with its scratch memory. */
typedef struct RecordMapper RecordMapper;

/* `random` fills IVs (encryption); it comes from the Env. */
typedef int (*MapperRandom)(void *p, size_t n, void *userdata);
int record_mapper_new(char *const *selected_fields, Mapper *const *mappers, MapperRandom random,
                      void *userdata,
                      RecordMapper **ret, Error **reterr_error);
RecordMapper *record_mapper_free(RecordMapper *m);
DEFINE_CLEANUP(RecordMapper, record_mapper_free);

typedef struct MappedRecord {
        bool filtered;    /* row-filtering excluded it */
        JsonSlice data;   /* the new data object; valid until the next call */
        JsonSlice changes; /* JSON objects, comma-separated, to add to meta.changes; n == 0 = none */
} MappedRecord;

/* -EBADMSG when data is not a JSON object as far as looked. */
int record_mapper_apply(RecordMapper *m, JsonSlice data, MappedRecord *ret);
