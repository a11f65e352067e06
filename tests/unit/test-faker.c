/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <time.h>

#include "basic/json-scan.h"
#include "connectors/source-faker/faker-records.h"
#include "unit/test.h"

TEST_MAIN()

static Faker faker(uint64_t seed) {
        Faker f = { .seed = seed, .now = "2026-11-23T06:11:18+00:00" };

        faker_words_init(&f.words);
        return f;
}

TEST(times_are_those_of_the_c_library) {
        FakerRandom r = faker_random(1, 2, 3);

        for (int i = 0; i < 20000; i++) {
                time_t t = (time_t) faker_below(&r, UINT32_MAX) * 50; /* up to the year 8774 */
                char mine[FAKER_TIME_LENGTH + 1] = {}, theirs[64];
                struct tm tm;
                int64_t back;

                assert_int_equal(faker_put_time(mine, t) - mine, FAKER_TIME_LENGTH);
                gmtime_r(&t, &tm);
                strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S+00:00", &tm);
                assert_string_equal(mine, theirs);
                ASSERT_OK(faker_parse_time(mine, &back));
                assert_int_equal(back, t);
        }
}

TEST(other_forms_of_time_are_refused) {
        int64_t t;

        ASSERT_ERROR(faker_parse_time("", &t), EINVAL);
        ASSERT_ERROR(faker_parse_time("2026-11-23T06:11:18Z", &t), EINVAL);
        ASSERT_ERROR(faker_parse_time("2026-13-23T06:11:18+00:00", &t), EINVAL);
        ASSERT_ERROR(faker_parse_time("2026-11-23T06:11:18+01:00", &t), EINVAL);
        ASSERT_ERROR(faker_parse_time("2026-11-2xT06:11:18+00:00", &t), EINVAL);
}

TEST(records_are_valid_json_and_fit_their_room) {
        static Faker f;
        char text[FAKER_RECORD_MAX];

        f = faker(42);
        for (uint64_t i = 0; i < 5000; i++) {
                /* The largest ids as well. */
                uint64_t index = i % 2 ? i : UINT64_MAX / 4 - i;
                char *end = faker_put_user(&f, text, index);

                /* What a record may grow beyond one of these is less than the room that stays. */
                assert_true((size_t) (end - text) < FAKER_RECORD_MAX / 2);
                ASSERT_OK(json_validate(text, (size_t) (end - text), NULL));
                end = faker_put_purchase(&f, text, index, 0);
                ASSERT_OK(json_validate(text, (size_t) (end - text), NULL));
        }
        for (uint64_t i = 0; i < FAKER_PRODUCTS; i++)
                ASSERT_OK(json_validate(text, (size_t) (faker_put_product(&f, text, i) - text), NULL));
}

TEST(a_seed_decides_and_another_one_differs) {
        static Faker a, b, c;
        char x[FAKER_RECORD_MAX], y[FAKER_RECORD_MAX], z[FAKER_RECORD_MAX];

        a = faker(7);
        b = faker(7);
        c = faker(8);
        *faker_put_user(&a, x, 123456) = 0;
        *faker_put_user(&b, y, 123456) = 0;
        *faker_put_user(&c, z, 123456) = 0;
        assert_string_equal(x, y);
        assert_string_not_equal(x, z);
}

TEST(purchase_ids_are_dense_and_unique) {
        static Faker f;
        static bool seen[1001];
        char text[FAKER_RECORD_MAX];
        unsigned total = 0;

        f = faker(1);
        for (uint64_t i = 0; i < 1000; i++)
                for (unsigned nth = 0; nth < faker_count_purchases(i); nth++, total++) {
                        JsonSlice value, record = { text, 0 };
                        int64_t id;

                        record.n = (size_t) (faker_put_purchase(&f, text, i, nth) - text);
                        assert_int_equal(json_find_member(record, "id", &value), 1);
                        ASSERT_OK(json_parse_i64(value, &id));
                        assert_in_range(id, 1, 1000);
                        assert_false(seen[id]);
                        seen[id] = true;
                }
        assert_int_equal(total, 1000);
}
