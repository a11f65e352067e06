/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users, products and purchases out of nothing: the streams, schemas and options of Airbyte's
 * source-faker. Where it differs on purpose (docs/CONNECTORS.md has the list): records of a seed are the
 * same in every run and process, an interrupted read goes on at its state, every time has a zone.
 *
 * A state says how far a stream has come in counts of users, not of rows, and each slice ends with one:
 * the purchases of a user are never parted. With the seed in the configuration a read that goes on gives
 * the very records that would have come; without one (-1) each read has other people. */

#include <stdio.h>
#include <sys/random.h>

#include "connectors/lib/emitter.h"
#include "connectors/source-faker/faker-records.h"

extern const char text_source_faker_spec[];
extern const char text_source_faker_catalog[];

typedef struct Options {
        int64_t count, seed, records_per_slice;
        bool always_updated;
} Options;

typedef struct Reader {
        Options options;
        Faker faker;
        Emitter *out;
        EmitterStream *stream; /* that is being read */
        int64_t second;        /* what faker.now says */
} Reader;

static void reader_free(Reader *r) {
        emitter_stream_free(r->stream);
        free(r);
}
DEFINE_CLEANUP(Reader, reader_free);

static int parse_options(JsonObject *config, Options *ret, Error **reterr_error) {
        Options o = { .count = 1000, .seed = -1, .records_per_slice = 1000, .always_updated = true };
        int r;

        r = json_get_i64(config, "count", &o.count, "configuration", reterr_error);
        if (r >= 0)
                r = json_get_i64(config, "seed", &o.seed, "configuration", reterr_error);
        if (r >= 0)
                r = json_get_i64(config, "records_per_slice", &o.records_per_slice, "configuration",
                                 reterr_error);
        if (r >= 0)
                r = json_get_bool(config, "always_updated", &o.always_updated, "configuration",
                                  reterr_error);
        if (r < 0)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, r, "%s",
                                      reterr_error ? error_message(*reterr_error, r) : "Bad configuration");
        *ret = o;
        return 0;
}

static int faker_check(JsonObject *config, _unused_ Emitter *out, Error **reterr_error) {
        Options o;

        return parse_options(config, &o, reterr_error);
}

static int faker_discover(_unused_ JsonObject *config, _unused_ Emitter *out, Catalog **ret,
                          Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = json_parse(text_source_faker_catalog, strlen(text_source_faker_catalog), &o, reterr_error);
        return r < 0 ? r : catalog_from_json(o, ret, reterr_error);
}

/* ---- Where a stream starts ---- */

typedef struct Start {
        uint64_t index;    /* of the first record */
        bool nothing_new;
        const char *state; /* what came in; NULL = nothing */
        char *text;        /* owns `state` */
} Start;

static void start_done(Start *s) {
        free(s->text);
}

/* With always_updated everything is new each time, as Airbyte's does, unless the cursor lies in the
 * future: then no record could be newer. Without it the stream goes on at the state's offset; a state
 * without an offset (Airbyte's, of products) stands for all. */
static int find_start(const Reader *reader, const ConfiguredStream *c, const StateSet *states, Start *ret,
                      Error **reterr_error) {
        size_t n = 0;
        const char *json = state_set_get_stream(states, NULL, c->stream.name, &n), *updated_at = NULL;
        _cleanup_(start_done) Start s = {};
        _cleanup_json_ JsonObject *o = NULL;
        int64_t offset = 0, second = 0;
        int r, has_offset;

        if (!json)
                return 0;
        s.text = strndup(json, n);
        if (!s.text)
                return -ENOMEM;
        s.state = s.text;
        r = json_parse(json, n, &o, reterr_error);
        if (r >= 0 && !json_object_is_type(o, json_type_object))
                r = -EINVAL;
        if (r >= 0)
                r = json_get_string(o, "updated_at", &updated_at, "state", reterr_error);
        if (r < 0)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, r,
                                      "The state of stream '%s' is not one of "
                                      "source-faker", c->stream.name);
        if (r == 0) /* {}: no sync has ended yet */
                return 0;
        has_offset = json_get_i64(o, "loop_offset", &offset, "state", reterr_error);
        if (has_offset < 0 || offset < 0)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EINVAL,
                                      "The state of stream '%s' has a "
                                      "loop_offset that is no position", c->stream.name);
        if (!reader->options.always_updated) {
                s.index = (uint64_t) offset;
                s.nothing_new = has_offset == 0 || offset >= reader->options.count;
        } else if (c->sync_mode == SYNC_MODE_INCREMENTAL && faker_parse_time(updated_at, &second) >= 0)
                s.nothing_new = second > reader->second;
        *ret = s;
        s.text = NULL;
        return 0;
}

