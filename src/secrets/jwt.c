/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tokens prove what this installation has said, to itself. The header is compared as text before anything
 * is decoded, so "alg" is never a choice of the sender; the signature is compared in constant time, and
 * claims are parsed only when it is right.
 *
 * The signing key is derived from the sealing key by a hash with a context: there is one key to keep, and
 * tokens tell nothing about it. While a key is rotated, tokens under the old one are good only for
 * runners: they are bound to a lease that is looked up, and a sync of hours must not break. */

#include <inttypes.h>
#include <sodium.h>

#include "basic/json-scan.h"
#include "basic/json-write.h"
#include "secrets/jwt.h"
#include "secrets/sealing-internal.h"

#define TOKEN_SIZE_MAX 4096U
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* The only header that is ever made or accepted (T49), so that none has to be read:
 * {"alg":"HS256","typ":"JWT"}. */
#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

struct JwtKey {
        uint8_t keys[2][crypto_auth_hmacsha256_KEYBYTES]; /* the first one signs */
        size_t n;
        char *issuer;
};

void jwt_claims_done(JwtClaims *c) {
        free(c->subject);
        free(c->audience);
        *c = (JwtClaims) {};
}

int jwt_key_new(const SealingKeys *k, const char *deployment_id, JwtKey **ret) {
        static const char context[] = "gantry jwt HS256";
        _cleanup_(jwt_key_freep) JwtKey *key = calloc(1, sizeof(*key));

        if (!key)
                return -ENOMEM;
        key->issuer = strdup(deployment_id);
        if (!key->issuer)
                return -ENOMEM;
        static_assert(sizeof(key->keys[0]) == crypto_generichash_BYTES, "a key is a hash");
        static_assert(ELEMENTSOF(key->keys) == ELEMENTSOF(k->keys), "one of each");
        for (; key->n < k->n; key->n++)
                (void) crypto_generichash(key->keys[key->n], sizeof(key->keys[0]), (const uint8_t *) context,
                                          sizeof(context), k->keys[key->n].key, sizeof(k->keys[0].key));
        *ret = TAKE_PTR(key);
        return 0;
}

JwtKey *jwt_key_free(JwtKey *k) {
        if (!k)
                return NULL;
        sodium_memzero(k->keys, sizeof(k->keys));
        free(k->issuer);
        free(k);
        return NULL;
}

static int append_base64(Buffer *b, const void *p, size_t n) {
        size_t size = sodium_base64_encoded_len(n, VARIANT); /* with the NUL */
        char *place = buffer_reserve(b, size);

        if (!place)
                return -ENOMEM;
        (void) sodium_bin2base64(place, size, p, n, VARIANT);
        buffer_commit(b, size - 1);
        return 0;
}

static void sign(const JwtKey *k, size_t i, const char *p, size_t n,
                 uint8_t ret[static crypto_auth_hmacsha256_BYTES]) {
        (void) crypto_auth_hmacsha256(ret, (const uint8_t *) p, n, k->keys[i]);
}

static int write_claims(Buffer *b, const JwtKey *k, const JwtClaims *c) {
        int r;

        r = buffer_append_char(b, '{');
        if (r >= 0)
                r = json_write_member_string(b, "iss", k->issuer);
        if (r >= 0)
                r = json_write_member_string(b, "sub", c->subject);
        if (r >= 0)
                r = json_write_member_string(b, "aud", c->audience);
        if (r >= 0 && c->epoch != 0)
                r = json_write_member_i64(b, "epoch", c->epoch);
        if (r >= 0)
                r = json_write_member_u64(b, "iat", c->issued_at / USEC_PER_SEC);
        if (r >= 0)
                r = json_write_member_u64(b, "exp", c->expires_at / USEC_PER_SEC);
        return r < 0 ? r : buffer_append_char(b, '}');
}

int jwt_make(const JwtKey *k, const JwtClaims *claims, char **ret) {
        _cleanup_buffer_ Buffer payload = {}, token = {};
        uint8_t signature[crypto_auth_hmacsha256_BYTES];
        int r;

        r = write_claims(&payload, k, claims);
        if (r >= 0)
                r = buffer_append_string(&token, HEADER);
        if (r >= 0)
                r = append_base64(&token, buffer_bytes(&payload), payload.len);
        if (r < 0)
                return r;
        sign(k, 0, buffer_bytes(&token), token.len, signature);
        r = buffer_append_char(&token, '.');
        if (r >= 0)
                r = append_base64(&token, signature, sizeof(signature));
        if (r < 0)
                return r;
        *ret = buffer_steal_string(&token);
        return *ret ? 0 : -ENOMEM;
}

