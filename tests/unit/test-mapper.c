/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "basic/hex.h"
#include "unit/test.h"
#include "worker/mapper.h"

TEST_MAIN()

static int count_up(void *p, size_t n, _unused_ void *userdata) {
        for (size_t i = 0; i < n; i++)
                ((uint8_t *) p)[i] = (uint8_t) i;
        return 0;
}

static int mappers_of(const char *json, Mapper ***ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;

        ASSERT_OK(json_parse(json, strlen(json), &o, NULL));
        return mappers_from_json(o, ret, reterr_error);
}

static RecordMapper *record_mapper_of(char *const *selected, Mapper **mappers) {
        RecordMapper *m = NULL;

        ASSERT_OK(record_mapper_new(selected, mappers, count_up, NULL, &m, NULL));
        return m;
}

static void assert_slice(JsonSlice s, const char *expected) {
        char text[8192];

        assert_true(s.n < sizeof(text));
        memcpy(text, s.p ?: "", s.n);
        text[s.n] = 0;
        assert_string_equal(text, expected);
}

/* One record through one list; NULL expected = filtered out. */
static void check_mapped(const char *mappers_json, const char *data, const char *expected, const char *changes) {
        Mapper **l = NULL;
        RecordMapper *m;
        MappedRecord out;

        ASSERT_OK(mappers_of(mappers_json, &l, NULL));
        m = record_mapper_of(NULL, l);
        /* Twice: the second time keys are recognised by the first. */
        for (int i = 0; i < 2; i++) {
                ASSERT_OK(record_mapper_apply(m, (JsonSlice) { data, strlen(data) }, &out));
                assert_int_equal(out.filtered, !expected);
                if (expected)
                        assert_slice(out.data, expected);
                assert_slice(out.changes, changes ?: "");
        }
        record_mapper_free(m);
        mappers_free(l);
}

#define HASHING(field, method, suffix)                                                                          \
        "{\"type\":\"hashing\",\"mapperConfiguration\":{\"targetField\":\"" field "\",\"method\":\"" method "\"," \
        "\"fieldNameSuffix\":\"" suffix "\"}}"
#define SHA256_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA256_42 "73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049"

