/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the public suite does not ask: limits, loops, references by name, the words of problems. */

#include "protocol/json-schema.h"
#include "protocol/json-schema-format.h"
#include "protocol/json-schema-regex.h"
#include "protocol/json-schema-uri.h"
#include "unit/test.h"

TEST_MAIN()

static JsonObject *parse(const char *text) {
        _cleanup_error_ Error *error = NULL;
        JsonObject *o = NULL;

        if (json_parse(text, strlen(text), &o, &error) < 0)
                fail_msg("%s: %s", text, error_message(error, 0));
        return o;
}

static JsonSchema *compile(const char *text) {
        _cleanup_json_ JsonObject *o = parse(text);
        _cleanup_error_ Error *error = NULL;
        JsonSchema *s = NULL;

        if (json_schema_compile(o, &s, &error) < 0)
                fail_msg("%s: %s", text, error_message(error, 0));
        return s;
}

static int check(const char *schema, const char *value) {
        _cleanup_(json_schema_freep) JsonSchema *s = compile(schema);
        _cleanup_json_ JsonObject *o = parse(value);

        return json_schema_validate(s, o, 0, NULL);
}

static void refused(const char *schema, int code, const char *words) {
        _cleanup_json_ JsonObject *o = parse(schema);
        _cleanup_error_ Error *error = NULL;
        JsonSchema *s = NULL;

        ASSERT_ERROR(json_schema_compile(o, &s, &error), code);
        if (!strstr(error->message, words))
                fail_msg("%s: '%s' does not say '%s'", schema, error->message, words);
}

TEST(what_is_no_schema_is_refused) {
        refused("3", EINVAL, "it is neither an object nor a boolean");
        refused("{\"properties\":{\"a\":3}}", EINVAL, "something in 'properties' is neither an object nor a boolean");
        refused("{\"properties\":[]}", EINVAL, "'properties' is not an object");
        refused("{\"allOf\":{}}", EINVAL, "'allOf' is not an array");
        refused("{\"type\":\"text\"}", EINVAL, "\"text\", which is not a type");
        refused("{\"maxLength\":-1}", EINVAL, "'maxLength' is not a count");
        refused("{\"minimum\":\"1\"}", EINVAL, "'minimum' is not a number");
        refused("{\"multipleOf\":0}", EINVAL, "'multipleOf'");
        refused("{\"multipleOf\":1234567890123456789.5}", EINVAL, "'multipleOf'");
        refused("{\"pattern\":\"(\"}", EINVAL, "'pattern' has: not a regular expression");
        refused("{\"patternProperties\":{\"[\":{}}}", EINVAL, "'patternProperties' has");
}

TEST(references_that_lead_nowhere_are_refused) {
        refused("{\"$ref\":\"#/definitions/x\"}", ENOENT, "#/definitions/x");
        refused("{\"$ref\":\"#name\"}", ENOENT, "#name");
        refused("{\"$ref\":\"#/enum/1\",\"enum\":[{}]}", ENOENT, "#/enum/1");
        refused("{\"$ref\":\"http://example.com/a.json\"}", EREMOTE, "another document");
        refused("{\"$id\":\"http://example.com/a\",\"$ref\":\"other.json#/x\"}", EREMOTE, "another document");
}

TEST(loops_over_one_value_are_refused_and_others_end) {
        refused("{\"$ref\":\"#\"}", ELOOP, "back to itself");
        refused("{\"definitions\":{\"a\":{\"$ref\":\"#/definitions/b\"},\"b\":{\"$ref\":\"#/definitions/a\"}}}", ELOOP,
                "back to itself");
        refused("{\"allOf\":[{\"not\":{\"$ref\":\"#\"}}]}", ELOOP, "back to itself");
        refused("{\"dependencies\":{\"a\":{\"if\":{\"$ref\":\"#\"}}}}", ELOOP, "back to itself");
        assert_int_equal(check("{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"}", "[[[[]]]]"), 1);
        assert_int_equal(check("{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"}", "[[[[3]]]]"), 0);
}

TEST(a_schema_that_doubles_its_work_on_each_line_is_cut_off) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_append_string(&b, "{\"definitions\":{\"d0\":{\"minimum\":0}"));
        for (int i = 1; i < 64; i++)
                ASSERT_OK(buffer_appendf(&b, ",\"d%d\":{\"allOf\":[{\"$ref\":\"#/definitions/d%d\"},{\"$ref\":"
                                             "\"#/definitions/d%d\"}]}",
                                         i, i - 1, i - 1));
        ASSERT_OK(buffer_append_string(&b, "},\"allOf\":[{\"$ref\":\"#/definitions/d63\"}]}"));
        assert_int_equal(check(buffer_string(&b), "1"), -ETIME);
}

