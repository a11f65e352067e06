/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SipHash-1-3, the public algorithm of Aumasson and Bernstein: a hash of 64 bits under a secret key, for
 * what strangers write. Who doesn't know the key can't make values that collide. */

#include "basic/macro.h"

typedef struct HashKey {
        uint64_t k[2];
} HashKey;

/* A new key, of random bits. Another in each run: for what nobody sees the order of. */
void hash_key_init(HashKey *ret);

static inline uint64_t hash_rotate(uint64_t x, int n) {
        return x << n | x >> (64 - n);
}

static inline void hash_round(uint64_t v[4]) {
        v[0] += v[1], v[1] = hash_rotate(v[1], 13) ^ v[0], v[0] = hash_rotate(v[0], 32);
        v[2] += v[3], v[3] = hash_rotate(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = hash_rotate(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = hash_rotate(v[1], 17) ^ v[2], v[2] = hash_rotate(v[2], 32);
}

static inline uint64_t keyed_hash(const HashKey *key, const void *p, size_t n) {
        uint64_t v[4] = {
                key->k[0] ^ 0x736f6d6570736575ULL, key->k[1] ^ 0x646f72616e646f6dULL,
                key->k[0] ^ 0x6c7967656e657261ULL, key->k[1] ^ 0x7465646279746573ULL,
        };
        uint64_t m = 0, tail = (uint64_t) n << 56;
        const uint8_t *at = p;
        size_t left = n;

        for (; left >= 8; left -= 8, at += 8) {
                memcpy(&m, at, 8);
                v[3] ^= m;
                hash_round(v);
                v[0] ^= m;
        }
        for (size_t i = 0; i < left; i++)
                tail |= (uint64_t) at[i] << (8 * i);
        v[3] ^= tail;
        hash_round(v);
        v[0] ^= tail;
        v[2] ^= 0xff;
        hash_round(v), hash_round(v), hash_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Of two numbers in this order, hashes among them: what a list of them comes to, link by link. */
static inline uint64_t keyed_hash_pair(const HashKey *key, uint64_t a, uint64_t b) {
        const uint64_t both[] = { a, b };

        return keyed_hash(key, both, sizeof(both));
}