TEST(hashing_writes_lower_case_hex_of_the_string_form) {
        static const struct {
                const char *method, *hex;
        } digests[] = {
                { "MD5", "900150983cd24fb0d6963f7d28e17f72" },
                { "SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d" },
                { "SHA-224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7" },
                { "SHA-256", SHA256_ABC },
                { "SHA-384",
                  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7" },
                { "SHA-512",
                  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
                  "454d4423643ce80e2a9ac94fa54ca49f" },
        };

        for (size_t i = 0; i < ELEMENTSOF(digests); i++) {
                char mappers[256], expected[256];

                (void) snprintf(mappers, sizeof(mappers), "[" HASHING("a", "%s", "_h") "]", digests[i].method);
                (void) snprintf(expected, sizeof(expected), "{\"x\":1, \"y\":2,\"a_h\":\"%s\",\"z\":[3]}",
                                digests[i].hex);
                check_mapped(mappers, "{\"x\":1, \"y\":2, \"a\" : \"abc\" , \"z\":[3]}", expected, NULL);
        }
        check_mapped("[" HASHING("a", "SHA-256", "") "]", "{\"a\":42}", "{\"a\":\"" SHA256_42 "\"}", NULL);
        check_mapped("[" HASHING("a", "MD5", "") "]", "{\"a\":true}",
                     "{\"a\":\"b326b5062b2f0e69046810717534cb09\"}", NULL);
        check_mapped("[" HASHING("a", "SHA-256", "") "]", "{\"a\":\"\\u00e9\\\"\"}",
                     "{\"a\":\"5ef9d255471977e4ff02b4f0b7a617b2fb52f81210d43020e99e71be87ebe10d\"}", NULL);
}

TEST(hashing_leaves_null_and_missing_fields) {
        check_mapped("[" HASHING("a", "SHA-256", "_h") "]", "{\"a\":null,\"b\":1}", "{\"a_h\":null,\"b\":1}", NULL);
        check_mapped("[" HASHING("a", "SHA-256", "_h") "]", "{\"b\":1}", "{\"b\":1}", NULL);
        check_mapped("[" HASHING("a", "SHA-256", "_h") "]", "{}", "{}", NULL);
}

TEST(a_value_that_cannot_be_hashed_is_nulled_and_told_of) {
        check_mapped("[" HASHING("a", "SHA-256", "_h") "]", "{\"a\":\"\\x\",\"b\":1}", "{\"a_h\":null,\"b\":1}",
                     "{\"field\":\"a_h\",\"change\":\"NULLED\",\"reason\":\"PLATFORM_SERIALIZATION_ERROR\"}");
}

#define RENAMING(old, new)                                                                               \
        "{\"type\":\"field-renaming\",\"mapper_configuration\":{\"original_field_name\":\"" old "\"," \
        "\"new_field_name\":\"" new "\"}}"
#define FILTERING(field) "{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"" field "\"}}"

TEST(mappers_run_in_order_on_what_the_one_before_made) {
        check_mapped("[" RENAMING("a", "b") "," HASHING("b", "SHA-256", "") "," RENAMING("b", "c") "]",
                     "{\"id\":7,\"a\":\"abc\",\"k\":{\"a\":[1,2]}}",
                     "{\"id\":7,\"c\":\"" SHA256_ABC "\",\"k\":{\"a\":[1,2]}}", NULL);
        check_mapped("[" FILTERING("a") "," RENAMING("a", "b") "]", "{\"a\":1,\"c\":2}", "{\"c\":2}", NULL);
        /* A field that is in the way of a new name goes. */
        check_mapped("[" RENAMING("a", "b") "]", "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":1,\"c\":3}", NULL);
        check_mapped("[" RENAMING("a", "q\\\"\\n") "]", "{\"a\":1}", "{\"q\\\"\\n\":1}", NULL);
}

TEST(of_duplicate_keys_the_last_one_is_mapped_and_the_others_go) {
        check_mapped("[" HASHING("a", "SHA-256", "") "]", "{\"a\":1,\"b\":2,\"\\u0061\":\"abc\"}",
                     "{\"b\":2,\"\\u0061\":\"" SHA256_ABC "\"}", NULL);
        check_mapped("[" FILTERING("a") "]", "{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2}", NULL);
}

TEST(keys_may_move_between_records) {
        static const char *const records[] = { "{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":3,\"a\":1}", "{\"b\":2}",
                                               "{ \"c\" : 3 , \"b\" : 2 }", "{\"a\":1,\"b\":2,\"c\":3}" };
        static const char *const expected[] = { "{\"a\":1,\"c\":3}", "{\"c\":3,\"a\":1}", "{}", "{\"c\" : 3}",
                                                "{\"a\":1,\"c\":3}" };
        Mapper **l = NULL;
        RecordMapper *m;

        ASSERT_OK(mappers_of("[" FILTERING("b") "]", &l, NULL));
        m = record_mapper_of(NULL, l);
        for (size_t i = 0; i < ELEMENTSOF(records); i++) {
                MappedRecord out;

                ASSERT_OK(record_mapper_apply(m, (JsonSlice) { records[i], strlen(records[i]) }, &out));
                assert_slice(out.data, expected[i]);
        }
        record_mapper_free(m);
        mappers_free(l);
}

TEST(field_selection_keeps_named_fields_and_comes_before_the_mappers) {
        static char *const selected[] = { (char *) "a", (char *) "_$id", (char *) "z", NULL };
        static const char data[] = "{\"x\":{\"a\":1},\"a\":\"abc\",\"$id\":5,\"y\":[],\"z\":null,\"$schema\":1}";
        Mapper **l = NULL;
        RecordMapper *m;
        MappedRecord out;

        ASSERT_OK(mappers_of("[" HASHING("a", "SHA-256", "") "," HASHING("x", "MD5", "") "]", &l, NULL));
        m = record_mapper_of(selected, l);
        for (int i = 0; i < 2; i++) {
                ASSERT_OK(record_mapper_apply(m, (JsonSlice) { data, strlen(data) }, &out));
                assert_slice(out.data, "{\"a\":\"" SHA256_ABC "\",\"$id\":5,\"z\":null}");
        }
        record_mapper_free(m);
        m = record_mapper_of(selected, NULL);
        ASSERT_OK(record_mapper_apply(m, (JsonSlice) { data, strlen(data) }, &out));
        assert_slice(out.data, "{\"a\":\"abc\",\"$id\":5,\"z\":null}");
        record_mapper_free(m);
        mappers_free(l);
}

TEST(what_is_not_changed_is_not_copied) {
        static const char data[] = "{ \"a\" : 1 }";
        RecordMapper *m = record_mapper_of(NULL, NULL);
        MappedRecord out;

        ASSERT_OK(record_mapper_apply(m, (JsonSlice) { data, strlen(data) }, &out));
        assert_ptr_equal(out.data.p, data);
        ASSERT_ERROR(record_mapper_apply(m, (JsonSlice) { "[1]", 3 }, &out), EBADMSG);
        ASSERT_ERROR(record_mapper_apply(m, (JsonSlice) { "{\"a\":1", 6 }, &out), EBADMSG);
        record_mapper_free(m);
}

TEST(a_key_repeated_without_end_does_not_take_memory_without_end) {
        _cleanup_buffer_ Buffer b = {};
        Mapper **l = NULL;
        RecordMapper *m;
        MappedRecord out;

        ASSERT_OK(buffer_append_char(&b, '{'));
        for (int i = 0; i < 100000; i++)
                ASSERT_OK(buffer_append_string(&b, "\"a\":1,"));
        ASSERT_OK(buffer_append_string(&b, "\"a\":2}"));
        ASSERT_OK(mappers_of("[" FILTERING("a") "]", &l, NULL));
        m = record_mapper_of(NULL, l);
        ASSERT_ERROR(record_mapper_apply(m, (JsonSlice) { buffer_bytes(&b), b.len }, &out), EBADMSG);
        record_mapper_free(m);
        mappers_free(l);
}

#define ROWS(conditions) "[{\"type\":\"row-filtering\",\"mapperConfiguration\":{\"conditions\":" conditions "}}]"
#define EQUAL(field, value) "{\"type\":\"EQUAL\",\"fieldName\":\"" field "\",\"comparisonValue\":\"" value "\"}"

TEST(row_filtering_compares_text_and_a_missing_field_equals_nothing) {
        check_mapped(ROWS(EQUAL("a", "x")), "{\"a\":\"x\"}", "{\"a\":\"x\"}", NULL);
        check_mapped(ROWS(EQUAL("a", "x")), "{\"a\":\"\\u0078\"}", "{\"a\":\"\\u0078\"}", NULL);
        check_mapped(ROWS(EQUAL("a", "x")), "{\"a\":\"y\"}", NULL, NULL);
        check_mapped(ROWS(EQUAL("a", "x")), "{\"b\":\"x\"}", NULL, NULL);
        check_mapped(ROWS(EQUAL("a", "12")), "{\"a\":12}", "{\"a\":12}", NULL);
        check_mapped(ROWS(EQUAL("a", "")), "{\"a\":null}", NULL, NULL);
        check_mapped(ROWS("{\"type\":\"NOT\",\"conditions\":[" EQUAL("a", "x") "]}"), "{}", "{}", NULL);
}

TEST(row_filtering_combines_conditions) {
#define TREE                                                                              \
        "{\"type\":\"OR\",\"conditions\":[{\"type\":\"AND\",\"conditions\":[" EQUAL("a", "1") "," \
        "{\"type\":\"NOT\",\"conditions\":[" EQUAL("b", "1") "]}]}," EQUAL("c", "1") "]}"
        check_mapped(ROWS(TREE), "{\"a\":1}", "{\"a\":1}", NULL);
        check_mapped(ROWS(TREE), "{\"a\":1,\"b\":1}", NULL, NULL);
        check_mapped(ROWS(TREE), "{\"a\":1,\"b\":1,\"c\":1}", "{\"a\":1,\"b\":1,\"c\":1}", NULL);
        check_mapped(ROWS(TREE), "{\"a\":2}", NULL, NULL);
        check_mapped(ROWS("[" EQUAL("a", "1") "," EQUAL("b", "2") "]"), "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}", NULL);
}

#define KEY "000102030405060708090a0b0c0d0e0f"
#define AES(mode, padding)                                                                             \
        "[{\"type\":\"encryption\",\"mapperConfiguration\":{\"algorithm\":\"AES\",\"targetField\":\"a\"," \
        "\"fieldNameSuffix\":\"_e\",\"key\":\"" KEY "\",\"mode\":\"" mode "\",\"padding\":\"" padding "\"}}]"

/* Ciphertexts made with the openssl command and Python's cryptography package; key and IV are 00 01 … 0f. */
TEST(aes_writes_iv_and_ciphertext) {
        static const char data[] = "{\"a\":\"hello world\"}";
#define SEALED(hex) "{\"a_e\":\"" hex "\"}"
        check_mapped(AES("CBC", "PKCS5Padding"), data, SEALED(KEY "7caf58cd4062c28fd34f7c6aa2212fef"), NULL);
        check_mapped(AES("ECB", "PKCS5Padding"), data, SEALED("9276fdf384f38518fa6c8310f191678d"), NULL);
        check_mapped(AES("CFB", "NoPadding"), data, SEALED(KEY "62f167d92e4e872a83aff0"), NULL);
        check_mapped(AES("CFB", "PKCS5Padding"), data, SEALED(KEY "62f167d92e4e872a83aff05dc356ef5f"), NULL);
        check_mapped(AES("OFB", "NoPadding"), data, SEALED(KEY "62f167d92e4e872a83aff0"), NULL);
        check_mapped(AES("CTR", "NoPadding"), data, SEALED(KEY "62f167d92e4e872a83aff0"), NULL);
        check_mapped(AES("GCM", "NoPadding"), data,
                     SEALED(KEY "c2cdfff2f6a2beac83d47343a3192d75673a967b2205ab6e386d34"), NULL);
        check_mapped(AES("CBC", "NoPadding"), data, "{\"a_e\":null}",
                     "{\"field\":\"a_e\",\"change\":\"NULLED\",\"reason\":\"PLATFORM_SERIALIZATION_ERROR\"}");
        check_mapped(AES("CBC", "NoPadding"), "{\"a\":null}", "{\"a_e\":null}", NULL);
}

TEST(rsa_ciphertext_opens_with_the_private_key) {
        EVP_PKEY *key = EVP_RSA_gen(1024);
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
        unsigned char *der = NULL, plain[128];
        size_t n_sealed = 0, n_plain = sizeof(plain);
        int n = i2d_PUBKEY(key, &der);
        _cleanup_free_ uint8_t *sealed = NULL;
        char hex[1024] = "", json[2048];
        Mapper **l = NULL;
        RecordMapper *m;
        MappedRecord out;

        assert_true(n > 0);
        hex_encode(der, (size_t) n, hex);
        (void) snprintf(json, sizeof(json),
                        "[{\"type\":\"encryption\",\"mapperConfiguration\":{\"algorithm\":\"RSA\",\"targetField\":\"a\","
                        "\"publicKey\":\"%s\"}}]", hex);
        ASSERT_OK(mappers_of(json, &l, NULL));
        m = record_mapper_of(NULL, l);
        ASSERT_OK(record_mapper_apply(m, (JsonSlice) { "{\"a\":12}", 8 }, &out));
        assert_true(out.data.n == strlen("{\"a\":\"\"}") + 256);
        memcpy(hex, out.data.p + strlen("{\"a\":\""), 256);
        hex[256] = 0;
        ASSERT_OK(hex_decode(hex, &sealed, &n_sealed));
        assert_int_equal(EVP_PKEY_decrypt_init(context), 1);
        assert_int_equal(EVP_PKEY_decrypt(context, plain, &n_plain, sealed, n_sealed), 1);
        assert_int_equal(n_plain, 2);
        assert_memory_equal(plain, "12", 2);

        /* 117 bytes fit a key of 1024 bits, 118 do not. */
        (void) snprintf(json, sizeof(json), "{\"a\":\"%0118d\"}", 1);
        ASSERT_OK(record_mapper_apply(m, (JsonSlice) { json, strlen(json) }, &out));
        assert_slice(out.data, "{\"a\":null}");
        record_mapper_free(m);
        mappers_free(l);
        OPENSSL_free(der);
        EVP_PKEY_CTX_free(context);
        EVP_PKEY_free(key);
}

static void check_refused(const char *json, const char *expected) {
        _cleanup_error_ Error *e = NULL;
        Mapper **l = NULL;

        assert_true(mappers_of(json, &l, &e) < 0);
        assert_non_null(e);
        assert_string_equal(e->message, expected);
        assert_null(l);
}

TEST(bad_configurations_are_refused_with_the_field) {
        check_refused("[{\"type\":\"shouting\",\"mapperConfiguration\":{}}]",
                      "MISSING_MAPPER: there is no mapper 'shouting'; there are hashing, encryption, field-renaming, "
                      "field-filtering and row-filtering");
        check_refused("[" HASHING("a", "CRC32", "") "]",
                      "INVALID_MAPPER_CONFIG: hashing: 'method' is 'CRC32', must be MD2, MD5, SHA-1, SHA-224, SHA-256, "
                      "SHA-384 or SHA-512");
        check_refused("[{\"type\":\"field-renaming\",\"mapperConfiguration\":{\"originalFieldName\":\"a\"}}]",
                      "INVALID_MAPPER_CONFIG: field-renaming: 'newFieldName' is missing");
        check_refused("[{\"type\":\"hashing\"}]", "INVALID_MAPPER_CONFIG: hashing: 'mapperConfiguration' is missing");
        check_refused(AES("GCM", "PKCS5Padding"), "INVALID_MAPPER_CONFIG: encryption: mode GCM goes with NoPadding only");
        check_refused("[{\"type\":\"encryption\",\"mapperConfiguration\":{\"algorithm\":\"AES\",\"targetField\":\"a\","
                      "\"key\":\"00\",\"mode\":\"CBC\",\"padding\":\"NoPadding\"}}]",
                      "INVALID_MAPPER_CONFIG: encryption: 'key' is not 32, 48 or 64 hexadecimal digits");
        check_refused("[{\"type\":\"encryption\",\"mapperConfiguration\":{\"algorithm\":\"RSA\",\"targetField\":\"a\","
                      "\"publicKey\":\"0001\"}}]",
                      "INVALID_MAPPER_CONFIG: encryption: 'publicKey' is not an RSA public key (X.509 DER in hex)");
        check_refused(ROWS("{\"type\":\"LIKE\"}"),
                      "INVALID_MAPPER_CONFIG: row-filtering: a condition's 'type' is not EQUAL, NOT, AND or OR");
        check_refused(ROWS("{\"type\":\"NOT\"}"),
                      "INVALID_MAPPER_CONFIG: row-filtering: a NOT condition has no list 'conditions'");
}

/* Where OpenSSL has no MD2 (Debian's has not), the configuration is refused rather than every record nulled. */
TEST(md2_works_or_is_refused_at_once) {
        _cleanup_error_ Error *e = NULL;
        Mapper **l = NULL;
        int r = mappers_of("[" HASHING("a", "MD2", "") "]", &l, &e);

        if (r < 0) {
                assert_int_equal(r, -EOPNOTSUPP);
                assert_non_null(strstr(e->message, "MD2"));
        }
        mappers_free(l);
}

TEST(the_key_of_an_encryption_is_known_as_a_secret) {
        _cleanup_strv_ char **secrets = NULL;
        Mapper **l = NULL;

        ASSERT_OK(mappers_of(AES("CBC", "NoPadding"), &l, NULL));
        ASSERT_OK(mappers_secret_strings(l, &secrets));
        assert_int_equal(strv_length(secrets), 1);
        assert_string_equal(secrets[0], KEY);
        mappers_free(l);
}

TEST(a_list_is_an_array_of_at_most_a_hundred) {
        _cleanup_buffer_ Buffer b = {};
        _cleanup_error_ Error *e = NULL, *more = NULL;
        Mapper **l = (Mapper **) &l;

        ASSERT_OK(mappers_from_json(NULL, &l, NULL));
        assert_null(l);
        ASSERT_OK(mappers_of("[]", &l, NULL));
        assert_null(l);
        ASSERT_ERROR(mappers_of("{\"type\":\"hashing\"}", &l, &e), EINVAL);
        assert_non_null(strstr(e->message, "not a list"));
        for (int i = 0; i < 101; i++)
                ASSERT_OK(buffer_appendf(&b, "%c{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"f%d\"}}",
                                         i > 0 ? ',' : '[', i));
        ASSERT_OK(buffer_append_char(&b, ']'));
        ASSERT_ERROR(mappers_of(buffer_string(&b), &l, &more), E2BIG);
        assert_non_null(strstr(more->message, "more than 100"));
        assert_null(l);
}
