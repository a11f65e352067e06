/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shared/bus-error.h"
#include "unit/test.h"

TEST_MAIN()

static void check(const char *said, const char *expected) {
        _cleanup_(sd_bus_error_free) sd_bus_error bus = SD_BUS_ERROR_NULL;
        _cleanup_error_ Error *error = NULL;

        (void) error_set(&error, -ENOENT, "%s", said);
        ASSERT_ERROR(bus_error_from(&bus, -ENOENT, error), ENOENT);
        assert_string_equal(bus.name, BUS_ERROR_NOT_FOUND);
        assert_string_equal(bus.message, expected);
}

TEST(a_sentence_is_passed_on_as_it_is) {
        check("There is no 'Ærøskøbing'\n", "There is no 'Ærøskøbing'\n");
        check("", "");
}

TEST(what_the_bus_would_not_take_is_escaped) {
        check("no '\xff\xfe' here\nnor there", "no '\\xff\\xfe' here\nnor there");
        check("cut in the middle \xc3", "cut in the middle \\xc3");
        check("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* half of a pair */
}

TEST(errors_come_back_as_what_they_were) {
        static const int codes[] = { ENOENT, EINVAL, EEXIST, ESRCH, EBUSY, EACCES, EAGAIN, EIO };

        for (size_t i = 0; i < ELEMENTSOF(codes); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error bus = SD_BUS_ERROR_NULL;
                _cleanup_error_ Error *error = NULL, *back = NULL;

                (void) error_set(&error, -codes[i], "sentence");
                (void) bus_error_from(&bus, -codes[i], error);
                ASSERT_ERROR(bus_error_to(&bus, -EPROTO, &back), codes[i]);
                assert_string_equal(error_message(back, 0), "sentence");
        }
}
