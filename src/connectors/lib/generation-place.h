/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The rules of refreshes, for destinations that keep a finished table (or file) and, while a truncate
 * refresh is under way, a new one beside it. docs/DESTINATIONS.md has the table. */

#include "connectors/lib/connector.h"

typedef enum GenerationPlace {
        PLACE_FINAL,      /* append or merge into the finished one */
        PLACE_NEW,        /* a fresh one beside it; what lies there goes */
        PLACE_NEW_RESUME, /* the one beside it that an earlier attempt of this generation began */
        _GENERATION_PLACE_INVALID = -EINVAL,
} GenerationPlace;

/* What the destination remembers of a stream. */
typedef struct GenerationHistory {
        bool has_final, has_new;
        bool final_has_generation, new_has_generation;
        int64_t final_generation_id; /* of the last truncate refresh that became final */
        int64_t new_generation_id;
} GenerationHistory;

/* -EOPNOTSUPP for a minimum generation between 0 and the generation. */
GenerationPlace generation_place(const ConfiguredStream *c, const GenerationHistory *h,
                                 Error **reterr_error);

/* With PLACE_FINAL and something left beside: whether those rows were acknowledged and must be merged
 * (D09), or were an unfinished overwrite without generations and go. */
bool generation_keeps_new(const ConfiguredStream *c, const GenerationHistory *h);
