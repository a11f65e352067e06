/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocol/connector-spec.h"
#include "unit/test.h"

TEST_MAIN()

static JsonObject *parse(const char *text) {
        _cleanup_error_ Error *error = NULL;
        JsonObject *o = NULL;

        if (json_parse(text, strlen(text), &o, &error) < 0)
                fail_msg("%s: %s", text, error_message(error, 0));
        return o;
}

/* A specification of our own that has the shapes which public connectors use. */
static const char shop[] =
        "{\"documentationUrl\":\"https://docs.example/shop\",\"protocol_version\":\"0.2.0\",\"supportsIncremental\":true,"
        "\"supported_destination_sync_modes\":[\"append\",\"overwrite\",\"sideways\"],"
        "\"connectionSpecification\":{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"type\":\"object\","
        "\"title\":\"Shop\",\"required\":[\"shop\",\"credentials\",\"start_date\"],\"additionalProperties\":true,"
        "\"properties\":{"
        "\"shop\":{\"type\":\"string\",\"pattern\":\"^[a-z0-9-]+$\",\"pattern_descriptor\":\"my-shop\",\"order\":0},"
        "\"start_date\":{\"type\":\"string\",\"format\":\"date-time\",\"pattern\":\"^[0-9]{4}-\",\"examples\":[\"2021-01-01T00:00:00Z\"]},"
        "\"page_size\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":50},"
        "\"region\":{\"type\":\"string\",\"enum\":[\"eu\",\"us\"]},"
        "\"credentials\":{\"type\":\"object\",\"oneOf\":["
        "{\"title\":\"OAuth\",\"required\":[\"auth_type\",\"client_id\",\"client_secret\"],\"properties\":{"
        "\"auth_type\":{\"type\":\"string\",\"const\":\"oauth2.0\"},"
        "\"client_id\":{\"type\":\"string\"},\"client_secret\":{\"type\":\"string\",\"airbyte_secret\":true},"
        "\"token\":{\"type\":\"string\"}}},"
        "{\"title\":\"Key\",\"required\":[\"auth_type\",\"token\"],\"properties\":{"
        "\"auth_type\":{\"type\":\"string\",\"const\":\"token\"},"
        "\"token\":{\"type\":\"string\",\"airbyte_secret\":true,\"minLength\":3}}}]},"
        "\"headers\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
        "\"value\":{\"type\":\"string\",\"airbyte_secret\":true}}}},"
        "\"input\":{\"anyOf\":[{\"type\":\"string\",\"gantry_path\":\"read\"},"
        "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"gantry_path\":\"read\"}}]},"
        "\"output\":{\"allOf\":[{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\",\"gantry_path\":\"write\"}}}]}"
        "}}}";

static ConnectorSpec *load(const char *text) {
        _cleanup_json_ JsonObject *o = parse(text);
        ConnectorSpec *s = NULL;

        ASSERT_OK(connector_spec_from_json(o, &s, NULL));
        return s;
}

#define GOOD_CREDENTIALS "\"credentials\":{\"auth_type\":\"token\",\"token\":\"hunter2\"}"
#define GOOD_REST "\"shop\":\"my-shop\",\"start_date\":\"2020-01-01T00:00:00Z\""

TEST(the_members_are_read) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s = load(shop);

        assert_string_equal(s->documentation_url, "https://docs.example/shop");
        assert_string_equal(s->protocol_version, "0.2.0");
        assert_true(s->supports_incremental && s->lists_destination_sync_modes);
        assert_true(s->supported_destination_sync_modes[DESTINATION_SYNC_MODE_OVERWRITE]);
        assert_false(s->supported_destination_sync_modes[DESTINATION_SYNC_MODE_APPEND_DEDUP]);
}

