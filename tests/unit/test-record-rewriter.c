/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "worker/masker.h"
#include "worker/record-rewriter.h"

TEST_MAIN()

static void check(const char *line, const char *name, const char *namespace, const char *changes, const char *expected) {
        _cleanup_(record_target_done) RecordTarget t = {};
        _cleanup_buffer_ Buffer b = {};
        JsonSlice added = { changes, changes ? strlen(changes) : 0 };
        RecordPrefix prefix;
        Envelope e;

        ASSERT_OK(envelope_parse((JsonSlice) { line, strlen(line) }, &e));
        ASSERT_OK(record_target_init(&t, "s", e.namespace.p ? "n" : NULL, name, namespace));
        ASSERT_OK(record_rewrite(&b, &e, &t, e.data, added));
        assert_string_equal(buffer_string(&b), expected);
        if (changes)
                return;
        /* The prefix way gives the same line, where it can. */
        ASSERT_OK(record_prefix_init(&prefix, &e, &t));
        if (prefix.bytes) {
                buffer_reset(&b);
                ASSERT_OK(buffer_append(&b, prefix.bytes, prefix.n));
                ASSERT_OK(buffer_append(&b, e.data.p, (size_t) (line + strlen(line) - e.data.p)));
                ASSERT_OK(buffer_append_char(&b, '\n'));
                assert_string_equal(buffer_string(&b), expected);
        }
        free(prefix.bytes);
}

TEST(names_are_replaced_wherever_they_stand) {
        check("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{\"stream\":\"s\"},\"emitted_at\":1}}", "p_s", NULL, NULL,
              "{\"type\":\"RECORD\",\"record\":{\"stream\":\"p_s\",\"data\":{\"stream\":\"s\"},\"emitted_at\":1}}\n");
        check("{ \"record\" : {\"data\":{}, \"emitted_at\":1,\"namespace\":\"n\" ,\"stream\" :\"s\"},\"type\":\"RECORD\"}", "t", "m", NULL,
              "{ \"record\" : {\"data\":{}, \"emitted_at\":1,\"namespace\":\"m\" ,\"stream\" :\"t\"},\"type\":\"RECORD\"}\n");
        check("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"namespace\":\"n\",\"data\":{},\"emitted_at\":1}}", "s", NULL, NULL,
              "{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"namespace\":null,\"data\":{},\"emitted_at\":1}}\n");
        check("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{},\"emitted_at\":1}}", "a\"b", "m", NULL,
              "{\"type\":\"RECORD\",\"record\":{\"namespace\":\"m\",\"stream\":\"a\\\"b\",\"data\":{},\"emitted_at\":1}}\n");
        check("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{},\"emitted_at\":1,\"namespace\": null}}", "s", "m", NULL,
              "{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"data\":{},\"emitted_at\":1,\"namespace\": \"m\"}}\n");
        check("{\"type\":\"RECORD\",\"record\":{\"namespace\":null,\"stream\":\"s\",\"data\":{},\"emitted_at\":1}}", "s", "m", NULL,
              "{\"type\":\"RECORD\",\"record\":{\"namespace\":\"m\",\"stream\":\"s\",\"data\":{},\"emitted_at\":1}}\n");
}

#define BEFORE "{\"type\":\"RECORD\",\"record\":{"
#define AFTER "\"stream\":\"s\",\"data\":{},\"emitted_at\":1}}"

TEST(changes_join_those_of_the_source) {
        check(BEFORE AFTER, "s", NULL, "{\"c\":1}", BEFORE "\"meta\":{\"changes\":[{\"c\":1}]}," AFTER "\n");
        check(BEFORE "\"meta\":null," AFTER, "s", NULL, "{\"c\":1}", BEFORE "\"meta\":{\"changes\":[{\"c\":1}]}," AFTER "\n");
        check(BEFORE "\"meta\":{}," AFTER, "s", NULL, "{\"c\":1}", BEFORE "\"meta\":{\"changes\":[{\"c\":1}]}," AFTER "\n");
        check(BEFORE "\"meta\":{\"x\":1}," AFTER, "s", NULL, "{\"c\":1}",
              BEFORE "\"meta\":{\"changes\":[{\"c\":1}],\"x\":1}," AFTER "\n");
        check(BEFORE "\"meta\":{\"changes\":[ ]}," AFTER, "s", NULL, "{\"c\":1}",
              BEFORE "\"meta\":{\"changes\":[ {\"c\":1}]}," AFTER "\n");
        check(BEFORE "\"meta\":{\"changes\":[{\"a\":0}]}," AFTER, "s", "m", "{\"c\":1},{\"d\":2}",
              BEFORE "\"namespace\":\"m\",\"meta\":{\"changes\":[{\"a\":0},{\"c\":1},{\"d\":2}]}," AFTER "\n");
        check(BEFORE "\"meta\":{\"changes\":null}," AFTER, "s", NULL, "{\"c\":1}",
              BEFORE "\"meta\":{\"changes\":[{\"c\":1}]}," AFTER "\n");
}

static void check_mask(const Masker *m, const char *text, const char *expected) {
        _cleanup_free_ char *masked = masker_apply(m, text);

        assert_string_equal(masked, expected);
}

TEST(T29_secrets_are_hidden_in_every_form) {
        _cleanup_(masker_freep) Masker *m = masker_new();

        ASSERT_OK(masker_add(m, "s3cr\"t/val ue"));
        check_mask(m, "a s3cr\"t/val ue b", "a ********** b");
        check_mask(m, "S3CR\"T/VAL UE", "**********");
        check_mask(m, "{\"k\":\"s3cr\\\"t/val ue\"}", "{\"k\":\"**********\"}");
        check_mask(m, "?q=s3cr%22t%2fval%20ue&x", "?q=**********&x");
        check_mask(m, "?q=s3cr%22t%2Fval+ue", "?q=**********");
        check_mask(m, "nothing here", "nothing here");
        check_mask(m, "s3cr\"t/val u", "s3cr\"t/val u");
}

TEST(T29_base64_is_hidden_at_every_alignment) {
        /* base64 of "", "u:", "us:" and "use:" before the secret "hunter2hunter2". */
        static const char *const texts[] = { "aHVudGVyMmh1bnRlcjI=", "dTpodW50ZXIyaHVudGVyMg==",
                                             "dXM6aHVudGVyMmh1bnRlcjI=", "dXNlOmh1bnRlcjJodW50ZXIy" };
        _cleanup_(masker_freep) Masker *m = masker_new();

        ASSERT_OK(masker_add(m, "hunter2hunter2"));
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *masked = masker_apply(m, texts[i]);

                assert_non_null(strstr(masked, MASKER_REPLACEMENT));
        }
}

TEST(T29_short_secrets_are_left_and_lines_of_long_ones_are_not) {
        _cleanup_(masker_freep) Masker *m = masker_new();

        ASSERT_OK(masker_add(m, "abc"));
        ASSERT_OK(masker_add(m, "-----BEGIN KEY-----\nMIIEvQIBADANBg\nx\n-----END KEY-----\n"));
        check_mask(m, "abc", "abc");
        check_mask(m, "line MIIEvQIBADANBg of it", "line ********** of it");
        check_mask(m, "x", "x");
        /* The longest one that begins here wins. */
        ASSERT_OK(masker_add(m, "MIIEvQIBADANBgzz"));
        check_mask(m, "MIIEvQIBADANBgzz", "**********");
}
