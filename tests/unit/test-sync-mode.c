/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "worker/sync-mode.h"

TEST_MAIN()

#define SCHEMA "{\"properties\":{\"id\":{},\"at\":{},\"a.b\":{},\"o\":{\"properties\":{\"k\":{}}}}}"

typedef struct Case {
        bool full, incremental, source_cursor;
        const char *default_cursor, *source_key; /* of the source */
        const char *cursor, *key;                /* asked for */
        const char *destination;                 /* its modes, comma-separated; NULL = it lists none */
        const char *mode;                        /* asked for; NULL = the best */
} Case;

static FieldPath path_of(const char *s) {
        FieldPath path = s ? strv_split(s, "/") : NULL;

        return path;
}

static FieldPath *paths_of(const char *s) {
        FieldPath *paths;

        if (!s)
                return NULL;
        paths = calloc(2, sizeof(FieldPath));
        paths[0] = path_of(s);
        return paths;
}

static int choose(const Case *c, ConfiguredStream *ret, char **ret_why, Error **reterr_error) {
        AirbyteStream s = {
                .name = strdup("s"),
                .supports_full_refresh = c->full,
                .supports_incremental = c->incremental,
                .source_defined_cursor = c->source_cursor,
                .default_cursor_field = path_of(c->default_cursor),
                .source_defined_primary_key = paths_of(c->source_key),
        };
        SyncModeWish wish = {
                .mode = c->mode ? public_sync_mode_from_string(c->mode) : _PUBLIC_SYNC_MODE_INVALID,
                .cursor_field = path_of(c->cursor),
                .primary_key = paths_of(c->key),
        };
        ConnectorSpec spec = { .lists_destination_sync_modes = !!c->destination };
        _cleanup_strv_ char **modes = strv_split(c->destination ?: "append", ",");
        int r;

        STRV_FOREACH(m, modes)
                if (**m)
                        spec.supported_destination_sync_modes[destination_sync_mode_from_string(*m)] = true;
        ASSERT_OK(json_parse(SCHEMA, strlen(SCHEMA), &s.json_schema, NULL));
        r = sync_modes_choose(&s, &spec, &wish, ret, ret_why, reterr_error);
        strv_free(wish.cursor_field);
        field_paths_free(wish.primary_key);
        airbyte_stream_done(&s);
        return r;
}

static void check_chosen(const Case *c, const char *mode, const char *why) {
        _cleanup_(configured_stream_done) ConfiguredStream s = {};
        _cleanup_free_ char *text = NULL;

        ASSERT_OK(choose(c, &s, &text, NULL));
        assert_string_equal(public_sync_mode_to_string(public_sync_mode_of(s.sync_mode, s.destination_sync_mode)), mode);
        if (why)
                assert_string_equal(text, why);
        else
                assert_null(text);
}

static void check_refused(const Case *c, int code, const char *message) {
        _cleanup_error_ Error *e = NULL;
        ConfiguredStream s = {};

        assert_int_equal(choose(c, &s, NULL, &e), -code);
        assert_string_equal(e->message, message);
}

#define ALL "append,overwrite,append_dedup,overwrite_dedup"

TEST(the_best_mode_that_both_sides_support_is_chosen) {
        check_chosen(&(Case) { true, true, false, "at", "id", NULL, NULL, ALL },
                     "incremental_deduped_history",
                     "Stream 's': incremental_deduped_history, cursor at, primary key id (the best that both sides "
                     "support)");
        check_chosen(&(Case) { true, true, true, NULL, "id", NULL, NULL, ALL }, "incremental_deduped_history",
                     "Stream 's': incremental_deduped_history, cursor the source's own, primary key id (the best that "
                     "both sides support)");
        check_chosen(&(Case) { true, false, false, NULL, "id", NULL, NULL, ALL }, "full_refresh_overwrite_deduped",
                     "Stream 's': full_refresh_overwrite_deduped, primary key id (not incremental_deduped_history: the "
                     "source offers no incremental sync of it)");
        check_chosen(&(Case) { true, true, false, "at", NULL, NULL, NULL, ALL }, "full_refresh_overwrite",
                     "Stream 's': full_refresh_overwrite (not incremental_deduped_history: it has no primary key: name "
                     "one)");
        check_chosen(&(Case) { true, true, false, "at", "id", NULL, NULL, NULL }, "full_refresh_overwrite",
                     "Stream 's': full_refresh_overwrite (not incremental_deduped_history: the destination does not "
                     "support that mode)");
        check_chosen(&(Case) { true, true, false, "at", "id", NULL, NULL, "append" }, "incremental_append",
                     "Stream 's': incremental_append, cursor at (not incremental_deduped_history: the destination does "
                     "not support that mode)");
        check_chosen(&(Case) { true, false, false, NULL, NULL, NULL, NULL, "append" }, "full_refresh_append",
                     "Stream 's': full_refresh_append (not incremental_deduped_history: the source offers no "
                     "incremental sync of it)");
}