TEST(a_long_chain_of_forms_ends_in_an_error) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_append_string(&b, "{\"definitions\":{\"d0\":true"));
        for (int i = 1; i < 20000; i++)
                ASSERT_OK(buffer_appendf(&b, ",\"d%d\":{\"allOf\":[{\"$ref\":\"#/definitions/d%d\"}]}", i, i - 1));
        ASSERT_OK(buffer_append_string(&b, "},\"allOf\":[{\"$ref\":\"#/definitions/d19999\"}]}"));
        assert_int_equal(check(buffer_string(&b), "1"), -ELOOP);
}

TEST(the_deepest_value_that_is_parsed_can_be_checked) {
        char value[1025] = "";

        memset(value, '[', 512);
        memset(value + 512, ']', 512);
        assert_int_equal(check("{\"type\":\"array\",\"items\":{\"anyOf\":[{\"$ref\":\"#\"}]}}", value), 1);
}

TEST(names_and_bases_are_followed) {
        static const char schema[] =
                "{\"$id\":\"http://example.com/root.json\",\"definitions\":{"
                "\"a\":{\"$id\":\"#foo\",\"type\":\"integer\"},"
                "\"b\":{\"$id\":\"sub/b.json\",\"definitions\":{\"x\":{\"$id\":\"#bar\",\"type\":\"string\"},"
                "\"y\":{\"$ref\":\"#bar\"}}},"
                "\"data\":{\"enum\":[{\"$id\":\"#foo\",\"type\":\"null\"}]}},"
                "\"items\":[{\"$ref\":\"#foo\"},{\"$ref\":\"sub/b.json#bar\"},{\"$ref\":\"sub/b.json#/definitions/y\"},"
                "{\"$ref\":\"http://example.com/root.json#/definitions/a\"},{\"$ref\":\"/root.json#/definitions/a\"},"
                "{\"$ref\":\"sub/../root.json#foo\"}]}";

        assert_int_equal(check(schema, "[1,\"a\",\"a\",1,1,1]"), 1);
        assert_int_equal(check(schema, "[\"a\"]"), 0);
        assert_int_equal(check(schema, "[1,1]"), 0);
        assert_int_equal(check(schema, "[1,\"a\",1]"), 0);
        assert_int_equal(check(schema, "[1,\"a\",\"a\",\"a\"]"), 0);
        assert_int_equal(check(schema, "[1,\"a\",\"a\",1,\"a\"]"), 0);
        assert_int_equal(check(schema, "[1,\"a\",\"a\",1,1,\"a\"]"), 0);
}

