/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The vector version takes blocks of 64 bytes as sets of positions, one bit a byte, and works on the
 * sets: which quotes are escaped, which bytes lie between quotes (a product without carries gives the
 * parity of all quotes before), which brackets remain. Only where the depth may come to its end or its
 * limit are brackets taken one by one. In front of that runs a pass that asks less, skip_plain(): while
 * no bracket and no backslash is in a block, quotes are only counted.
 *
 * The portable version defines the answer; tests compare the two on the same bytes. Which one runs is
 * settled at the first call.
 *
 * What lies outside of [p, end) is never read, as the text may end with its page: the last part of a
 * block is read together with the bytes before it. */

#if defined(__x86_64__) && defined(__GNUC__)
#  include <immintrin.h>
#  define HAVE_VECTOR 1
#else
#  define HAVE_VECTOR 0
#endif

#include "basic/json-skip.h"

/* '[' and '{', ']' and '}' differ in this bit only. */
#define BRACKET_BIT 0x20

static const char *skip_string(const char *p, const char *end) {
        bool escaped = false;

        for (p++; p < end; p++) {
                if (escaped)
                        escaped = false;
                else if (*p == '"')
                        return p + 1;
                else
                        escaped = *p == '\\';
        }
        return NULL;
}

const char *json_skip_container_portable(const char *p, const char *end, unsigned depth_max) {
        const char open = *p;
        unsigned depth = 0;

        while (p < end) {
                switch (*p) {
                case '"':
                        p = skip_string(p, end);
                        if (!p)
                                return NULL;
                        continue;
                case '\\':
                        return NULL;
                case '{':
                case '[':
                        if (depth >= depth_max)
                                return NULL;
                        depth++;
                        break;
                case '}':
                case ']':
                        if (--depth == 0)
                                return *p == open + 2 ? p + 1 : NULL;
                        break;
                }
                p++;
        }
        return NULL;
}

static const char *skip_in_line_portable(const char *p, const char *end, unsigned depth_max) {
        const char *newline = memchr(p, '\n', (size_t) (end - p));

        return json_skip_container_portable(p, newline ?: end, depth_max);
}

#if HAVE_VECTOR

#define VECTOR_TARGET __attribute__((target("avx2,pclmul,popcnt,bmi")))
#define BLOCK 64

/* A block of text as sets of positions: bit i stands for byte i. */
typedef struct Block {
        uint64_t quotes, backslashes, opens, closes;
        uint64_t stops; /* newlines, where the container must end before one */
} Block;

/* What is carried from one block to the next. */
typedef struct Carry {
        uint64_t in_string; /* all ones or none */
        uint64_t escaped;   /* bit 0: the first byte stands behind a backslash that counts */
        uint64_t depth;
} Carry;

static inline VECTOR_TARGET uint64_t mask_of(__m256i low, __m256i high) {
        return (uint32_t) _mm256_movemask_epi8(low) | (uint64_t) (uint32_t) _mm256_movemask_epi8(high) << 32;
}

static inline VECTOR_TARGET uint64_t positions_of(char c, __m256i low, __m256i high) {
        const __m256i wanted = _mm256_set1_epi8(c);

        return mask_of(_mm256_cmpeq_epi8(low, wanted), _mm256_cmpeq_epi8(high, wanted));
}

/* Where a half may have a bracket or a backslash (or a newline): with BRACKET_BIT set these are 0x7b to 0x7d
 * (0x2a), each the only one with its lower four bits, which choose what a byte is compared with. '|' (and
 * '*') come out too and only cost the longer way. */
static inline VECTOR_TARGET __m256i specials_of(__m256i half, bool in_line) {
        const char newline = in_line ? '\n' | BRACKET_BIT : 0;
        const __m256i wanted = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, newline, '{', '|', '}', 0, 0,
                                                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, newline, '{', '|', '}', 0, 0);

        return _mm256_cmpeq_epi8(_mm256_shuffle_epi8(wanted, half),
                                 _mm256_or_si256(half, _mm256_set1_epi8(BRACKET_BIT)));
}

/* The bytes that stand behind a backslash that counts. Runs of backslashes are rare and short: one turn
 * an escape. */
static inline uint64_t escaped_of(uint64_t backslashes, uint64_t *carry) {
        uint64_t escaped = *carry;

        backslashes &= ~escaped;
        *carry = 0;
        while (backslashes) {
                uint64_t bit = backslashes & -backslashes;

                escaped |= bit << 1;
                *carry = bit >> 63;
                backslashes &= ~(bit | bit << 1);
        }
        return escaped;
}

/* Each bit becomes the sum (without carries) of itself and those below: set from an opening quote up to
 * the byte before its closing one. */
static inline VECTOR_TARGET uint64_t between_quotes(uint64_t quotes) {
        const __m128i ones = _mm_set1_epi8((char) 0xff);

        return (uint64_t) _mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t) quotes), ones, 0));
}

