/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One attempt of a sync: reads the source, maps, counts, writes the destination, commits states. The same
 * code runs in `gantry sync`, in the service's worker unit and in the simulator; all it knows of the
 * world is the Env and the two endpoints. Rules: docs/REPLICATION.md (Airbyte's replication semantics and
 * where we are stricter). */

#include "basic/env.h"
#include "protocol/catalog.h"
#include "protocol/message.h"
#include "protocol/state.h"
#include "worker/mapper.h"

#define REPLICATION_FLUSH_USEC (10 * USEC_PER_SEC)
#define REPLICATION_HEARTBEAT_USEC (10800 * USEC_PER_SEC)
#define REPLICATION_DESTINATION_TIMEOUT_USEC (86400 * USEC_PER_SEC)
#define REPLICATION_FAILURES_MAX 10U

typedef struct Replication Replication;

typedef enum ReplicationStatus {
        REPLICATION_RUNNING,
        REPLICATION_COMPLETED,
        REPLICATION_FAILED,
        REPLICATION_CANCELLED,
        _REPLICATION_STATUS_MAX,
        _REPLICATION_STATUS_INVALID = -EINVAL,
} ReplicationStatus;

typedef enum FailureOrigin {
        ORIGIN_SOURCE,
        ORIGIN_DESTINATION,
        ORIGIN_REPLICATION,
        ORIGIN_PERSISTENCE,
        ORIGIN_AIRBYTE_PLATFORM,
        ORIGIN_UNKNOWN,
        _FAILURE_ORIGIN_MAX,
        _FAILURE_ORIGIN_INVALID = -EINVAL,
} FailureOrigin;
const char *failure_origin_to_string(FailureOrigin o);

typedef struct FailureReason {
        FailureOrigin origin;
        FailureType type;
        char *external_message;
        char *internal_message; /* may be NULL */
        char *stack_trace;      /* may be NULL */
        char *stream_name, *stream_namespace; /* may be NULL */
        bool from_trace;
        bool retryable;
        usec_t timestamp;
} FailureReason;

typedef struct StreamStats {
        const char *name, *namespace; /* as the source calls it; borrowed from the catalog */
        uint64_t records_emitted, bytes_emitted;
        uint64_t records_committed, bytes_committed;
        uint64_t records_filtered, bytes_filtered;
        uint64_t records_rejected;
        int64_t estimated_records, estimated_bytes; /* -1 = unknown */
        uint64_t states_emitted, states_committed;
        StreamStatus status;     /* of the source; _INVALID before the first */
        bool rate_limited;
        bool complete;           /* source COMPLETE and its last state echoed */
        uint64_t invalid_records; /* found by the background validation */
} StreamStats;

/* A process at one end, as the worker sees it. Descriptors are the worker's from replication_start() on. */
typedef struct ReplicationEndpoint {
        int stdin_fd;  /* destination only */
        int stdout_fd;
        int stderr_fd; /* -EBADF when somebody else reads it */
        int (*stop)(void *userdata); /* SIGTERM with grace */
        int (*kill)(void *userdata);
        void *userdata;
} ReplicationEndpoint;

/* How a stream of the source goes to the destination. Same order and number as options.catalog. */
typedef struct StreamOptions {
        const char *destination_name, *destination_namespace; /* after prefix and namespace rules */
        char *const *selected_fields; /* top-level; NULL = all */
        Mapper *const *mappers;       /* NULL-terminated, in order; NULL = none */
} StreamOptions;

typedef struct ReplicationOptions {
        const ConfiguredCatalog *catalog; /* as the source knows it */
        const StreamOptions *streams;
        const StateSet *initial_state; /* may be NULL */
        char *const *secrets;          /* masked in everything that is logged or reported */
        /* 0 = the default, USEC_INFINITY = never */
        usec_t flush_interval, heartbeat_timeout, destination_timeout, stop_grace;
        bool tolerate_count_mismatch; /* Airbyte's way: log, don't fail */
        bool fail_on_heartbeat;       /* default true with us */
        bool validate_records;
        bool destination_supports_refreshes; /* gets STREAM_STATUS COMPLETE */
        /* per stream; 0 = none. The source is stopped when every stream has reached it. */
        uint64_t record_limit;
        size_t buffer_size;           /* of one read; 0 = 256 KiB */
} ReplicationOptions;

/* What the surroundings must do. All called from the loop; none may block long. */
typedef struct ReplicationSink {
        /* Store these states durably: called only with states whose records the destination has made
         * durable. */
        int (*flush_state)(const StateSet *changed, void *userdata, Error **reterr_error);
        /* A connector's new configuration (CONTROL), already checked to be an object. */
        int (*control)(FailureOrigin from, JsonObject *config, void *userdata, Error **reterr_error);
        /* One line of a connector or of us, masked. Level is the protocol's word. */
        void (*log)(FailureOrigin from, const char *level, const char *message, void *userdata);
        /* Numbers have moved; at most ten times a second. */
        void (*progress)(Replication *r, void *userdata);
        /* The attempt is over; replication_status() tells how. Comes once. */
        void (*done)(Replication *r, void *userdata);
        void *userdata;
} ReplicationSink;

int replication_new(Env *env, const ReplicationOptions *options, const ReplicationSink *sink,
                    Replication **ret,
                    Error **reterr_error);
Replication *replication_free(Replication *r);
DEFINE_CLEANUP(Replication, replication_free);

/* Takes the endpoints' descriptors over and starts to move. */
int replication_start(Replication *r, const ReplicationEndpoint *source,
                      const ReplicationEndpoint *destination);

/* Exits, told by whoever started the processes. `error` non-NULL: it never started, or we lost sight of
 * it. */
int replication_source_exited(Replication *r, const EnvExit *status, const Error *error);
int replication_destination_exited(Replication *r, const EnvExit *status, const Error *error);

/* A person or the platform wants it to end: nothing new is read, what is committed stays. */
int replication_cancel(Replication *r, const char *reason);
/* Something outside failed (launch, persistence): ends as failed. */
int replication_fail(Replication *r, FailureOrigin origin, FailureType type, const char *message);

/* More to mask from now on: the secrets of a configuration that came by CONTROL. May be called from the
 * sink. */
int replication_add_secrets(Replication *r, char *const *secrets);

ReplicationStatus replication_status(const Replication *r);
const char *replication_status_to_string(ReplicationStatus s);
const FailureReason *replication_failures(const Replication *r, size_t *ret_n);
size_t replication_n_streams(const Replication *r);
const StreamStats *replication_stream_stats(const Replication *r, size_t i);
/* Sums over all streams. */
void replication_totals(const Replication *r, StreamStats *ret);
