/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writing with writev() instead of building one block: most lines go to the destination as the source
 * wrote them, so they are never copied; what is rewritten lies in `own`. A segment points at the one or
 * the other. Those of `own` are kept as offsets, for the block moves when it grows.
 *
 * Neighbours that touch become one segment, so that a run of a thousand unchanged lines is one iovec
 * entry. `first` walks over the written ones; the arrays are reset, not shifted, when all is written,
 * which is also the moment when the reader may reuse its buffer. */

#include "worker/out-queue.h"

#define IOV_BATCH 64
/* A span this small costs less as a copy behind our own bytes than as an entry of its own; but not many
 * in a row, for neighbours join to one entry: behind a state come a thousand records. */
#define SPAN_COPY_MAX 512U
#define SPAN_COPIES_IN_ROW_MAX 2U

void out_queue_done(OutQueue *q) {
        free(q->segments);
        buffer_done(&q->own);
        *q = (OutQueue) {};
}

static OutSegment *last_segment(OutQueue *q) {
        return q->n_segments > q->first ? &q->segments[q->n_segments - 1] : NULL;
}

static int push_segment(OutQueue *q, OutSegment s) {
        if (q->n_segments == q->allocated) {
                size_t n = MAX(q->allocated * 2, 64U);
                OutSegment *p = reallocarray(q->segments, n, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                q->segments = p;
                q->allocated = n;
        }
        q->segments[q->n_segments++] = s;
        q->pending += s.n;
        return 0;
}

int out_queue_add_span(OutQueue *q, const char *p, size_t n) {
        OutSegment *last = last_segment(q);

        if (_likely_(last && last->span && last->span + last->n == p)) {
                last->n += n;
                q->pending += n;
                return 0;
        }
        if (n <= SPAN_COPY_MAX && last && !last->span && q->n_copied < SPAN_COPIES_IN_ROW_MAX) {
                unsigned n_copied = q->n_copied + 1;
                size_t from = q->own.len;
                int r = buffer_append(&q->own, p, n);

                if (r >= 0)
                        r = out_queue_commit(q, from);
                q->n_copied = n_copied;
                return r;
        }
        return push_segment(q, (OutSegment) { .span = p, .n = n });
}

int out_queue_commit(OutQueue *q, size_t from) {
        OutSegment *last = last_segment(q);
        size_t n = q->own.len - from;

        q->n_copied = 0;
        if (n == 0)
                return 0;
        if (last && !last->span && last->offset + last->n == from) {
                last->n += n;
                q->pending += n;
                return 0;
        }
        return push_segment(q, (OutSegment) { .offset = from, .n = n });
}

/* Takes n written bytes off the front; a write may end in the middle of a segment. */
static void consume(OutQueue *q, size_t n) {
        q->pending -= n;
        if (q->pending == 0) {
                q->n_segments = q->first = 0;
                buffer_reset(&q->own);
                return;
        }
        while (n > 0) {
                OutSegment *s = &q->segments[q->first];
                size_t k = MIN(n, s->n);

                if (s->span)
                        s->span += k;
                else
                        s->offset += k;
                s->n -= k;
                n -= k;
                if (s->n == 0)
                        q->first++;
        }
}

void out_queue_drop(OutQueue *q) {
        consume(q, q->pending);
}

/* A pipe takes less than it is given as a matter of course, so the vector is built anew from what is left; the
 * batch is small, since neighbours have been joined before. */
int out_queue_write(OutQueue *q, Env *env, int fd, size_t *ret_written) {
        *ret_written = 0;
        while (q->pending > 0) {
                struct iovec iov[IOV_BATCH];
                int n = 0;
                ssize_t k;

                for (size_t i = q->first; i < q->n_segments && n < IOV_BATCH; i++) {
                        const OutSegment *s = &q->segments[i];
                        const char *p = s->span ?: buffer_bytes(&q->own) + s->offset;

                        iov[n++] = (struct iovec) { (void *) p, s->n };
                }
                k = env->ops->writev(env, fd, iov, n);
                if (k == -EAGAIN)
                        return 0;
                if (k < 0)
                        return (int) k;
                *ret_written += (size_t) k;
                consume(q, (size_t) k);
        }
        return 1;
}
