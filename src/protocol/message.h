/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The messages beside RECORD: reading those that the platform acts on, and writing all that our programs
 * say. */

#include "protocol/catalog.h"
#include "protocol/record-scanner.h"

typedef enum FailureType {
        FAILURE_SYSTEM_ERROR,
        FAILURE_CONFIG_ERROR,
        FAILURE_TRANSIENT_ERROR,
        /* the platform's own */
        FAILURE_MANUAL_CANCELLATION,
        FAILURE_REFRESH_SCHEMA,
        FAILURE_HEARTBEAT_TIMEOUT,
        FAILURE_DESTINATION_TIMEOUT,
        _FAILURE_TYPE_MAX,
        _FAILURE_TYPE_INVALID = -EINVAL,
} FailureType;
const char *failure_type_to_string(FailureType t);
FailureType failure_type_from_string(const char *s);

typedef enum StreamStatus {
        STREAM_STATUS_STARTED,
        STREAM_STATUS_RUNNING,
        STREAM_STATUS_COMPLETE,
        STREAM_STATUS_INCOMPLETE,
        _STREAM_STATUS_MAX,
        _STREAM_STATUS_INVALID = -EINVAL,
} StreamStatus;
const char *stream_status_to_string(StreamStatus s);
StreamStatus stream_status_from_string(const char *s);

typedef enum TraceType {
        TRACE_ERROR,
        TRACE_ESTIMATE,
        TRACE_STREAM_STATUS,
        TRACE_ANALYTICS,
        _TRACE_TYPE_MAX,
        _TRACE_TYPE_INVALID = -EINVAL,
} TraceType;

typedef struct TraceMessage {
        TraceType type;
        double emitted_at;
        /* descriptor of ERROR (optional), ESTIMATE (absent for SYNC) and STREAM_STATUS; borrowed from
         * `payload` */
        const char *stream_name, *stream_namespace;
        /* ERROR */
        const char *message, *internal_message, *stack_trace;
        FailureType failure_type; /* system_error when absent or unknown */
        /* ESTIMATE */
        bool estimate_is_sync;
        int64_t row_estimate, byte_estimate; /* -1 = not given */
        /* STREAM_STATUS */
        StreamStatus status;
        bool rate_limited;
        double quota_reset; /* ms, 0 = not given */
        JsonObject *payload;
} TraceMessage;

typedef struct LogMessage {
        const char *level; /* one of FATAL ERROR WARN INFO DEBUG TRACE */
        const char *message;
        const char *stack_trace;
        JsonObject *payload;
} LogMessage;

typedef struct ConnectionStatus {
        bool succeeded;
        char *message; /* may be NULL */
} ConnectionStatus;

/* Parse a payload found by the scanner. The strings borrow from `payload`, freed by the _done function. */
int trace_message_parse(JsonSlice payload, TraceMessage *ret, Error **reterr_error);
void trace_message_done(TraceMessage *m);
int log_message_parse(JsonSlice payload, LogMessage *ret, Error **reterr_error);
void log_message_done(LogMessage *m);
/* CONTROL of type CONNECTOR_CONFIG: the new configuration. -EOPNOTSUPP for other types. */
int control_message_parse(JsonSlice payload, JsonObject **ret_config, Error **reterr_error);
int connection_status_parse(JsonSlice payload, ConnectionStatus *ret, Error **reterr_error);
void connection_status_done(ConnectionStatus *m);

/* Writers: append one whole line with its newline. Times are ms since the epoch. NULL strings are left
 * out. */
int message_write_log(Buffer *b, const char *level, const char *message);
int message_write_trace_error(Buffer *b, int64_t emitted_at, FailureType type, const char *message,
                              const char *internal_message, const char *stack_trace, const char *stream_name,
                              const char *stream_namespace);
int message_write_estimate(Buffer *b, int64_t emitted_at, const char *stream_name,
                           const char *stream_namespace,
                           int64_t rows, int64_t bytes);
int message_write_stream_status(Buffer *b, int64_t emitted_at, const char *stream_name,
                                const char *stream_namespace,
                                StreamStatus status);
int message_write_connection_status(Buffer *b, bool succeeded, const char *message);
int message_write_catalog(Buffer *b, const Catalog *c);
int message_write_spec(Buffer *b, const char *spec_json); /* spec_json: the ConnectorSpecification, one object */
