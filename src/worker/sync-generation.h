/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Generations: which rows of a destination belong together. A stream's generation goes up when its data is read again
 * from the start; minimum_generation_id tells the destination from which one on rows are to stay once the sync has
 * completed. The ids outlive a sync in a small JSON text:
 *
 *     [{"name": "users", "namespace": "public", "generation_id": 3, "refreshing": true}] */

#include "protocol/state.h"

typedef struct GenerationSet GenerationSet;

GenerationSet *generation_set_new(void);
GenerationSet *generation_set_free(GenerationSet *g);
DEFINE_CLEANUP(GenerationSet, generation_set_free);
/* `array` NULL = an empty set. Errors name the entry. */
int generation_set_from_json(JsonObject *array, GenerationSet **ret, Error **reterr_error);
int generation_set_to_json(const GenerationSet *g, JsonObject **ret);
int64_t generation_set_get(const GenerationSet *g, const char *namespace, const char *name); /* 0 when unknown */

typedef enum StreamRefresh {
        STREAM_REFRESH_NONE,
        STREAM_REFRESH_MERGE,    /* read again, old rows stay */
        STREAM_REFRESH_TRUNCATE, /* read again, old rows go once that has completed */
        STREAM_REFRESH_CLEAR,    /* old rows go, nothing is read */
} StreamRefresh;

typedef struct GenerationRequest {
        int64_t sync_id; /* the job's number */
        bool first_attempt;
        const StreamRefresh *refresh;        /* one per stream of the catalog; NULL = none */
        bool destination_supports_refreshes; /* resumable full refresh needs it */
} GenerationRequest;

/* Sets the three ids of every stream by Airbyte's rules, counts generations up in `g` and takes out of
 * `state` (may be NULL) what must not be resumed from. `ret_dropped` (may be NULL): an array of
 * catalog->n_streams, filled with whether the stream's state was to be dropped; when all were, pass the
 * source no state at all (a LEGACY state and the shared part of a GLOBAL one stay in `state`). Store `g`
 * before the sync starts: a number must never be given twice.
 *
 * A truncating refresh that did not complete stays "refreshing": the next sync goes on with it (same
 * generation, same minimum), or old rows would stay for good. */
int generations_assign(GenerationSet *g, ConfiguredCatalog *catalog, const GenerationRequest *request,
                       StateSet *state,
                       bool *ret_dropped, Error **reterr_error);

/* The stream's state goes, and its older rows stay: what is read from now on is another generation, whenever
 * that will be. -ERANGE: the number has run out. */
int generation_set_advance(GenerationSet *g, const char *namespace, const char *name, Error **reterr_error);

/* Whether a truncating refresh of the stream has begun and not completed. */
bool generation_set_is_refreshing(const GenerationSet *g, const char *namespace, const char *name);

/* The stream has completed (StreamStats.complete, sync without failure): its refresh is over. */
void generation_set_complete(GenerationSet *g, const char *namespace, const char *name);