TEST(cursor_and_key_of_the_person_make_better_modes_possible) {
        _cleanup_(configured_stream_done) ConfiguredStream s = {};

        ASSERT_OK(choose(&(Case) { true, true, false, NULL, NULL, "at", "id", ALL }, &s, NULL, NULL));
        assert_int_equal(s.destination_sync_mode, DESTINATION_SYNC_MODE_APPEND_DEDUP);
        assert_string_equal(s.cursor_field[0], "at");
        assert_string_equal(s.primary_key[0][0], "id");
}

TEST(a_mode_that_was_asked_for_is_taken_without_a_word_or_refused_with_what_is_missing) {
        check_chosen(&(Case) { true, true, false, "at", "id", NULL, NULL, ALL, "full_refresh_append" },
                     "full_refresh_append", NULL);
        check_refused(&(Case) { true, false, false, NULL, NULL, NULL, NULL, ALL, "incremental_append" }, EOPNOTSUPP,
                      "Stream 's' cannot be synced as incremental_append: the source offers no incremental sync of it");
        check_refused(&(Case) { true, true, false, NULL, NULL, NULL, NULL, ALL, "incremental_append" }, ENODATA,
                      "Stream 's' cannot be synced as incremental_append: it has no cursor: name one");
        check_refused(&(Case) { true, true, false, "at", NULL, NULL, NULL, ALL, "incremental_deduped_history" }, ENODATA,
                      "Stream 's' cannot be synced as incremental_deduped_history: it has no primary key: name one");
        check_refused(&(Case) { true, true, false, "at", "id", NULL, NULL, "append", "full_refresh_overwrite" },
                      EOPNOTSUPP,
                      "Stream 's' cannot be synced as full_refresh_overwrite: the destination does not support that "
                      "mode");
        check_refused(&(Case) { true, true, false, NULL, NULL, "no", NULL, ALL }, ENOENT,
                      "Stream 's': cursor 'no' is not in the schema");
        check_refused(&(Case) { true, true, false, NULL, NULL, NULL, "o/no", ALL }, ENOENT,
                      "Stream 's': primary key 'o.no' is not in the schema");
        check_refused(&(Case) { true, true, true, NULL, NULL, "at", NULL, ALL }, EPERM,
                      "Stream 's': the source defines the cursor itself, another one cannot be chosen");
        check_refused(&(Case) { false, true, false, NULL, NULL, NULL, NULL, ALL }, EOPNOTSUPP,
                      "Stream 's': no sync mode is possible: it has no cursor: name one, and the destination takes no "
                      "other mode that the source offers");
}

TEST(field_names_are_properties_first_and_paths_second) {
        AirbyteStream s = { .name = (char *) "s" };
        _cleanup_strv_ char **dotted = NULL, **nested = NULL, **none = NULL;
        _cleanup_error_ Error *e = NULL;

        ASSERT_OK(json_parse(SCHEMA, strlen(SCHEMA), &s.json_schema, NULL));
        ASSERT_OK(stream_field_path(&s, "a.b", &dotted, NULL));
        assert_int_equal(strv_length(dotted), 1);
        ASSERT_OK(stream_field_path(&s, "o.k", &nested, NULL));
        assert_int_equal(strv_length(nested), 2);
        ASSERT_ERROR(stream_field_path(&s, "o.z", &none, &e), ENOENT);
        assert_string_equal(e->message, "Stream 's': field 'o.z' is not in the schema");
        json_object_put(s.json_schema);
}

TEST(public_names_and_pairs_of_modes_belong_together) {
        for (PublicSyncMode m = 0; m < _PUBLIC_SYNC_MODE_MAX; m++) {
                assert_int_equal(public_sync_mode_from_string(public_sync_mode_to_string(m)), m);
                assert_int_equal(public_sync_mode_of(public_sync_mode_source(m), public_sync_mode_destination(m)), m);
        }
        assert_int_equal(public_sync_mode_from_string("incremental"), _PUBLIC_SYNC_MODE_INVALID);
}
