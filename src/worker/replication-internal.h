/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of a Replication, shared by replication*.c only.
 *
 *   replication.c          life, public calls
 *   replication-flow.c     source's stdout -> lines -> queue -> destination's stdin
 *   replication-state.c    states: counts, ids, echoes, flushes
 *   replication-message.c  what the connectors say beside records and states; lines that are none of it
 *   replication-end.c      exits, time-outs, how it all stops
 *   replication-report.c   failures and log lines, masked */

#include "basic/hashmap.h"
#include "worker/failure-list.h"
#include "worker/masker.h"
#include "worker/out-queue.h"
#include "worker/record-rewriter.h"
#include "worker/record-validator.h"
#include "worker/replication.h"
#include "worker/state-tracker.h"
#include "worker/stream-run.h"

/* Lines of stderr beyond this are dropped with a note. */
#define STDERR_LINE_MAX (64U * 1024U)

typedef enum ReplicationTimer {
        TIMER_FLUSH,
        TIMER_HEARTBEAT,
        TIMER_DESTINATION,     /* it doesn't read, or doesn't end */
        TIMER_PROGRESS,
        TIMER_CONTROL,         /* a new configuration waits for its turn */
        TIMER_SOURCE_END,      /* next step of stopping it */
        TIMER_DESTINATION_END,
        TIMER_STEP, /* at once, outside of whatever runs: the next step, the last one too */
        _TIMER_MAX,
} ReplicationTimer;

typedef struct ReplicationStream {
        StreamStats stats;
        const ConfiguredStream *configured;
        const StreamOptions *options;
        RecordTarget target;
        RecordMapper *mapper; /* NULL: records go on with their data untouched */
        StreamRun run;
        uint64_t sample_next; /* how many records come before the next one for the validator */
        StagedCount staged;   /* since the last state that covers this stream */
        bool is_staged;       /* in Replication.staged */
        bool cut;             /* records were dropped at the limit: no state may speak for it any more */
} ReplicationStream;

/* What is known of a line shape; see Envelope.shape. */
typedef struct ShapeEntry {
        bool known;
        bool prefix_tried;
        size_t stream;
        RecordPrefix prefix;
} ShapeEntry;

typedef struct ReplicationSide {
        Replication *replication;
        FailureOrigin origin;
        ReplicationEndpoint endpoint;
        EnvSource *out_io, *err_io;
        LineReader out, err;
        bool eof;          /* stdout has ended */
        bool active;       /* something was read since its end timer last looked */
        bool exited;
        bool judged;       /* its end was dealt with */
        EnvExit exit;
        char *exit_error;  /* it never ran, or was lost sight of */
        bool stopping;     /* we asked for it: its exit is no failure of its own */
        unsigned stop_step;
        uint64_t n_garbage;
        usec_t garbage_told;
        JsonObject *config;   /* the newest configuration that waits */
        usec_t config_applied;
} ReplicationSide;

struct Replication {
        Env *env;
        ReplicationOptions options;
        ReplicationSink sink;
        ReplicationStatus status;
        EnvSource *timers[_TIMER_MAX];

        ReplicationStream *streams;
        size_t n_streams;
        Hashmap *by_source, *by_destination; /* stream key -> ReplicationStream */
        ShapeEntry *shapes;
        size_t n_shapes;

        ReplicationSide source, destination;
        RecordScanner *scanner;
        OutQueue queue;
        EnvSource *in_io;    /* destination's stdin, on while something waits */
        bool want_close;     /* stdin is to be closed once the queue is empty */
        bool exit_awaited;   /* the source has closed its output; its exit is due */
        usec_t blocked_since; /* 0 = the destination takes what comes */
        bool reading, writing; /* which of the two is switched on */
        bool broken;         /* the destination closed its input early */
        usec_t closed_since; /* when its input ended, or it last spoke after that; 0 = open */
        usec_t last_beat;
        bool beat;           /* a record or state of the source came in this turn */
        bool moved;          /* some number moved in this turn */
        bool dirty;          /* numbers moved since the last progress */