/* One bracket after the other, where the depth may pass its limit in this block. Returns the position of the
 * last bracket, or -1 when the container is broken; BLOCK when it goes on behind this block. */
static __attribute__((noinline)) int step_through(uint64_t opens, uint64_t closes, uint64_t bad,
                                                  unsigned depth_max, uint64_t *depth) {
        uint64_t all = opens | closes | bad;

        for (; all; all &= all - 1) {
                uint64_t bit = all & -all;

                if (bit & bad)
                        return -1;
                if (bit & opens) {
                        if (*depth >= depth_max)
                                return -1;
                        ++*depth;
                } else if (--*depth == 0)
                        return __builtin_ctzll(bit);
        }
        return BLOCK;
}

/* The closing bracket with which the depth comes to 0, BLOCK when there is none: the k-th one does, if k - depth
 * have been opened before it. Which kind comes next, which no processor guesses, is not asked. */
static inline VECTOR_TARGET int find_last_close(uint64_t opens, uint64_t closes, uint64_t depth) {
        for (; closes; closes &= closes - 1) {
                uint64_t before = (closes & -closes) - 1;

                if (--depth + (uint64_t) __builtin_popcountll(opens & before) == 0)
                        return __builtin_ctzll(closes);
        }
        return BLOCK;
}

/* Takes one block into account; returns as step_through(). */
static inline __attribute__((always_inline)) VECTOR_TARGET int take_block(Block b, unsigned depth_max,
        Carry *c) {
        uint64_t inside, bad, n_opens, n_closes, depth;
        int at = BLOCK;

        if (b.backslashes | c->escaped)
                b.quotes &= ~escaped_of(b.backslashes, &c->escaped);
        inside = between_quotes(b.quotes) ^ c->in_string;
        c->in_string = (uint64_t) ((int64_t) inside >> 63);
        b.opens &= ~inside;
        b.closes &= ~inside;
        bad = (b.backslashes & ~inside) | b.stops;
        n_opens = (uint64_t) __builtin_popcountll(b.opens);
        n_closes = (uint64_t) __builtin_popcountll(b.closes);
        if (_unlikely_(c->depth + n_opens > depth_max)) {
                depth = c->depth; /* a copy, so that the carry can stay in registers */
                at = step_through(b.opens, b.closes, bad, depth_max, &depth);
                c->depth = depth;
                return at;
        }
        /* What is bad counts only before the end; ~bad & (bad - 1) is all that stands before the first of it. */
        if (n_closes >= c->depth)
                at = find_last_close(b.opens, b.closes & ~bad & (bad - 1), c->depth);
        if (at == BLOCK && bad)
                return -1;
        c->depth += n_opens - n_closes;
        return at;
}

static inline __attribute__((always_inline)) VECTOR_TARGET Block block_at(__m256i low, __m256i high,
        bool in_line) {
        const __m256i bit = _mm256_set1_epi8(BRACKET_BIT);
        __m256i folded_low = _mm256_or_si256(low, bit), folded_high = _mm256_or_si256(high, bit);

        return (Block) {
                .quotes = positions_of('"', low, high),
                .backslashes = positions_of('\\', low, high),
                .opens = positions_of('{', folded_low, folded_high),
                .closes = positions_of('}', folded_low, folded_high),
                .stops = in_line ? positions_of('\n', low, high) : 0,
        };
}

static inline VECTOR_TARGET __m256i load(const char *p) {
        return _mm256_loadu_si256((const __m256i *) p);
}

static __attribute__((noinline)) VECTOR_TARGET Block rest_copied(const char *p, size_t left) {
        char copy[BLOCK];

        memset(copy, ' ', sizeof(copy));
        memcpy(copy, p, left);
        return block_at(load(copy), load(copy + BLOCK / 2), /* in_line= */ true);
}

/* The last bytes, fewer than a block: read together with the ones before them where there are enough,
 * else from a copy, so that nothing outside of [start, end) is touched. */
static inline __attribute__((always_inline)) VECTOR_TARGET Block rest_at(const char *start, const char *p,
        const char *end, bool in_line) {
        unsigned shift = (unsigned) (BLOCK - (end - p));
        Block b;

        if (_unlikely_(end - start < BLOCK)) {
                b = rest_copied(p, (size_t) (end - p));
                b.stops = in_line ? b.stops : 0;
                return b;
        }
        b = block_at(load(end - BLOCK), load(end - BLOCK / 2), in_line);
        return (Block) { b.quotes >> shift, b.backslashes >> shift, b.opens >> shift, b.closes >> shift,
                         b.stops >> shift };
}

/* Passes over blocks in which only quotes matter. Most containers are flat: then what ends the run of blocks
 * is their own bracket, which is known by the number of quotes before it; *ret_behind is set. */
