/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* STATE messages as the rows of a table and back: a STREAM state is one row, a GLOBAL one is a shared row and
 * one a stream, so that a flush writes what has changed and a stream's state can be dropped by itself. The
 * connector's bytes stay as they are on this way and back (docs/decisions/0005). */

#include "protocol/state.h"

typedef struct StateRow {
        const char *name, *namespace; /* name NULL: the shared row of GLOBAL, or the one of LEGACY */
        JsonSlice json;
} StateRow;

typedef int (*StateRowHandler)(const StateRow *row, void *userdata);

/* Calls `handler` for each row of a state, the shared one first. Its first negative result ends it. Of two
 * entries of one stream in a GLOBAL state the later one counts, for rows replace each other. */
int state_rows_split(const StateMessage *m, StateRowHandler handler, void *userdata);

/* The way back, a row at a time in any order: begin, add each, end. What is appended to `b` is the array
 * of AirbyteStateMessage that a source reads. */
typedef struct StateJoin {
        Buffer entries, shared;
        StateType type;
        size_t n;
} StateJoin;
#define STATE_JOIN_INIT { .type = _STATE_TYPE_INVALID }

void state_join_done(StateJoin *j);
int state_join_add(StateJoin *j, StateType type, const StateRow *row);
/* -EBADMSG when the rows do not fit together, which no split gives. */
int state_join_end(StateJoin *j, Buffer *b);
