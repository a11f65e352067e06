/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A next run is always computed from what is stored, the schedule and the newest job, and never from the
 * run before: so it makes no difference how often it is computed, or how long the machine was off.
 *
 * An interval counts from the beginning of the newest job. It may give a time that has passed, which
 * means at once; the job that is made then is the newest, so that one job makes up for however much was
 * missed. Airbyte counts months as 30 days and cron expressions in Quartz's syntax, by their own time
 * zone. */

#include "shared/json-util.h"
#include "shared/quartz-cron.h"
#include "workflow/schedule.h"

#define HOUR_USEC (3600 * USEC_PER_SEC)
#define CRON_PAUSE_USEC (60 * USEC_PER_SEC)
/* A job that is newer than now by more than that was made before the clock was set back. */
#define CLOCK_STEP_USEC (60 * USEC_PER_SEC)

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

static int next_cron(const char *data, usec_t after, usec_t *ret, Error **reterr_error) {
        _cleanup_(quartz_cron_freep) QuartzCron *cron = NULL;
        const char *expression = NULL, *zone = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = json_parse(strempty(data), strlen(strempty(data)), &o, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "cronExpression", &expression, "The schedule", reterr_error);
        if (r >= 0)
                r = json_get_string(o, "cronTimeZone", &zone, "The schedule", reterr_error);
        if (r >= 0)
                r = quartz_cron_parse(strempty(expression), &cron, reterr_error);
        if (r < 0)
                return r;
        r = quartz_cron_next(cron, zone, after, ret);
        if (r == -ENOENT)
                return 0; /* its last time has been */
        return r < 0 ? error_set(reterr_error, r, "There is no time zone '%s'", strempty(zone)) : 0;
}

/* What is set already stays where it is in reach, since nothing else is there to count from: counted from
 * now each time, the run would be put off each time. */
static usec_t behind_set_clock(const Connection *c, usec_t now, usec_t interval) {
        return c->next_run > 0 && c->next_run <= now + interval ? c->next_run : now + interval;
}

int schedule_next_run(const Connection *c, usec_t last_job, usec_t now, usec_t *ret, Error **reterr_error) {
        bool set_back = last_job > now + CLOCK_STEP_USEC;
        usec_t interval = 0;
        int r;

        *ret = 0;
        if (c->status != CONNECTION_ACTIVE || c->schedule_type == SCHEDULE_MANUAL)
                return 0;
        if (c->schedule_type == SCHEDULE_CRON)
                return next_cron(c->schedule_data,
                                 MAX(now, last_job > 0 && !set_back ? last_job + CRON_PAUSE_USEC : 0), ret,
                                 reterr_error);
        r = basic_interval(c->schedule_data, &interval, reterr_error);
        if (r < 0)
                return r;
        if (set_back)
                *ret = behind_set_clock(c, now, interval);
        else
                *ret = last_job > 0 ? last_job + interval : now;
        return 0;
}