static inline __attribute__((always_inline)) VECTOR_TARGET const char *skip_plain(const char *p,
        const char *end, char close, bool in_line, Carry *c, const char **ret_behind) {
        const __m256i quote = _mm256_set1_epi8('"');
        __m256i odd = _mm256_setzero_si256(); /* by position within a half: an odd number of quotes so far */
        uint64_t special = 0, quotes = 0, in_string;

        for (; end - p >= BLOCK; p += BLOCK) {
                __m256i low = load(p), high = load(p + BLOCK / 2);
                __m256i special_low = specials_of(low, in_line), special_high = specials_of(high, in_line);
                __m256i quotes_low = _mm256_cmpeq_epi8(low, quote), quotes_high = _mm256_cmpeq_epi8(high, quote);

                if (_mm256_movemask_epi8(_mm256_or_si256(special_low, special_high)) != 0) {
                        special = mask_of(special_low, special_high);
                        quotes = mask_of(quotes_low, quotes_high);
                        break;
                }
                odd = _mm256_xor_si256(odd, _mm256_xor_si256(quotes_low, quotes_high));
        }
        in_string = (uint64_t) __builtin_popcount((unsigned) _mm256_movemask_epi8(odd)) & 1;
        c->in_string ^= -in_string;
        if (special && c->depth == 1) {
                const char *at = p + __builtin_ctzll(special);
                uint64_t before = (uint64_t) __builtin_popcountll(quotes & (special ^ (special - 1)));

                if (_likely_(*at == close && ((before ^ c->in_string) & 1) == 0))
                        *ret_behind = at + 1;
        }
        return p;
}

static inline __attribute__((always_inline)) VECTOR_TARGET const char *skip_blocks(const char *p,
        const char *end, unsigned depth_max, bool in_line) {
        const char *start = p, *behind = NULL;
        const char close = *p + 2;
        Carry c = { .depth = 1 };

        if (depth_max == 0)
                return NULL;
        for (p++; p < end; p += BLOCK) {
                int at;

                if (!c.escaped) {
                        p = skip_plain(p, end, close, in_line, &c, &behind);
                        if (_likely_(behind))
                                return behind;
                }
                if (end - p >= BLOCK)
                        at = take_block(block_at(load(p), load(p + BLOCK / 2), in_line), depth_max, &c);
                else if (p < end)
                        at = take_block(rest_at(start, p, end, in_line), depth_max, &c);
                else
                        return NULL;
                if (at < 0)
                        return NULL;
                if (at < BLOCK)
                        return p[at] == close ? p + at + 1 : NULL;
                if (end - p < BLOCK)
                        return NULL;
        }
        return NULL;
}

/* Behind the call of step_through() the compiler takes the upper halves of the registers for clean and
 * leaves them as they are: the next plain SSE instructions then take 100 cycles. */
static VECTOR_TARGET const char *skip_vector(const char *p, const char *end, unsigned depth_max) {
        p = skip_blocks(p, end, depth_max, /* in_line= */ false);
        _mm256_zeroupper();
        return p;
}

static VECTOR_TARGET const char *skip_in_line_vector(const char *p, const char *end, unsigned depth_max) {
        p = skip_blocks(p, end, depth_max, /* in_line= */ true);
        _mm256_zeroupper();
        return p;
}

typedef const char *(*SkipFunction)(const char *p, const char *end, unsigned depth_max);

static const char *choose(const char *p, const char *end, unsigned depth_max);
static const char *choose_in_line(const char *p, const char *end, unsigned depth_max);

/* Which of the two this processor runs: settled at the first call. */
static SkipFunction skip_chosen = choose, skip_in_line_chosen = choose_in_line;

static bool is_able(void) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
                __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi");
}

static const char *choose(const char *p, const char *end, unsigned depth_max) {
        skip_chosen = is_able() ? skip_vector : json_skip_container_portable;
        return skip_chosen(p, end, depth_max);
}

static const char *choose_in_line(const char *p, const char *end, unsigned depth_max) {
        skip_in_line_chosen = is_able() ? skip_in_line_vector : skip_in_line_portable;
        return skip_in_line_chosen(p, end, depth_max);
}

const char *json_skip_container(const char *p, const char *end, unsigned depth_max) {
        return skip_chosen(p, end, depth_max);
}

const char *json_skip_container_in_line(const char *p, const char *end, unsigned depth_max) {
        return skip_in_line_chosen(p, end, depth_max);
}

#else

const char *json_skip_container(const char *p, const char *end, unsigned depth_max) {
        return json_skip_container_portable(p, end, depth_max);
}

const char *json_skip_container_in_line(const char *p, const char *end, unsigned depth_max) {
        return skip_in_line_portable(p, end, depth_max);
}

#endif
