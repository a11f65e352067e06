/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A field is a set of values, one flag each, so that lists, ranges and steps all end as the same; what
 * depends on the month ("L", "15W", "6#3") is kept as a rule beside them and asked for each day. Exactly
 * one of the two day fields is '?', as Quartz wants.
 *
 * The next time is found by counting up from the moment after: years, months and days that don't match
 * are passed as a whole, so the worst case is some ten thousand days. An expression that matches no day
 * until 2099 is refused when it is parsed, and the search ends for all others.
 *
 * Fields are local time. Where a zone puts its clock back, an hour comes twice and its times count once;
 * mktime() moves a time that the clock skips. The zone is entered by the environment, since libc has no
 * other way, and left again before anything else runs. */

#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "basic/strv.h"
#include "shared/quartz-cron.h"

#define YEAR_FIRST 1970
#define YEAR_LAST 2099
#define SPECIALS_MAX 32U
#define ZONE_DIRECTORY "/usr/share/zoneinfo/"

typedef enum FieldKind {
        FIELD_SECOND,
        FIELD_MINUTE,
        FIELD_HOUR,
        FIELD_DAY_OF_MONTH,
        FIELD_MONTH,
        FIELD_DAY_OF_WEEK,
        FIELD_YEAR,
        _FIELD_KIND_MAX,
} FieldKind;

static const struct {
        const char *what;
        int first, last, step_max;
} field_table[_FIELD_KIND_MAX] = {
        [FIELD_SECOND] = { "seconds", 0, 59, 59 },       [FIELD_MINUTE] = { "minutes", 0, 59, 59 },
        [FIELD_HOUR] = { "hours", 0, 23, 23 },           [FIELD_DAY_OF_MONTH] = { "days of the month", 1, 31, 31 },
        [FIELD_MONTH] = { "months", 1, 12, 12 },         [FIELD_DAY_OF_WEEK] = { "days of the week", 1, 7, 7 },
        [FIELD_YEAR] = { "years", YEAR_FIRST, YEAR_LAST, YEAR_LAST - YEAR_FIRST },
};

/* A day that the month decides on. */
typedef struct Special {
        enum { FROM_LAST, NEAREST_WEEKDAY, NTH_OF_WEEK, LAST_OF_WEEK } kind;
        int n;        /* days before the last; day of the month; which one */
        int weekday;  /* 1 = Sunday; of the last two */
        bool on_weekday; /* FROM_LAST: the weekday nearest to it */
} Special;

struct QuartzCron {
        bool set[_FIELD_KIND_MAX][YEAR_LAST - YEAR_FIRST + 1]; /* by value less the field's first one */
        bool any_day_of_month; /* '?' in one of the two */
        Special specials[SPECIALS_MAX];
        size_t n_specials;
};

typedef struct Date {
        int year, month, day, hour, minute, second;
} Date;

QuartzCron *quartz_cron_free(QuartzCron *c) {
        free(c);
        return NULL;
}

/* --- the calendar --- */

/* Days since 1970-01-01 of a Gregorian date. */
static int64_t days_from_date(int y, int m, int d) {
        int64_t era, of_era, year = m <= 2 ? y - 1 : y;
        int64_t of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

        era = year / 400;
        of_era = (year - era * 400) * 365 + (year - era * 400) / 4 - (year - era * 400) / 100 + of_year;
        return era * 146097 + of_era - 719468;
}

static int days_in_month(int y, int m) {
        return (int) (m == 12 ? 31 : days_from_date(y, m + 1, 1) - days_from_date(y, m, 1));
}

/* 1 = Sunday, as Quartz counts. 1970-01-01 was a Thursday. */
static int weekday_of(int y, int m, int d) {
        return (int) ((days_from_date(y, m, d) + 4) % 7) + 1;
}

/* The weekday (Monday to Friday) nearest to a day, within the month. */
static int nearest_weekday(int y, int m, int d) {
        int last = days_in_month(y, m), weekday;

        d = MIN(d, last);
        weekday = weekday_of(y, m, d);
        if (weekday == 7)
                return d == 1 ? 3 : d - 1;
        if (weekday == 1)
                return d == last ? d - 2 : d + 1;
        return d;
}

