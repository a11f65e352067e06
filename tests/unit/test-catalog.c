/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocol/catalog.h"
#include "unit/test.h"

TEST_MAIN()

static JsonObject *parse(const char *text) {
        _cleanup_error_ Error *error = NULL;
        JsonObject *o = NULL;

        if (json_parse(text, strlen(text), &o, &error) < 0)
                fail_msg("%s: %s", text, error_message(error, 0));
        return o;
}

static int load(const char *text, ConfiguredCatalog **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = parse(text);

        return configured_catalog_from_json(o, ret, reterr_error);
}

/* One configured stream around the given members. */
#define CONFIGURED(stream, rest)                                                                        \
        "{\"streams\":[{\"stream\":{\"name\":\"s\",\"json_schema\":{}," stream                          \
        "\"supported_sync_modes\":[\"full_refresh\",\"incremental\"]}," rest "}]}"

static void refused(const char *text, const char *words) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = NULL;
        _cleanup_error_ Error *error = NULL;

        ASSERT_ERROR(load(text, &c, &error), EINVAL);
        assert_null(c);
        assert_non_null(error);
        if (!strstr(error->message, words))
                fail_msg("'%s' does not say '%s'", error->message, words);
}

TEST(all_members_of_a_stream_are_read) {
        _cleanup_json_ JsonObject *o = parse(
                "{\"streams\":[{\"name\":\"orders\",\"namespace\":\"shop\",\"json_schema\":{\"type\":\"object\"},"
                "\"supported_sync_modes\":[\"full_refresh\",\"incremental\"],\"source_defined_cursor\":true,"
                "\"default_cursor_field\":[\"meta\",\"at\"],\"source_defined_primary_key\":[[\"id\"],[\"a\",\"b\"]],"
                "\"is_resumable\":true,\"is_file_based\":true}]}");
        _cleanup_catalog_ Catalog *c = NULL;
        const AirbyteStream *s;

        ASSERT_OK(catalog_from_json(o, &c, NULL));
        s = catalog_find(c, "shop", "orders");
        assert_non_null(s);
        assert_true(s->supports_full_refresh && s->supports_incremental && s->source_defined_cursor);
        assert_true(s->is_resumable && s->is_file_based);
        assert_string_equal(s->default_cursor_field[1], "at");
        assert_int_equal(field_paths_length(s->source_defined_primary_key), 2);
        assert_string_equal(s->source_defined_primary_key[1][1], "b");
        assert_null(catalog_find(c, NULL, "orders"));
        assert_null(catalog_find(c, "shop", "order"));
}

TEST(no_namespace_and_an_empty_one_are_the_same) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = NULL;

        ASSERT_OK(load(CONFIGURED("\"namespace\":\"\",",
                                  "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\""),
                       &c, NULL));
        assert_non_null(configured_catalog_find(c, NULL, "s"));
        assert_non_null(configured_catalog_find(c, "", "s"));
        assert_null(configured_catalog_find(c, "x", "s"));
}

TEST(a_stream_that_comes_twice_is_refused) {
        static const char one[] = "{\"name\":\"a\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]";
        static const char *const second[] = { "}", ",\"namespace\":null}", ",\"namespace\":\"\"}" };

        for (size_t i = 0; i < ELEMENTSOF(second); i++) {
                _cleanup_catalog_ Catalog *c = NULL;
                _cleanup_error_ Error *error = NULL;
                _cleanup_json_ JsonObject *o = NULL;
                _cleanup_buffer_ Buffer b = {};

                ASSERT_OK(buffer_appendf(&b, "{\"streams\":[%s},%s%s]}", one, one, second[i]));
                o = parse(buffer_string(&b));
                ASSERT_ERROR(catalog_from_json(o, &c, &error), EINVAL);
                assert_non_null(strstr(error->message, "Stream 'a'"));
                assert_non_null(strstr(error->message, "twice"));
        }
}

