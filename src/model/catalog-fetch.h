/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/model.h"

/* A discover that succeeded: what a source offered, when, under which configuration. Its id is Airbyte's
 * catalogId. */
typedef struct CatalogFetch {
        char *id;
        char *actor_id;
        char *config_hash;       /* of the configuration that was used */
        char *connector_version;
        char *catalog_hash;      /* key of the catalog itself (db/catalog-store.h) */
        usec_t created_at;
} CatalogFetch;
DECLARE_MODEL(CatalogFetch, catalog_fetch);

/* Which generation of a stream is being written (docs/REPLICATION.md). */
typedef struct Generation {
        char *connection_id;
        char *stream_namespace; /* NULL = none */
        char *stream_name;
        int64_t generation_id;  /* from 0 */
        int64_t job_id;         /* the job that began it; 0 = none */
        bool refreshing;        /* older rows were to go, and the sync that was to replace them has not completed */
        usec_t updated_at;
} Generation;
DECLARE_MODEL(Generation, generation);

/* A stream that is owed a reading from its beginning (db/backfill-store.h). */
typedef struct Backfill {
        char *connection_id;
        char *stream_namespace; /* NULL = none */
        char *stream_name;
        bool forced;            /* whatever the connection says of backfills: the stream had left it */
        bool begun;             /* its state has gone */
        usec_t created_at;
} Backfill;
DECLARE_MODEL(Backfill, backfill);

typedef enum StateKind {
        STATE_KIND_STREAM, /* one row a stream; beside a GLOBAL row: that stream's entry in it */
        STATE_KIND_GLOBAL, /* the shared part */
        STATE_KIND_LEGACY,
        _STATE_KIND_MAX,
        _STATE_KIND_INVALID = -EINVAL,
} StateKind;
DECLARE_NAMES(StateKind, state_kind);

/* The name of a stream. */
typedef struct StreamRef {
        const char *stream_namespace; /* NULL = none */
        const char *stream_name;
} StreamRef;

/* One stored row of a connection's state. */
typedef struct StateRow {
        char *connection_id;
        StateKind kind;
        char *stream_namespace; /* NULL = none */
        char *stream_name;      /* "" but for STREAM */
        char *state;            /* JSON, the connector's bytes: stream_state, shared_state or data */
        usec_t updated_at;
} StateRow;
DECLARE_MODEL(StateRow, state_row);