/* ---- Reading ---- */

static void set_now(Reader *r) {
        int64_t second = emitter_now_ms(r->out) / 1000;

        /* A clock set back must not make the cursor run backwards. */
        if (second <= r->second)
                return;
        r->second = second;
        (void) faker_put_time(r->faker.now, second);
}

static int emit(Reader *r, uint64_t index, unsigned nth,
                char *(*put)(const Faker *f, char *p, uint64_t index, unsigned nth)) {
        Buffer *b = emitter_record_begin(r->stream);
        char *p = b ? buffer_reserve(b, FAKER_RECORD_MAX) : NULL;

        if (!p) {
                if (b)
                        emitter_record_cancel(r->stream);
                return -ENOMEM;
        }
        buffer_commit(b, (size_t) (put(&r->faker, p, index, nth) - p));
        return emitter_record_end(r->stream);
}

static char *put_product(const Faker *f, char *p, uint64_t index, _unused_ unsigned nth) {
        return faker_put_product(f, p, index);
}

static char *put_user(const Faker *f, char *p, uint64_t index, _unused_ unsigned nth) {
        return faker_put_user(f, p, index);
}

/* {"seed":7,"updated_at":"…","loop_offset":12}; without an offset for products, as Airbyte's. */
static int emit_state(Reader *r, const uint64_t *offset) {
        char text[160];
        int n;

        n = snprintf(text, sizeof(text), "{\"seed\":%lld,\"updated_at\":\"%s\"", (long long) r->options.seed,
                     r->faker.now);
        if (offset)
                n += snprintf(text + n, sizeof(text) - n, ",\"loop_offset\":%llu",
                              (unsigned long long) *offset);
        (void) snprintf(text + n, sizeof(text) - n, "}");
        return emitter_stream_state(r->stream, text);
}

static int read_products(Reader *r, _unused_ uint64_t start) {
        uint64_t n = MIN((uint64_t) r->options.count, (uint64_t) FAKER_PRODUCTS);
        int k = 0;

        set_now(r);
        for (uint64_t i = 0; i < n && k >= 0; i++)
                k = emit(r, i, 0, put_product);
        return k < 0 ? k : emit_state(r, NULL);
}

/* Slice after slice, a state behind each. */
static int read_slices(Reader *r, uint64_t start, unsigned (*count_of)(uint64_t index),
                       char *(*put)(const Faker *f, char *p, uint64_t index, unsigned nth)) {
        uint64_t count = (uint64_t) r->options.count, size = (uint64_t) r->options.records_per_slice;
        int k;

        for (uint64_t i = start; i < count;) {
                uint64_t end = i + MIN(size, count - i);

                set_now(r);
                for (; i < end; i++)
                        for (unsigned nth = 0; nth < count_of(i); nth++) {
                                k = emit(r, i, nth, put);
                                if (k < 0)
                                        return k;
                        }
                k = emit_state(r, &end);
                if (k < 0)
                        return k;
        }
        return 0;
}

static unsigned one(_unused_ uint64_t index) {
        return 1;
}