TEST(broken_specifications_are_refused) {
        static const char *const bad[][2] = {
                { "[]", "not an object" },
                { "{}", "'connectionSpecification' is missing" },
                { "{\"connectionSpecification\":true}", "'connectionSpecification' is not an object" },
                { "{\"connectionSpecification\":{},\"documentationUrl\":1}", "'documentationUrl' is not a string" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_json_ JsonObject *o = parse(bad[i][0]);
                _cleanup_error_ Error *error = NULL;
                ConnectorSpec *s = NULL;

                ASSERT_ERROR(connector_spec_from_json(o, &s, &error), EINVAL);
                if (!strstr(error->message, bad[i][1]))
                        fail_msg("%s", error->message);
        }
}

TEST(configurations_are_told_apart_and_every_field_is_named) {
        static const char *const cases[][2] = {
                { "{" GOOD_REST "," GOOD_CREDENTIALS "}", NULL },
                { "{" GOOD_REST "," GOOD_CREDENTIALS ",\"page_size\":100,\"region\":\"eu\",\"more\":1}", NULL },
                { "[]", "the configuration: must be an object, not an array" },
                { "{}", "/shop: is required and missing\n/credentials: is required and missing\n"
                        "/start_date: is required and missing" },
                { "{" GOOD_REST "," GOOD_CREDENTIALS ",\"page_size\":0}", "/page_size: must be at least 1" },
                { "{" GOOD_REST "," GOOD_CREDENTIALS ",\"page_size\":\"5\"}",
                  "/page_size: must be an integer, not a string" },
                { "{" GOOD_REST "," GOOD_CREDENTIALS ",\"page_size\":5.5}",
                  "/page_size: must be an integer, not a number" },
                { "{" GOOD_REST "," GOOD_CREDENTIALS ",\"region\":\"mars\"}",
                  "/region: must be one of \"eu\", \"us\"" },
                { "{\"shop\":\"My Shop\",\"start_date\":\"yesterday\"," GOOD_CREDENTIALS "}",
                  "/shop: must look like my-shop\n/start_date: does not match the pattern ^[0-9]{4}-" },
                /* "format" is an annotation in specifications. */
                { "{\"shop\":\"my-shop\",\"start_date\":\"2020-01-01\"," GOOD_CREDENTIALS "}", NULL },
                /* The branch whose constant agrees is the one that is explained. */
                { "{" GOOD_REST ",\"credentials\":{\"auth_type\":\"oauth2.0\",\"client_id\":7}}",
                  "/credentials/client_secret: is required and missing\n"
                  "/credentials/client_id: must be a string, not a number" },
                { "{" GOOD_REST ",\"credentials\":{\"auth_type\":\"token\",\"token\":\"x\"}}",
                  "/credentials/token: must have at least 3 characters" },
                { "{" GOOD_REST ",\"credentials\":{\"auth_type\":\"magic\"}}",
                  "/credentials/auth_type: must be one of \"oauth2.0\", \"token\"" },
                { "{" GOOD_REST ",\"credentials\":{\"token\":7}}",
                  "/credentials/auth_type: is missing, must be one of \"oauth2.0\", \"token\"" },
        };
        _cleanup_(connector_spec_freep) ConnectorSpec *s = load(shop);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_json_ JsonObject *config = parse(cases[i][0]);
                _cleanup_error_ Error *error = NULL;
                int r;

                r = connector_spec_check_config(s, config, &error);
                assert_int_equal(r, cases[i][1] ? -EINVAL : 0);
                if (r < 0 && !streq(error->message, cases[i][1]))
                        fail_msg("%s\nsays\n%s\nnot\n%s", cases[i][0], error->message, cases[i][1]);
        }
}

TEST(a_value_is_never_repeated) {
        static const char secret[] = "s3cr3t-value";
        static const char *const schemas[] = {
                "{\"type\":\"integer\"}", "{\"const\":\"x\"}", "{\"enum\":[\"x\"]}", "{\"pattern\":\"^x$\"}",
                "{\"maxLength\":1}", "{\"minLength\":99}", "{\"not\":{}}", "false",
                "{\"oneOf\":[{\"const\":1},{\"const\":2}]}", "{\"oneOf\":[true,true]}", "{\"anyOf\":[{\"type\":\"null\"}]}",
                "{\"if\":true,\"then\":false}", "{\"allOf\":[{\"maxLength\":1}]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(schemas); i++) {
                _cleanup_(connector_spec_freep) ConnectorSpec *s = NULL;
                _cleanup_json_ JsonObject *config = json_object_new_object();
                _cleanup_error_ Error *error = NULL;
                _cleanup_buffer_ Buffer b = {};

                ASSERT_OK(buffer_appendf(&b, "{\"connectionSpecification\":{\"properties\":{\"k\":%s}}}", schemas[i]));
                s = load(buffer_string(&b));
                ASSERT_OK(json_add_string(config, "k", secret));
                ASSERT_ERROR(connector_spec_check_config(s, config, &error), EINVAL);
                assert_non_null(strstr(error->message, "/k: "));
                if (strstr(error->message, secret))
                        fail_msg("%s: %s", schemas[i], error->message);
        }
}

