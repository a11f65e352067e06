/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "worker/sync-catalog.h"

TEST_MAIN()

static const char users[] =
        "{\"streams\":[{\"stream\":{\"name\":\"users\",\"namespace\":\"public\",\"json_schema\":{\"type\":\"object\","
        "\"properties\":{\"id\":{\"type\":\"integer\"},\"email\":{\"type\":\"string\"},\"at\":{\"type\":\"string\"}},"
        "\"required\":[\"id\",\"email\"],\"title\":\"kept\"},\"supported_sync_modes\":[\"full_refresh\","
        "\"incremental\"],\"default_cursor_field\":[\"at\"],\"source_defined_primary_key\":[[\"id\"]],"
        "\"unknown\":7},\"sync_mode\":\"incremental\",\"destination_sync_mode\":\"append_dedup\","
        "\"cursor_field\":[\"at\"],\"primary_key\":[[\"id\"]]},"
        "{\"stream\":{\"name\":\"users\",\"namespace\":\"shop\",\"json_schema\":{},\"supported_sync_modes\":"
        "[\"full_refresh\"]},\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"overwrite\"}]}";

static ConfiguredCatalog *catalog_of(const char *json) {
        _cleanup_json_ JsonObject *o = NULL;
        ConfiguredCatalog *c = NULL;

        ASSERT_OK(json_parse(json, strlen(json), &o, NULL));
        ASSERT_OK(configured_catalog_from_json(o, &c, NULL));
        return c;
}

static Mapper **mappers_of(const char *json) {
        _cleanup_json_ JsonObject *o = NULL;
        Mapper **l = NULL;

        ASSERT_OK(json_parse(json, strlen(json), &o, NULL));
        ASSERT_OK(mappers_from_json(o, &l, NULL));
        return l;
}

static void check_schema(const ConfiguredStream *s, const char *expected) {
        _cleanup_free_ char *text = json_to_string(s->stream.json_schema);

        assert_string_equal(text, expected);
}

static void check_names(NamespaceDefinition definition, const char *format, const char *prefix, const char *name,
                        const char *first, const char *second) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(users), *destination = NULL;
        _cleanup_free_ StreamOptions *options = NULL;

        ASSERT_OK(sync_catalog_map(c, definition, format, prefix, NULL, NULL, &destination, &options, NULL));
        assert_string_equal(options[0].destination_name, name);
        assert_true(streq_ptr(options[0].destination_namespace, first));
        assert_true(streq_ptr(options[1].destination_namespace, second));
        assert_ptr_equal(options[0].destination_name, destination->streams[0].stream.name);
        assert_string_equal(c->streams[0].stream.name, "users");
}

TEST(namespaces_and_prefix_are_mapped_as_airbyte_does) {
        check_names(NAMESPACE_SOURCE, NULL, NULL, "users", "public", "shop");
        check_names(NAMESPACE_SOURCE, NULL, "p_", "p_users", "public", "shop");
        check_names(NAMESPACE_CUSTOM_FORMAT, "x_${SOURCE_NAMESPACE}_${SOURCE_NAMESPACE}", "", "users",
                    "x_public_public", "x_shop_shop");
}

TEST(an_empty_or_blank_custom_namespace_is_none) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(
                "{\"streams\":[{\"stream\":{\"name\":\"a\",\"json_schema\":{},\"supported_sync_modes\":"
                "[\"full_refresh\"]},\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\"}]}");
        static const char *const formats[] = { "${SOURCE_NAMESPACE}", " ${SOURCE_NAMESPACE} ", "", "  " };

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                _cleanup_configured_catalog_ ConfiguredCatalog *destination = NULL;
                _cleanup_free_ StreamOptions *options = NULL;

                ASSERT_OK(sync_catalog_map(c, NAMESPACE_CUSTOM_FORMAT, formats[i], NULL, NULL, NULL, &destination,
                                           &options, NULL));
                assert_null(options[0].destination_namespace);
        }
}

TEST(two_streams_for_one_destination_name_are_refused_and_both_named) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(users), *destination = NULL;
        _cleanup_free_ StreamOptions *options = NULL;
        _cleanup_error_ Error *e = NULL;

        ASSERT_ERROR(sync_catalog_map(c, NAMESPACE_DESTINATION, NULL, "p_", NULL, NULL, &destination, &options, &e),
                     EEXIST);
        assert_string_equal(e->message, "Streams 'public.users' and 'shop.users' would both be written to 'p_users': "
                                        "keep the namespaces apart or leave one out");
        assert_null(destination);
}

TEST(D02_a_stream_whose_files_are_wanted_is_refused) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(users), *destination = NULL;
        _cleanup_free_ StreamOptions *options = NULL;
        _cleanup_error_ Error *e = NULL;

        c->streams[1].include_files = true;
        ASSERT_ERROR(sync_catalog_map(c, NAMESPACE_SOURCE, NULL, NULL, NULL, NULL, &destination, &options, &e),
                     EOPNOTSUPP);
        assert_non_null(strstr(e->message, "'include_files' asks for files"));
        assert_null(destination);
}

TEST(selected_fields_are_all_that_the_destination_is_told_of) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(users), *destination = NULL;
        _cleanup_free_ StreamOptions *options = NULL;
        char *selected[] = { (char *) "id", (char *) "at", NULL };
        char **lists[] = { selected, NULL };

        ASSERT_OK(sync_catalog_map(c, NAMESPACE_SOURCE, NULL, NULL, lists, NULL, &destination, &options, NULL));
        check_schema(&destination->streams[0],
                     "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"},\"at\":{\"type\":\"string\"}},"
                     "\"required\":[\"id\"],\"title\":\"kept\"}");
        assert_ptr_equal(options[0].selected_fields, selected);
        assert_null(options[1].selected_fields);
}

