/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <unistd.h>

#include "basic/file-util.h"
#include "secrets/jwt.h"
#include "secrets/sealing.h"
#include "secrets/token.h"
#include "unit/test.h"

#define NOW (UINT64_C(1790000000) * USEC_PER_SEC)

static const uint8_t key_a[SEALING_KEY_SIZE] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const uint8_t key_b[SEALING_KEY_SIZE] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static const SealingPlace place = { "secret", "row", "owner" };

static SealingKeys *keys(const uint8_t *key, const uint8_t *old) {
        SealingKeys *k;

        ASSERT_OK(sealing_keys_new(key, old, &k));
        return k;
}

TEST(what_is_sealed_opens_in_its_place) {
        _cleanup_(sealing_keys_freep) SealingKeys *k = keys(key_a, NULL);
        _cleanup_free_ void *one = NULL, *two = NULL;
        _cleanup_wipe_ char *value = NULL;
        size_t n_one, n_two, n;

        ASSERT_OK(sealing_seal(k, &place, "p\0ss", 4, &one, &n_one));
        ASSERT_OK(sealing_seal(k, &place, "p\0ss", 4, &two, &n_two));
        assert_int_equal(n_one, 4 + SEALED_OVERHEAD);
        /* The same value never looks the same, and isn't in it. */
        assert_memory_not_equal(one, two, n_one);
        assert_null(memmem(one, n_one, "p\0ss", 4));
        ASSERT_OK(sealing_open(k, &place, one, n_one, &value, &n, NULL));
        assert_int_equal(n, 4);
        assert_memory_equal(value, "p\0ss", 5);
}

TEST(the_empty_secret_is_one_too) {
        _cleanup_(sealing_keys_freep) SealingKeys *k = keys(key_a, NULL);
        _cleanup_wipe_ char *value = NULL;
        _cleanup_free_ void *blob = NULL;
        size_t n;

        ASSERT_OK(sealing_seal(k, &place, "", 0, &blob, &n));
        ASSERT_OK(sealing_open(k, &place, blob, n, &value, &n, NULL));
        assert_int_equal(n, 0);
}

TEST(T75_a_swapped_secret_does_not_open) {
        static const SealingPlace others[] = {
                { "secret", "row", "other" },
                { "secret", "other", "owner" },
                { "application", "row", "owner" },
                /* The parts don't run into each other. */
                { "secret", "rowowner", "" },
                { "secretrow", "", "owner" },
                { "secret", "", "rowowner" },
        };
        _cleanup_(sealing_keys_freep) SealingKeys *k = keys(key_a, NULL);
        _cleanup_free_ void *blob = NULL;
        size_t n;

        ASSERT_OK(sealing_seal(k, &place, "x", 1, &blob, &n));
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                _cleanup_error_ Error *e = NULL;
                char *value = NULL;

                ASSERT_ERROR(sealing_open(k, &others[i], blob, n, &value, NULL, &e), EBADMSG);
                assert_null(value);
        }
}

TEST(T75_every_flipped_bit_and_every_cut_is_noticed) {
        _cleanup_(sealing_keys_freep) SealingKeys *k = keys(key_a, NULL);
        _cleanup_free_ uint8_t *blob = NULL;
        char *value = NULL;
        size_t n;

        ASSERT_OK(sealing_seal(k, &place, "secret", 6, (void **) &blob, &n));
        for (size_t i = 0; i < n * 8; i++) {
                int r;

                blob[i / 8] ^= (uint8_t) (1 << i % 8);
                r = sealing_open(k, &place, blob, n, &value, NULL, NULL);
                /* A flipped key id names a key that isn't here. */
                assert_true(r == -EBADMSG || (r == -ENOKEY && i / 8 >= 4 && i / 8 < 8));
                blob[i / 8] ^= (uint8_t) (1 << i % 8);
        }
        for (size_t i = 0; i < n; i++)
                ASSERT_ERROR(sealing_open(k, &place, blob, i, &value, NULL, NULL), EBADMSG);
        ASSERT_OK(sealing_open(k, &place, blob, n, &value, NULL, NULL));
        wipe_and_free(value);
}

