/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times and spans in the forms that people write and systemd's files have; "m" are minutes and "M" is a
 * month. Dates are proleptic Gregorian and UTC or with an offset, without a zone's name: what a zone
 * means is the business of shared/quartz-cron.c alone. A sum that doesn't fit is an error, not a wrapped
 * number. */

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "basic/time-util.h"

char *format_rfc3339(usec_t realtime, char buf[static RFC3339_MAX]) {
        time_t sec = (time_t) (realtime / USEC_PER_SEC);
        struct tm tm = {};

        if (!gmtime_r(&sec, &tm) || tm.tm_year > 9999 - 1900)
                (void) snprintf(buf, RFC3339_MAX, "-");
        else {
                size_t n = strftime(buf, RFC3339_MAX, "%Y-%m-%dT%H:%M:%S", &tm);

                (void) snprintf(buf + n, RFC3339_MAX - n, ".%06" PRIu64 "Z", realtime % USEC_PER_SEC);
        }
        return buf;
}

char *format_span(usec_t span, char buf[static FORMAT_SPAN_MAX]) {
        uint64_t s = span / USEC_PER_SEC;

        if (span < USEC_PER_SEC)
                (void) snprintf(buf, FORMAT_SPAN_MAX, "%" PRIu64 " ms", span / USEC_PER_MSEC);
        else if (s < 60)
                (void) snprintf(buf, FORMAT_SPAN_MAX, "%.1f s", (double) span / USEC_PER_SEC);
        else if (s < 3600)
                (void) snprintf(buf, FORMAT_SPAN_MAX, "%" PRIu64 " min %02" PRIu64 " s", s / 60, s % 60);
        else
                (void) snprintf(buf, FORMAT_SPAN_MAX, "%" PRIu64 " h %02" PRIu64 " min", s / 3600,
                                s / 60 % 60);
        return buf;
}

/* The unit at *s, which moves behind it; 0: none of that name. */
static usec_t take_unit(const char **s) {
        static const struct {
                const char *names; /* between spaces */
                usec_t usec;
        } units[] = {
                { " us usec ", 1 },
                { " ms msec ", USEC_PER_MSEC },
                { " s sec second seconds ", USEC_PER_SEC },
                { " m min minute minutes ", 60 * USEC_PER_SEC },
                { " h hr hour hours ", 3600 * USEC_PER_SEC },
                { " d day days ", 86400 * USEC_PER_SEC },
                { " w week weeks ", 7 * 86400 * USEC_PER_SEC },
                { " M month months ", 2629800 * USEC_PER_SEC },
                { " y year years ", 31557600 * USEC_PER_SEC },
        };
        char word[12];
        size_t n = 0;

        while (isalpha((unsigned char) (*s)[n]))
                n++;
        if (n == 0)
                return USEC_PER_SEC;
        if ((size_t) snprintf(word, sizeof(word), " %.*s ", (int) n, *s) >= sizeof(word))
                return 0;
        *s += n;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strstr(units[i].names, word))
                        return units[i].usec;
        return 0;
}

int parse_span(const char *s, usec_t *ret) {
        usec_t sum = 0;

        if (streq(s, "infinity")) {
                *ret = USEC_INFINITY;
                return 0;
        }
        do {
                unsigned long long n;
                usec_t unit, part;
                char *end;

                if (!isdigit((unsigned char) *s))
                        return -EINVAL;
                errno = 0;
                n = strtoull(s, &end, 10);
                if (errno > 0)
                        return -errno;
                s = end + strspn(end, " \t");
                unit = take_unit(&s);
                if (unit == 0)
                        return -EINVAL;
                if (__builtin_mul_overflow((usec_t) n, unit, &part) || __builtin_add_overflow(sum, part, &sum))
                        return -ERANGE;
                s += strspn(s, " \t");
        } while (*s);
        *ret = sum;
        return 0;
}

char *format_bytes(uint64_t bytes, char buf[static FORMAT_BYTES_MAX]) {
        static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
        double v = (double) bytes;
        size_t i = 0;

        for (; v >= 999.95 && i + 1 < ELEMENTSOF(units); i++)
                v /= 1000;
        (void) snprintf(buf, FORMAT_BYTES_MAX, i == 0 ? "%.0f %s" : "%.1f %s", v, units[i]);
        return buf;
}

/* A number of exactly `n` digits; moves on. */
static int take_digits(const char **s, unsigned n, unsigned *ret) {
        unsigned v = 0;

        for (; n > 0; n--, (*s)++) {
                if (**s < '0' || **s > '9')
                        return -EINVAL;
                v = v * 10 + (unsigned) (**s - '0');
        }
        *ret = v;
        return 0;
}

static int take_char(const char **s, const char *any_of) {
        return **s && strchr(any_of, **s) ? *(*s)++ : -EINVAL;
}

static int take_fraction(const char **s, usec_t *ret) {
        usec_t unit = USEC_PER_SEC / 10;

        *ret = 0;
        if (**s != '.')
                return 0;
        (*s)++;
        if (**s < '0' || **s > '9')
                return -EINVAL;
        for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
                *ret += (usec_t) (**s - '0') * unit;
        return 0;
}

/* Seconds east of UTC. */
static int take_zone(const char **s, int *ret) {
        unsigned hours, minutes;
        int sign = take_char(s, "Zz+-");

        *ret = 0;
        if (sign < 0 || sign == 'Z' || sign == 'z')
                return sign < 0 ? sign : 0;
        if (take_digits(s, 2, &hours) < 0 || take_char(s, ":") < 0 || take_digits(s, 2, &minutes) < 0 || hours > 23 ||
            minutes > 59)
                return -EINVAL;
        *ret = (int) (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
        return 0;
}

int parse_timestamp(const char *s, usec_t *ret) {
        unsigned year, month, day, hour, minute, second;
        struct tm tm = {};
        usec_t fraction;
        time_t t;
        int zone;

        if (take_digits(&s, 4, &year) < 0 || take_char(&s, "-") < 0 || take_digits(&s, 2, &month) < 0 ||
            take_char(&s, "-") < 0 || take_digits(&s, 2, &day) < 0 || take_char(&s, "Tt ") < 0 ||
            take_digits(&s, 2, &hour) < 0 || take_char(&s, ":") < 0 || take_digits(&s, 2, &minute) < 0 ||
            take_char(&s, ":") < 0 || take_digits(&s, 2, &second) < 0 || take_fraction(&s, &fraction) < 0 ||
            take_zone(&s, &zone) < 0 || *s || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 ||
            hour > 23 || minute > 59 || second > 60)
                return -EINVAL;
        tm.tm_year = (int) year - 1900;
        tm.tm_mon = (int) month - 1;
        tm.tm_mday = (int) day;
        tm.tm_hour = (int) hour;
        tm.tm_min = (int) minute;
        tm.tm_sec = (int) second;
        t = timegm(&tm) - zone;
        if (tm.tm_mday != (int) day || t < 0)
                return -EINVAL;
        *ret = (usec_t) t * USEC_PER_SEC + fraction;
        return 0;
}