static bool special_matches(const Special *s, int y, int m, int d) {
        int last = days_in_month(y, m), day;

        switch (s->kind) {
        case FROM_LAST:
                day = last - s->n;
                return day >= 1 && d == (s->on_weekday ? nearest_weekday(y, m, day) : day);
        case NEAREST_WEEKDAY:
                return s->n <= last && d == nearest_weekday(y, m, s->n);
        case NTH_OF_WEEK:
                return weekday_of(y, m, d) == s->weekday && (d - 1) / 7 + 1 == s->n;
        default:
                return weekday_of(y, m, d) == s->weekday && d + 7 > last;
        }
}

static bool has(const QuartzCron *c, FieldKind f, int value) {
        return c->set[f][value - field_table[f].first];
}

static bool day_matches(const QuartzCron *c, int y, int m, int d) {
        for (size_t i = 0; i < c->n_specials; i++)
                if (special_matches(c->specials + i, y, m, d))
                        return true;
        return c->any_day_of_month ? has(c, FIELD_DAY_OF_WEEK, weekday_of(y, m, d)) : has(c, FIELD_DAY_OF_MONTH, d);
}

/* --- parsing --- */

static int bad(Error **reterr_error, FieldKind f, const char *part) {
        return error_set(reterr_error, -EINVAL, "The cron expression's %s can't be '%s'", field_table[f].what, part);
}

