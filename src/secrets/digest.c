/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sodium.h>

#include "basic/fd-util.h"
#include "secrets/digest.h"

#define PIECE (64U * 1024U)

static void to_text(const uint8_t hash[static crypto_hash_sha256_BYTES], char ret[static SHA256_TEXT_MAX]) {
        (void) sodium_bin2hex(ret, SHA256_TEXT_MAX, hash, crypto_hash_sha256_BYTES);
}

void sha256_text(const void *p, size_t n, char ret[static SHA256_TEXT_MAX]) {
        uint8_t hash[crypto_hash_sha256_BYTES];

        (void) crypto_hash_sha256(hash, p, n);
        to_text(hash, ret);
}

int sha256_fd(int fd, char ret[static SHA256_TEXT_MAX]) {
        _cleanup_free_ uint8_t *piece = malloc(PIECE);
        uint8_t hash[crypto_hash_sha256_BYTES];
        crypto_hash_sha256_state state;
        ssize_t n;

        if (!piece)
                return -ENOMEM;
        (void) crypto_hash_sha256_init(&state);
        while ((n = read_full(fd, piece, PIECE)) > 0)
                (void) crypto_hash_sha256_update(&state, piece, (unsigned long long) n);
        if (n < 0)
                return (int) n;
        (void) crypto_hash_sha256_final(&state, hash);
        to_text(hash, ret);
        return 0;
}
