/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocol/catalog-diff.h"
#include "unit/catalog-text.h"

TEST_MAIN()

static Catalog *streams(const char *list) {
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "{'streams':[%s]}", list) >= 0);
        return catalog(text);
}

#define STREAM(name_, more_, properties_)                                                                     \
        "{'name':'" name_ "','supported_sync_modes':['full_refresh','incremental']" more_                     \
        ",'json_schema':{'type':'object','properties':{" properties_ "}}}"
#define INT "{'type':'integer'}"
#define TEXT "{'type':'string'}"

/* How the one stream "s" is configured: modes, cursor, key. */
static ConfiguredCatalog *configured(SyncMode mode, DestinationSyncMode destination, const char *cursor, const char *key) {
        ConfiguredCatalog *c = calloc(1, sizeof(*c));
        ConfiguredStream *s = c->streams = calloc(1, sizeof(*s));

        c->n_streams = 1;
        s->stream.name = strdup("s");
        s->sync_mode = mode;
        s->destination_sync_mode = destination;
        s->cursor_field = cursor ? strv_split(cursor, "/") : NULL;
        if (key) {
                _cleanup_strv_ char **paths = strv_split(key, ",");

                s->primary_key = calloc(strv_length(paths) + 1, sizeof(FieldPath));
                for (size_t i = 0; paths[i]; i++)
                        s->primary_key[i] = strv_split(paths[i], "/");
        }
        return c;
}

static char *diff_text(const char *before, const char *after, ConfiguredCatalog *c, CatalogDiffFlags flags, bool *ret_breaking) {
        _cleanup_catalog_ Catalog *a = streams(before), *b = streams(after);
        _cleanup_catalog_diff_ CatalogDiff d = {};
        _cleanup_json_ JsonObject *o = NULL;

        ASSERT_OK(catalog_diff_make(a, b, c, &d));
        ASSERT_OK(catalog_diff_to_json(&d, flags, &o));
        *ret_breaking = catalog_diff_is_breaking(&d);
        configured_catalog_free(c);
        return json_to_string(json_member(o, "transforms"));
}

static void check(const char *before, const char *after, ConfiguredCatalog *c, CatalogDiffFlags flags, bool breaking,
                  const char *expected) {
        bool found;
        _cleanup_free_ char *text = diff_text(before, after, c, flags, &found), *wanted = strdup(expected);

        for (char *p = wanted; *p; p++)
                if (*p == '\'')
                        *p = '"';
        assert_string_equal(text, wanted);
        assert_int_equal(found, breaking);
}

TEST(the_same_catalog_differs_in_nothing_and_neither_does_another_order) {
        check(STREAM("a", "", "'x':" INT ",'y':" TEXT) "," STREAM("b", "", ""),
              STREAM("b", "", "") "," STREAM("a", ",'default_cursor_field':['x']", "'y':" TEXT ",'x':" INT), NULL, 0, false, "[]");
        check(STREAM("a", ",'namespace':''", ""), STREAM("a", "", ""), NULL, 0, false, "[]");
        check("", "", NULL, 0, false, "[]");
}

TEST(streams_that_were_added_and_removed_are_told_with_their_namespace) {
        check(STREAM("a", "", "") "," STREAM("b", ",'namespace':'n'", ""), STREAM("a", "", "") "," STREAM("b", ",'namespace':'m'", ""),
              configured(SYNC_MODE_FULL_REFRESH, DESTINATION_SYNC_MODE_APPEND, NULL, NULL), 0, false,
              "[{'transformType':'remove_stream','streamDescriptor':{'name':'b','namespace':'n'}},"
              "{'transformType':'add_stream','streamDescriptor':{'name':'b','namespace':'m'}}]");
}

TEST(fields_are_told_with_their_schemas) {
        check(STREAM("s", "", "'x':" INT ",'gone':" TEXT ",'y':" INT), STREAM("s", "", "'x':" TEXT ",'y':" INT ",'new':" INT), NULL, 0,
              false,
              "[{'transformType':'update_stream','streamDescriptor':{'name':'s'},'updateStream':{'fieldTransforms':["
              "{'transformType':'update_field_schema','fieldName':['x'],'breaking':false,'updateFieldSchema':"
              "{'oldSchema':{'schema':{'type':'integer'}},'newSchema':{'schema':{'type':'string'}}}},"
              "{'transformType':'remove_field','fieldName':['gone'],'breaking':false,'removeField':{'schema':{'type':'string'}}},"
              "{'transformType':'add_field','fieldName':['new'],'breaking':false,'addField':{'schema':{'type':'integer'}}}],"
              "'streamAttributeTransforms':[]}}]");
}

