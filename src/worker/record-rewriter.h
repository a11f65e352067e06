/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writing a RECORD line anew for the destination: other stream name and namespace, other data, more
 * meta.changes. All bytes that are not replaced stay as the source wrote them, in their order. */

#include "protocol/record-scanner.h"

/* The destination's names as JSON text, made once per stream. */
typedef struct RecordTarget {
        char *name;      /* with its quotes */
        char *namespace; /* with its quotes, or "null" */
        bool renamed;    /* false: the names stay as they are */
        bool has_namespace;
} RecordTarget;

int record_target_init(RecordTarget *t, const char *source_name, const char *source_namespace,
                       const char *name,
                       const char *namespace);
void record_target_done(RecordTarget *t);

/* Appends the line with its newline. `data` replaces the record's data (pass e->data to keep it);
 * `changes` are JSON objects separated by commas to add to meta.changes (n == 0: none). */
int record_rewrite(Buffer *b, const Envelope *e, const RecordTarget *t, JsonSlice data, JsonSlice changes);

/* What comes before the data in lines of one shape, rewritten once: with it, a line is this, its data and
 * its tail. */
typedef struct RecordPrefix {
        char *bytes; /* NULL: lines of this shape must be rewritten member by member */
        size_t n;
} RecordPrefix;

/* Finds the prefix from a line of the shape. Leaves `bytes` NULL where a name or the time stands behind
 * the data. */
int record_prefix_init(RecordPrefix *p, const Envelope *e, const RecordTarget *t);