TEST(uris_are_resolved_as_rfc_3986_says) {
        static const char base[] = "http://a/b/c/d;p?q";
        static const char *const cases[][2] = {
                { "g:h", "g:h" },           { "g", "http://a/b/c/g" },    { "./g", "http://a/b/c/g" },
                { "g/", "http://a/b/c/g/" }, { "/g", "http://a/g" },      { "//g", "http://g" },
                { "?y", "http://a/b/c/d;p?y" }, { "g?y", "http://a/b/c/g?y" }, { "#s", "http://a/b/c/d;p?q#s" },
                { "g#s", "http://a/b/c/g#s" }, { ";x", "http://a/b/c/;x" }, { "", "http://a/b/c/d;p?q" },
                { ".", "http://a/b/c/" },   { "./", "http://a/b/c/" },    { "..", "http://a/b/" },
                { "../", "http://a/b/" },   { "../g", "http://a/b/g" },   { "../..", "http://a/" },
                { "../../g", "http://a/g" }, { "../../../g", "http://a/g" }, { "/./g", "http://a/g" },
                { "/../g", "http://a/g" },  { "g.", "http://a/b/c/g." },  { "..g", "http://a/b/c/..g" },
                { "./g/.", "http://a/b/c/g/" }, { "g/./h", "http://a/b/c/g/h" }, { "g/../h", "http://a/b/c/h" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = json_schema_uri_resolve(base, cases[i][0]);

                if (!streq(s, cases[i][1]))
                        fail_msg("%s: %s, not %s", cases[i][0], s, cases[i][1]);
        }
}

TEST(big_numbers_are_compared_exactly) {
        assert_int_equal(check("{\"maximum\":9007199254740992}", "9007199254740993"), 0);
        assert_int_equal(check("{\"enum\":[123456789012345678901234567890]}", "123456789012345678901234567891"), 0);
        assert_int_equal(check("{\"enum\":[123456789012345678901234567890]}", "123456789012345678901234567890.0"), 1);
        assert_int_equal(check("{\"type\":\"integer\"}", "1e400"), 1);
        assert_int_equal(check("{\"type\":\"integer\"}", "1e-400"), 0);
        assert_int_equal(check("{\"multipleOf\":0.01}", "19.99"), 1);
        assert_int_equal(check("{\"multipleOf\":0.01}", "12345678901234567890123456789.001"), 0);
        assert_int_equal(check("{\"uniqueItems\":true}", "[1,1.0]"), 0);
        assert_int_equal(check("{\"uniqueItems\":true}", "[9007199254740993,9007199254740992.0]"), 1);
        assert_int_equal(check("{\"maxLength\":1e30,\"minLength\":2.0}", "\"ab\""), 1);
}

TEST(many_elements_are_told_apart_in_short_time) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_append_char(&b, '['));
        for (int i = 0; i < 200000; i++)
                ASSERT_OK(buffer_appendf(&b, "{\"k\":%d},", i));
        assert_int_equal(buffer_append_string(&b, "0]"), 0);
        assert_int_equal(check("{\"uniqueItems\":true}", buffer_string(&b)), 1);
        b.len--;
        ASSERT_OK(buffer_append_string(&b, ",{\"k\":77.0}]"));
        assert_int_equal(check("{\"uniqueItems\":true}", buffer_string(&b)), 0);
}

/* Fourteen truths each, seven of them true, nested so that a polynomial hash gives all of them the same weight. */
static void append_look_alike(Buffer *b, unsigned truths) {
        for (unsigned i = 0; i < 14; i++) {
                ASSERT_OK(buffer_appendf(b, "%s[%s", i > 0 ? "," : "[", truths >> i & 1 ? "true" : "false"));
                for (unsigned k = 0; k < i; k++)
                        ASSERT_OK(buffer_append_string(b, ",null"));
                ASSERT_OK(buffer_append_char(b, ']'));
        }
        ASSERT_OK(buffer_append_char(b, ']'));
}

TEST(elements_that_were_made_to_collide_are_told_apart_as_soon) {
        _cleanup_buffer_ Buffer b = {};

        for (unsigned i = 0; i < 1 << 14; i++)
                if (__builtin_popcount(i) == 7) {
                        ASSERT_OK(buffer_append_char(&b, b.len > 0 ? ',' : '['));
                        append_look_alike(&b, i);
                }
        ASSERT_OK(buffer_append_char(&b, ']'));
        /* 3432 elements: comparing each with each would be more steps than there are for the second one. */
        assert_int_equal(check("{\"allOf\":[{\"uniqueItems\":true},{\"uniqueItems\":true}]}", buffer_string(&b)), 1);
}

TEST(searching_a_long_array_again_and_again_is_cut_off) {
        _cleanup_buffer_ Buffer schema = {}, value = {};

        ASSERT_OK(buffer_append_string(&schema, "{\"allOf\":[true"));
        for (unsigned i = 0; i < 600; i++)
                ASSERT_OK(buffer_append_string(&schema, ",{\"uniqueItems\":true}"));
        ASSERT_OK(buffer_append_string(&schema, "]}"));
        for (unsigned i = 0; i < 10000; i++)
                ASSERT_OK(buffer_appendf(&value, "%c%u", i > 0 ? ',' : '[', i));
        ASSERT_OK(buffer_append_char(&value, ']'));
        assert_int_equal(check(buffer_string(&schema), buffer_string(&value)), -ETIME);
}

