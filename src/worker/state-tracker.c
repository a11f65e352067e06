/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A queue per stream, oldest first, and one more for the states that speak for all streams. An id is
 * given once, counting up over all queues, so within a queue the ids rise and a look at the ends is
 * enough to tell an id that is too old from one that never was.
 *
 * An echo speaks for its state and for every one before it in the same queue: a destination may confirm
 * only the last of a batch, since a state means "all up to here is kept". Their counts are summed into
 * one commit. Between two streams nothing follows, which is why they have queues of their own.
 *
 * Invariants: `bytes` is the sum of pending_size() over all queues and `n_pending` their number;
 * committed_id of a queue is below the id of each that waits in it; all states are of the one type that
 * the first had. */

#include <inttypes.h>

#include "worker/state-tracker.h"

typedef struct PendingState {
        struct PendingState *next;
        StateMessage message;
        int64_t id;
        size_t n_counts;
        StagedCount counts[];
} PendingState;

typedef struct StateQueue {
        PendingState *first, *last;
        int64_t committed_id; /* the last one, 0 = none */
} StateQueue;

struct StateTracker {
        StateType type;
        int64_t last_id;
        size_t n_pending, bytes;
        size_t n_streams;
        StateQueue queues[]; /* one per stream, the shared one last */
};

void state_commit_done(StateCommit *c) {
        state_message_done(&c->message);
        free(c->counts);
        *c = (StateCommit) {};
}

StateTracker *state_tracker_new(size_t n_streams) {
        StateTracker *t = calloc(1, sizeof(*t) + (n_streams + 1) * sizeof(StateQueue));

        if (!t)
                return NULL;
        t->type = _STATE_TYPE_INVALID;
        t->n_streams = n_streams;
        return t;
}

static PendingState *pending_free(PendingState *p) {
        state_message_done(&p->message);
        free(p);
        return NULL;
}

StateTracker *state_tracker_free(StateTracker *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i <= t->n_streams; i++)
                for (PendingState *p = t->queues[i].first, *next; p; p = next) {
                        next = p->next;
                        pending_free(p);
                }
        free(t);
        return NULL;
}

StateType state_tracker_type(const StateTracker *t) {
        return t->type;
}

static StateQueue *queue_of(const StateTracker *t, size_t stream) {
        assert(stream < t->n_streams || stream == STATE_TRACKER_SHARED);
        return (StateQueue *) &t->queues[MIN(stream, t->n_streams)];
}

/* Symmetric by construction: added when it is queued, taken off before its message is moved out. */
static size_t pending_size(const PendingState *p) {
        return sizeof(*p) + p->n_counts * sizeof(*p->counts) + p->message.n_json;
}

int state_tracker_add(StateTracker *t, StateMessage *m, size_t stream, const StagedCount *counts,
                      size_t n_counts,
                      int64_t *ret_id, Error **reterr_error) {
        StateQueue *q = queue_of(t, stream);
        PendingState *p;

        if (t->type >= 0 && m->type != t->type)
                return error_set(reterr_error, -EINVAL, "a state of type %s came after one of type %s",
                                 state_type_to_string(m->type), state_type_to_string(t->type));
        if (t->bytes + m->n_json > STATE_TRACKER_BYTES_MAX)
                return error_set(reterr_error, -ENOBUFS,
                                 "%zu states wait for the destination to confirm them,"
                                 " more than %u MiB", t->n_pending, STATE_TRACKER_BYTES_MAX >> 20U);
        p = calloc(1, sizeof(*p) + n_counts * sizeof(*counts));
        if (!p)
                return -ENOMEM;
        t->type = m->type;
        p->message = *m;
        *m = (StateMessage) {};
        p->id = *ret_id = ++t->last_id;
        p->n_counts = n_counts;
        if (n_counts > 0)
                memcpy(p->counts, counts, n_counts * sizeof(*counts));
        if (q->last)
                q->last->next = p;
        else
                q->first = p;
        q->last = p;
        t->n_pending++;
        t->bytes += pending_size(p);
        return 0;
}

/* The part of a state that belongs to the connector alone. */
static JsonSlice state_value(const StateMessage *m) {
        static const char *const keys[_STATE_TYPE_MAX] = {
                [STATE_STREAM] = "stream",
                [STATE_GLOBAL] = "global",
                [STATE_LEGACY] = "data",
        };
        JsonSlice value = {}, inner = {};

        if (json_find_member((JsonSlice) { m->json, m->n_json }, keys[m->type], &value) <= 0)
                return (JsonSlice) {};
        /* The descriptor has the destination's names in the echo. */
        if (m->type == STATE_STREAM)
                return json_find_member(value, "stream_state",
                                        &inner) > 0 ? inner : (JsonSlice) { "null", 4 };
        return value;
}

