/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "worker/record-validator.h"

TEST_MAIN()

#define STREAM(name, schema)                                                                                   \
        "{\"stream\":{\"name\":\"" name "\",\"json_schema\":" schema ",\"supported_sync_modes\":[\"full_refresh\"]}," \
        "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\"}"

static const char catalog_text[] = "{\"streams\":["
        STREAM("a", "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"},\"name\":{\"type\":\"string\"}}}") ","
        STREAM("b", "{\"properties\":{\"x\":{\"pattern\":\"(\"}}}") "]}";

static ConfiguredCatalog *make_catalog(void) {
        _cleanup_json_ JsonObject *o = NULL;
        ConfiguredCatalog *c = NULL;

        ASSERT_OK(json_parse(catalog_text, strlen(catalog_text), &o, NULL));
        ASSERT_OK(configured_catalog_from_json(o, &c, NULL));
        return c;
}

/* The next of a stream's records, offered where that is worth it. */
static void offer_next(RecordValidator *v, size_t stream, uint64_t *n, uint64_t *next, const char *data) {
        if (*n >= *next)
                *next = record_validator_offer(v, stream, *n, (JsonSlice) { data, strlen(data) });
        ++*n;
}

static void offer(RecordValidator *v, size_t stream, const char *data) {
        uint64_t n = 0, next = 0;

        offer_next(v, stream, &n, &next, data);
}

TEST(invalid_records_are_counted_with_their_place_and_without_their_value) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = make_catalog();
        RecordValidatorResult result;
        RecordValidator *v = NULL;

        ASSERT_OK(record_validator_new(c, NULL, &v));
        offer(v, 0, "{\"id\":1,\"name\":\"x\"}");
        offer(v, 0, "{\"id\":\"secret\",\"more\":1}");
        offer(v, 0, "{\"id\":1");
        assert_int_equal(record_validator_work(v, 1), 1);
        assert_int_equal(record_validator_result(v, 0).n_checked, 1);
        assert_int_equal(record_validator_work(v, SIZE_MAX), 0);
        result = record_validator_result(v, 0);
        assert_int_equal(result.n_checked, 3);
        assert_int_equal(result.n_invalid, 2);
        assert_int_equal(strncmp(result.problems[0], "/id: ", 5), 0);
        assert_null(strstr(result.problems[0], "secret"));
        assert_string_equal(result.unexpected_fields[0], "more");
        assert_null(result.unexpected_fields[1]);
        record_validator_free(v);
}

TEST(a_stream_is_left_alone_after_ten_erroring_records) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = make_catalog();
        RecordValidator *v = NULL;

        ASSERT_OK(record_validator_new(c, NULL, &v));
        for (int i = 0; i < 50; i++)
                offer(v, 0, "{\"id\":\"x\"}");
        ASSERT_OK(record_validator_work(v, SIZE_MAX));
        assert_int_equal(record_validator_result(v, 0).n_invalid, VALIDATOR_INVALID_RECORDS_MAX);
        offer(v, 0, "{\"id\":\"x\"}");
        ASSERT_OK(record_validator_work(v, SIZE_MAX));
        assert_int_equal(record_validator_result(v, 0).n_checked, VALIDATOR_INVALID_RECORDS_MAX);
        record_validator_free(v);
}

TEST(fields_that_are_not_selected_are_not_judged) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = make_catalog();
        static char *const selected[] = { (char *) "name", NULL };
        char *const *lists[] = { selected, NULL };
        RecordValidator *v = NULL;

        ASSERT_OK(record_validator_new(c, lists, &v));
        offer(v, 0, "{\"id\":\"x\",\"more\":1}");
        offer(v, 0, "{\"name\":7}");
        ASSERT_OK(record_validator_work(v, SIZE_MAX));
        assert_int_equal(record_validator_result(v, 0).n_invalid, 1);
        assert_null(record_validator_result(v, 0).unexpected_fields);
        record_validator_free(v);
}

TEST(a_schema_that_is_none_costs_one_look) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = make_catalog();
        RecordValidator *v = NULL;

        ASSERT_OK(record_validator_new(c, NULL, &v));
        offer(v, 1, "{\"x\":\"1\"}");
        ASSERT_OK(record_validator_work(v, SIZE_MAX));
        assert_true(record_validator_result(v, 1).unusable_schema);
        assert_int_equal(record_validator_result(v, 1).n_checked, 0);
        record_validator_free(v);
}

TEST(the_queue_is_bounded) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = make_catalog();
        uint64_t n = 0, next = 0;
        RecordValidator *v = NULL;

        ASSERT_OK(record_validator_new(c, NULL, &v));
        for (int i = 0; i < 100000; i++)
                offer_next(v, 0, &n, &next, "{\"id\":1}");
        assert_true(next >= n && next < n + 1000);
        ASSERT_OK(record_validator_work(v, SIZE_MAX));
        assert_true(record_validator_result(v, 0).n_checked <= 1000);
        assert_int_equal(record_validator_result(v, 0).n_invalid, 0);
        record_validator_free(v);
}

TEST(a_long_stream_is_sampled_ever_more_thinly) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = make_catalog();
        uint64_t n = 0, next = 0;
        RecordValidator *v = NULL;

        ASSERT_OK(record_validator_new(c, NULL, &v));
        for (int i = 0; i < 200; i++) {
                offer_next(v, 0, &n, &next, "{\"id\":1}");
                ASSERT_OK(record_validator_work(v, SIZE_MAX));
        }
        assert_int_equal(record_validator_result(v, 0).n_checked, 200);
        for (int i = 0; i < 100000; i++) {
                offer_next(v, 0, &n, &next, "{\"id\":1}");
                ASSERT_OK(record_validator_work(v, SIZE_MAX));
        }
        assert_in_range(record_validator_result(v, 0).n_checked, 1000, 3000);
        record_validator_free(v);
}