TEST(a_pattern_that_would_run_for_ever_is_cut_off) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s =
                load("{\"connectionSpecification\":{\"properties\":{\"k\":{\"pattern\":\"^(a+)+$\"}}}}");
        _cleanup_json_ JsonObject *bad = parse("{\"k\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"}");
        _cleanup_json_ JsonObject *good = parse("{\"k\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
        _cleanup_error_ Error *error = NULL;

        ASSERT_OK(connector_spec_check_config(s, good, NULL));
        ASSERT_ERROR(connector_spec_check_config(s, bad, &error), ETIME);
        assert_non_null(strstr(error->message, "too many steps"));
}

static int note_secret(const char *pointer, JsonObject *value, void *userdata) {
        return buffer_appendf(userdata, "%s=%s;", pointer, json_object_get_string(value));
}

TEST(secrets_are_found_in_branches_and_arrays) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s = load(shop);
        _cleanup_json_ JsonObject *config = parse(
                "{" GOOD_REST ",\"credentials\":{\"auth_type\":\"oauth2.0\",\"client_id\":\"c\",\"client_secret\":\"cs\","
                "\"token\":\"t\"},\"headers\":[{\"name\":\"n\",\"value\":\"h0\"},{\"name\":\"n\"},{\"value\":\"h2\"}]}");
        _cleanup_buffer_ Buffer b = {};

        /* "token" is a secret in the other branch only: it counts as one all the same. */
        ASSERT_OK(connector_spec_foreach_secret(s, config, note_secret, &b));
        assert_string_equal(buffer_string(&b), "/credentials/client_secret=cs;/credentials/token=t;"
                                               "/headers/0/value=h0;/headers/2/value=h2;");
}

TEST(a_field_is_a_secret_when_any_branch_says_so) {
        static const char *const marks[] = { "false", "\"false\"", "0", "null" };

        for (size_t i = 0; i < ELEMENTSOF(marks); i++) {
                _cleanup_json_ JsonObject *config = parse("{\"a\":{\"token\":\"t\"}}");
                _cleanup_(connector_spec_freep) ConnectorSpec *s = NULL;
                _cleanup_buffer_ Buffer text = {}, b = {};

                ASSERT_OK(buffer_appendf(&text, "{\"connectionSpecification\":{\"properties\":{\"a\":{\"oneOf\":["
                                         "{\"properties\":{\"token\":{\"airbyte_secret\":%s}}},{\"properties\":{}},"
                                         "{\"properties\":{\"token\":{\"airbyte_secret\":true}}},"
                                         "{\"properties\":{\"token\":{\"airbyte_secret\":true}}}]}}}}", marks[i]));
                s = load(buffer_string(&text));
                ASSERT_OK(connector_spec_foreach_secret(s, config, note_secret, &b));
                assert_string_equal(strempty(buffer_string(&b)), "/a/token=t;");
        }
}

/* RFC 6901: "~1" is a slash and "~0" a tilde; in a fragment "%" escapes come before. */
TEST(secrets_are_found_behind_escaped_references) {
        static const char *const references[] = {
                "#/definitions/a~1b", "#/definitions/a%7E1b", "#/definitions/a%7e1b", "#/defi%6Eitions/a~1b",
                "#/definitions/t~0t", "#/definitions/t~t", "#/definitions/t%7Et", "#/definitions/white%20space",
                "#/definitions/list/anyOf/1", "#/definitions//", "spec.json#/definitions/t~0t",
        };

        for (size_t i = 0; i < ELEMENTSOF(references); i++) {
                _cleanup_json_ JsonObject *config = parse("{\"k\":\"v\"}");
                _cleanup_(connector_spec_freep) ConnectorSpec *s = NULL;
                _cleanup_buffer_ Buffer text = {}, b = {};

                ASSERT_OK(buffer_appendf(&text, "{\"connectionSpecification\":{\"definitions\":{"
                                         "\"a/b\":{\"airbyte_secret\":true},\"t~t\":{\"airbyte_secret\":true},"
                                         "\"white space\":{\"airbyte_secret\":true},\"\":{\"\":{\"airbyte_secret\":true}},"
                                         "\"list\":{\"anyOf\":[{},{\"airbyte_secret\":true}]}},"
                                         "\"properties\":{\"k\":{\"$ref\":\"%s\"}}}}", references[i]));
                s = load(buffer_string(&text));
                ASSERT_OK(connector_spec_foreach_secret(s, config, note_secret, &b));
                if (!streq(strempty(buffer_string(&b)), "/k=v;"))
                        fail_msg("%s: %s", references[i], strempty(buffer_string(&b)));
        }
}