static void check_selection_refused(char **selected, int code, const char *message) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(users), *destination = NULL;
        _cleanup_free_ StreamOptions *options = NULL;
        _cleanup_error_ Error *e = NULL;
        char **lists[] = { selected, NULL };

        assert_int_equal(sync_catalog_map(c, NAMESPACE_SOURCE, NULL, NULL, lists, NULL, &destination, &options, &e),
                         code);
        assert_string_equal(e->message, message);
}

TEST(a_selection_without_cursor_or_key_or_of_an_unknown_field_is_refused) {
        check_selection_refused((char *[]) { (char *) "id", (char *) "email", NULL }, -EINVAL,
                                "Stream 'users': the field selection leaves out 'at', its cursor");
        check_selection_refused((char *[]) { (char *) "at", NULL }, -EINVAL,
                                "Stream 'users': the field selection leaves out 'id' of its primary key");
        check_selection_refused((char *[]) { (char *) "at", (char *) "id", (char *) "no", NULL }, -ENOENT,
                                "Stream 'users': field 'no' is selected but not in the schema");
}

TEST(mappers_rewrite_schema_cursor_and_key_of_the_destination_only) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(users), *destination = NULL;
        _cleanup_free_ StreamOptions *options = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        Mapper **l = mappers_of("[{\"type\":\"field-renaming\",\"mapperConfiguration\":{\"originalFieldName\":\"at\","
                                "\"newFieldName\":\"changed\"}},{\"type\":\"hashing\",\"mapperConfiguration\":{"
                                "\"targetField\":\"id\",\"method\":\"SHA-256\",\"fieldNameSuffix\":\"_h\"}},"
                                "{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"email\"}}]");
        Mapper **lists[] = { l, NULL };

        ASSERT_OK(sync_catalog_map(c, NAMESPACE_SOURCE, NULL, NULL, NULL, lists, &destination, &options, NULL));
        check_schema(&destination->streams[0],
                     "{\"type\":\"object\",\"properties\":{\"id_h\":{\"type\":[\"null\",\"string\"]},\"changed\":"
                     "{\"type\":\"string\"}},\"required\":[\"id_h\"],\"title\":\"kept\"}");
        assert_string_equal(destination->streams[0].cursor_field[0], "changed");
        assert_string_equal(destination->streams[0].primary_key[0][0], "id_h");
        assert_string_equal(c->streams[0].cursor_field[0], "at");
        /* What goes to the destination's file has the new names and what we do not know. */
        ASSERT_OK(configured_catalog_to_json(destination, &o));
        text = json_to_string(o);
        assert_null(strstr(text, "\"at\""));
        assert_non_null(strstr(text, "\"unknown\":7"));
        assert_non_null(strstr(text, "\"source_defined_primary_key\":[[\"id_h\"]]"));
        mappers_free(l);
}

static void check_mappers_refused(const char *json, int code, const char *message) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(users);
        _cleanup_error_ Error *e = NULL;
        Mapper **l = mappers_of(json);

        assert_int_equal(mappers_apply_to_stream(l, &c->streams[0], &e), code);
        assert_string_equal(e->message, message);
        mappers_free(l);
}

TEST(mappers_that_do_not_fit_the_schema_are_refused_with_airbytes_words) {
        check_mappers_refused("[{\"type\":\"field-renaming\",\"mapperConfiguration\":{\"originalFieldName\":\"x\","
                              "\"newFieldName\":\"y\"}}]", -ENOENT,
                              "Stream 'users': mapper field-renaming: FIELD_NOT_FOUND: the schema has no field 'x'");
        check_mappers_refused("[{\"type\":\"field-renaming\",\"mapperConfiguration\":{\"originalFieldName\":\"email\","
                              "\"newFieldName\":\"id\"}}]", -EEXIST,
                              "Stream 'users': mapper field-renaming: FIELD_ALREADY_EXISTS: the schema already has a "
                              "field 'id'");
        check_mappers_refused("[{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"id\"}}]",
                              -EINVAL,
                              "Stream 'users': mapper field-filtering: INVALID_MAPPER_CONFIG: 'id' is part of the "
                              "primary key and cannot be left out");
        check_mappers_refused("[{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"at\"}}]",
                              -EINVAL,
                              "Stream 'users': mapper field-filtering: INVALID_MAPPER_CONFIG: 'at' is the cursor and "
                              "cannot be left out");
        check_mappers_refused("[{\"type\":\"row-filtering\",\"mapperConfiguration\":{\"conditions\":{\"type\":\"EQUAL\","
                              "\"fieldName\":\"x\",\"comparisonValue\":\"1\"}}}]", -ENOENT,
                              "Stream 'users': mapper row-filtering: FIELD_NOT_FOUND: the schema has no field 'x'");
}

TEST(a_clear_overwrites_the_cleared_and_appends_nothing_to_the_others) {
        _cleanup_configured_catalog_ ConfiguredCatalog *c = catalog_of(users), *clear = NULL;

        ASSERT_OK(sync_catalog_for_clear(c, (bool[]) { false, true }, &clear));
        assert_int_equal(clear->streams[0].sync_mode, SYNC_MODE_FULL_REFRESH);
        assert_int_equal(clear->streams[0].destination_sync_mode, DESTINATION_SYNC_MODE_APPEND);
        assert_int_equal(clear->streams[1].destination_sync_mode, DESTINATION_SYNC_MODE_OVERWRITE);
}