/* A number or a name at the front of `*p`, which moves behind it; -EINVAL. */
static int read_value(FieldKind f, const char **p) {
        static const char months[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", days[] = "SUNMONTUEWEDTHUFRISAT";
        const char *names = f == FIELD_MONTH ? months : f == FIELD_DAY_OF_WEEK ? days : "";
        int value = 0, n = 0;

        for (; (*p)[n] >= '0' && (*p)[n] <= '9' && n < 5; n++)
                value = value * 10 + ((*p)[n] - '0');
        if (n > 0) {
                *p += n;
                return n < 5 && value >= field_table[f].first && value <= field_table[f].last ? value : -EINVAL;
        }
        for (int i = 0; names[i * 3]; i++)
                if (strncasecmp(*p, names + i * 3, 3) == 0) {
                        *p += 3;
                        return i + 1;
                }
        return -EINVAL;
}

/* Behind a '/': how far apart. */
static int read_step(FieldKind f, const char *p) {
        int value = 0, n = 0;

        for (; p[n] >= '0' && p[n] <= '9' && n < 4; n++)
                value = value * 10 + (p[n] - '0');
        return n > 0 && !p[n] && value >= 1 && value <= field_table[f].step_max ? value : -EINVAL;
}

/* From `from` to `to`, around the end where that lies before. */
static void set_range(QuartzCron *c, FieldKind f, int from, int to, int step) {
        int first = field_table[f].first, size = field_table[f].last - first + 1;

        if (to < from)
                to += size;
        for (int v = from; v <= to; v += step)
                c->set[f][(v - first) % size] = true;
}

static int add_special(QuartzCron *c, Special s) {
        if (c->n_specials == SPECIALS_MAX)
                return -EINVAL;
        c->specials[c->n_specials++] = s;
        return 1;
}

/* "L", "LW", "L-3", "L-3W", "15W". 1: it was one of them; 0: it isn't. */
static int parse_day_of_month(QuartzCron *c, const char *p) {
        Special s = { .kind = FROM_LAST };
        int n;

        if (strcasecmp(p, "L") == 0 || strcasecmp(p, "LW") == 0) {
                s.on_weekday = p[1];
                return add_special(c, s);
        }
        if (strncasecmp(p, "L-", 2) == 0) {
                p += 2;
                n = read_value(FIELD_DAY_OF_MONTH, &p);
                s.n = n;
                s.on_weekday = strcasecmp(p, "W") == 0;
                return n < 1 || n > 30 || (*p && !s.on_weekday) ? -EINVAL : add_special(c, s);
        }
        n = read_value(FIELD_DAY_OF_MONTH, &p);
        if (n < 0 || strcasecmp(p, "W") != 0)
                return 0;
        return add_special(c, (Special) { .kind = NEAREST_WEEKDAY, .n = n });
}

/* "5L", "FRIL", "6#3". */
static int parse_day_of_week(QuartzCron *c, const char *p) {
        int weekday = read_value(FIELD_DAY_OF_WEEK, &p);

        if (weekday < 0)
                return 0;
        if (strcasecmp(p, "L") == 0)
                return add_special(c, (Special) { .kind = LAST_OF_WEEK, .weekday = weekday });
        if (p[0] != '#')
                return 0;
        if (p[1] < '1' || p[1] > '5' || p[2])
                return -EINVAL;
        return add_special(c, (Special) { .kind = NTH_OF_WEEK, .n = p[1] - '0', .weekday = weekday });
}

/* "*", "5", "5-7", with "/step" behind it. */
static int parse_plain(QuartzCron *c, FieldKind f, const char *part) {
        const char *p = part;
        int from = field_table[f].first, to = field_table[f].last, step = 1;
        bool range = *p == '*' || *p == '/';

        if (*p == '*')
                p++;
        else if (*p != '/') {
                from = to = read_value(f, &p);
                if (from < 0)
                        return -EINVAL;
                if (*p == '-') {
                        p++;
                        to = read_value(f, &p);
                        range = true;
                }
                if (to < 0)
                        return -EINVAL;
        }
        if (*p == '/') {
                step = read_step(f, p + 1);
                if (step < 0)
                        return -EINVAL;
                if (!range)
                        to = field_table[f].last;
                p = "";
        }
        if (*p)
                return -EINVAL;
        set_range(c, f, from, to, step);
        return 0;
}

static int parse_part(QuartzCron *c, FieldKind f, const char *part, bool alone) {
        int r = 0;

        if (f == FIELD_DAY_OF_MONTH)
                r = parse_day_of_month(c, part);
        if (f == FIELD_DAY_OF_WEEK) {
                /* Alone it is Saturday, among others it means nothing. */
                if (strcasecmp(part, "L") == 0)
                        return alone ? parse_plain(c, f, "7") : -EINVAL;
                r = parse_day_of_week(c, part);
        }
        return r == 0 ? parse_plain(c, f, part) : MIN(r, 0);
}

static int parse_field(QuartzCron *c, FieldKind f, const char *s, Error **reterr_error) {
        _cleanup_strv_ char **parts = strv_split(s, ",");

        if (!parts)
                return -ENOMEM;
        STRV_FOREACH(part, parts)
                if (parse_part(c, f, *part, strv_length(parts) == 1) < 0)
                        return bad(reterr_error, f, *part);
        return 0;
}

static int split_fields(const char *s, char ***ret, Error **reterr_error) {
        _cleanup_strv_ char **words = strv_split(s, " \t"), **fields = NULL;

        if (!words)
                return -ENOMEM;
        STRV_FOREACH(w, words)
                if (**w && strv_extend(&fields, *w) < 0)
                        return -ENOMEM;
        if (strv_length(fields) < 6 || strv_length(fields) > 7)
                return error_set(reterr_error, -EINVAL, "A cron expression has six or seven fields, not %zu",
                                 strv_length(fields));
        *ret = TAKE_PTR(fields);
        return 0;
}

static bool ever_matches(const QuartzCron *c) {
        for (int y = YEAR_FIRST; y <= YEAR_LAST; y++)
                for (int m = 1; m <= 12 && has(c, FIELD_YEAR, y); m++)
                        for (int d = 1; d <= days_in_month(y, m) && has(c, FIELD_MONTH, m); d++)
                                if (day_matches(c, y, m, d))
                                        return true;
        return false;
}

int quartz_cron_parse(const char *s, QuartzCron **ret, Error **reterr_error) {
        _cleanup_(quartz_cron_freep) QuartzCron *c = calloc(1, sizeof(*c));
        _cleanup_strv_ char **fields = NULL;
        bool any_of_month, any_of_week;
        int r;

        if (!c)
                return -ENOMEM;
        if (strlen(s) > QUARTZ_CRON_MAX)
                return error_set(reterr_error, -EINVAL, "The cron expression is too long");
        r = split_fields(s, &fields, reterr_error);
        if (r < 0)
                return r;
        any_of_month = streq(fields[FIELD_DAY_OF_MONTH], "?");
        any_of_week = streq(fields[FIELD_DAY_OF_WEEK], "?");
        if (any_of_month == any_of_week)
                return error_set(reterr_error, -EINVAL,
                                 "Exactly one of a cron expression's two day fields must be '?'");
        c->any_day_of_month = any_of_month;
        for (FieldKind f = 0; f < _FIELD_KIND_MAX; f++) {
                if ((f == FIELD_DAY_OF_MONTH && any_of_month) || (f == FIELD_DAY_OF_WEEK && any_of_week))
                        continue;
                r = parse_field(c, f, f == FIELD_YEAR && !fields[FIELD_YEAR] ? "*" : fields[f], reterr_error);
                if (r < 0)
                        return r;
        }
        if (!ever_matches(c))
                return error_set(reterr_error, -EINVAL, "The cron expression never matches");
        *ret = TAKE_PTR(c);
        return 0;
}

/* --- the next time --- */

/* The first matching time of day from `d` on, on its day. */
static bool find_time(const QuartzCron *c, Date *d) {
        for (; d->hour <= 23; d->hour++, d->minute = d->second = 0)
                for (; has(c, FIELD_HOUR, d->hour) && d->minute <= 59; d->minute++, d->second = 0)
                        for (; has(c, FIELD_MINUTE, d->minute) && d->second <= 59; d->second++)
                                if (has(c, FIELD_SECOND, d->second))
                                        return true;
        return false;
}

/* The first matching local time from `d` on. */
static bool find_date(const QuartzCron *c, Date *d) {
        for (; d->year <= YEAR_LAST; d->year++, d->month = 1, d->day = 1, d->hour = d->minute = d->second = 0)
                for (; d->month <= 12 && has(c, FIELD_YEAR, d->year);
                     d->month++, d->day = 1, d->hour = d->minute = d->second = 0)
                        for (; d->day <= days_in_month(d->year, d->month) && has(c, FIELD_MONTH, d->month);
                             d->day++, d->hour = d->minute = d->second = 0)
                                if (day_matches(c, d->year, d->month, d->day) && find_time(c, d))
                                        return true;
        return false;
}

static bool zone_exists(const char *zone) {
        char path[256];

        if (strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") != strlen(zone) ||
            !*zone || *zone == '/')
                return false;
        (void) snprintf(path, sizeof(path), ZONE_DIRECTORY "%s", zone);
        return access(path, F_OK) == 0;
}

/* libc knows one zone at a time: that of the environment. The daemons have one thread. */
static int enter_zone(const char *zone, char **ret_saved) {
        const char *now = getenv("TZ");

        *ret_saved = now ? strdup(now) : NULL;
        if (now && !*ret_saved)
                return -ENOMEM;
        if (setenv("TZ", zone, true) < 0) {
                free(*ret_saved);
                return -ENOMEM;
        }
        tzset();
        return 0;
}

static void leave_zone(char *saved) {
        if (saved)
                (void) setenv("TZ", saved, true);
        else
                (void) unsetenv("TZ");
        tzset();
        free(saved);
}

static time_t to_time(const Date *d) {
        struct tm tm = { .tm_year = d->year - 1900, .tm_mon = d->month - 1, .tm_mday = d->day, .tm_hour = d->hour,
                         .tm_min = d->minute, .tm_sec = d->second, .tm_isdst = -1 };

        return mktime(&tm);
}

static int find_next(const QuartzCron *c, time_t after, time_t *ret) {
        time_t t = after + 1, found;
        struct tm tm;
        Date d;

        if (!localtime_r(&t, &tm))
                return -EINVAL;
        d = (Date) { tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, MIN(tm.tm_sec, 59) };
        if (d.year < YEAR_FIRST)
                d = (Date) { YEAR_FIRST, 1, 1, 0, 0, 0 };
        while (find_date(c, &d)) {
                found = to_time(&d);
                if (found > after) {
                        *ret = found;
                        return 0;
                }
                /* The clock was put back: this time has been already. */
                d.second++;
        }
        return -ENOENT;
}

int quartz_cron_next(const QuartzCron *c, const char *zone, usec_t after, usec_t *ret) {
        time_t found = 0;
        char *saved;
        int r;

        if (zone && !zone_exists(zone))
                return -EINVAL;
        if (after / USEC_PER_SEC > (usec_t) INT64_C(4102444800)) /* 2100 */
                return -ENOENT;
        r = enter_zone(zone ?: "UTC0", &saved);
        if (r < 0)
                return r;
        r = find_next(c, (time_t) (after / USEC_PER_SEC), &found);
        leave_zone(saved);
        if (r >= 0)
                *ret = (usec_t) found * USEC_PER_SEC;
        return r;
}
