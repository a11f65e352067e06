/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* States: checked against our counts, numbered and sent on behind the records they speak for; committed
 * when they come back; handed to the sink from time to time. */

#include "basic/json-write.h"
#include "worker/count-check.h"
#include "worker/replication-internal.h"


/* Whole numbers are exact up to here. */
#define REJECTED_MAX 9007199254740992.0

static const char *name_of(const ReplicationStream *s) {
        return s ? s->stats.name : "(all streams)";
}

/* Moves what is staged for the state's streams into r->scratch. Returns how many entries. */
static size_t collect_staged(Replication *r, ReplicationStream *s) {
        size_t n = 0;

        if (s) {
                r->scratch[n++] = s->staged;
                return n;
        }
        for (; n < r->n_staged; n++)
                r->scratch[n] = r->streams[r->staged[n]].staged;
        return n;
}

static void clear_staged(Replication *r, ReplicationStream *s) {
        if (s) {
                s->staged = (StagedCount) { .stream = s->staged.stream };
                return;
        }
        for (size_t i = 0; i < r->n_staged; i++) {
                ReplicationStream *t = &r->streams[r->staged[i]];

                t->staged = (StagedCount) { .stream = t->staged.stream };
                t->is_staged = false;
        }
        r->n_staged = 0;
}

static CountWindow sum_counts(const StagedCount *counts, size_t n) {
        CountWindow w = {};

        for (size_t i = 0; i < n; i++) {
                w.records += counts[i].records;
                w.filtered += counts[i].filtered_records;
        }
        return w;
}

/* A wrong count: 0 when that is tolerated. */
static int count_is_wrong(Replication *r, FailureOrigin origin, const ReplicationStream *s,
                          const Error *error) {
        if (!r->options.tolerate_count_mismatch) {
                /* What is behind a wrong count may be missing rows: nothing that comes later may say
                 * otherwise. */
                if (origin == ORIGIN_DESTINATION)
                        r->frozen = true;
                (void) replication_fault(r, origin, FAILURE_SYSTEM_ERROR, s,
                                         "Counts of stream '%s' differ: %s",
                                         name_of(s), error_message(error, -EBADE));
                return -EBADE;
        }
        replication_log(r, ORIGIN_REPLICATION, "WARN", "Counts of stream '%s' differ, tolerated: %s",
                        name_of(s),
                        error_message(error, -EBADE));
        return 0;
}

/* Gives the state its id and puts it behind the records in the queue. `m` is taken over. */
static int forward_state(Replication *r, ReplicationStream *s, StateMessage *m) {
        size_t n = collect_staged(r, s), stream = s ? (size_t) (s - r->streams) : STATE_TRACKER_SHARED;
        _cleanup_error_ Error *error = NULL;
        Buffer *own = out_queue_own(&r->queue);
        size_t from = own->len;
        int64_t id;
        int k;

        k = state_tracker_add(r->tracker, m, stream, r->scratch, n, &id, &error);
        if (k < 0)
                return replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, s,
                                         "The source's state is not usable: %s",
                                         error_message(error, k));
        clear_staged(r, s);
        if (s)
                s->stats.states_emitted++;
        else
                r->shared_states_emitted++;
        k = state_message_write(own, state_tracker_last(r->tracker, stream), id, NULL,
                                s && s->target.renamed ? s->options->destination_name : NULL,
                                s ? s->options->destination_namespace : NULL);
        return k < 0 ? k : out_queue_commit(&r->queue, from);
}

/* A LEGACY state gives way to any other kind; all else could not be stored beside what is there. Better
 * now than after hours. */
static bool kind_fits(Replication *r, StateType type) {
        StateType stored = r->options.initial_state ? state_set_type(r->options.initial_state) : _STATE_TYPE_INVALID;

        if (state_tracker_type(r->tracker) >= 0 || stored < 0 || stored == STATE_LEGACY || stored == type)
                return true;
        (void) replication_fault(r, ORIGIN_SOURCE, FAILURE_CONFIG_ERROR, NULL,
                                 "The source sent a state of type %s, the stored one is of type %s: a "
                                 "full refresh, which"
                                 " begins anew, is needed", state_type_to_string(type), state_type_to_string(stored));
        return false;
}

