/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bytes are data[start … start+len), with what was consumed before them and room behind. Consuming
 * moves `start` and nothing else. The bytes are only moved when that is paid for: to the front when more
 * has been consumed than is left, or into a block of twice the size. So a byte is copied a bounded number
 * of times on its way, however small the pieces. Growing is by malloc() and a copy, not realloc(), which
 * would carry along what was consumed.
 *
 * Pointers into a buffer are good until the next append, reserve or consume. What is behind the last byte
 * isn't a NUL unless buffer_string() put it there. */

#include <stdio.h>

#include "basic/buffer.h"

#define BUFFER_MINIMUM 256U
#define PAGE 4096U

void buffer_done(Buffer *b) {
        free(b->data);
        *b = (Buffer) {};
}

char *buffer_grow(Buffer *b, size_t n) {
        size_t need, size;
        char *p;

        if (__builtin_add_overflow(b->len, n, &need) || need > SIZE_MAX / 2)
                return NULL;

        /* Shift to the front where that alone makes enough room, and the move is paid for by what was
         * consumed. */
        if (b->data && need <= b->allocated && b->start >= b->len) {
                memcpy(b->data, buffer_bytes(b), b->len);
                b->start = 0;
                return b->data + b->len;
        }

        size = MAX(b->allocated * 2, BUFFER_MINIMUM);
        while (size < need)
                size *= 2;
        p = malloc(size);
        if (!p)
                return NULL;
        if (b->len > 0)
                memcpy(p, buffer_bytes(b), b->len);
        free(b->data);
        *b = (Buffer) { .data = p, .len = b->len, .allocated = size };
        return p + b->len;
}

/* The kernel copies with "rep movsb", which on AMD's Zen 3 runs at a quarter of its speed where the target
 * lies 1 to 31 bytes further into its page than the source does. The pages of a pipe or a file are read
 * from their start mostly, and large blocks of malloc() begin 16 bytes behind one: the worst place. The
 * middle of a page is far from that for the read, and for writing on from there what was read. */
char *buffer_reserve_read(Buffer *b, size_t n) {
        size_t need, start;
        char *p = b->data;

        if (b->len > n / 16)
                return buffer_reserve(b, n);
        if (__builtin_add_overflow(n, b->len + PAGE, &need))
                return NULL;
        if (b->allocated < need) {
                p = malloc(need);
                if (!p)
                        return NULL;
        }
        start = (PAGE / 2 - (uintptr_t) (p + b->len)) % PAGE;
        if (b->len > 0 && (p != b->data || start != b->start))
                memmove(p + start, buffer_bytes(b), b->len);
        if (p != b->data) {
                free(b->data);
                b->data = p;
                b->allocated = need;
        }
        b->start = start;
        return p + start + b->len;
}

int buffer_appendv(Buffer *b, const char *format, va_list ap) {
        va_list copy;
        size_t space;
        char *to;
        int n;

        /* Mostly it fits what is there already; only where it doesn't is it formatted twice. */
        to = buffer_reserve(b, 1);
        if (!to)
                return -ENOMEM;
        space = buffer_space(b);
        va_copy(copy, ap);
        n = vsnprintf(to, space, format, copy);
        va_end(copy);
        if (n < 0)
                return -EINVAL;
        if ((size_t) n >= space) {
                to = buffer_reserve(b, (size_t) n + 1);
                if (!to)
                        return -ENOMEM;
                (void) vsnprintf(to, (size_t) n + 1, format, ap);
        }
        b->len += n;
        return 0;
}

int buffer_appendf(Buffer *b, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = buffer_appendv(b, format, ap);
        va_end(ap);
        return r;
}

const char *buffer_string(Buffer *b) {
        char *to = buffer_reserve(b, 1);

        if (!to)
                return NULL;
        *to = 0;
        return buffer_bytes(b);
}

char *buffer_steal_string(Buffer *b) {
        char *s;

        if (!buffer_string(b))
                return NULL;
        if (b->start > 0)
                memmove(b->data, buffer_bytes(b), b->len + 1);
        s = b->data;
        *b = (Buffer) {};
        return s;
}
