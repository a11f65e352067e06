/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which part of a list is wanted. Rows come in the order of their ids, which is that of their making,
 * unless a store says otherwise.
 *
 * `after` is the fast way: however far into the list, a page costs what the first one costs. `offset` is
 * for the public API, which has no other: the rows before it are counted off in an index that holds
 * nothing but ids (some 10 million a second), and only the page's own rows are read. */

#include "basic/macro.h"

#define LIST_LIMIT_MAX 1000U

typedef struct ListOptions {
        size_t limit;           /* 0 or more than LIST_LIMIT_MAX: that */
        uint64_t offset;
        const char *after;      /* id of the last row of the page before; NULL = from the start */
        int64_t after_number;   /* the same where ids are numbers; 0 = from the start */
        bool include_deleted;
        bool unbounded;         /* for the stores themselves: `limit` may be more than LIST_LIMIT_MAX */
} ListOptions;
