/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether a text is a date, a time or a timestamp, in the forms that sources of the field write: with or
 * without seconds, with a fraction of any length, `T` or a space, a zone as `Z`, `+02`, `+0200` or
 * `+02:00`, years beyond 9999, years before Christ. Only the form is judged, and days are not counted:
 * the text is stored as it came, so what matters is that it is of the kind. */

#include "connectors/lib/temporal.h"

typedef struct Cursor {
        const char *p, *end;
} Cursor;

static bool take(Cursor *c, char wanted) {
        if (c->p >= c->end || *c->p != wanted)
                return false;
        c->p++;
        return true;
}

static size_t count_digits(const Cursor *c) {
        const char *p = c->p;

        while (p < c->end && *p >= '0' && *p <= '9')
                p++;
        return (size_t) (p - c->p);
}

/* Two digits that make a number of [low, high]. */
static bool take_pair(Cursor *c, int low, int high) {
        int v;

        if (count_digits(c) < 2)
                return false;
        v = (c->p[0] - '0') * 10 + (c->p[1] - '0');
        c->p += 2;
        return v >= low && v <= high;
}

/* Years of up to six digits, with a sign or without. */
static bool take_date(Cursor *c) {
        size_t n;

        if (!take(c, '-'))
                (void) take(c, '+');
        n = count_digits(c);
        if (n < 4 || n > 6)
                return false;
        c->p += n;
        return take(c, '-') && take_pair(c, 1, 12) && take(c, '-') && take_pair(c, 1, 31);
}

/* None is fine; that is a timestamp without a zone. */
static bool take_zone(Cursor *c) {
        if (take(c, 'Z') || take(c, 'z'))
                return true;
        if (!take(c, '+') && !take(c, '-'))
                return true;
        if (!take_pair(c, 0, 23))
                return false;
        if (take(c, ':') || count_digits(c) > 0)
                return take_pair(c, 0, 59);
        return true;
}

/* 24:00:00 is midnight at the end of a day, second 60 a leap second. */
static bool take_time(Cursor *c) {
        if (!take_pair(c, 0, 24) || !take(c, ':') || !take_pair(c, 0, 59))
                return false;
        if (take(c, ':')) {
                if (!take_pair(c, 0, 60))
                        return false;
                if (take(c, '.') || take(c, ',')) {
                        size_t n = count_digits(c);

                        if (n == 0)
                                return false;
                        c->p += n;
                }
        }
        (void) take(c, ' ');
        return take_zone(c);
}

static bool take_era_and_end(Cursor *c) {
        size_t left = (size_t) (c->end - c->p);

        return left == 0 || (left == 3 && memcmp(c->p, " BC", 3) == 0);
}

bool temporal_is_date(const char *p, size_t n) {
        Cursor c = { p, p + n };

        return take_date(&c) && take_era_and_end(&c);
}

bool temporal_is_time(const char *p, size_t n) {
        Cursor c = { p, p + n };

        return take_time(&c) && c.p == c.end;
}

bool temporal_is_timestamp(const char *p, size_t n) {
        Cursor c = { p, p + n };

        if (!take_date(&c))
                return false;
        if (take_era_and_end(&c))
                return true;
        if (!take(&c, 'T') && !take(&c, 't') && !take(&c, ' '))
                return false;
        /* The optional space before a zone may be the one of an era instead. */
        if (!take_time(&c))
                return false;
        return take_era_and_end(&c) || (c.p[-1] == ' ' && c.end - c.p == 2 && memcmp(c.p, "BC", 2) == 0);
}