TEST(T77_a_rotated_key_opens_old_secrets_and_seals_new_ones) {
        _cleanup_(sealing_keys_freep) SealingKeys *a = keys(key_a, NULL), *both = keys(key_b, key_a),
                                                  *b = keys(key_b, NULL);
        _cleanup_free_ void *old = NULL, *new = NULL;
        _cleanup_wipe_ char *value = NULL, *again = NULL;
        size_t n_old, n_new;
        char *none;

        ASSERT_OK(sealing_seal(a, &place, "x", 1, &old, &n_old));
        assert_false(sealing_is_old(a, old, n_old));
        assert_true(sealing_is_old(both, old, n_old));
        ASSERT_OK(sealing_open(both, &place, old, n_old, &value, NULL, NULL));
        ASSERT_OK(sealing_seal(both, &place, "x", 1, &new, &n_new));
        assert_false(sealing_is_old(both, new, n_new));
        ASSERT_OK(sealing_open(b, &place, new, n_new, &again, NULL, NULL));
        ASSERT_ERROR(sealing_open(b, &place, old, n_old, &none, NULL, NULL), ENOKEY);
}

TEST(T74_another_machines_key_is_told_by_a_sentence) {
        _cleanup_(sealing_keys_freep) SealingKeys *a = keys(key_a, NULL), *b = keys(key_b, NULL);
        _cleanup_error_ Error *e = NULL;
        _cleanup_free_ void *blob = NULL;
        char *value;
        size_t n;

        ASSERT_OK(sealing_seal(a, &place, "x", 1, &blob, &n));
        ASSERT_ERROR(sealing_open(b, &place, blob, n, &value, NULL, &e), ENOKEY);
        assert_non_null(strstr(e->message, "another key"));
}

TEST(sealed_text_is_a_round_trip) {
        _cleanup_(sealing_keys_freep) SealingKeys *k = keys(key_a, NULL);
        _cleanup_wipe_ char *value = NULL;
        _cleanup_free_ char *text = NULL;
        char *none;

        ASSERT_OK(sealing_seal_text(k, &place, "passwörd", &text));
        ASSERT_OK(sealing_open_text(k, &place, text, &value, NULL));
        assert_string_equal(value, "passwörd");
        ASSERT_ERROR(sealing_open_text(k, &place, "no base64!", &none, NULL), EBADMSG);
        ASSERT_ERROR(sealing_open_text(k, &place, "", &none, NULL), EBADMSG);
}

TEST(a_secret_has_a_largest_size) {
        _cleanup_(sealing_keys_freep) SealingKeys *k = keys(key_a, NULL);
        _cleanup_free_ char *large = calloc(1, SECRET_SIZE_MAX + 1);
        void *blob;
        size_t n;

        assert_non_null(large);
        ASSERT_ERROR(sealing_seal(k, &place, large, SECRET_SIZE_MAX + 1, &blob, &n), E2BIG);
}

TEST(keys_come_from_the_credential) {
        _cleanup_(sealing_keys_freep) SealingKeys *k = NULL;
        char directory[] = "/tmp/gantry-key-XXXXXX", path[64];

        assert_non_null(mkdtemp(directory));
        (void) snprintf(path, sizeof(path), "%s/gantry.key", directory);
        unsetenv("GANTRY_KEY_FILE");
        unsetenv("CREDENTIALS_DIRECTORY");
        ASSERT_ERROR(sealing_keys_load(&k, NULL), ENOKEY);
        setenv("CREDENTIALS_DIRECTORY", directory, 1);
        ASSERT_ERROR(sealing_keys_load(&k, NULL), ENOKEY);
        ASSERT_OK(write_file_atomic(path, key_a, 31, 0600, NULL));
        ASSERT_ERROR(sealing_keys_load(&k, NULL), EBADMSG);
        ASSERT_OK(write_file_atomic(path, key_a, 32, 0600, NULL));
        ASSERT_OK(sealing_keys_load(&k, NULL));
        unsetenv("CREDENTIALS_DIRECTORY");
        ASSERT_OK(remove_tree(directory));
}

