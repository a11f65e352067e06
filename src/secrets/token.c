/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sodium.h>

#include "secrets/token.h"

static_assert(TOKEN_HASH_SIZE == crypto_generichash_BYTES, "what the header says");

void token_generate(char ret[static TOKEN_MAX]) {
        uint8_t random[32];

        static_assert(sodium_base64_ENCODED_LEN(sizeof(random), sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
                      TOKEN_MAX, "what the header says");
        randombytes_buf(random, sizeof(random));
        (void) sodium_bin2base64(ret, TOKEN_MAX, random, sizeof(random),
                                 sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        sodium_memzero(random, sizeof(random));
}

void token_hash(const char *token, uint8_t ret[static TOKEN_HASH_SIZE]) {
        (void) crypto_generichash(ret, TOKEN_HASH_SIZE, (const uint8_t *) token, strlen(token), NULL, 0);
}

bool token_matches(const char *token, const void *hash, size_t n_hash) {
        uint8_t found[TOKEN_HASH_SIZE];

        token_hash(token, found);
        return n_hash == sizeof(found) && sodium_memcmp(found, hash, sizeof(found)) == 0;
}

int credentials_decode(const char *s, char *ret, size_t size) {
        size_t n = strlen(s), n_text, padding = 0;

        while (padding < 2 && padding < n && s[n - padding - 1] == '=')
                padding++;
        if (sodium_base642bin((uint8_t *) ret, size - 1, s, n - padding, NULL, &n_text, NULL,
                              sodium_base64_VARIANT_ORIGINAL_NO_PADDING) < 0)
                return -EINVAL;
        ret[n_text] = 0;
        return strlen(ret) == n_text ? 0 : -EINVAL;
}

void content_hash(const void *p, size_t n, char ret[static CONTENT_HASH_MAX]) {
        uint8_t hash[crypto_generichash_BYTES];

        (void) crypto_generichash(hash, sizeof(hash), p, n, NULL, 0);
        (void) sodium_bin2hex(ret, CONTENT_HASH_MAX, hash, sizeof(hash));
}
