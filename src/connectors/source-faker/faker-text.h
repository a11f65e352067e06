/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small writers and a random source for the record makers. They write behind a pointer into room that the
 * caller has reserved (FAKER_RECORD_MAX) and return the new end: no check, no call, no format string per
 * field. */

#include <string.h>

#include "basic/macro.h"

/* More than the longest record that the tables can make; a unit test holds it. */
#define FAKER_RECORD_MAX 2048U

/* ---- Randomness: splitmix64. A record's numbers depend on seed, stream and index only, so that slices,
 * restarts and the order of streams don't change them. ---- */

typedef struct FakerRandom {
        uint64_t state;
} FakerRandom;

static inline uint64_t faker_mix(uint64_t x) {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        return x ^ (x >> 31);
}

static inline FakerRandom faker_random(uint64_t seed, uint64_t stream, uint64_t index) {
        return (FakerRandom) { faker_mix(faker_mix(seed + stream * 0x9e3779b97f4a7c15ULL) + index) };
}

/* Uniform enough below `n` (at most 2^32). */
static inline uint32_t faker_below(FakerRandom *r, uint32_t n) {
        r->state += 0x9e3779b97f4a7c15ULL;
        return (uint32_t) (((faker_mix(r->state) >> 32) * n) >> 32);
}

/* ---- Text ---- */

/* A word of a table, with its length. Copied whole: a move of fixed size is faster than one of the right
 * size. */
typedef struct FakerWord {
        char s[31];
        uint8_t n;
} FakerWord;

#define FAKER_WORD(text) { text, sizeof(text) - 1 }

#define faker_put(p, literal)                                   \
        ({                                                      \
                memcpy((p), (literal), sizeof(literal) - 1);    \
                (p) + sizeof(literal) - 1;                      \
        })

static inline char *faker_put_word(char *p, const FakerWord *w) {
        memcpy(p, w->s, sizeof(w->s));
        return p + w->n;
}

static inline char *faker_put_u64(char *p, uint64_t v) {
        char digits[20], *d = digits + sizeof(digits);
        size_t n;

        do {
                *--d = (char) ('0' + v % 10);
                v /= 10;
        } while (v > 0);
        n = (size_t) (digits + sizeof(digits) - d);
        memcpy(p, d, n);
        return p + n;
}

/* `v` with leading zeros to `width` digits. */
static inline char *faker_put_digits(char *p, uint32_t v, unsigned width) {
        for (unsigned i = width; i-- > 0; v /= 10)
                p[i] = (char) ('0' + v % 10);
        return p + width;
}

/* ---- Time ---- */

#define FAKER_DAY 86400

/* Seconds since 1970 as "2026-11-23T06:11:18+00:00", without quotes; years 1970 to 9999. */
char *faker_put_time(char *p, int64_t seconds);
/* The other way; -EINVAL for any other form. */
int faker_parse_time(const char *s, int64_t *ret);