TEST(tokens_are_random_and_match_their_hash_only) {
        char a[TOKEN_MAX], b[TOKEN_MAX];
        uint8_t hash[TOKEN_HASH_SIZE];

        token_generate(a);
        token_generate(b);
        assert_int_equal(strlen(a), TOKEN_MAX - 1);
        assert_string_not_equal(a, b);
        token_hash(a, hash);
        assert_true(token_matches(a, hash, sizeof(hash)));
        assert_false(token_matches(b, hash, sizeof(hash)));
        assert_false(token_matches("", hash, sizeof(hash)));
        assert_false(token_matches(a, hash, sizeof(hash) - 1));
}

TEST(credentials_are_base64_with_padding_or_without) {
        static const struct {
                const char *in, *out;
        } good[] = { { "", "" }, { "YTpi", "a:b" }, { "YTpiYw==", "a:bc" }, { "YTpiYw", "a:bc" }, { "YTpiY2Q=", "a:bcd" },
                     { "Pz8/Pj4+", "??\?>>>" } };
        static const char *const bad[] = { "!", "YTpi=x", "YTp i", "YTpiY", "YTpi===", "YQBi", "Pz8_Pj4-", "YTpiYx==" };
        char text[8];

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                ASSERT_OK(credentials_decode(good[i].in, text, sizeof(text)));
                assert_string_equal(text, good[i].out);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ASSERT_ERROR(credentials_decode(bad[i], text, sizeof(text)), EINVAL);
        ASSERT_OK(credentials_decode("YWFhYWFhYQ==", text, sizeof(text)));
        ASSERT_ERROR(credentials_decode("YWFhYWFhYWE=", text, sizeof(text)), EINVAL);
}

static JwtKey *jwt_key(const uint8_t *key, const char *deployment) {
        _cleanup_(sealing_keys_freep) SealingKeys *k = keys(key, NULL);
        JwtKey *jwt;

        ASSERT_OK(jwt_key_new(k, deployment, &jwt));
        return jwt;
}

static char *make_token(const JwtKey *k) {
        char *token;

        ASSERT_OK(jwt_make(k,
                           &(JwtClaims) { .subject = (char *) "w\"1",
                                          .audience = (char *) "workload",
                                          .epoch = 7,
                                          .issued_at = NOW,
                                          .expires_at = NOW + 900 * USEC_PER_SEC },
                           &token));
        return token;
}

TEST(a_token_of_ours_is_taken_until_it_expires) {
        _cleanup_(jwt_key_freep) JwtKey *k = jwt_key(key_a, "deployment");
        _cleanup_(jwt_claims_done) JwtClaims claims = {};
        _cleanup_free_ char *token = make_token(k);
        JwtClaims none;

        ASSERT_OK(jwt_verify(k, token, "workload", NOW + 899 * USEC_PER_SEC, &claims));
        assert_string_equal(claims.subject, "w\"1");
        assert_int_equal(claims.epoch, 7);
        assert_int_equal(claims.expires_at, NOW + 900 * USEC_PER_SEC);
        ASSERT_ERROR(jwt_verify(k, token, "workload", NOW + 900 * USEC_PER_SEC, &none), EKEYEXPIRED);
}

TEST(T77_a_rotated_key_takes_a_runners_old_token_and_no_other) {
        _cleanup_(sealing_keys_freep) SealingKeys *both = keys(key_b, key_a);
        _cleanup_(jwt_key_freep) JwtKey *old = jwt_key(key_a, "deployment"), *new = jwt_key(key_b, "deployment");
        _cleanup_(jwt_key_freep) JwtKey *rotated = NULL;
        _cleanup_(jwt_claims_done) JwtClaims claims = {};
        _cleanup_free_ char *runner = make_token(old), *mine = NULL, *api = NULL;
        JwtClaims client = { .subject = (char *) "app", .audience = (char *) "api", .issued_at = NOW,
                             .expires_at = NOW + 900 * USEC_PER_SEC }, none;

        ASSERT_OK(jwt_key_new(both, "deployment", &rotated));
        ASSERT_OK(jwt_verify(rotated, runner, "workload", NOW, &claims));
        ASSERT_ERROR(jwt_verify(new, runner, "workload", NOW, &none), EKEYREJECTED);
        ASSERT_OK(jwt_make(old, &client, &api));
        ASSERT_OK(jwt_verify(old, api, "api", NOW, &none));
        jwt_claims_done(&none);
        ASSERT_ERROR(jwt_verify(rotated, api, "api", NOW, &none), EKEYREJECTED);
        /* What it makes is the new key's. */
        mine = make_token(rotated);
        ASSERT_OK(jwt_verify(new, mine, "workload", NOW, &none));
        jwt_claims_done(&none);
}