#define UPDATED(fields_, attributes_)                                                                        \
        "[{'transformType':'update_stream','streamDescriptor':{'name':'s'},'updateStream':{'fieldTransforms':[" \
        fields_ "],'streamAttributeTransforms':[" attributes_ "]}}]"
#define FIELD(type_, name_, breaking_) "{'transformType':'" type_ "','fieldName':[" name_ "],'breaking':" breaking_ "}"

TEST(fields_of_objects_and_elements_have_paths_and_alternatives_have_none) {
        check(STREAM("s", "", "'o':{'type':'object','properties':{'a':" INT "}}"),
              STREAM("s", "", "'o':{'type':'object','properties':{'b':" INT "}}"), NULL, CATALOG_DIFF_NO_SCHEMAS, false,
              UPDATED(FIELD("update_field_schema", "'o'", "false") "," FIELD("remove_field", "'o','a'", "false") ","
                      FIELD("add_field", "'o','b'", "false"), ""));
        check(STREAM("s", "", "'l':{'type':'array','items':{'type':'object','properties':{'a':" INT "}}}"),
              STREAM("s", "", "'l':{'type':'array','items':{'type':'object','properties':{}}}"), NULL, CATALOG_DIFF_NO_SCHEMAS, false,
              UPDATED(FIELD("update_field_schema", "'l'", "false") "," FIELD("update_field_schema", "'l','items'", "false") ","
                      FIELD("remove_field", "'l','items','a'", "false"), ""));
        check(STREAM("s", "", "'v':{'oneOf':[" INT "]}"), STREAM("s", "", "'v':{'oneOf':[" INT "," TEXT "]}"), NULL,
              CATALOG_DIFF_NO_SCHEMAS, false, UPDATED(FIELD("update_field_schema", "'v'", "false"), ""));
        /* What was an object and is one no more takes its fields with it. */
        check(STREAM("s", "", "'o':{'type':'object','properties':{'a':" INT "}}"), STREAM("s", "", "'o':" TEXT), NULL,
              CATALOG_DIFF_NO_SCHEMAS, false,
              UPDATED(FIELD("update_field_schema", "'o'", "false") "," FIELD("remove_field", "'o','a'", "false"), ""));
        check(STREAM("s", "", "'t':true"), STREAM("s", "", "'t':false"), NULL, CATALOG_DIFF_NO_SCHEMAS, false,
              UPDATED(FIELD("update_field_schema", "'t'", "false"), ""));
}

#define BEFORE STREAM("s", "", "'id':" INT ",'k':" INT ",'at':" TEXT ",'o':{'type':'object','properties':{'c':" INT "}}")
#define WITHOUT_AT STREAM("s", "", "'id':" INT ",'k':" INT ",'o':{'type':'object','properties':{'c':" INT "}}")
#define WITHOUT_K STREAM("s", "", "'id':" INT ",'at':" TEXT ",'o':{'type':'object','properties':{'c':" INT "}}")
#define WITHOUT_O STREAM("s", "", "'id':" INT ",'k':" INT ",'at':" TEXT)

static void check_breaks(const char *after, ConfiguredCatalog *c, bool breaking) {
        bool found;
        _cleanup_free_ char *text = diff_text(BEFORE, after, c, CATALOG_DIFF_NO_SCHEMAS, &found);

        assert_int_equal(found, breaking);
        assert_int_equal(!!strstr(text, "\"breaking\":true"), breaking);
}

TEST(the_loss_of_the_cursor_breaks_an_incremental_stream_only) {
        check_breaks(WITHOUT_AT, configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND, "at", NULL), true);
        check_breaks(WITHOUT_K, configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND, "at", "k"), false);
        check_breaks(WITHOUT_AT, configured(SYNC_MODE_FULL_REFRESH, DESTINATION_SYNC_MODE_OVERWRITE, "at", NULL), false);
        check_breaks(WITHOUT_O, configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND, "o/c", NULL), true);
        check_breaks(WITHOUT_O, configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND, "at", NULL), false);
}

