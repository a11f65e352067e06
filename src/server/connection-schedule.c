/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two APIs and their older forms write the same two columns, schedule_type and schedule_data; the latter
 * is {"units","timeUnit"} or {"cronExpression","cronTimeZone"}. The public API knows no intervals: it
 * shows one as text (basicTiming) and takes it back unchanged, so that a client which sends what it has
 * read changes nothing. */

#include <stdio.h>

#include "server/body.h"
#include "server/connection-schedule.h"
#include "server/out.h"

#define PROBLEM_CRON "error:cron-validation/invalid-expression"
#define PROBLEM_TIME_ZONE "error:cron-validation/invalid-timezone"
#define CRON_EXPRESSION_MAX 256U

/* A Quartz expression has six or seven fields of its own characters. What it means is the workflow
 * daemon's to know; here only what can't be one is told apart. The first field must be a plain number:
 * Airbyte has no schedules within a minute. Most who are wrong have written a crontab(5)'s five fields. */
static int check_cron(Call *c, const char *s) {
        _cleanup_strv_ char **fields = NULL;
        const char *seconds = NULL;
        size_t n = 0;

        if (strlen(s) > CRON_EXPRESSION_MAX)
                return call_fail(c, -EINVAL, PROBLEM_CRON, "The cron expression is too long");
        fields = strv_split(s, " ");
        if (!fields)
                return -ENOMEM;
        STRV_FOREACH(f, fields) {
                if (!**f)
                        continue;
                seconds = seconds ?: *f;
                if (strspn(*f, "0123456789*/,-?LW#ABCDEFGHIJKMNOPQRSTUVXYZabcdefghijklmnopqrstuvwxyz") != strlen(*f))
                        return call_fail(c, -EINVAL, PROBLEM_CRON, "'%s' is not part of a cron expression",
                                         *f);
                n++;
        }
        if (n < 6 || n > 7)
                return call_fail(c, -EINVAL, PROBLEM_CRON,
                                 "A cron expression has six or seven fields (seconds, minutes, hours, "
                                 "day of the month, month, day of the week, year), as in '0 30 3 * * ?', "
                                 "not %zu", n);
        if (strspn(seconds, "0123456789") != strlen(seconds))
                return call_fail(c, -EINVAL, PROBLEM_CRON,
                                 "The seconds of a cron expression, its first field, must be a number, "
                                 "not '%s'", seconds);
        return 0;
}

static int set_schedule(Connection *connection, ScheduleType type, Out *data) {
        _cleanup_json_ JsonObject *o = NULL;
        char *text = NULL;
        int r = data ? out_take(data, &o) : 0;

        if (r >= 0 && data) {
                text = json_to_string(o);
                r = text ? 0 : -ENOMEM;
        }
        if (r < 0)
                return r;
        free(connection->schedule_data);
        connection->schedule_data = text;
        connection->schedule_type = type;
        return 0;
}

static int set_cron(Call *c, Connection *connection, const char *expression, const char *zone) {
        _cleanup_free_ char *text = strdup(expression);
        size_t n = strlen(expression);
        Out out;
        int r;

        if (!text)
                return -ENOMEM;
        /* In the public API a cron is in UTC, and may say so. */
        if (n > 4 && streq(text + n - 4, " UTC"))
                text[n - 4] = 0;
        r = check_cron(c, text);
        if (r < 0)
                return r;
        if (strncmp(zone, "Etc", 3) == 0 || strlen(zone) > 64 || strstr(zone, ".."))
                return call_fail(c, -EINVAL, PROBLEM_TIME_ZONE, "'%s' is not a time zone for a schedule",
                                 zone);
        out = out_object();
        out_string(&out, "cronExpression", text);
        out_string(&out, "cronTimeZone", zone);
        return set_schedule(connection, SCHEDULE_CRON, &out);
}

static int set_basic(Call *c, Connection *connection, JsonObject *basic) {
        static const char *const units[] = { "minutes", "hours", "days", "weeks", "months" };
        const char *unit = NULL;
        int64_t n = 0;
        Out out;
        int r = body_need_string(c, basic, "timeUnit", &unit);

        if (r >= 0)
                r = body_i64(c, basic, "units", &n);
        if (r < 0)
                return r;
        if (n < 1 || n > 1000000)
                return call_fail(c, -EINVAL, NULL, "'units' of a schedule must be from 1 on");
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq(unit, units[i])) {
                        out = out_object();
                        out_i64(&out, "units", n);
                        out_string(&out, "timeUnit", unit);
                        return set_schedule(connection, SCHEDULE_BASIC, &out);
                }
        return call_fail(c, -EINVAL, NULL, "'timeUnit' of a schedule can't be '%s'", unit);
}

