/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "connectors/source-faker/faker-text.h"

/* Both directions of the civil calendar count from 1 March, so that the leap day comes last in its year;
 * an "era" is the 400 years after which the Gregorian calendar repeats (146,097 days). */
#define DAYS_PER_ERA 146097
#define DAYS_TO_1970 719468 /* from 0000-03-01 */

char *faker_put_time(char *p, int64_t seconds) {
        uint32_t days = (uint32_t) (seconds / FAKER_DAY) + DAYS_TO_1970, second = (uint32_t) (seconds % FAKER_DAY);
        uint32_t era = days / DAYS_PER_ERA, day = days % DAYS_PER_ERA;
        uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
        uint32_t day_of_year = day - (365 * year + year / 4 - year / 100);
        uint32_t month = (5 * day_of_year + 2) / 153; /* 0 is March */

        p = faker_put_digits(p, year + era * 400 + (month >= 10), 4);
        *p++ = '-';
        p = faker_put_digits(p, month < 10 ? month + 3 : month - 9, 2);
        *p++ = '-';
        p = faker_put_digits(p, day_of_year - (153 * month + 2) / 5 + 1, 2);
        *p++ = 'T';
        p = faker_put_digits(p, second / 3600, 2);
        *p++ = ':';
        p = faker_put_digits(p, second / 60 % 60, 2);
        *p++ = ':';
        p = faker_put_digits(p, second % 60, 2);
        return faker_put(p, "+00:00");
}

/* The number in `width` digits at `s`, or a negative value. */
static int64_t digits_at(const char *s, unsigned width) {
        int64_t v = 0;

        for (unsigned i = 0; i < width; i++) {
                if (s[i] < '0' || s[i] > '9')
                        return -EINVAL;
                v = v * 10 + (s[i] - '0');
        }
        return v;
}

int faker_parse_time(const char *s, int64_t *ret) {
        static const char form[] = "0000-00-00T00:00:00+00:00";
        int64_t year, month, day, hour, minute, second, m;

        if (strlen(s) != sizeof(form) - 1)
                return -EINVAL;
        for (size_t i = 0; form[i]; i++)
                if (i < 19 && form[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
                        return -EINVAL;
        year = digits_at(s, 4);
        month = digits_at(s + 5, 2);
        day = digits_at(s + 8, 2);
        hour = digits_at(s + 11, 2);
        minute = digits_at(s + 14, 2);
        second = digits_at(s + 17, 2);
        if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
            second > 60)
                return -EINVAL;
        year -= month <= 2;
        m = month > 2 ? month - 3 : month + 9;
        *ret = (((year / 400) * DAYS_PER_ERA + (year % 400) * 365 + (year % 400) / 4 - (year % 400) / 100 +
                 (153 * m + 2) / 5 + day - 1 - DAYS_TO_1970) * 24 + hour) * 3600 + minute * 60 + second;
        return 0;
}
