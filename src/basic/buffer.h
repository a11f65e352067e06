/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A growable run of bytes, consumed from the front: the building block of readers, writers and string
 * builders. */

#include <stdarg.h>

#include "basic/macro.h"

typedef struct Buffer {
        char *data;       /* start of the allocation; the content is [data + start, data + start + len) */
        size_t start;
        size_t len;
        size_t allocated;
} Buffer;

void buffer_done(Buffer *b);
#define _cleanup_buffer_ _cleanup_(buffer_done)

static inline char *buffer_bytes(const Buffer *b) {
        return b->data + b->start;
}

/* Forgets the content and keeps the memory. */
static inline void buffer_reset(Buffer *b) {
        b->start = b->len = 0;
}

/* Drops `n` bytes from the front; O(1). */
static inline void buffer_consume(Buffer *b, size_t n) {
        assert(n <= b->len);
        b->len -= n;
        b->start = b->len == 0 ? 0 : b->start + n;
}

static inline size_t buffer_space(const Buffer *b) {
        return b->allocated - b->start - b->len;
}

/* buffer_reserve() where there is no room. */
char *buffer_grow(Buffer *b, size_t n);

/* Makes room for `n` more bytes and returns where they go, NULL when out of memory. Follow with
 * buffer_commit(). */
static inline char *buffer_reserve(Buffer *b, size_t n) {
        return _likely_(b->data && buffer_space(b) >= n) ? buffer_bytes(b) + b->len : buffer_grow(b, n);
}

/* The same for a large read() from a pipe or a file: the place is chosen so that the kernel copies fast.
 * Moves what is there already, which must be little for that: else it is buffer_reserve(). */
char *buffer_reserve_read(Buffer *b, size_t n);

static inline void buffer_commit(Buffer *b, size_t n) {
        b->len += n;
}

/* These are most of what writers of records do, hence inline. */
static inline int buffer_append(Buffer *b, const void *p, size_t n) {
        char *to = buffer_reserve(b, n);

        if (!to)
                return -ENOMEM;
        if (n > 0)
                memcpy(to, p, n);
        b->len += n;
        return 0;
}

static inline int buffer_append_char(Buffer *b, char c) {
        char *to = buffer_reserve(b, 1);

        if (!to)
                return -ENOMEM;
        *to = c;
        b->len++;
        return 0;
}

static inline int buffer_append_string(Buffer *b, const char *s) {
        return buffer_append(b, s, strlen(s));
}

int buffer_appendf(Buffer *b, const char *format, ...) _printf_(2, 3);
int buffer_appendv(Buffer *b, const char *format, va_list ap) _printf_(2, 0);

/* Hands the content over as a NUL-terminated string and leaves the buffer empty. NULL when out of memory. */
char *buffer_steal_string(Buffer *b);

/* The content as a NUL-terminated string, owned by the buffer, valid until the next change. NULL when out
 * of memory. */
const char *buffer_string(Buffer *b);
