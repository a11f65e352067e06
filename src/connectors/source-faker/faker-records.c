/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The fields of each record, in order, written straight into the output. A random source is made for each
 * record from seed, stream and index and asked for the fields in turn: so the order of the questions is
 * part of what a seed means, and a new field must be asked for last. Texts need no escaping, since the
 * words of the tables have nothing to escape.
 *
 * Ids and counts follow Airbyte's faker: a purchase for each user, none for one of ten and two for
 * another, with ids that have no holes. */

#include "connectors/source-faker/faker-records.h"

/* Stands for a stream in the random source. */
enum { STREAM_PRODUCTS = 1, STREAM_USERS, STREAM_PURCHASES };

/* The years in which users and purchases come into being. Fixed, so that a seed means the same next year. */
#define FIRST_SECOND 946684800 /* 2000-01-01 */
#define DAYS_OF_CREATION 9131  /* to the end of 2024 */
#define LAST_SECOND 1767225599 /* the end of 2025: nothing happens to a purchase after that */

static char *put_now(const Faker *f, char *p) {
        memcpy(p, f->now, FAKER_TIME_LENGTH);
        return p + FAKER_TIME_LENGTH;
}

/* ---- Products: a list that doesn't depend on the seed, as in Airbyte's faker ---- */

char *faker_put_product(const Faker *f, char *p, uint64_t index) {
        FakerRandom r = faker_random(0, STREAM_PRODUCTS, index);
        /* Twelve makes, each with models of its own. */
        FakerRandom make_random = faker_random(0, STREAM_PRODUCTS, 1000 + faker_below(&r, 12));
        FakerWord make, model;

        faker_make_word(&make_random, 2, &make);
        faker_make_word(&r, 2, &model);
        p = faker_put(p, "{\"id\":");
        p = faker_put_u64(p, index + 1);
        p = faker_put(p, ",\"make\":\"");
        p = faker_put_word(p, &make);
        p = faker_put(p, "\",\"model\":\"");
        p = faker_put_word(p, &model);
        p = faker_put(p, "\",\"year\":2023,\"price\":");
        p = faker_put_u64(p, 14000 + faker_below(&r, 56000));
        p = faker_put(p, ",\"created_at\":\"2024-01-01T00:00:00+00:00\",\"updated_at\":\"");
        p = put_now(f, p);
        return faker_put(p, "\"}");
}

/* ---- Users ---- */

static int64_t creation(FakerRandom *r) {
        return FIRST_SECOND + (int64_t) faker_below(r, DAYS_OF_CREATION) * FAKER_DAY + faker_below(r,
                FAKER_DAY);
}

/* 555-0100 to 555-0199 are kept free for fiction in the North American plan. */
static char *put_telephone(char *p, FakerRandom *r) {
        uint32_t style = faker_below(r, 4), area = 200 + faker_below(r, 800), line = 100 + faker_below(r, 100);
        char separator = style == 1 ? '.' : '-';

        if (style == 2)
                p = faker_put(p, "+1-");
        if (style == 3)
                *p++ = '(';
        p = faker_put_digits(p, area, 3);
        if (style == 3)
                p = faker_put(p, ") ");
        else
                *p++ = separator;
        p = faker_put(p, "555");
        *p++ = separator;
        return faker_put_digits(p, line, 4);
}

static char *put_person(const Faker *f, char *p, FakerRandom *r, uint64_t id) {
        p = faker_put(p, ",\"name\":\"");
        p = faker_put_word(p, f->words.first_names + faker_below(r, FAKER_NAMES));
        p = faker_put(p, "\",\"title\":\"");
        p = faker_put_any(p, faker_titles, r);
        p = faker_put(p, "\",\"age\":");
        p = faker_put_digits(p, 16 + faker_below(r, 51), 2);
        p = faker_put(p, ",\"email\":\"");
        p = faker_put_word(p, f->words.mailboxes + faker_below(r, FAKER_NAMES));
        p = faker_put_digits(p, 1800 + faker_below(r, 300), 4);
        *p++ = '+'; /* the id makes the address unique */
        p = faker_put_u64(p, id);
        *p++ = '@';
        p = faker_put_any(p, faker_mail_domains, r);
        p = faker_put(p, "\",\"telephone\":\"");
        p = put_telephone(p, r);
        p = faker_put(p, "\",\"gender\":\"");
        p = faker_put_any(p, faker_genders, r);
        p = faker_put(p, "\",\"language\":\"");
        p = faker_put_any(p, faker_languages, r);
        p = faker_put(p, "\",\"academic_degree\":\"");
        p = faker_put_any(p, faker_degrees, r);
        p = faker_put(p, "\",\"nationality\":\"");
        p = faker_put_any(p, faker_nationalities, r);
        p = faker_put(p, "\",\"occupation\":\"");
        return faker_put_word(p, f->words.occupations + faker_below(r, f->words.n_occupations));
}