static int apply_public(Call *c, JsonObject *schedule, Connection *connection) {
        const char *type = NULL, *expression = NULL;
        int r = body_need_string(c, schedule, "scheduleType", &type);

        if (r >= 0)
                r = body_string(c, schedule, "cronExpression", &expression);
        if (r < 0)
                return r;
        if (streq(type, "manual"))
                return set_schedule(connection, SCHEDULE_MANUAL, NULL);
        /* A client that changes something else sends back what it has read. */
        if (streq(type, "basic") && connection->schedule_type == SCHEDULE_BASIC)
                return 0;
        if (!streq(type, "cron"))
                return call_fail(c, -EINVAL, NULL, "'scheduleType' must be manual or cron");
        if (!expression)
                return call_fail(c, -EINVAL, "error:cron-validation/missing-expression",
                                 "'cronExpression' is missing");
        return set_cron(c, connection, expression, "UTC");
}

static int apply_config(Call *c, JsonObject *body, const char *type, Connection *connection) {
        JsonObject *data = NULL, *cron = NULL, *basic = NULL;
        const char *expression = NULL, *zone = NULL;
        int r;

        if (streq(type, "manual"))
                return set_schedule(connection, SCHEDULE_MANUAL, NULL);
        r = body_need_object(c, body, "scheduleData", &data);
        if (r < 0)
                return r;
        if (streq(type, "basic")) {
                r = body_need_object(c, data, "basicSchedule", &basic);
                return r < 0 ? r : set_basic(c, connection, basic);
        }
        if (!streq(type, "cron"))
                return call_fail(c, -EINVAL, NULL, "'scheduleType' must be manual, basic or cron");
        r = body_need_object(c, data, "cron", &cron);
        if (r >= 0)
                r = body_need_string(c, cron, "cronExpression", &expression);
        if (r >= 0)
                r = body_need_string(c, cron, "cronTimeZone", &zone);
        return r < 0 ? r : set_cron(c, connection, expression, zone);
}

int connection_schedule_apply(Call *c, JsonObject *body, Connection *connection) {
        JsonObject *schedule = json_member(body, "schedule");
        const char *type = NULL;
        int r;

        if (schedule && json_object_is_type(json_member(schedule, "scheduleType"), json_type_string))
                return apply_public(c, schedule, connection);
        if (schedule && !json_object_is_type(schedule, json_type_object))
                return call_fail(c, -EINVAL, NULL, "'schedule' must be an object");
        r = body_string(c, body, "scheduleType", &type);
        return r <= 0 ? r : apply_config(c, body, type, connection);
}

int connection_schedule_view(const Connection *connection, JsonObject **ret) {
        _cleanup_json_ JsonObject *data = NULL;
        _cleanup_out_ Out out = out_object();
        _cleanup_free_ char *text = NULL;
        int r = connection->schedule_data ?
                json_parse(connection->schedule_data, strlen(connection->schedule_data), &data, NULL) : 0;

        if (r < 0)
                return r;
        out_string(&out, "scheduleType", schedule_type_to_string(connection->schedule_type));
        if (connection->schedule_type == SCHEDULE_CRON) {
                if (asprintf(&text, "%s %s", json_object_get_string(json_member(data, "cronExpression")),
                             json_object_get_string(json_member(data, "cronTimeZone"))) < 0)
                        return -ENOMEM;
                out_string(&out, "cronExpression", text);
        }
        if (connection->schedule_type == SCHEDULE_BASIC) {
                if (asprintf(&text, "Every %lld %s",
                             (long long) json_object_get_int64(json_member(data, "units")),
                             json_object_get_string(json_member(data, "timeUnit"))) < 0)
                        return -ENOMEM;
                for (char *p = text; *p; p++)
                        if (p > text + 6 && *p >= 'a' && *p <= 'z')
                                *p = (char) (*p - 'a' + 'A');
                out_string(&out, "basicTiming", text);
        }
        return out_take(&out, ret);
}