/* Which key header and signature are of, or -EKEYREJECTED; gives what lies between, still encoded. */
static int check_signature(const JwtKey *k, const char *token, JsonSlice *ret_payload) {
        uint8_t signature[crypto_auth_hmacsha256_BYTES], expected[crypto_auth_hmacsha256_BYTES];
        const char *dot;
        size_t n;

        if (strnlen(token, TOKEN_SIZE_MAX + 1) > TOKEN_SIZE_MAX ||
            strncmp(token, HEADER, STRLEN(HEADER)) != 0)
                return -EKEYREJECTED;
        dot = strchr(token + STRLEN(HEADER), '.');
        if (!dot ||
            sodium_base642bin(signature, sizeof(signature), dot + 1, strlen(dot + 1), NULL, &n, NULL,
                              VARIANT) < 0 ||
            n != sizeof(signature))
                return -EKEYREJECTED;
        *ret_payload = (JsonSlice) { token + STRLEN(HEADER), (size_t) (dot - token) - STRLEN(HEADER) };
        for (size_t i = 0; i < k->n; i++) {
                sign(k, i, token, (size_t) (dot - token), expected);
                if (sodium_memcmp(signature, expected, sizeof(expected)) == 0)
                        return (int) i;
        }
        return -EKEYREJECTED;
}

static int read_string(JsonSlice claims, const char *key, char **ret) {
        _cleanup_buffer_ Buffer b = {};
        JsonSlice value;
        int r;

        r = json_find_member(claims, key, &value);
        if (r <= 0 || json_slice_type(value) != JSON_STRING)
                return -EKEYREJECTED;
        r = json_string_decode(json_string_inner(value), &b);
        if (r < 0)
                return r;
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}

static int read_number(JsonSlice claims, const char *key, int64_t *ret) {
        JsonSlice value;
        int r;

        r = json_find_member(claims, key, &value);
        if (r <= 0)
                return r;
        return json_parse_i64(value, ret) < 0 ? -EKEYREJECTED : 1;
}

static int read_claims(JsonSlice text, char **ret_issuer, JwtClaims *ret) {
        int64_t issued_at, expires_at;
        int r;

        r = read_string(text, "iss", ret_issuer);
        if (r >= 0)
                r = read_string(text, "sub", &ret->subject);
        if (r >= 0)
                r = read_string(text, "aud", &ret->audience);
        if (r >= 0)
                r = read_number(text, "epoch", &ret->epoch);
        if (r < 0)
                return r;
        if (read_number(text, "iat", &issued_at) <= 0 || read_number(text, "exp", &expires_at) <= 0 ||
            issued_at < 0 || expires_at < 0 || expires_at > INT64_MAX / (int64_t) USEC_PER_SEC)
                return -EKEYREJECTED;
        ret->issued_at = (usec_t) issued_at * USEC_PER_SEC;
        ret->expires_at = (usec_t) expires_at * USEC_PER_SEC;
        return 0;
}

int jwt_verify(const JwtKey *k, const char *token, const char *audience, usec_t now, JwtClaims *ret) {
        _cleanup_(jwt_claims_done) JwtClaims claims = {};
        _cleanup_free_ char *issuer = NULL;
        char text[TOKEN_SIZE_MAX];
        JsonSlice payload;
        size_t n;
        int key, r;

        key = check_signature(k, token, &payload);
        if (key < 0 ||
            sodium_base642bin((uint8_t *) text, sizeof(text), payload.p, payload.n, NULL, &n, NULL,
                              VARIANT) < 0 ||
            json_validate(text, n, NULL) < 0)
                return -EKEYREJECTED;
        r = read_claims((JsonSlice) { text, n }, &issuer, &claims);
        if (r < 0)
                return r;
        if (!streq(issuer, k->issuer) || !streq(claims.audience, audience))
                return -EKEYREJECTED;
        /* A runner keeps its token while the key is rotated: it is bound to a lease, which is looked up. All others are
         * asked for anew. */
        if (key > 0 && claims.epoch == 0)
                return -EKEYREJECTED;
        if (claims.expires_at <= now)
                return -EKEYEXPIRED;
        *ret = claims;
        claims = (JwtClaims) {};
        return 0;
}
