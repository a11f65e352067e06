/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/json-scan.h"
#include "shared/json-util.h"
#include "unit/test.h"

TEST_MAIN()

static JsonObject *parse(const char *text) {
        _cleanup_error_ Error *error = NULL;
        JsonObject *o = NULL;

        if (json_parse(text, strlen(text), &o, &error) < 0)
                fail_msg("%s: %s", text, error_message(error, 0));
        return o;
}

TEST(text_comes_back_as_it_was) {
        static const char *const texts[] = {
                "{}", "[]", "{\"a\":[1,-0,1.0,1.10,1e5,1E+400,123456789012345678901234567890,0.1e-7]}",
                "[9223372036854775807,-9223372036854775808,9223372036854775808]",
                "\"a\\u0000b\"", "\"\xf0\x9f\x98\x80\"", "[null,true,false,\"\"]", "{\"\":{\"\":\"\"}}", "-0", "null",
                "{\"z\":1,\"a\":2,\"m\":3}", "\"/\"",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_json_ JsonObject *o = parse(texts[i]), *copy = json_clone(o);
                _cleanup_free_ char *text = json_to_string(o), *cloned = json_to_string(copy);

                assert_string_equal(text, texts[i]);
                assert_string_equal(cloned, texts[i]);
                assert_true(json_equal(o, copy));
        }
}

TEST(broken_text_is_refused_at_its_place) {
        static const struct {
                const char *text;
                int code;
                const char *place;
        } cases[] = {
                { "", -EBADMSG, "byte 0" },          { "{\"a\":1,}", -EBADMSG, "byte 7" }, { "[1] x", -EBADMSG, "byte 4" },
                { "\"\xc3(\"", -EILSEQ, "not UTF-8" }, { "nul", -EBADMSG, "byte 0" },       { "[01]", -EBADMSG, "byte 2" },
                { "{'a':1}", -EBADMSG, "byte 1" },   { "\xef\xbb\xbf{}", -EBADMSG, "byte 0" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_error_ Error *error = NULL;
                JsonObject *o = NULL;

                ASSERT_ERROR(json_parse(cases[i].text, strlen(cases[i].text), &o, &error), -cases[i].code);
                assert_null(o);
                if (!strstr(error->message, cases[i].place))
                        fail_msg("%s: %s", cases[i].text, error->message);
        }
}

TEST(depth_is_limited) {
        char deep[2 * JSON_DEPTH_MAX + 2];
        _cleanup_json_ JsonObject *o = NULL;

        memset(deep, '[', JSON_DEPTH_MAX + 1);
        memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
        ASSERT_ERROR(json_parse(deep, sizeof(deep), &o, NULL), ELOOP);
        ASSERT_OK(json_parse(deep + 1, sizeof(deep) - 2, &o, NULL));
}

TEST(the_last_of_equal_keys_counts) {
        _cleanup_json_ JsonObject *o = parse("{\"a\":1,\"b\":2,\"\\u0061\":3}");
        _cleanup_free_ char *text = json_to_string(o);

        assert_string_equal(text, "{\"a\":3,\"b\":2}");
}

TEST(numbers_are_equal_by_value_and_exactly) {
        static const struct {
                const char *a, *b;
                bool equal;
        } cases[] = {
                { "1", "1.0", true },
                { "0", "-0", true },
                { "1e2", "100", true },
                { "9007199254740993", "9007199254740992.0", false },
                { "123456789012345678901234567890", "123456789012345678901234567891", false },
                { "1e400", "1e401", false },
                { "[1,{\"a\":2.50}]", "[1.0,{\"a\":2.5}]", true },
                { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true },
                { "{\"a\":null}", "{\"b\":null}", false },
                { "1", "\"1\"", false },
                { "1", "true", false },
                { "null", "false", false },
                { "\"a\\u0000b\"", "\"a\\u0000c\"", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_json_ JsonObject *a = parse(cases[i].a), *b = parse(cases[i].b);

                if (json_equal(a, b) != cases[i].equal || json_equal(b, a) != cases[i].equal)
                        fail_msg("%s and %s", cases[i].a, cases[i].b);
        }
}

TEST(members_are_found_absent_or_of_the_wrong_type) {
        _cleanup_json_ JsonObject *o = parse("{\"s\":\"x\",\"i\":3,\"f\":3.0,\"g\":3.5,\"n\":null,\"b\":true,\"l\":[\"a\"],"
                                             "\"m\":[1],\"z\":\"a\\u0000b\",\"y\":[\"\\u0000\"],\"big\":1e300}");
        _cleanup_strv_ char **l = NULL, **none = NULL;
        _cleanup_error_ Error *error = NULL;
        const char *s = NULL;
        int64_t i = 0;
        double d = 0;
        bool b = false;

        assert_int_equal(json_get_string(o, "s", &s, "T", NULL), 1);
        assert_string_equal(s, "x");
        assert_int_equal(json_get_string(o, "absent", &s, "T", NULL), 0);
        assert_int_equal(json_get_string(o, "n", &s, "T", NULL), 0);
        ASSERT_ERROR(json_get_string(o, "i", &s, "T", &error), EINVAL);
        assert_string_equal(error->message, "T: 'i' is not a string");
        ASSERT_ERROR(json_get_string(o, "z", &s, "T", NULL), EINVAL);
        assert_int_equal(json_get_i64(o, "f", &i, "T", NULL), 1);
        assert_int_equal(i, 3);
        ASSERT_ERROR(json_get_i64(o, "g", &i, "T", NULL), EINVAL);
        ASSERT_ERROR(json_get_i64(o, "big", &i, "T", NULL), EINVAL);
        assert_int_equal(json_get_double(o, "i", &d, "T", NULL), 1);
        assert_true(d == 3);
        assert_int_equal(json_get_bool(o, "b", &b, "T", NULL), 1);
        assert_true(b);
        assert_int_equal(json_get_strv(o, "l", &l, "T", NULL), 1);
        assert_string_equal(l[0], "a");
        ASSERT_ERROR(json_get_strv(o, "m", &none, "T", NULL), EINVAL);
        ASSERT_ERROR(json_get_strv(o, "y", &none, "T", NULL), EINVAL);
        assert_null(json_member(NULL, "x"));
}