int replication_on_source_state(Replication *r, JsonSlice payload) {
        _cleanup_(state_message_done) StateMessage m = {};
        _cleanup_error_ Error *error = NULL;
        ReplicationStream *s = NULL;
        int k;

        r->beat = true;
        k = state_message_parse(payload, &m, &error);
        if (k < 0)
                return k == -ENOMEM ? k : replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, NULL,
                                                            "The source sent a state that cannot be read: %s",
                                                            error_message(error, k));
        if (m.type == STATE_STREAM) {
                s = replication_find(r, r->by_source, m.stream_namespace, m.stream_name);
                if (!s) {
                        replication_log(r, ORIGIN_REPLICATION, "WARN",
                                        "The source sent a state of stream '%s', which"
                                        " is not in the catalog; it is not stored", m.stream_name);
                        return 0;
                }
        }
        /* Records were left out before it: it says more than what the destination got. */
        if (s ? s->cut : r->any_cut)
                return 0;
        if (!kind_fits(r, m.type))
                return 0;
        collect_staged(r, s);
        k = count_check_source(&m, sum_counts(r->scratch, s ? 1 : r->n_staged).records, &error);
        if (k < 0 && count_is_wrong(r, ORIGIN_SOURCE, s, error) < 0)
                return 0;
        return forward_state(r, s, &m);
}

static void add_committed(Replication *r, const StagedCount *c) {
        StreamStats *st = &r->streams[c->stream].stats;

        st->records_committed += c->records - c->filtered_records;
        st->bytes_committed += c->bytes - c->filtered_bytes;
}

static void subtract_rejected(Replication *r, ReplicationStream *s, double told) {
        /* With counts tolerated, a destination may say anything. */
        uint64_t rejected = told > 0 && told < REJECTED_MAX ? (uint64_t) told : 0;

        if (s) {
                s->stats.records_rejected += rejected;
                s->stats.records_committed -= MIN(rejected, s->stats.records_committed);
        } else
                r->shared_rejected += rejected;
}

/* After an echo: is the stream complete? Under GLOBAL all are together. */
static void update_complete(Replication *r, ReplicationStream *s) {
        size_t first = s ? (size_t) (s - r->streams) : 0, end = s ? first + 1 : r->n_streams;

        for (size_t i = first; i < end; i++)
                r->streams[i].stats.complete = r->streams[i].run == STREAM_RUN_COMPLETE &&
                                               !state_tracker_is_pending(r->tracker,
                                                       s ? i : STATE_TRACKER_SHARED);
}

/* The third of the three counts is known now: what the destination says it has written. A state whose counts
 * disagree is not stored (unless that is tolerated): the next attempt then reads those records again. */
static int commit(Replication *r, ReplicationStream *s, const StateCommit *c, const StateMessage *echo) {
        _cleanup_error_ Error *error = NULL;
        int k;

        if (c->message.type != STATE_LEGACY) {
                k = count_check_destination(&c->source_stats, &echo->destination_stats,
                                            sum_counts(c->counts, c->n_counts), &error);
                if (k < 0 && count_is_wrong(r, ORIGIN_DESTINATION, s, error) < 0)
                        return 0;
        }
        k = state_set_put(r->to_flush, &c->message, &error);
        if (k < 0)
                return k;
        for (size_t i = 0; i < c->n_counts; i++)
                add_committed(r, &c->counts[i]);
        if (echo->destination_stats.present)
                subtract_rejected(r, s, echo->destination_stats.rejected_record_count);
        if (s)
                s->stats.states_committed += c->n_states;
        else
                r->shared_states_committed += c->n_states;
        update_complete(r, s);
        r->moved = true;
        return 0;
}

static int lied_about_state(Replication *r, const ReplicationStream *s, const char *what) {
        r->frozen = true;
        return replication_fault(r, ORIGIN_DESTINATION, FAILURE_SYSTEM_ERROR, s,
                                 "The destination confirmed a state that it cannot have: %s", what);
}

/* The one place where a state becomes true, so an echo is believed only if it is of a state that was sent and
 * still waits. Any other means that the destination has lost its bearings: from then on nothing it says is
 * stored, though what was stored before stays. The same echo twice does no harm and is told only. */
