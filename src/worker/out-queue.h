/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What waits to be written to the destination: spans that lie in the reader's buffer (lines that go on as
 * they came) and bytes of our own (rewritten lines), in order. Nothing of the reader's buffer is copied:
 * whoever adds a span must leave those bytes in place until the queue is empty. */

#include "basic/env.h"
#include "protocol/record-scanner.h"

typedef struct OutSegment {
        const char *span; /* NULL: the bytes are in `own` */
        size_t offset;    /* into `own`, from its start */
        size_t n;
} OutSegment;

typedef struct OutQueue {
        OutSegment *segments;
        size_t n_segments, first, allocated;
        Buffer own;
        size_t pending; /* bytes in all */
        unsigned n_copied; /* spans copied into `own` since bytes of our own came last */
} OutQueue;

void out_queue_done(OutQueue *q);

static inline bool out_queue_is_empty(const OutQueue *q) {
        return q->pending == 0;
}

/* Adds bytes that stay where they are; a span that follows the last one directly is joined with it. */
int out_queue_add_span(OutQueue *q, const char *p, size_t n);

/* To add bytes of our own: append to out_queue_own(), then tell from which length on they are new. */
static inline Buffer *out_queue_own(OutQueue *q) {
        return &q->own;
}
int out_queue_commit(OutQueue *q, size_t from);

/* Forgets all that waits. */
void out_queue_drop(OutQueue *q);

/* Writes as much as goes. 1 when the queue is empty, 0 when the other side must read first, negative
 * errno. */
int out_queue_write(OutQueue *q, Env *env, int fd, size_t *ret_written);
