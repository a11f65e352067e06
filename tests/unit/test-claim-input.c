/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"
#include "workload/claim-input.h"

TEST_MAIN()

/* "x" is sealed as "XX:x"; the stored secrets are "s1" and "account". */
static int on_sealed(const char *text, char **ret, Error **reterr_error, void *userdata) {
        if (strncmp(text, "XX:", 3) != 0)
                return error_set(reterr_error, -EBADMSG, "Not sealed by this host");
        *ret = strdup(text + 3);
        return 0;
}

static int on_secret(const char *id, const char *owner, char **ret, Error **reterr_error, void *userdata) {
        const char *value = streq(id, "s1") ? "hunter22" :
                            streq(id, "account") ? "{\"type\":\"sa\",\"private_key\":\"-----BEGIN\\nabc\"}" : NULL;

        if (owner && !streq(owner, "owner"))
                return error_set(reterr_error, -EBADMSG, "It belongs to another");
        if (!value)
                return error_set(reterr_error, -ENOENT, "There is no secret '%s'", id);
        *ret = strdup(value);
        return 0;
}

static const ClaimResolver resolver = { on_secret, on_sealed, NULL };

static int resolve(const char *input, Buffer *b, Error **reterr_error) {
        _cleanup_claim_secrets_ char **secrets = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        ASSERT_OK(json_parse(input, strlen(input), &o, NULL));
        r = claim_input_resolve(o, &resolver, &secrets, reterr_error);
        if (r < 0)
                return r;
        return claim_input_write(b, o, "[{\"n\":1.0e2}]", strlen("[{\"n\":1.0e2}]"), secrets);
}

static void assert_resolved(const char *input, const char *expected) {
        _cleanup_claim_buffer_ Buffer b = {};
        _cleanup_error_ Error *error = NULL;

        if (resolve(input, &b, &error) < 0)
                fail_msg("%s: %s", input, error_message(error, 0));
        assert_string_equal(buffer_string(&b), expected);
}

#define STATE "\"state\":[{\"n\":1.0e2}]"

TEST(secrets_of_both_kinds_are_put_in_and_listed_once) {
        assert_resolved("{\"source\":{\"configuration\":{\"a\":{\"_secret\":\"s1\"},\"b\":[1,{\"_sealed\":\"XX:pw\"}],"
                        "\"c\":{\"d\":{\"_secret\":\"s1\"}}}},\"destination\":{\"configuration\":{}}}",
                        "{\"source\":{\"configuration\":{\"a\":\"hunter22\",\"b\":[1,\"pw\"],\"c\":{\"d\":\"hunter22\"}}},"
                        "\"destination\":{\"configuration\":{}}," STATE ",\"secrets\":[\"hunter22\",\"pw\"]}");
}

TEST(keys_of_mappers_are_put_in_and_masked_in_logs) {
        assert_resolved("{\"streams\":[{\"mappers\":null},{\"destinationName\":{\"_secret\":\"s1\"},\"mappers\":["
                        "{\"type\":\"encryption\",\"mapperConfiguration\":{\"key\":{\"_secret\":\"s1\"}}}]}]}",
                        "{\"streams\":[{\"mappers\":null},{\"destinationName\":{\"_secret\":\"s1\"},\"mappers\":["
                        "{\"type\":\"encryption\",\"mapperConfiguration\":{\"key\":\"hunter22\"}}]}],"
                        STATE ",\"secrets\":[\"hunter22\"]}");
}

TEST(what_is_not_a_configuration_stays_as_it_is) {
        assert_resolved("{\"actor\":null,\"options\":{\"x\":{\"_secret\":\"s1\"}}}",
                        "{\"actor\":null,\"options\":{\"x\":{\"_secret\":\"s1\"}}," STATE ",\"secrets\":[]}");
}

TEST(T75_a_secret_goes_to_its_owner_and_a_mappers_key_to_the_sync) {
        _cleanup_claim_buffer_ Buffer b = {};

        ASSERT_ERROR(resolve("{\"source\":{\"id\":\"stranger\",\"configuration\":{\"a\":{\"_secret\":\"s1\"}}}}", &b, NULL),
                     EBADMSG);
        ASSERT_ERROR(resolve("{\"source\":{\"id\":\"owner\",\"configuration\":{\"a\":{\"_secret\":\"s1\"}}},"
                             "\"destination\":{\"id\":\"stranger\",\"configuration\":{\"a\":{\"_secret\":\"s1\"}}}}",
                             &b, NULL),
                     EBADMSG);
        assert_resolved("{\"destination\":{\"id\":\"stranger\",\"configuration\":{}},"
                        "\"streams\":[{\"mappers\":[{\"_secret\":\"s1\"}]}]}",
                        "{\"destination\":{\"id\":\"stranger\",\"configuration\":{}},"
                        "\"streams\":[{\"mappers\":[\"hunter22\"]}]," STATE ",\"secrets\":[\"hunter22\"]}");
}

TEST(the_parts_of_a_secret_that_is_json_are_masked_too) {
        assert_resolved("{\"actor\":{\"configuration\":{\"a\":{\"_secret\":\"account\"}}}}",
                        "{\"actor\":{\"configuration\":{\"a\":\"{\\\"type\\\":\\\"sa\\\",\\\"private_key\\\":"
                        "\\\"-----BEGIN\\\\nabc\\\"}\"}}," STATE ",\"secrets\":[\"{\\\"type\\\":\\\"sa\\\","
                        "\\\"private_key\\\":\\\"-----BEGIN\\\\nabc\\\"}\",\"-----BEGIN\\nabc\"]}");
}

TEST(a_configuration_may_be_sealed_as_a_whole) {
        assert_resolved("{\"actor\":{\"configuration\":{\"_sealed\":\"XX:{\\\"user\\\":\\\"me\\\"}\"}}}",
                        "{\"actor\":{\"configuration\":{\"user\":\"me\"}}," STATE
                        ",\"secrets\":[\"{\\\"user\\\":\\\"me\\\"}\"]}");
}

TEST(a_secret_that_is_missing_or_foreign_fails_the_claim) {
        static const char *const bad[] = {
                "{\"source\":{\"configuration\":{\"a\":{\"_secret\":\"gone\"}}}}",
                "{\"destination\":{\"configuration\":[{\"_sealed\":\"other\"}]}}",
                "{\"actor\":{\"configuration\":{\"_sealed\":\"XX:[]\"}}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_error_ Error *error = NULL;
                _cleanup_buffer_ Buffer b = {};

                assert_true(resolve(bad[i], &b, &error) < 0);
                assert_non_null(strstr(error_message(error, 0), "The configuration of the "));
        }
}
