/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The window grows to what its reader needs (a whole row) and no further: each fill asks for as much as
 * is in it already, at least a chunk, so that a row of n bytes costs a logarithm of fills and its bytes
 * are moved a bounded number of times. Pointers into it are good until the next fill. Line numbers are
 * counted when rows are dropped, not while they are read. */

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "connectors/source-file/window.h"

#define FILL_BYTES (256U * 1024U)
/* Readers are always offered this much room, so that they need not split a character. */
#define ROOM_MINIMUM 64U

void window_init(Window *w, ByteReader reader, void *userdata) {
        *w = (Window) { .reader = reader, .userdata = userdata, .fill = FILL_BYTES, .line = 1 };
}

void window_done(Window *w) {
        buffer_done(&w->buffer);
}

int window_fill(Window *w, Error **reterr_error) {
        size_t want = MAX(w->fill, w->buffer.len), got = 0;
        char *to;

        if (w->at_end)
                return 0;
        to = buffer_reserve_read(&w->buffer, want + ROOM_MINIMUM);
        if (!to)
                return -ENOMEM;
        while (got < want) {
                ssize_t n = w->reader(w->userdata, to + got, want + ROOM_MINIMUM - got, reterr_error);

                if (n < 0)
                        return (int) n;
                if (n == 0) {
                        w->at_end = true;
                        break;
                }
                got += (size_t) n;
        }
        buffer_commit(&w->buffer, got);
        return got > 0;
}

void window_drop(Window *w, size_t n, uint64_t n_lines) {
        buffer_consume(&w->buffer, n);
        w->line += n_lines;
}

uint64_t count_newlines(const char *p, const char *end) {
        uint64_t n = 0;

        while (p < end && (p = memchr(p, '\n', (size_t) (end - p)))) {
                n++;
                p++;
        }
        return n;
}

char *find_either(const char *p, const char *end, char a, char b) {
#ifdef __SSE2__
        const __m128i wanted_a = _mm_set1_epi8(a), wanted_b = _mm_set1_epi8(b);

        /* Cells are short: one block of sixteen bytes mostly holds the answer, where memchr() would be
         * called for it. */
        while (end - p >= 16) {
                __m128i block = _mm_loadu_si128((const __m128i *) (const void *) p);
                __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(block, wanted_a),
                                            _mm_cmpeq_epi8(block, wanted_b));
                unsigned mask = (unsigned) _mm_movemask_epi8(hits);

                if (mask != 0)
                        return (char *) p + __builtin_ctz(mask);
                p += 16;
        }
#endif
        while (p < end && *p != a && *p != b)
                p++;
        return (char *) p;
}