TEST(the_same_name_in_two_namespaces_is_two_streams) {
        _cleanup_json_ JsonObject *o = parse(
                "{\"streams\":[{\"name\":\"a\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]},"
                "{\"name\":\"a\",\"namespace\":\"n\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]}]}");
        _cleanup_catalog_ Catalog *c = NULL;

        ASSERT_OK(catalog_from_json(o, &c, NULL));
        assert_int_equal(c->n_streams, 2);
}

TEST(bad_modes_are_named) {
        refused(CONFIGURED("", "\"sync_mode\":\"upside_down\",\"destination_sync_mode\":\"append\""), "upside_down");
        refused(CONFIGURED("", "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"burn\""), "burn");
        refused(CONFIGURED("", "\"destination_sync_mode\":\"append\""), "'sync_mode' is missing");
        refused(CONFIGURED("", "\"sync_mode\":\"full_refresh\""), "'destination_sync_mode' is missing");
        refused("{\"streams\":[{\"stream\":{\"name\":\"s\",\"json_schema\":{},\"supported_sync_modes\":[]},"
                "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\"}]}",
                "supported_sync_modes");
}

TEST(incremental_needs_a_cursor) {
        static const char rest[] = "\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append\"";
        _cleanup_configured_catalog_ ConfiguredCatalog *by_source = NULL, *by_default = NULL, *chosen = NULL;
        _cleanup_buffer_ Buffer b = {};

        refused(CONFIGURED("", "\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append\""),
                "Stream 's': 'cursor_field' is missing");
        refused(CONFIGURED("", "\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append\","
                               "\"cursor_field\":[]"),
                "'cursor_field' is missing");
        ASSERT_OK(load(CONFIGURED("\"source_defined_cursor\":true,",
                                  "\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append\""),
                       &by_source, NULL));
        assert_null(by_source->streams[0].cursor_field);
        ASSERT_OK(load(CONFIGURED("\"default_cursor_field\":[\"at\"],",
                                  "\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append\""),
                       &by_default, NULL));
        assert_string_equal(by_default->streams[0].cursor_field[0], "at");
        ASSERT_OK(buffer_appendf(&b, CONFIGURED("", "%s,\"cursor_field\":[\"x\"]"), rest));
        ASSERT_OK(load(buffer_string(&b), &chosen, NULL));
        assert_string_equal(chosen->streams[0].cursor_field[0], "x");
}

TEST(dedup_needs_a_primary_key) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = NULL;

        refused(CONFIGURED("", "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append_dedup\""),
                "'primary_key' is missing");
        refused(CONFIGURED("", "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"overwrite_dedup\","
                               "\"primary_key\":[[]]"),
                "'primary_key' is missing");
        ASSERT_OK(load(CONFIGURED("\"source_defined_primary_key\":[[\"id\"]],",
                                  "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append_dedup\""),
                       &c, NULL));
        assert_string_equal(c->streams[0].primary_key[0][0], "id");
}

