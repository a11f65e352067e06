/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <time.h>

#include "shared/quartz-cron.h"
#include "unit/test.h"

TEST_MAIN()

static usec_t at(int year, int month, int day, int hour, int minute, int second) {
        struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute,
                         .tm_sec = second };

        return (usec_t) timegm(&tm) * USEC_PER_SEC;
}

static int next(const char *s, const char *zone, usec_t after, usec_t *ret) {
        _cleanup_(quartz_cron_freep) QuartzCron *c = NULL;
        int r = quartz_cron_parse(s, &c, NULL);

        return r < 0 ? r : quartz_cron_next(c, zone, after, ret);
}

/* Whether it matches just then, in UTC. */
static bool fires(const char *s, usec_t t) {
        usec_t found = 0;
        int r = next(s, NULL, t - 1, &found);

        assert_true(r >= 0 || r == -ENOENT);
        return r >= 0 && found == t;
}

TEST(plain_values_and_years) {
        assert_true(fires("0 15 10 * * ? 2005", at(2005, 6, 1, 10, 15, 0)));
        assert_false(fires("0 15 10 * * ? 2005", at(2006, 6, 1, 10, 15, 0)));
        assert_false(fires("0 15 10 * * ? 2005", at(2005, 6, 1, 10, 16, 0)));
        assert_true(fires(" 19 15 10 4 Apr ?  ", at(2030, 4, 4, 10, 15, 19)));
        assert_true(fires("0/20 0 0 ? * mon-fri", at(2026, 11, 25, 0, 0, 40)));
        assert_false(fires("0/20 0 0 ? * mon-fri", at(2026, 11, 28, 0, 0, 40)));
        assert_true(fires("0 0 22-2 * * ?", at(2026, 1, 1, 1, 0, 0)));
        assert_false(fires("0 0 22-2 * * ?", at(2026, 1, 1, 3, 0, 0)));
        assert_true(fires("0 5/10 * * * ?", at(2026, 1, 1, 3, 25, 0)));
}

TEST(days_from_the_end_of_the_month) {
        assert_true(fires("0 15 10 L * ? 2005", at(2005, 12, 31, 10, 15, 0)));
        assert_true(fires("0 15 10 L * ? 2005", at(2005, 9, 30, 10, 15, 0)));
        assert_false(fires("0 15 10 L * ? 2005", at(2005, 12, 30, 10, 15, 0)));
        assert_true(fires("0 15 10 L 2 ? 2004", at(2004, 2, 29, 10, 15, 0)));
        assert_false(fires("0 15 10 L 2 ? 2004", at(2004, 2, 28, 10, 15, 0)));
        assert_true(fires("0 15 10 L-2 * ? 2010", at(2010, 10, 29, 10, 15, 0)));
        assert_true(fires("0 15 10 L-2 * ? 2010", at(2010, 2, 26, 10, 15, 0)));
        assert_false(fires("0 15 10 L-2 * ? 2010", at(2010, 10, 28, 10, 15, 0)));
        assert_true(fires("0 15 10 L-5W * ? 2010", at(2010, 10, 26, 10, 15, 0)));
        assert_true(fires("0 15 10 L-1W,L-1 * ? 2010", at(2010, 10, 29, 10, 15, 0)));
        assert_true(fires("0 15 10 L-1W,L-1 * ? 2010", at(2010, 10, 30, 10, 15, 0)));
        assert_true(fires("0 15 10 1,L * ? 2010", at(2010, 10, 1, 10, 15, 0)));
        assert_true(fires("0 15 10 1,L * ? 2010", at(2010, 10, 31, 10, 15, 0)));
        assert_false(fires("0 15 10 1,L * ? 2010", at(2010, 10, 30, 10, 15, 0)));
}

TEST(nearest_weekdays) {
        /* 2 October 2010 was a Saturday. */
        assert_true(fires("0 15 10 2W,16 * ? 2010", at(2010, 10, 1, 10, 15, 0)));
        assert_true(fires("0 15 10 2W,16 * ? 2010", at(2010, 10, 16, 10, 15, 0)));
        assert_false(fires("0 15 10 2W,16 * ? 2010", at(2010, 10, 2, 10, 15, 0)));
        /* Never out of the month: Saturday the 1st gives Monday the 3rd, Sunday the 31st Friday the 29th. */
        assert_true(fires("0 0 0 1W * ?", at(2011, 1, 3, 0, 0, 0)));
        assert_true(fires("0 0 0 LW * ?", at(2010, 10, 29, 0, 0, 0)));
}

TEST(weekdays_by_their_place_in_the_month) {
        assert_true(fires("0 0 0 ? * 6#3", at(2026, 11, 20, 0, 0, 0)));
        assert_false(fires("0 0 0 ? * 6#3", at(2026, 11, 13, 0, 0, 0)));
        assert_true(fires("0 0 0 ? * 5L", at(2026, 11, 26, 0, 0, 0)));
        assert_false(fires("0 0 0 ? * 5L", at(2026, 11, 19, 0, 0, 0)));
        assert_true(fires("0 0 0 ? * L", at(2026, 11, 28, 0, 0, 0)));
        assert_false(fires("0 0 0 ? * 2#5", at(2026, 11, 23, 0, 0, 0)));
        assert_true(fires("0 0 0 ? * 2#5", at(2026, 11, 30, 0, 0, 0)));
}

