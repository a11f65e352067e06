/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The head of an HTTP answer, line by line. */

#include "basic/macro.h"

typedef struct FetchHead {
        unsigned status; /* 0 until a status line was seen */
        bool complete;
        int64_t content_length; /* -1 = not told */
        int64_t range_start;    /* of Content-Range, -1 = none */
        int64_t retry_after;    /* seconds, -1 = not told */
        char *etag, *last_modified, *content_type, *content_encoding, *location;
} FetchHead;

/* A line as it came, with its end. A status line begins a new head (an interim answer's is forgotten).
 * Returns 1 when the head is complete, 0 when more lines are to come. */
int fetch_head_line(FetchHead *h, const char *p, size_t n);
/* Empties it, for the next answer. */
void fetch_head_done(FetchHead *h);