/* "$id" names places and sets the base of what lies in it; the specification is the whole document. */
TEST(secrets_are_found_behind_names_that_the_document_gives) {
        static const struct {
                const char *definition, *reference;
        } cases[] = {
                { "{\"$id\":\"secret.json\",\"airbyte_secret\":true}", "secret.json" },
                { "{\"$id\":\"secret.json\",\"airbyte_secret\":true}", "secret.json#" },
                { "{\"$id\":\"#secret\",\"airbyte_secret\":true}", "#secret" },
                { "{\"$id\":\"http://example.com/a/b.json\",\"airbyte_secret\":true}", "http://example.com/a/b.json" },
                { "{\"$id\":\"http://example.com/a/b.json#\",\"airbyte_secret\":true}", "http://example.com/a/x/../b.json" },
                { "{\"$id\":\"urn:x:secret\",\"airbyte_secret\":true}", "urn:x:secret" },
                { "{\"$id\":\"http://example.com/a/\",\"definitions\":{\"s\":{\"$id\":\"s.json\",\"airbyte_secret\":true}}}",
                  "http://example.com/a/s.json" },
                { "{\"$id\":\"part.json\",\"inner\":{\"airbyte_secret\":true}}", "part.json#/inner" },
                { "{\"$id\":\"part.json\",\"inner\":{\"$id\":\"#name\",\"airbyte_secret\":true}}", "part.json#name" },
                /* A reference starts from the base that it lies in, not from the top. */
                { "{\"$id\":\"part.json\",\"definitions\":{\"s\":{\"airbyte_secret\":true}},\"allOf\":[{\"$ref\":"
                  "\"#/definitions/s\"}]}", "part.json" },
                { "{\"$id\":\"dir/part.json\",\"definitions\":{\"s\":{\"$id\":\"s.json\",\"airbyte_secret\":true}},"
                  "\"allOf\":[{\"$ref\":\"s.json\"}]}", "dir/part.json" },
                { "[{\"x\":{\"$id\":\"deep.json\",\"airbyte_secret\":true}}]", "deep.json" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_json_ JsonObject *config = parse("{\"k\":\"planted\",\"other\":\"o\"}");
                _cleanup_(connector_spec_freep) ConnectorSpec *s = NULL;
                _cleanup_buffer_ Buffer text = {}, b = {};
                _cleanup_strv_ char **masked = NULL;

                ASSERT_OK(buffer_appendf(&text, "{\"connectionSpecification\":{\"definitions\":{\"d\":%s},\"properties\":"
                                         "{\"k\":{\"$ref\":\"%s\"},\"other\":{\"$ref\":\"http://else.where/s.json\"}}}}",
                                         cases[i].definition, cases[i].reference));
                s = load(buffer_string(&text));
                ASSERT_OK(connector_spec_foreach_secret(s, config, note_secret, &b));
                if (!streq(strempty(buffer_string(&b)), "/k=planted;"))
                        fail_msg("%s: %s", cases[i].reference, strempty(buffer_string(&b)));
                ASSERT_OK(connector_spec_secret_strings(s, config, &masked));
                assert_true(strv_contains(masked, "planted"));
        }
}

/* What only looks like a circle from the top is none from the base that it lies in; a real one is an error. */
TEST(names_that_lead_in_circles_are_an_error_and_others_are_not) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s =
                load("{\"connectionSpecification\":{\"definitions\":{\"n\":{\"$ref\":\"a.json\"}},\"properties\":{\"k\":{"
                     "\"$id\":\"a.json\",\"definitions\":{\"n\":{\"airbyte_secret\":true}},\"allOf\":[{\"$ref\":\"#/definitions/n\"}]},"
                     "\"loop\":{\"$id\":\"l.json\",\"allOf\":[{\"$ref\":\"l.json\"}]}}}}");
        _cleanup_json_ JsonObject *config = parse("{\"k\":\"planted\"}"), *loop = parse("{\"loop\":\"x\"}");
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(connector_spec_foreach_secret(s, config, note_secret, &b));
        assert_string_equal(buffer_string(&b), "/k=planted;");
        ASSERT_ERROR(connector_spec_foreach_secret(s, loop, note_secret, &b), ELOOP);
}