static int read_users(Reader *r, uint64_t start) {
        return read_slices(r, start, one, put_user);
}

static int read_purchases(Reader *r, uint64_t start) {
        return read_slices(r, start, faker_count_purchases, faker_put_purchase);
}

static const struct {
        const char *name;
        int (*read)(Reader *r, uint64_t start);
        /* Airbyte's estimates: rows for each user (or FAKER_PRODUCTS rows in all), bytes for each row. */
        double rows_per_user;
        double bytes_per_row;
} stream_table[] = {
        { "products",  read_products,  0,   180 },
        { "users",     read_users,     1,   450 },
        { "purchases", read_purchases, 1.3, 230 },
};

/* Rounded, halves to even as Python's round(); beyond what the protocol's integers hold, the largest they
 * do. */
static int64_t to_estimate(double v) {
        int64_t n;

        if (v >= 9e18)
                return INT64_MAX;
        n = (int64_t) (v + 0.5);
        return (double) n - v == 0.5 && n % 2 != 0 ? n - 1 : n;
}

static int read_new(Reader *r, size_t t, uint64_t start) {
        double rows = stream_table[t].rows_per_user > 0
                ? ((double) r->options.count - (double) start) * stream_table[t].rows_per_user
                : FAKER_PRODUCTS;
        int k;

        k = emitter_stream_estimate(r->stream, to_estimate(rows),
                                    to_estimate(rows * stream_table[t].bytes_per_row));
        if (k >= 0)
                k = emitter_stream_status(r->stream, STREAM_STATUS_RUNNING);
        return k < 0 ? k : stream_table[t].read(r, start);
}

static int read_stream(Reader *r, const ConfiguredStream *c, const StateSet *states, Error **reterr_error) {
        _cleanup_(start_done) Start start = {};
        size_t t = 0;
        int k;

        /* The frame has checked the name against the catalog. */
        while (t + 1 < ELEMENTSOF(stream_table) && !streq(stream_table[t].name, c->stream.name))
                t++;
        k = emitter_stream_new(r->out, c->stream.name, NULL, &r->stream);
        if (k >= 0)
                k = emitter_stream_status(r->stream, STREAM_STATUS_STARTED);
        if (k >= 0) {
                set_now(r);
                k = find_start(r, c, states, &start, reterr_error);
        }
        if (k >= 0)
                k = start.nothing_new ? emitter_stream_state(r->stream, start.state) : read_new(r, t,
                        start.index);
        if (r->stream)
                (void) emitter_stream_status(r->stream,
                                             k < 0 ? STREAM_STATUS_INCOMPLETE : STREAM_STATUS_COMPLETE);
        r->stream = emitter_stream_free(r->stream);
        return k;
}

/* -1 and no seed: another one each time. */
static uint64_t pick_seed(int64_t seed) {
        uint64_t random;

        if (seed != -1)
                return (uint64_t) seed;
        return getrandom(&random, sizeof(random), 0) == sizeof(random) ? random : (uint64_t) seed;
}

static int faker_read(JsonObject *config, const ConfiguredCatalog *catalog, const StateSet *state,
                      Emitter *out,
                      Error **reterr_error) {
        _cleanup_(reader_freep) Reader *reader = calloc(1, sizeof(*reader));
        int r;

        if (!reader)
                return -ENOMEM;
        reader->out = out;
        r = parse_options(config, &reader->options, reterr_error);
        if (r < 0)
                return r;
        reader->faker.seed = pick_seed(reader->options.seed);
        faker_words_init(&reader->faker.words);
        for (size_t i = 0; i < catalog->n_streams; i++) {
                r = read_stream(reader, catalog->streams + i, state, reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        static const ConnectorInfo info = {
                .name = "source-faker",
                .spec_json = text_source_faker_spec,
                .check = faker_check,
                .discover = faker_discover,
                .read = faker_read,
        };

        return connector_main(&info, argc, argv);
}
