/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shared/json-util.h"
#include "workflow/schedule.h"

#define HOUR_USEC (3600 * USEC_PER_SEC)

static const struct {
        const char *name;
        usec_t length;
} units[] = {
        { "minutes", 60 * USEC_PER_SEC }, { "hours", HOUR_USEC },
        { "days", 24 * HOUR_USEC },       { "weeks", 7 * 24 * HOUR_USEC },
        { "months", 30 * 24 * HOUR_USEC }, /* as Airbyte counts them */
};

static int basic_interval(const char *data, usec_t *ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        const char *unit = NULL;
        int64_t n = 0;
        int r;

        r = json_parse(strempty(data), strlen(strempty(data)), &o, reterr_error);
        if (r >= 0)
                r = json_get_i64(o, "units", &n, "The schedule", reterr_error);
        if (r >= 0)
                r = json_get_string(o, "timeUnit", &unit, "The schedule", reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq_ptr(unit, units[i].name) && n > 0 && n <= 1000000) {
                        *ret = (usec_t) n * units[i].length;
                        return 0;
                }
        return error_set(reterr_error, -EINVAL, "The schedule needs 'units' and one of the known 'timeUnit's");
}

int schedule_next_run(const Connection *c, usec_t last_job, usec_t now, usec_t *ret, Error **reterr_error) {
        usec_t interval = 0;
        int r;

        *ret = 0;
        if (c->status != CONNECTION_ACTIVE || c->schedule_type == SCHEDULE_MANUAL)
                return 0;
        if (c->schedule_type == SCHEDULE_CRON)
                return error_set(reterr_error, -ENOTSUP, "Cron schedules are not followed yet");
        r = basic_interval(c->schedule_data, &interval, reterr_error);
        if (r >= 0)
                *ret = last_job > 0 ? last_job + interval : now;
        return r;
}
