/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A moving window over a stream of bytes: readers look at whole rows in it, without copying, in bounded
 * memory. */

#include "basic/buffer.h"
#include "basic/error.h"

/* A row (a CSV row, a JSON line, an element of a JSON array) is at most this long: a source stays below
 * 32 MiB with it, and a message of the protocol below its 20 MiB after most escaping. */
#define ROW_BYTES_MAX (8U * 1024U * 1024U)

/* Reads up to `n` bytes (16 at least): the count, 0 at the end, negative errno with a sentence. */
typedef ssize_t (*ByteReader)(void *userdata, void *p, size_t n, Error **reterr_error);

typedef struct Window {
        Buffer buffer;
        ByteReader reader;
        void *userdata;
        bool at_end;
        size_t fill; /* bytes that a step adds at least; tests set it small */
        uint64_t line; /* number of the line that the window starts in, from 1 */
} Window;

void window_init(Window *w, ByteReader reader, void *userdata);
void window_done(Window *w);

static inline char *window_start(const Window *w) {
        return buffer_bytes(&w->buffer);
}
static inline char *window_end(const Window *w) {
        return buffer_bytes(&w->buffer) + w->buffer.len;
}

/* Makes the window longer: 1, or 0 when the stream has ended. Pointers into the window move. Each call at
 * least doubles what is there, so that looking again from the start stays linear. */
int window_fill(Window *w, Error **reterr_error);

/* Drops the first `n` bytes, which hold `n_lines` line ends. */
void window_drop(Window *w, size_t n, uint64_t n_lines);

/* How many line ends are in there. */
uint64_t count_newlines(const char *p, const char *end);

/* The first byte that is `a` or `b`; `end` when there is none. */
char *find_either(const char *p, const char *end, char a, char b);
