/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/decimal.h"
#include "unit/test.h"

TEST_MAIN()

static Decimal parse(const char *text) {
        Decimal d;

        if (decimal_parse(text, strlen(text), &d) < 0)
                fail_msg("%s is not taken", text);
        return d;
}

TEST(what_json_does_not_call_a_number_is_refused) {
        static const char *const bad[] = { "", "-", "+1", "01", ".5", "1.", "1e", "1e+", "0x1", "1 ", "NaN", "--1", "1..2" };
        Decimal d;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ASSERT_ERROR(decimal_parse(bad[i], strlen(bad[i]), &d), EINVAL);
}

TEST(numbers_are_ordered_by_value_whatever_they_look_like) {
        /* Ascending; those of one row are equal. */
        static const char *const rows[][4] = {
                { "-1e400", "-10e399" },
                { "-12345678901234567890123456789012345678901" },
                { "-12345678901234567890123456789012345678900", "-123456789012345678901234567890123456789e2" },
                { "-1.5", "-15e-1", "-0.15E+1", "-1.50" },
                { "-1e-400" },
                { "0", "-0", "0.0", "0e99" },
                { "1e-99999999999999999999" },
                { "0.1", "1e-1", "0.10", "100e-3" },
                { "0.10000000000000000000000000000001" },
                { "1", "1.0", "10e-1", "0.1e1" },
                { "10", "1e1", "10.000" },
                { "9007199254740992" },
                { "9007199254740993", "9007199254740993.0" },
#define TEN "1234567891"
                { TEN TEN TEN TEN TEN TEN TEN, "12345.67891" TEN TEN TEN TEN TEN TEN "e65", TEN TEN TEN TEN TEN TEN TEN ".00" },
                { "1e99999999999999999999" },
        };
        HashKey key;

        hash_key_init(&key);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (size_t k = 0; k < ELEMENTSOF(rows); k++)
                        for (size_t x = 0; x < 4 && rows[i][x]; x++)
                                for (size_t y = 0; y < 4 && rows[k][y]; y++) {
                                        Decimal a = parse(rows[i][x]), b = parse(rows[k][y]);
                                        int c = decimal_compare(&a, &b);

                                        if ((c > 0) - (c < 0) != (i > k) - (i < k))
                                                fail_msg("%s and %s: %d", rows[i][x], rows[k][y], c);
                                        if (i == k)
                                                assert_true(decimal_hash(&a, &key) == decimal_hash(&b, &key));
                                }
}

TEST(integers_are_told_from_fractions) {
        static const char *const integers[] = { "0", "-0.0", "1.0", "1e400", "150e-1", "-7" };
        static const char *const fractions[] = { "0.5", "15e-1", "1e-400", "123456789012345678901234567890.1" };

        for (size_t i = 0; i < ELEMENTSOF(integers); i++) {
                Decimal d = parse(integers[i]);
                assert_true(decimal_is_integer(&d));
        }
        for (size_t i = 0; i < ELEMENTSOF(fractions); i++) {
                Decimal d = parse(fractions[i]);
                assert_false(decimal_is_integer(&d));
        }
}

TEST(multiples_are_exact) {
        static const struct {
                const char *a, *divisor;
                int result;
        } cases[] = {
                { "10", "2", 1 },           { "7", "2", 0 },
                { "0", "7", 1 },            { "4.5", "1.5", 1 },
                { "35", "1.5", 0 },         { "0.0075", "0.0001", 1 },
                { "0.00751", "0.0001", 0 }, { "19.99", "0.01", 1 },
                { "1e308", "0.123456789", 0 }, { "1e308", "0.5", 1 },
                { "-9", "3", 1 },           { "12391239123912391239123912391239", "3", 1 },
                { "1e-400", "1", 0 },       { "1e400", "1e399", 1 },
                { "5", "1234567890123456789", -ERANGE }, { "5", "0", -ERANGE },
                { "999999999999999999", "999999999999999999", 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Decimal a = parse(cases[i].a), divisor = parse(cases[i].divisor);
                int r = decimal_is_multiple(&a, &divisor);

                if (r != cases[i].result)
                        fail_msg("%s of %s: %d", cases[i].a, cases[i].divisor, r);
        }
}