TEST(T49_tokens_of_others_are_refused) {
        _cleanup_(jwt_key_freep) JwtKey *ours = jwt_key(key_a, "deployment"),
                                        *other_key = jwt_key(key_b, "deployment"),
                                        *other_deployment = jwt_key(key_a, "other");
        _cleanup_free_ char *token = make_token(ours), *a = make_token(other_key),
                            *b = make_token(other_deployment);
        JwtClaims claims;

        ASSERT_ERROR(jwt_verify(ours, token, "api", NOW, &claims), EKEYREJECTED);
        ASSERT_ERROR(jwt_verify(ours, a, "workload", NOW, &claims), EKEYREJECTED);
        ASSERT_ERROR(jwt_verify(ours, b, "workload", NOW, &claims), EKEYREJECTED);
}

/* {"alg":"none"}, {"alg":"RS256"}, no signature, a signature cut short, another header with the same meaning. */
TEST(T49_the_algorithm_is_not_the_tokens_choice) {
        _cleanup_(jwt_key_freep) JwtKey *k = jwt_key(key_a, "deployment");
        _cleanup_free_ char *token = make_token(k);
        static const char *const headers[] = { "eyJhbGciOiJub25lIn0", "eyJhbGciOiJSUzI1NiJ9",
                                               "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9" };
        char *payload = strchr(token, '.'), *signature = strrchr(token, '.');
        JwtClaims claims;

        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                _cleanup_free_ char *forged = NULL, *unsigned_one = NULL;

                assert_true(asprintf(&forged, "%s%s", headers[i], payload) > 0);
                ASSERT_ERROR(jwt_verify(k, forged, "workload", NOW, &claims), EKEYREJECTED);
                assert_true(asprintf(&unsigned_one, "%s%.*s.", headers[i], (int) (signature - payload),
                                     payload) > 0);
                ASSERT_ERROR(jwt_verify(k, unsigned_one, "workload", NOW, &claims), EKEYREJECTED);
        }
        for (size_t n = strlen(token); n > 0; n--) {
                token[n - 1] = '\0';
                ASSERT_ERROR(jwt_verify(k, token, "workload", NOW, &claims), EKEYREJECTED);
        }
}

TEST(T49_every_changed_byte_is_noticed) {
        _cleanup_(jwt_key_freep) JwtKey *k = jwt_key(key_a, "deployment");
        _cleanup_free_ char *token = make_token(k);
        JwtClaims claims;

        for (size_t i = 0; token[i]; i++) {
                char was = token[i];

                token[i] = was == 'A' ? 'B' : 'A';
                ASSERT_ERROR(jwt_verify(k, token, "workload", NOW, &claims), EKEYREJECTED);
                token[i] = was;
        }
        ASSERT_OK(jwt_verify(k, token, "workload", NOW, &claims));
        jwt_claims_done(&claims);
}

TEST(a_very_long_token_is_refused) {
        _cleanup_(jwt_key_freep) JwtKey *k = jwt_key(key_a, "deployment");
        _cleanup_free_ char *token = malloc(1 << 20);
        JwtClaims claims;

        assert_non_null(token);
        memset(token, 'a', 1 << 20);
        token[(1 << 20) - 1] = '\0';
        ASSERT_ERROR(jwt_verify(k, token, "workload", NOW, &claims), EKEYREJECTED);
        ASSERT_ERROR(jwt_verify(k, "", "workload", NOW, &claims), EKEYREJECTED);
}

TEST_MAIN()