/* Destinations read and write a state anew: the bytes may differ, the value may not. */
static bool same_content(const StateMessage *a, const StateMessage *b) {
        _cleanup_json_ JsonObject *left = NULL, *right = NULL;
        JsonSlice x = state_value(a), y = state_value(b);

        if (x.n == y.n && (x.n == 0 || memcmp(x.p, y.p, x.n) == 0))
                return true;
        if (x.n == 0 || y.n == 0)
                return false;
        return json_parse(x.p, x.n, &left, NULL) >= 0 && json_parse(y.p, y.n, &right, NULL) >= 0 &&
               json_equal(left, right);
}

/* Takes the first state out of its queue and adds what it covers to the commit. */
static int take_first(StateTracker *t, StateQueue *q, StateCommit *c) {
        PendingState *p = q->first;
        StagedCount *counts;

        counts = reallocarray(c->counts, MAX(c->n_counts + p->n_counts, 1U), sizeof(*counts));
        if (!counts)
                return -ENOMEM;
        c->counts = counts;
        if (p->n_counts > 0)
                memcpy(counts + c->n_counts, p->counts, p->n_counts * sizeof(*counts));
        c->n_counts += p->n_counts;

        c->source_stats.present = p->message.source_stats.present && (c->n_states == 0 ||
                                                                      c->source_stats.present);
        c->source_stats.record_count += p->message.source_stats.record_count;
        c->source_stats.rejected_record_count += p->message.source_stats.rejected_record_count;
        c->n_states++;
        c->id = q->committed_id = p->id;

        t->n_pending--;
        t->bytes -= pending_size(p);
        q->first = p->next;
        if (!q->first)
                q->last = NULL;
        state_message_done(&c->message);
        c->message = p->message;
        p->message = (StateMessage) {};
        pending_free(p);
        return 0;
}

/* The state that an echo means. Without an id (destinations that copy only what they know) content
 * decides, and the oldest match is taken: to commit too little is repaired by the next echo, to commit
 * too much loses records. NULL with the sentence that tells which of the impossible cases it is. */
static const PendingState *find(const StateTracker *t, const StateQueue *q, const StateMessage *echo,
                                Error **reterr_error) {
        for (const PendingState *p = q->first; p; p = p->next)
                if (echo->has_id ? p->id == echo->id : same_content(&p->message, echo))
                        return p;
        if (!echo->has_id)
                error_set(reterr_error, -EBADMSG, "it sent back a state that it was never given");
        else if (echo->id <= 0 || echo->id > t->last_id)
                error_set(reterr_error, -EBADMSG,
                          "it sent back a state with id %" PRIi64 ", which was never given",
                          echo->id);
        else if (echo->id < q->committed_id)
                error_set(reterr_error, -EBADMSG, "it sent back state %" PRIi64 " after state %" PRIi64
                          " of the same stream", echo->id, q->committed_id);
        else
                error_set(reterr_error, -EBADMSG,
                          "it sent back state %" PRIi64 " under the name of another stream",
                          echo->id);
        return NULL;
}

/* Nothing is taken out of the queue before all has been checked; after that only memory can fail, on
 * which the commit is dropped: too little is committed then, never too much. */
int state_tracker_echo(StateTracker *t, const StateMessage *echo, size_t stream, StateCommit *ret,
                       Error **reterr_error) {
        _cleanup_(state_commit_done) StateCommit c = { .stream = stream };
        StateQueue *q = queue_of(t, stream);
        const PendingState *p;
        int64_t id;
        int r;

        if (t->type < 0)
                return error_set(reterr_error, -EBADMSG, "it sent back a state before it was given any");
        if (echo->type != t->type)
                return error_set(reterr_error, -EBADMSG, "it sent back a state of type %s, it was given %s",
                                 state_type_to_string(echo->type), state_type_to_string(t->type));
        if (echo->has_id && echo->id > 0 && echo->id == q->committed_id)
                return 0;
        p = find(t, q, echo, reterr_error);
        if (!p)
                return -EBADMSG;
        if (!same_content(&p->message, echo))
                return error_set(reterr_error, -EBADMSG, "it changed the content of state %" PRIi64, p->id);
        id = p->id;
        do {
                r = take_first(t, q, &c);
                if (r < 0)
                        return r;
        } while (c.id != id);
        c.n_overtaken = c.n_states - 1;
        *ret = c;
        c = (StateCommit) {};
        return 1;
}

const StateMessage *state_tracker_last(const StateTracker *t, size_t stream) {
        const StateQueue *q = queue_of(t, stream);

        return q->last ? &q->last->message : NULL;
}

uint64_t state_tracker_n_given(const StateTracker *t) {
        return (uint64_t) t->last_id;
}

size_t state_tracker_n_pending(const StateTracker *t) {
        return t->n_pending;
}

bool state_tracker_is_pending(const StateTracker *t, size_t stream) {
        return queue_of(t, stream)->first != NULL;
}
