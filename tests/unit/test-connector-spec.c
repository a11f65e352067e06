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

/* What `config` has for `note`, by the specification whose text has `fill` where it says %s. */
static void assert_secrets(const char *spec, const char *fill, const char *config, const char *expected) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s = NULL;
        _cleanup_json_ JsonObject *o = parse(config);
        _cleanup_buffer_ Buffer text = {}, b = {};
        const char *at = strstr(spec, "%s");

        ASSERT_OK(buffer_append(&text, spec, at ? (size_t) (at - spec) : strlen(spec)));
        if (at)
                ASSERT_OK(buffer_appendf(&text, "%s%s", fill, at + 2));
        s = load(buffer_string(&text));
        ASSERT_OK(connector_spec_foreach_secret(s, o, note_secret, &b));
        if (!streq(strempty(buffer_string(&b)), expected))
                fail_msg("%s: %s, not %s", strempty(fill), strempty(buffer_string(&b)), expected);
}

static const char branches[] =
        "{\"connectionSpecification\":{\"properties\":{\"a\":{\"oneOf\":["
        "{\"properties\":{\"token\":{\"airbyte_secret\":%s}}},{\"properties\":{}},"
        "{\"properties\":{\"token\":{\"airbyte_secret\":true}}},"
        "{\"properties\":{\"token\":{\"airbyte_secret\":true}}}]}}}}";

static const char references[] =
        "{\"connectionSpecification\":{\"definitions\":{"
        "\"a/b\":{\"airbyte_secret\":true},\"t~t\":{\"airbyte_secret\":true},"
        "\"white space\":{\"airbyte_secret\":true},\"\":{\"\":{\"airbyte_secret\":true}},"
        "\"list\":{\"anyOf\":[{},{\"airbyte_secret\":true}]}},"
        "\"properties\":{\"k\":{\"$ref\":\"%s\"}}}}";

static const char tree[] =
        "{\"connectionSpecification\":{\"definitions\":{\"s\":{\"airbyte_secret\":true},"
        "\"tree\":{\"properties\":{\"left\":{\"$ref\":\"#/definitions/tree\"},\"k\":{\"$ref\":"
        "\"#/definitions/s\"}}}},\"properties\":{\"t\":{\"$ref\":\"#/definitions/tree\"},"
        "\"bad\":{\"pattern\":\"(\",\"airbyte_secret\":true},\"loop\":{\"$ref\":\"#/properties/loop\"}},"
        "\"additionalProperties\":{\"airbyte_secret\":true}}}";

TEST(secrets_are_found) {
        static const struct {
                const char *spec, *fill, *config, *found;
        } cases[] = {
                /* In branches and arrays. "token" is a secret in the other branch only: it counts as one all the same. */
                { shop, NULL, "{" GOOD_REST ",\"credentials\":{\"auth_type\":\"oauth2.0\",\"client_id\":\"c\",\"client_secret\":\"cs\","
                  "\"token\":\"t\"},\"headers\":[{\"name\":\"n\",\"value\":\"h0\"},{\"name\":\"n\"},{\"value\":\"h2\"}]}",
                  "/credentials/client_secret=cs;/credentials/token=t;/headers/0/value=h0;/headers/2/value=h2;" },
                /* A field is one when any branch says so. */
                { branches, "false", "{\"a\":{\"token\":\"t\"}}", "/a/token=t;" },
                { branches, "\"false\"", "{\"a\":{\"token\":\"t\"}}", "/a/token=t;" },
                { branches, "0", "{\"a\":{\"token\":\"t\"}}", "/a/token=t;" },
                { branches, "null", "{\"a\":{\"token\":\"t\"}}", "/a/token=t;" },
                /* RFC 6901: "~1" is a slash and "~0" a tilde; in a fragment "%" escapes come before. */
                { references, "#/definitions/a~1b", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/definitions/a%7E1b", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/definitions/a%7e1b", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/defi%6Eitions/a~1b", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/definitions/t~0t", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/definitions/t~t", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/definitions/t%7Et", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/definitions/white%20space", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/definitions/list/anyOf/1", "{\"k\":\"v\"}", "/k=v;" },
                { references, "#/definitions//", "{\"k\":\"v\"}", "/k=v;" },
                { references, "spec.json#/definitions/t~0t", "{\"k\":\"v\"}", "/k=v;" },
                /* Behind references that go round, and in any value. */
                { tree, NULL, "{\"t\":{\"left\":{\"k\":\"a\"},\"k\":null},\"bad\":\"b\",\"~/\":\"c\"}", "/t/left/k=a;/bad=b;/~0~1=c;" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_secrets(cases[i].spec, cases[i].fill, cases[i].config, cases[i].found);
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

TEST(a_reference_to_itself_is_an_error) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s = load(tree);
        _cleanup_json_ JsonObject *loop = parse("{\"loop\":\"x\"}");
        _cleanup_buffer_ Buffer b = {};

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

static const char either[] =
        "{\"connectionSpecification\":{\"oneOf\":["
        "{\"properties\":{\"p\":{\"gantry_path\":7},\"q\":{\"gantry_path\":\"read\"}}},"
        "{\"properties\":{\"p\":{\"gantry_path\":\"read\"},\"q\":{\"gantry_path\":\"write\"}}}]}}";

TEST(paths_are_found_with_their_direction) {
        static const struct {
                const char *spec, *config, *found; /* NULL: refused */
        } cases[] = {
                { shop, "{\"input\":\"/in\",\"output\":{\"path\":\"/out\"}}", "/output/path=/out:w;/input=/in:r;" },
                { shop, "{\"input\":[\"/a\",\"/b\"]}", "/input/0=/a:r;/input/1=/b:r;" },
                { shop, "{\"input\":\"/a\\u0000b\"}", NULL },
                /* One is written when any branch writes it. */
                { either, "{\"p\":\"/p\",\"q\":\"/q\"}", "/q=/q:w;/p=/p:r;" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(connector_spec_freep) ConnectorSpec *s = load(cases[i].spec);
                _cleanup_json_ JsonObject *config = parse(cases[i].config);
                _cleanup_buffer_ Buffer b = {};
                int r = connector_spec_foreach_path(s, config, note_path, &b);

                assert_int_equal(r, cases[i].found ? 0 : -EINVAL);
                if (r >= 0 && !streq(strempty(buffer_string(&b)), cases[i].found))
                        fail_msg("%s: %s", cases[i].config, strempty(buffer_string(&b)));
        }
}