        StateTracker *tracker;
        StateSet *to_flush;
        bool frozen;         /* the destination lied: nothing is committed any more */
        StagedCount *scratch; /* for the counts of one state */
        size_t *staged;      /* streams with something staged, for GLOBAL states */
        size_t n_staged;
        /* Under GLOBAL and LEGACY: of no stream in particular. */
        uint64_t shared_rejected, shared_states_emitted, shared_states_committed;
        bool any_cut;
        bool stream_estimates, sync_estimates;
        int64_t sync_rows, sync_bytes;
        size_t n_limited;    /* streams that have reached the record limit */
        bool limited;        /* the source is stopped since all have */

        RecordValidator *validator;
        Masker *masker;
        FailureList failures;
        bool failing;        /* ending early: failed or cancelled */
        bool cancelled;
};

static inline bool replication_is_live(const Replication *r) {
        return r->status == REPLICATION_RUNNING;
}

/* replication-report.c */
void replication_log(Replication *r, FailureOrigin from, const char *level, const char *format,
                     ...) _printf_(4, 5);
/* Files a failure (texts are masked here) without ending anything. */
int replication_add_failure(Replication *r, const FailureReason *reason);
/* Files a failure of ours and starts to end the attempt. `stream` may be NULL. */
int replication_fault(Replication *r, FailureOrigin origin, FailureType type,
                      const ReplicationStream *stream,
                      const char *format, ...) _printf_(5, 6);

/* replication-flow.c */
int replication_stream_key(Buffer *b, const char *namespace, const char *name);
ReplicationStream *replication_find(Replication *r, const Hashmap *map, const char *namespace,
                                    const char *name);
/* Moves what can be moved: handles waiting lines, writes, switches reading on or off. */
int replication_pump(Replication *r);
int on_source_readable(EnvSource *s, int fd, uint32_t events, void *userdata);
int on_destination_readable(EnvSource *s, int fd, uint32_t events, void *userdata);
int on_destination_writable(EnvSource *s, int fd, uint32_t events, void *userdata);

/* replication-state.c */
int replication_on_source_state(Replication *r, JsonSlice payload);
int replication_on_destination_state(Replication *r, JsonSlice payload);
int replication_flush_states(Replication *r, bool final);
int replication_inject_states(Replication *r);
void replication_commit_all(Replication *r);

/* replication-message.c */
int on_stderr_readable(EnvSource *s, int fd, uint32_t events, void *userdata);
void replication_drain_stderr(ReplicationSide *side);
int replication_on_message(ReplicationSide *side, const Envelope *e);
int replication_on_garbage(ReplicationSide *side, JsonSlice line, bool unterminated);
int replication_apply_control(ReplicationSide *side);
int on_control_timer(EnvSource *s, usec_t now, void *userdata);
int replication_send_statuses(Replication *r);

/* replication-end.c */
int replication_timer_set(Replication *r, ReplicationTimer which, usec_t at);
/* Called at the end of every event: takes the next step towards the end where its conditions hold. */
int replication_advance(Replication *r);
/* No more from the source; the destination gets what it was promised, then end of input. Idempotent. */
int replication_wind_down(Replication *r);
int replication_on_exit(ReplicationSide *side, const EnvExit *status, const Error *error);
int on_source_end_timer(EnvSource *s, usec_t now, void *userdata);
int on_destination_end_timer(EnvSource *s, usec_t now, void *userdata);
/* The next harder way to end a connector: stop, kill, give up on it. */
int side_stop(ReplicationSide *side);
int on_heartbeat_timer(EnvSource *s, usec_t now, void *userdata);
int replication_watch_destination(Replication *r);
int replication_on_broken_pipe(Replication *r);
int on_destination_timer(EnvSource *s, usec_t now, void *userdata);
int on_flush_timer(EnvSource *s, usec_t now, void *userdata);
int on_progress_timer(EnvSource *s, usec_t now, void *userdata);
int on_step_timer(EnvSource *s, usec_t now, void *userdata);
void side_close_stdout(ReplicationSide *side);