TEST(the_loss_of_a_key_field_breaks_a_stream_that_deduplicates) {
        check_breaks(WITHOUT_K, configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND_DEDUP, "at", "id,k"), true);
        check_breaks(WITHOUT_K, configured(SYNC_MODE_FULL_REFRESH, DESTINATION_SYNC_MODE_OVERWRITE_DEDUP, NULL, "k"), true);
        check_breaks(WITHOUT_K, configured(SYNC_MODE_FULL_REFRESH, DESTINATION_SYNC_MODE_OVERWRITE, NULL, "k"), false);
        check_breaks(WITHOUT_K, configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND_DEDUP, "at", "id"), false);
        check_breaks(WITHOUT_O, configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND_DEDUP, "at", "o/c"), true);
}

#define KEYED(key_) STREAM("s", ",'source_defined_primary_key':" key_, "'id':" INT ",'k':" INT)
#define KEY_CHANGE(breaking_, old_, new_)                                                                     \
        UPDATED("", "{'transformType':'update_primary_key','breaking':" breaking_ ",'updatePrimaryKey':"       \
                "{'oldPrimaryKey':" old_ ",'newPrimaryKey':" new_ "}}")

TEST(another_key_of_the_source_breaks_a_stream_that_deduplicates_by_a_different_one) {
        check(KEYED("[['id']]"), KEYED("[['k']]"),
              configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND_DEDUP, "id", "id"), 0, true,
              KEY_CHANGE("true", "[['id']]", "[['k']]"));
        check(KEYED("[['id']]"), KEYED("[['k']]"), configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND, "id", "id"), 0,
              false, KEY_CHANGE("false", "[['id']]", "[['k']]"));
        /* The one that is in use already, in any order; and one that the source no longer knows. */
        check(KEYED("[['id']]"), KEYED("[['k'],['id']]"),
              configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND_DEDUP, "id", "id,k"), 0, false,
              KEY_CHANGE("false", "[['id']]", "[['k'],['id']]"));
        check(KEYED("[['id']]"), KEYED("[]"), configured(SYNC_MODE_INCREMENTAL, DESTINATION_SYNC_MODE_APPEND_DEDUP, "id", "id"), 0,
              false, KEY_CHANGE("false", "[['id']]", "[]"));
}

TEST(changes_of_streams_that_are_not_configured_concern_nobody) {
        check(STREAM("other", "", "'x':" INT), STREAM("other", "", "'x':" TEXT),
              configured(SYNC_MODE_FULL_REFRESH, DESTINATION_SYNC_MODE_APPEND, NULL, NULL), 0, false, "[]");
}

TEST(only_what_was_applied_is_told_where_that_is_asked_for) {
        _cleanup_catalog_ Catalog *a = streams(STREAM("a", "", "")), *b = streams(STREAM("b", "", "") "," STREAM("c", "", ""));
        _cleanup_catalog_diff_ CatalogDiff d = {};
        _cleanup_json_ JsonObject *o = NULL;

        ASSERT_OK(catalog_diff_make(a, b, NULL, &d));
        assert_int_equal(d.n_transforms, 3);
        d.transforms[1].applied = true;
        ASSERT_OK(catalog_diff_to_json(&d, CATALOG_DIFF_APPLIED_ONLY, &o));
        assert_int_equal(json_object_array_length(json_member(o, "transforms")), 1);
}

TEST(a_schema_of_any_depth_is_compared) {
        _cleanup_buffer_ Buffer a = {}, b = {};
        _cleanup_free_ char *text = NULL;
        bool breaking;

        for (unsigned i = 0; i < 200; i++)
                ASSERT_OK(buffer_append_string(&a, "'o':{'properties':{"));
        ASSERT_OK(buffer_append_string(&b, buffer_string(&a)));
        ASSERT_OK(buffer_append_string(&b, "'x':{}"));
        for (unsigned i = 0; i < 200; i++) {
                ASSERT_OK(buffer_append_string(&a, "}}"));
                ASSERT_OK(buffer_append_string(&b, "}}"));
        }
        {
                _cleanup_buffer_ Buffer before = {}, after = {};

                ASSERT_OK(buffer_appendf(&before, STREAM("s", "", "%s"), buffer_string(&a)));
                ASSERT_OK(buffer_appendf(&after, STREAM("s", "", "%s"), buffer_string(&b)));
                text = diff_text(buffer_string(&before), buffer_string(&after), NULL, CATALOG_DIFF_NO_SCHEMAS, &breaking);
        }
        assert_non_null(strstr(text, "update_field_schema"));
}
