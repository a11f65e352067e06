/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "worker/sync-generation.h"

TEST_MAIN()

/* Stream "a" incremental append_dedup, "b" full refresh overwrite, "c" full refresh append and resumable. */
static const char catalog_text[] =
        "{\"streams\":[{\"stream\":{\"name\":\"a\",\"json_schema\":{},\"supported_sync_modes\":[\"incremental\"],"
        "\"source_defined_cursor\":true},\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append_dedup\","
        "\"primary_key\":[[\"id\"]]},"
        "{\"stream\":{\"name\":\"b\",\"namespace\":\"n\",\"json_schema\":{},\"supported_sync_modes\":"
        "[\"full_refresh\"]},\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"overwrite\"},"
        "{\"stream\":{\"name\":\"c\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"],"
        "\"is_resumable\":true},\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\"}]}";

typedef struct Fixture {
        GenerationSet *set;
        ConfiguredCatalog *catalog;
        bool dropped[3];
} Fixture;

static void fixture_init(Fixture *f) {
        _cleanup_json_ JsonObject *o = NULL;

        ASSERT_OK(json_parse(catalog_text, strlen(catalog_text), &o, NULL));
        ASSERT_OK(configured_catalog_from_json(o, &f->catalog, NULL));
        f->set = generation_set_new();
}

static void fixture_done(Fixture *f) {
        generation_set_free(f->set);
        configured_catalog_free(f->catalog);
}

static void assign(Fixture *f, bool first, const StreamRefresh *refresh, StateSet *state) {
        static int64_t sync_id;
        GenerationRequest request = {
                .sync_id = ++sync_id,
                .first_attempt = first,
                .refresh = refresh,
                .destination_supports_refreshes = true,
        };

        ASSERT_OK(generations_assign(f->set, f->catalog, &request, state, f->dropped, NULL));
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(f->catalog->streams[i].sync_id, sync_id);
}

/* generation, minimum and whether the state was dropped, of one stream */
#define CHECK(f, i, generation, minimum, was_dropped)                                               \
        do {                                                                                        \
                assert_int_equal((f)->catalog->streams[i].generation_id, generation);               \
                assert_int_equal((f)->catalog->streams[i].minimum_generation_id, minimum);          \
                assert_int_equal((f)->dropped[i], was_dropped);                                     \
        } while (0)

TEST(a_full_refresh_starts_a_generation_and_an_incremental_stream_keeps_its_own) {
        Fixture f = {};

        fixture_init(&f);
        assign(&f, true, NULL, NULL);
        CHECK(&f, 0, 0, 0, false);
        CHECK(&f, 1, 1, 1, true);
        CHECK(&f, 2, 1, 0, true);
        assign(&f, true, NULL, NULL);
        CHECK(&f, 0, 0, 0, false);
        CHECK(&f, 1, 2, 2, true);
        fixture_done(&f);
}

TEST(a_later_attempt_starts_over_only_what_cannot_resume) {
        Fixture f = {};

        fixture_init(&f);
        assign(&f, true, NULL, NULL);
        assign(&f, false, NULL, NULL);
        CHECK(&f, 0, 0, 0, false);
        CHECK(&f, 1, 2, 2, true);
        CHECK(&f, 2, 1, 0, false);
        fixture_done(&f);
}

TEST(a_truncating_refresh_goes_on_until_it_has_completed) {
        static const StreamRefresh refresh[] = { STREAM_REFRESH_TRUNCATE, STREAM_REFRESH_NONE, STREAM_REFRESH_NONE };
        _cleanup_json_ JsonObject *o = NULL;
        Fixture f = {};

        fixture_init(&f);
        assign(&f, true, refresh, NULL);
        CHECK(&f, 0, 1, 1, true);
        /* The same job again, then another one, out of what was stored. */
        assign(&f, false, refresh, NULL);
        CHECK(&f, 0, 1, 1, false);
        ASSERT_OK(generation_set_to_json(f.set, &o));
        generation_set_free(f.set);
        ASSERT_OK(generation_set_from_json(o, &f.set, NULL));
        assign(&f, true, NULL, NULL);
        CHECK(&f, 0, 1, 1, false);
        generation_set_complete(f.set, NULL, "a");
        assign(&f, true, NULL, NULL);
        CHECK(&f, 0, 1, 0, false);
        fixture_done(&f);
}

TEST(a_merging_refresh_keeps_older_rows) {
        static const StreamRefresh refresh[] = { STREAM_REFRESH_MERGE, STREAM_REFRESH_NONE, STREAM_REFRESH_NONE };
        Fixture f = {};

        fixture_init(&f);
        assign(&f, true, refresh, NULL);
        CHECK(&f, 0, 1, 0, true);
        fixture_done(&f);
}

TEST(a_clear_touches_only_the_streams_it_is_for) {
        static const StreamRefresh refresh[] = { STREAM_REFRESH_CLEAR, STREAM_REFRESH_NONE, STREAM_REFRESH_NONE };
        Fixture f = {};

        fixture_init(&f);
        assign(&f, true, refresh, NULL);
        CHECK(&f, 0, 1, 1, true);
        CHECK(&f, 1, 0, 0, false);
        CHECK(&f, 2, 0, 0, false);
        fixture_done(&f);
}

TEST(states_that_must_not_be_resumed_from_are_taken_out) {
        static const char text[] =
                "[{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"a\"},\"stream_state\":{\"x\":1}}},"
                "{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"b\",\"namespace\":\"n\"},"
                "\"stream_state\":{}}}]";
        _cleanup_state_set_ StateSet *states = NULL;
        Fixture f = {};
        size_t n;

        fixture_init(&f);
        ASSERT_OK(state_set_parse(text, strlen(text), &states, NULL));
        assign(&f, true, NULL, states);
        assert_non_null(state_set_get_stream(states, NULL, "a", &n));
        assert_null(state_set_get_stream(states, "n", "b", &n));
        fixture_done(&f);
}

TEST(the_stored_form_is_read_back_and_bad_entries_are_named) {
        static const char text[] = "[{\"name\":\"b\",\"namespace\":\"n\",\"generation_id\":7},{\"generation_id\":1}]";
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *e = NULL;
        GenerationSet *set = NULL;

        ASSERT_OK(json_parse(text, strlen(text), &o, NULL));
        ASSERT_ERROR(generation_set_from_json(o, &set, &e), EINVAL);
        assert_non_null(e);
        json_object_array_del_idx(o, 1, 1);
        ASSERT_OK(generation_set_from_json(o, &set, NULL));
        assert_int_equal(generation_set_get(set, "n", "b"), 7);
        assert_int_equal(generation_set_get(set, NULL, "b"), 0);
        generation_set_free(set);
}