static char *put_address(const Faker *f, char *p, FakerRandom *r) {
        p = faker_put(p, ",\"address\":{\"street_number\":\"");
        p = faker_put_u64(p, 1 + faker_below(r, 1400));
        p = faker_put(p, "\",\"street_name\":\"");
        p = faker_put_word(p, f->words.streets + faker_below(r, FAKER_NAMES));
        p = faker_put(p, "\",\"city\":\"");
        p = faker_put_word(p, f->words.cities + faker_below(r, FAKER_NAMES));
        p = faker_put(p, "\",\"state\":\"");
        p = faker_put_any(p, faker_states, r);
        p = faker_put(p, "\",\"province\":\"");
        p = faker_put_any(p, faker_states, r);
        p = faker_put(p, "\",\"postal_code\":\"");
        p = faker_put_digits(p, faker_below(r, 100000), 5);
        p = faker_put(p, "\",\"country_code\":\"");
        p = faker_put_any(p, faker_countries, r);
        return faker_put(p, "\"}");
}

char *faker_put_user(const Faker *f, char *p, uint64_t index) {
        FakerRandom r = faker_random(f->seed, STREAM_USERS, index);

        p = faker_put(p, "{\"id\":");
        p = faker_put_u64(p, index + 1);
        p = faker_put(p, ",\"created_at\":\"");
        p = faker_put_time(p, creation(&r));
        p = faker_put(p, "\",\"updated_at\":\"");
        p = put_now(f, p);
        *p++ = '"';
        p = put_person(f, p, &r, index + 1);
        p = faker_put(p, "\",\"height\":\"");
        p = faker_put_digits(p, 1, 1);
        *p++ = '.';
        p = faker_put_digits(p, 50 + faker_below(&r, 50), 2);
        p = faker_put(p, "\",\"blood_type\":\"");
        p = faker_put_any(p, faker_blood_types, &r);
        p = faker_put(p, "\",\"weight\":");
        p = faker_put_digits(p, 38 + faker_below(&r, 53), 2);
        p = put_address(f, p, &r);
        *p++ = '}';
        return p;
}

/* ---- Purchases ---- */

unsigned faker_count_purchases(uint64_t index) {
        return index % 10 == 6 ? 0 : index % 10 == 8 ? 2 : 1;
}

/* Some day after `start`, up to the last one. */
static int64_t later(FakerRandom *r, int64_t start) {
        int64_t days = (LAST_SECOND - start) / FAKER_DAY;

        return start + (int64_t) faker_below(r, (uint32_t) MAX(days, 2) + 1) * FAKER_DAY;
}

char *faker_put_purchase(const Faker *f, char *p, uint64_t index, unsigned nth) {
        FakerRandom r = faker_random(f->seed, STREAM_PURCHASES, index * 2 + nth);
        int64_t created, when;

        /* Users 8 and 9 of each ten take the ids that the seventh left. */
        p = faker_put(p, "{\"id\":");
        p = faker_put_u64(p, index + 1 + nth - (index % 10 == 7 || index % 10 == 8));
        p = faker_put(p, ",\"product_id\":");
        p = faker_put_u64(p, 1 + faker_below(&r, FAKER_PRODUCTS));
        p = faker_put(p, ",\"user_id\":");
        p = faker_put_u64(p, index + 1);
        created = creation(&r);
        p = faker_put(p, ",\"created_at\":\"");
        p = faker_put_time(p, created);
        p = faker_put(p, "\",\"updated_at\":\"");
        p = put_now(f, p);
        when = later(&r, created);
        p = faker_put(p, "\",\"added_to_cart_at\":\"");
        p = faker_put_time(p, when);
        /* Seven of ten carts are paid for, of those 15 in a hundred come back; what didn't happen is left
         * out. */
        if (faker_below(&r, 100) < 70) {
                when = later(&r, when);
                p = faker_put(p, "\",\"purchased_at\":\"");
                p = faker_put_time(p, when);
                if (faker_below(&r, 100) < 15) {
                        p = faker_put(p, "\",\"returned_at\":\"");
                        p = faker_put_time(p, later(&r, when));
                }
        }
        return faker_put(p, "\"}");
}
