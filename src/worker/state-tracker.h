/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The states on their way through the destination. Each gets an id and is kept, as the source wrote it, until the
 * destination sends it back; what is committed is always our copy, so that a destination cannot change a state.
 *
 *   source STATE --add--> [queue of its stream] --echo--> committed, with the counts of the records it covers
 *
 * Streams have a queue each; a GLOBAL or LEGACY state is in the one shared queue. Pure: no I/O, no clock. */

#include "protocol/state.h"

/* What an outsider can make us keep: a destination that never echoes, a source that never stops. */
#define STATE_TRACKER_BYTES_MAX (256U * 1024U * 1024U)
#define STATE_TRACKER_SHARED SIZE_MAX

/* What one stream has moved since the state before. */
typedef struct StagedCount {
        size_t stream;
        uint64_t records, bytes, filtered_records, filtered_bytes;
} StagedCount;

typedef struct StateCommit {
        StateMessage message; /* as the source wrote it */
        int64_t id;
        size_t stream;        /* STATE_TRACKER_SHARED for GLOBAL and LEGACY */
        StagedCount *counts;  /* of this state and of those it overtook */
        size_t n_counts;
        StateStats source_stats; /* sum over this state and those it overtook; present only if all had it */
        unsigned n_overtaken;    /* earlier states of the queue that were never echoed */
        unsigned n_states;       /* 1 + n_overtaken */
} StateCommit;
void state_commit_done(StateCommit *c);

typedef struct StateTracker StateTracker;

StateTracker *state_tracker_new(size_t n_streams);
StateTracker *state_tracker_free(StateTracker *t);
DEFINE_CLEANUP(StateTracker, state_tracker_free);

/* The kind of the first state; all others must be of it. _STATE_TYPE_INVALID before. */
StateType state_tracker_type(const StateTracker *t);

/* Takes a state of the source over (`m` is emptied on success) and gives it its id, from 1 up. -EINVAL:
 * of another kind than the first. -ENOBUFS: too much waits already. */
int state_tracker_add(StateTracker *t, StateMessage *m, size_t stream, const StagedCount *counts,
                      size_t n_counts,
                      int64_t *ret_id, Error **reterr_error);

/* A state that came back. `stream` is whom its descriptor names (the caller knows the destination's
 * names). Without an id the oldest waiting state with the same content is meant. 1 and the commit; 0 when
 * it is the last committed one once more; -EBADMSG with a sentence for all that cannot be: an id that was
 * never given, that is another stream's or is behind a later one, another kind, a changed content. */
int state_tracker_echo(StateTracker *t, const StateMessage *echo, size_t stream, StateCommit *ret,
                       Error **reterr_error);

/* The message of a waiting state, for writing it; NULL when there is none. Valid until it is echoed. */
const StateMessage *state_tracker_last(const StateTracker *t, size_t stream);

/* How many states there were, how many wait, and whether one of this stream does. */
uint64_t state_tracker_n_given(const StateTracker *t);
size_t state_tracker_n_pending(const StateTracker *t);
bool state_tracker_is_pending(const StateTracker *t, size_t stream);