TEST(wrong_types_are_named) {
        static const char *const bad[][2] = {
                { "[]", "not an object" },
                { "{}", "'streams' is missing" },
                { "{\"streams\":{}}", "'streams' is not an array" },
                { "{\"streams\":[null]}", "Stream number 1" },
                { "{\"streams\":[{\"stream\":{\"json_schema\":{}}}]}", "'name' is missing" },
                { "{\"streams\":[{\"stream\":{\"name\":\"\"}}]}", "'name' is missing" },
                { "{\"streams\":[{\"stream\":{\"name\":7}}]}", "'name' is not a string" },
                { "{\"streams\":[{\"stream\":{\"name\":\"a\\u0000b\"}}]}", "NUL" },
                { "{\"streams\":[{\"stream\":{\"name\":\"a\",\"supported_sync_modes\":[\"full_refresh\"]}}]}",
                  "'json_schema' is missing" },
                { "{\"streams\":[{\"stream\":{\"name\":\"a\",\"namespace\":\"n\",\"json_schema\":[]}}]}",
                  "Stream 'a' of namespace 'n': 'json_schema' is not an object" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refused(bad[i][0], bad[i][1]);
        refused(CONFIGURED("", "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\","
                               "\"primary_key\":[\"id\"]"),
                "list of paths");
        refused(CONFIGURED("", "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\","
                               "\"generation_id\":\"one\""),
                "'generation_id' is not an integer");
}

static void unchanged(const char *text) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = NULL;
        _cleanup_json_ JsonObject *before = parse(text), *after = NULL;
        _cleanup_free_ char *written = NULL;

        ASSERT_OK(configured_catalog_from_json(before, &c, NULL));
        ASSERT_OK(configured_catalog_to_json(c, &after));
        written = json_to_string(after);
        if (!json_equal(before, after))
                fail_msg("%s\nbecame\n%s", text, written);
}

TEST(what_came_in_goes_out_unknown_members_included) {
        unchanged(CONFIGURED("\"x_new\":{\"big\":123456789012345678901234567890},\"namespace\":null,"
                             "\"source_defined_cursor\":false,\"default_cursor_field\":[],",
                             "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\","
                             "\"include_files\":true,\"destination_object_name\":\"o\",\"primary_key\":[],"
                             "\"generation_id\":9007199254740993,\"minimum_generation_id\":0,\"sync_id\":7"));
        unchanged(CONFIGURED("", "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"overwrite\","
                                 "\"generation_id\":null,\"cursor_field\":null"));
}

TEST(changes_to_a_stream_are_written) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        AirbyteStream *s;

        ASSERT_OK(load(CONFIGURED("\"namespace\":\"n\",\"kept\":1,",
                                  "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\""),
                       &c, NULL));
        s = &c->streams[0].stream;
        free(s->namespace);
        s->namespace = NULL;
        free(s->name);
        s->name = strdup("pre_s");
        c->streams[0].destination_sync_mode = DESTINATION_SYNC_MODE_OVERWRITE;
        c->streams[0].has_generation = true;
        c->streams[0].generation_id = 3;
        ASSERT_OK(configured_catalog_to_json(c, &o));
        text = json_to_string(o);
        assert_string_equal(text, "{\"streams\":[{\"stream\":{\"name\":\"pre_s\",\"json_schema\":{},\"kept\":1,"
                                  "\"supported_sync_modes\":[\"full_refresh\",\"incremental\"]},"
                                  "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"overwrite\","
                                  "\"generation_id\":3,\"minimum_generation_id\":0,\"sync_id\":0}]}");
}

TEST(a_copy_has_a_schema_of_its_own) {
        _cleanup_json_ JsonObject *o = parse("{\"streams\":[{\"name\":\"a\",\"json_schema\":{\"n\":1e999},"
                                             "\"supported_sync_modes\":[\"full_refresh\"]}]}");
        _cleanup_(airbyte_stream_done) AirbyteStream copy = {};
        _cleanup_catalog_ Catalog *c = NULL;
        _cleanup_free_ char *text = NULL;

        ASSERT_OK(catalog_from_json(o, &c, NULL));
        ASSERT_OK(airbyte_stream_copy(&c->streams[0], &copy));
        text = json_to_string(copy.json_schema);
        assert_string_equal(text, "{\"n\":1e999}");
        ASSERT_OK(json_add_string(copy.json_schema, "added", "x"));
        assert_null(json_member(c->streams[0].json_schema, "added"));
}

TEST(a_stream_made_by_us_is_written_whole) {
        AirbyteStream s = { .name = (char *) "t", .supports_full_refresh = true, .is_resumable = true };
        Catalog c = { .streams = &s, .n_streams = 1 };
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_json_ JsonObject *schema = json_object_new_object();
        _cleanup_free_ char *text = NULL;

        s.json_schema = schema;
        ASSERT_OK(catalog_to_json(&c, &o));
        text = json_to_string(o);
        assert_string_equal(text, "{\"streams\":[{\"name\":\"t\",\"json_schema\":{},"
                                  "\"supported_sync_modes\":[\"full_refresh\"],\"is_resumable\":true}]}");
}
