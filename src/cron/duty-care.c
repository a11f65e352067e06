/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pages that were freed stay in the file and are used again; giving back a few percent would only be
 * followed by asking for them. So there is a threshold, a share of the file, and nothing happens below
 * it. */

#include <inttypes.h>

#include "basic/log.h"
#include "cron/duty-care.h"
#include "db/maintenance.h"

#define STEP_PAGES 16U
/* Of the file, as a divisor, or so many bytes: not worth the writing. */
#define UNUSED_SHARE 20U
#define UNUSED_MIN (UINT64_C(1) << 20)

static int vacuum_step(Cron *c, void *userdata, Error **reterr_error) {
        const uint64_t *keep = userdata;
        uint64_t size, unused;
        int r;

        r = db_measure(c->db, &size, &unused, reterr_error);
        if (r < 0 || unused <= *keep)
                return MIN(r, 0);
        return db_vacuum(c->db, STEP_PAGES, reterr_error);
}

int duty_vacuum(Cron *c, Error **reterr_error) {
        char given[FORMAT_BYTES_MAX];
        uint64_t size, unused, after, keep;
        int r;

        r = db_measure(c->db, &size, &unused, reterr_error);
        if (r < 0)
                return r;
        keep = MAX(size / UNUSED_SHARE, UNUSED_MIN);
        if (unused <= keep)
                return 0;
        r = cron_batches(c, vacuum_step, &keep, reterr_error);
        if (r >= 0)
                r = db_measure(c->db, &after, &unused, reterr_error);
        if (r >= 0 && after < size)
                log_info("Gave back %s of the database; the longest write took %" PRIu64 " ms",
                         format_bytes(size - after, given), c->longest / USEC_PER_MSEC);
        return r;
}

int duty_check(Cron *c, Error **reterr_error) {
        return db_check(c->db, reterr_error);
}
