/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The frame of a native destination: reads the messages on standard input, checks every record's JSON,
 * hands records to the connector, echoes a state only after the connector has made all records before it
 * durable.
 *
 * Commit policy: states are collected and committed together when 1 s has passed since the oldest, at
 * 100,000 records or 64 MiB, when input pauses for 50 ms, and at the end; each echo carries
 * destinationStats, in the order they came. COMPLETE of a stream ends its generation: only then may
 * finish() do what destroys older data, and only when the input ended with COMPLETE for that stream
 * (D26). */

#include "connectors/lib/connector.h"

typedef struct DestinationRecord {
        JsonSlice data;         /* valid JSON, an object */
        int64_t emitted_at;     /* ms */
        JsonSlice meta_changes; /* the source's meta.changes: an array, or p == NULL */
} DestinationRecord;

struct DestinationOps {
        /* Opens the destination for these streams. `ret_destination` is passed to all others and freed by
         * close(). */
        int (*open)(JsonObject *config, const ConfiguredCatalog *catalog, Emitter *out,
                    void **ret_destination,
                    Error **reterr_error);
        /* One record of catalog stream `stream`. 1 taken, 0 rejected (counted, with one WARN a stream),
         * <0 fatal. More than 1 is counted as that many: the fault injection of destination-devnull lies
         * so. */
        int (*write)(void *destination, size_t stream, const DestinationRecord *record,
                     Error **reterr_error);
        /* Make all records written so far durable. */
        int (*commit)(void *destination, Error **reterr_error);
        /* The stream is COMPLETE and committed: swap tables, drop older generations. */
        int (*finish_stream)(void *destination, size_t stream, Error **reterr_error);
        /* Ends; `clean`: input ended in order. Frees. */
        int (*close)(void *destination, bool clean, Error **reterr_error);
};

/* Used by connector_main() for `write`. */
int destination_run(const ConnectorInfo *info, JsonObject *config, const ConfiguredCatalog *catalog,
                    int input_fd,
                    Emitter *out, Error **reterr_error);