TEST(secrets_are_found_behind_references_and_in_any_value) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s =
                load("{\"connectionSpecification\":{\"definitions\":{\"s\":{\"airbyte_secret\":true},"
                     "\"tree\":{\"properties\":{\"left\":{\"$ref\":\"#/definitions/tree\"},\"k\":{\"$ref\":"
                     "\"#/definitions/s\"}}}},\"properties\":{\"t\":{\"$ref\":\"#/definitions/tree\"},"
                     "\"bad\":{\"pattern\":\"(\",\"airbyte_secret\":true},\"loop\":{\"$ref\":\"#/properties/loop\"}},"
                     "\"additionalProperties\":{\"airbyte_secret\":true}}}");
        _cleanup_json_ JsonObject *config = parse("{\"t\":{\"left\":{\"k\":\"a\"},\"k\":null},\"bad\":\"b\",\"~/\":\"c\"}");
        _cleanup_json_ JsonObject *loop = parse("{\"loop\":\"x\"}");
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(connector_spec_foreach_secret(s, config, note_secret, &b));
        assert_string_equal(buffer_string(&b), "/t/left/k=a;/bad=b;/~0~1=c;");
        ASSERT_ERROR(connector_spec_foreach_secret(s, loop, note_secret, &b), ELOOP);
}

TEST(the_strings_to_mask_hold_the_parts_of_keys) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s = load(
                "{\"connectionSpecification\":{\"properties\":{\"k\":{\"airbyte_secret\":true},\"open\":{}}}}");
        static const struct {
                const char *config, *strings;
        } cases[] = {
                { "{\"k\":\"one\",\"open\":\"two\"}", "one" },
                { "{\"k\":\"\"}", "" },
                { "{\"k\":1234}", "1234" },
                { "{\"k\":{\"a\":[\"x\",\"y\"],\"b\":true}}", "x|y" },
                { "{\"k\":\"BEGIN KEY\\nabcdefgh\\nshort\\n\"}", "BEGIN KEY\nabcdefgh\nshort\n|BEGIN KEY|abcdefgh" },
                { "{\"k\":\"{\\\"type\\\":\\\"account\\\",\\\"key\\\":\\\"0123456789abcdef0123456789abcdef\\\"}\"}",
                  "{\"type\":\"account\",\"key\":\"0123456789abcdef0123456789abcdef\"}|0123456789abcdef0123456789abcdef" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_json_ JsonObject *config = parse(cases[i].config);
                _cleanup_free_ char *joined = NULL;
                _cleanup_strv_ char **l = NULL;

                ASSERT_OK(connector_spec_secret_strings(s, config, &l));
                joined = strv_join(l, "|");
                assert_string_equal(joined, cases[i].strings);
        }
}

static int note_path(const char *pointer, const char *path, bool write, void *userdata) {
        return buffer_appendf(userdata, "%s=%s:%s;", pointer, path, write ? "w" : "r");
}

TEST(paths_are_found_with_their_direction) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s = load(shop);
        _cleanup_json_ JsonObject *one = parse("{\"input\":\"/in\",\"output\":{\"path\":\"/out\"}}");
        _cleanup_json_ JsonObject *many = parse("{\"input\":[\"/a\",\"/b\"]}"), *cut = parse("{\"input\":\"/a\\u0000b\"}");
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(connector_spec_foreach_path(s, one, note_path, &b));
        ASSERT_OK(connector_spec_foreach_path(s, many, note_path, &b));
        assert_string_equal(buffer_string(&b), "/output/path=/out:w;/input=/in:r;/input/0=/a:r;/input/1=/b:r;");
        ASSERT_ERROR(connector_spec_foreach_path(s, cut, note_path, &b), EINVAL);
}

TEST(a_path_is_written_when_any_branch_writes_it) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s =
                load("{\"connectionSpecification\":{\"oneOf\":[{\"properties\":{\"p\":{\"gantry_path\":7},\"q\":{\"gantry_path\":\"read\"}}},"
                     "{\"properties\":{\"p\":{\"gantry_path\":\"read\"},\"q\":{\"gantry_path\":\"write\"}}}]}}");
        _cleanup_json_ JsonObject *config = parse("{\"p\":\"/p\",\"q\":\"/q\"}");
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(connector_spec_foreach_path(s, config, note_path, &b));
        assert_string_equal(strempty(buffer_string(&b)), "/q=/q:w;/p=/p:r;");
}
