/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cron/duty-definitions.h"
#include "db/definition-seed.h"
#include "shared/journal.h"

int duty_definitions(Cron *c, Error **reterr_error) {
        _cleanup_seeded_ Seeded seeded = {};
        int r;

        r = definition_seed_directory(c->db, c->data, cron_now(c), &seeded, reterr_error);
        if (r < 0 || seeded.changed == 0)
                return r;
        journal_message(LOG_LEVEL_INFO, MESSAGE_DEFINITIONS_CHANGED, JOURNAL_FIELDS({ "GANTRY_DATABASE", c->database }),
                        "%u of %u connector definitions are new or changed: %s", seeded.changed, seeded.definitions,
                        strempty(buffer_string(&seeded.changes)));
        return 0;
}
