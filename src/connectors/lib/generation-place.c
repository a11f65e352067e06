/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the records of a stream go, decided from three numbers: the generation that this sync writes, the
 * oldest that may stay, and what is there already. The same decision is made by every destination, and
 * again by each attempt; so it must not depend on anything that an attempt could have changed without
 * committing it. */

#include <inttypes.h>

#include "connectors/lib/generation-place.h"

static bool is_overwrite(const ConfiguredStream *c) {
        return c->destination_sync_mode == DESTINATION_SYNC_MODE_OVERWRITE ||
               c->destination_sync_mode == DESTINATION_SYNC_MODE_OVERWRITE_DEDUP;
}

GenerationPlace generation_place(const ConfiguredStream *c, const GenerationHistory *h,
                                 Error **reterr_error) {
        /* Platforms without refreshes send no ids, or zeros: then the mode alone decides, and nothing is
         * resumed. */
        if (!c->has_generation || (c->generation_id == 0 && c->minimum_generation_id == 0))
                return is_overwrite(c) ? PLACE_NEW : PLACE_FINAL;
        if (c->minimum_generation_id == 0)
                return PLACE_FINAL;
        if (c->minimum_generation_id != c->generation_id)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EOPNOTSUPP,
                                      "Stream '%s': minimum generation %"
                                      PRIi64 " of generation %" PRIi64 ": either all older rows go or none",
                                      c->stream.name, c->minimum_generation_id, c->generation_id);
        if (h->has_new && h->new_has_generation && h->new_generation_id == c->generation_id)
                return PLACE_NEW_RESUME;
        /* The swap was done by an attempt whose end nobody heard of: what follows belongs to the same
         * generation. */
        if (h->has_final && h->final_has_generation && h->final_generation_id == c->generation_id)
                return PLACE_FINAL;
        return PLACE_NEW;
}

bool generation_keeps_new(const ConfiguredStream *c, const GenerationHistory *h) {
        return h->has_new && h->new_has_generation && c->has_generation;
}
