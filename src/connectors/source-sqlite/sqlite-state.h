/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state of a stream.
 *
 * Incremental: {"cursor_field": ["updated"], "cursor": V, "at_cursor": {"rows": 2, "hash": "…"}, "nulls":
 * {…}} Full refresh: {"resume_after": [V, …]}, at the end {"__ab_full_refresh_sync_complete": true}
 *
 * Rows with the same cursor value may come in at any time, also while we read (scenario S28), so the next
 * sync cannot simply go on behind it. `at_cursor` says how many rows had that value and what they held (a
 * sum of hashes, so that their order doesn't matter): when that is still so, reading goes on behind, else
 * all of them come again. Rows without a cursor value are watched in the same way. */

#include "connectors/source-sqlite/sqlite-table.h"

typedef struct RowGroup {
        uint64_t rows, hash;
} RowGroup;

typedef struct SqliteState {
        bool has_cursor;    /* `cursor` is one of the configured field */
        JsonObject *cursor; /* NULL = null */
        RowGroup at_cursor, nulls;
        JsonObject *resume_after; /* an array; NULL = none */
        bool is_complete;
} SqliteState;

/* `p` may be NULL. A state of another cursor field is as good as none (scenario S27). */
int sqlite_state_parse(const char *p, size_t n, const char *cursor_field, SqliteState *ret,
                       Error **reterr_error);
void sqlite_state_done(SqliteState *s);

void row_group_add(RowGroup *g, const char *p, size_t n);
static inline bool row_group_equal(const RowGroup *a, const RowGroup *b) {
        return a->rows == b->rows && a->hash == b->hash;
}

/* `cursor_json`: the value as sqlite_value_write_state() writes it. */
int sqlite_state_append(Buffer *b, const char *cursor_field, const char *cursor_json,
                        const RowGroup *at_cursor,
                        const RowGroup *nulls);