int replication_on_destination_state(Replication *r, JsonSlice payload) {
        _cleanup_(state_message_done) StateMessage echo = {};
        _cleanup_(state_commit_done) StateCommit c = {};
        _cleanup_error_ Error *error = NULL;
        ReplicationStream *s = NULL;
        int k;

        if (r->frozen)
                return 0;
        k = state_message_parse(payload, &echo, &error);
        if (k < 0)
                return k == -ENOMEM ? k : lied_about_state(r, NULL, error_message(error, k));
        if (echo.type == STATE_STREAM) {
                s = replication_find(r, r->by_destination, echo.stream_namespace, echo.stream_name);
                if (!s)
                        return lied_about_state(r, NULL, "it is of a stream that it was never sent");
        }
        k = state_tracker_echo(r->tracker, &echo, s ? (size_t) (s - r->streams) : STATE_TRACKER_SHARED, &c, &error);
        if (k == -EBADMSG)
                return lied_about_state(r, s, error_message(error, k));
        if (k < 0)
                return k;
        if (k == 0) {
                replication_log(r, ORIGIN_REPLICATION, "WARN",
                                "The destination confirmed a state of stream '%s' twice",
                                name_of(s));
                return 0;
        }
        if (c.n_overtaken > 0)
                replication_log(r, ORIGIN_REPLICATION, "DEBUG",
                                "The destination passed over %u states of stream '%s'",
                                c.n_overtaken, name_of(s));
        return commit(r, s, &c, &echo);
}

int replication_flush_states(Replication *r, bool final) {
        _cleanup_state_set_ StateSet *fresh = NULL;
        _cleanup_error_ Error *error = NULL;
        int k;

        if (state_set_is_empty(r->to_flush))
                return 0;
        fresh = state_set_new();
        if (!fresh)
                return -ENOMEM;
        k = r->sink.flush_state ? r->sink.flush_state(r->to_flush, r->sink.userdata, &error) : 0;
        if (k >= 0) {
                state_set_free(r->to_flush);
                r->to_flush = TAKE_PTR(fresh);
                return 0;
        }
        /* The states stay where they are, newer ones replace them, and the next turn tries again. */
        if (!final) {
                replication_log(r, ORIGIN_REPLICATION, "WARN",
                                "States could not be stored, trying again later: %s",
                                error_message(error, k));
                return 0;
        }
        return replication_fault(r, ORIGIN_PERSISTENCE, FAILURE_SYSTEM_ERROR, NULL,
                                 "The last states could not be stored: %s", error_message(error, k));
}

static int inject_state(Replication *r, ReplicationStream *s) {
        _cleanup_(state_message_done) StateMessage m = {};
        _cleanup_buffer_ Buffer b = {};
        int k;

        if ((k = buffer_append_string(&b, "{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{")) < 0 ||
            (k = json_write_member_string(&b, "name", s->stats.name)) < 0 ||
            (s->stats.namespace && (k = json_write_member_string(&b, "namespace",
                                                                 s->stats.namespace)) < 0) ||
            (k = buffer_append_string(&b, "},\"stream_state\":{}}}")) < 0)
                return k;
        k = state_message_parse((JsonSlice) { buffer_bytes(&b), b.len }, &m, NULL);
        return k < 0 ? k : forward_state(r, s, &m);
}

int replication_inject_states(Replication *r) {
        StateType type = state_tracker_type(r->tracker);

        /* Where nothing was sent, the stored states say which kind this connection has. */
        if (type < 0 && r->options.initial_state)
                type = state_set_type(r->options.initial_state);
        if (type == STATE_GLOBAL || type == STATE_LEGACY)
                return 0;
        for (size_t i = 0; i < r->n_streams; i++) {
                ReplicationStream *s = &r->streams[i];
                int k;

                if (s->configured->sync_mode != SYNC_MODE_FULL_REFRESH ||
                    s->configured->stream.is_resumable ||
                    s->stats.states_emitted > 0 || s->cut || s->run == STREAM_RUN_INCOMPLETE)
                        continue;
                k = inject_state(r, s);
                if (k < 0)
                        return k;
        }
        return 0;
}

void replication_commit_all(Replication *r) {
        for (size_t i = 0; i < r->n_streams; i++) {
                ReplicationStream *s = &r->streams[i];
                uint64_t kept = s->stats.records_emitted - s->stats.records_filtered;

                s->stats.records_committed = kept - MIN(kept, s->stats.records_rejected);
                s->stats.bytes_committed = s->stats.bytes_emitted - s->stats.bytes_filtered;
                s->stats.complete = s->run == STREAM_RUN_COMPLETE;
        }
}