TEST(patterns_have_ecma_and_python_words) {
        static const struct {
                const char *pattern, *text;
                int result;
        } cases[] = {
                { "^\\d+$", "12", 1 },
                { "^\\d+$", "\xd9\xa1", 0 },          /* an Arabic digit */
                { "^a$", "a\n", 0 },                  /* $ is the end and not the line before it */
                { "^\\s$", "\xc2\xa0", 1 },           /* no-break space */
                { "^[\\s]$", "\xe2\x80\xa9", 1 },
                { "^\\S$", "\xc2\xa0", 0 },
                { "^[\\s\\S]$", "x", 1 },
                { "^\\u00e9$", "\xc3\xa9", 1 },
                { "^\\p{Letter}$", "\xc3\xa9", 1 },
                { "^\\p{L}$", "1", 0 },
                { "^[[]$", "[", 1 },
                { "^(?P<x>a)$", "a", 1 },             /* Python's */
                { "^.$", "\xf0\x9f\x98\x80", 1 },
                { "b", "abc", 1 },
                { "^(a|b|ab)*c$", "ababababc", 1 },
                { "^(\\w+\\s?)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", -ETIME },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(schema_regex_freep) SchemaRegex *regex = NULL;
                int r;

                ASSERT_OK(schema_regex_compile(cases[i].pattern, strlen(cases[i].pattern), false, &regex, NULL));
                r = schema_regex_match(regex, cases[i].text, strlen(cases[i].text));
                if (r != cases[i].result)
                        fail_msg("%s on %s: %d", cases[i].pattern, cases[i].text, r);
        }
}

TEST(airbytes_timestamps_need_no_zone_where_the_catalog_says_so) {
        static const char local[] = "{\"format\":\"date-time\",\"airbyte_type\":\"timestamp_without_timezone\"}";

        assert_int_equal(check(local, "\"2022-11-22T01:23:45\""), 1);
        assert_int_equal(check(local, "\"0044-03-15T01:23:45.678 BC\""), 1);
        assert_int_equal(check(local, "\"2022-11-22\""), 0);
        assert_int_equal(check("{\"format\":\"date-time\"}", "\"2022-11-22T01:23:45\""), 0);
        assert_int_equal(check("{\"format\":\"time\",\"airbyte_type\":\"time_without_timezone\"}", "\"01:23:45\""), 1);
        assert_int_equal(check("{\"format\":\"nobody-knows\"}", "\"x\""), 1);
        assert_int_equal(check("{\"format\":\"date\"}", "\"2023-02-29\""), 0);
        assert_int_equal(check("{\"format\":\"date-time\"}", "\"1998-12-31T23:59:60Z\""), 1);
        assert_int_equal(check("{\"format\":\"date-time\"}", "\"1998-12-31T22:59:60Z\""), 0);
}

TEST(problems_tell_place_and_rule_up_to_a_number) {
        _cleanup_(json_schema_freep) JsonSchema *s = compile(
                "{\"properties\":{\"a/b\":{\"items\":{\"type\":[\"integer\",\"null\"]}}},\"additionalProperties\":false,"
                "\"dependencies\":{\"a/b\":[\"c~\"]}}");
        _cleanup_json_ JsonObject *o = parse("{\"a/b\":[1,null,\"x\",true],\"z\":0}");
        JsonSchemaProblem *problems = NULL;

        assert_int_equal(json_schema_validate(s, o, 10, &problems), 0);
        assert_string_equal(problems[0].path, "/a~1b/2");
        assert_string_equal(problems[0].message, "must be null or an integer, not a string");
        assert_string_equal(problems[1].path, "/a~1b/3");
        assert_string_equal(problems[1].message, "must be null or an integer, not a boolean");
        assert_string_equal(problems[2].path, "/z");
        assert_string_equal(problems[2].message, "is not a member that it may have");
        assert_string_equal(problems[3].path, "/c~0");
        assert_string_equal(problems[3].message, "is required beside 'a/b' and missing");
        assert_null(problems[4].path);
        json_schema_problems_free(problems);
        assert_int_equal(json_schema_validate(s, o, 2, &problems), 0);
        assert_string_equal(problems[1].path, "/a~1b/3");
        assert_null(problems[2].path);
        json_schema_problems_free(problems);
}

TEST(the_schema_stays_alive_and_is_used_again) {
        _cleanup_(json_schema_freep) JsonSchema *s = compile("{\"type\":\"integer\"}");
        _cleanup_json_ JsonObject *one = parse("1"), *text = parse("\"1\"");

        for (int i = 0; i < 3; i++) {
                assert_int_equal(json_schema_validate(s, one, 0, NULL), 1);
                assert_int_equal(json_schema_validate(s, text, 0, NULL), 0);
                assert_int_equal(json_schema_validate(s, NULL, 0, NULL), 0);
        }
}