TEST(what_is_wrong_is_refused) {
        static const char *const wrong[] = {
                "", "0 0 * * * *", "0 0 * 4 * *", "0 0 * * * 4", "0 0 0 ? * ?", "* * * * Foo ?", "* * * * Jan-Foo ?",
                "0 43 9 ? * SAT,SUN,L", "0 43 9 ? * 6,7,L", "0 15 10 * * ? 2005 *", "0 0 0 * *", "0/60 * * * * ?",
                "0 0/60 * * * ?", "0 0 0/24 * * ?", "0 0 0 1/32 * ?", "0 0 0 1 1/13 ?", "0 0 0 ? * 1/8", "0/0 * * * * ?",
                "60 * * * * ?", "* 60 * * * ?", "* * 24 * * ?", "* * * 0 * ?", "* * * 32 * ?", "* * * * 13 ?", "* * * ? * 8",
                "* * * ? * 0", "* * * ? * 2#6", "* * * 31 2 ?", "* * * 30 2 ? 2030", "* * * * * ? 1969", "* * * * * ? 2100",
                "1, * * * * ?", ",1 * * * * ?", "1- * * * * ?", "-1 * * * * ?", "a * * * * ?", "* * * L-31 * ?", "* * * L-0 * ?",
                "* * * LX * ?", "* * * W * ?", "? * * * * ?", "*5 * * * * ?", "99999999999999999999 * * * * ?", "1/-1 * * * * ?",
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                _cleanup_(quartz_cron_freep) QuartzCron *c = NULL;
                _cleanup_error_ Error *error = NULL;

                if (quartz_cron_parse(wrong[i], &c, &error) != -EINVAL)
                        fail_msg("'%s' was taken", wrong[i]);
                assert_non_null(error);
        }
        assert_true(fires("0 0 0 ? * 5L", at(2026, 11, 26, 0, 0, 0)));
}

TEST(times_strictly_grow_and_end) {
        static const char *const expressions[] = { "0 0/7 * * * ?", "13 59 23 31 * ?", "0 0 0 29 2 ?", "* * * 1 1 ? 2098" };

        for (size_t i = 0; i < ELEMENTSOF(expressions); i++) {
                usec_t t = at(2026, 1, 1, 0, 0, 0), found = 0;

                for (unsigned n = 0; n < 200 && next(expressions[i], NULL, t, &found) >= 0; n++) {
                        assert_true(found > t);
                        t = found;
                }
        }
        {
                usec_t found;

                ASSERT_ERROR(next("0 0 0 1 1 ? 2030", NULL, at(2030, 1, 1, 0, 0, 0), &found), ENOENT);
                ASSERT_OK(next("0 0 0 31 12 ? 2099", NULL, at(2026, 1, 1, 0, 0, 0), &found));
                assert_int_equal(found, at(2099, 12, 31, 0, 0, 0));
        }
}

TEST(zones_and_the_change_of_clocks) {
        usec_t found, second;

        ASSERT_OK(next("0 0 9 * * ?", "Europe/Berlin", at(2026, 1, 10, 0, 0, 0), &found));
        assert_int_equal(found, at(2026, 1, 10, 8, 0, 0));
        ASSERT_OK(next("0 0 9 * * ?", "Europe/Berlin", at(2026, 7, 10, 0, 0, 0), &found));
        assert_int_equal(found, at(2026, 7, 10, 7, 0, 0));
        /* 02:30 is left out on 29 March 2026: it runs that night all the same, once. */
        ASSERT_OK(next("0 30 2 * * ?", "Europe/Berlin", at(2026, 3, 28, 12, 0, 0), &found));
        assert_in_range(found, at(2026, 3, 29, 0, 30, 0), at(2026, 3, 29, 1, 30, 0));
        ASSERT_OK(next("0 30 2 * * ?", "Europe/Berlin", found, &second));
        assert_int_equal(second, at(2026, 3, 30, 0, 30, 0));
        /* It comes twice on 25 October: it runs once. */
        ASSERT_OK(next("0 30 2 * * ?", "Europe/Berlin", at(2026, 10, 24, 12, 0, 0), &found));
        ASSERT_OK(next("0 30 2 * * ?", "Europe/Berlin", found, &second));
        assert_int_equal(second, at(2026, 10, 26, 1, 30, 0));
        ASSERT_ERROR(next("0 0 9 * * ?", "Atlantis/Capital", at(2026, 1, 1, 0, 0, 0), &found), EINVAL);
        ASSERT_ERROR(next("0 0 9 * * ?", "../../etc/passwd", at(2026, 1, 1, 0, 0, 0), &found), EINVAL);
        ASSERT_ERROR(next("0 0 9 * * ?", "", at(2026, 1, 1, 0, 0, 0), &found), EINVAL);
}
