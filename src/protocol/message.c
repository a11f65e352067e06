/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All messages but RECORD and STATE: those that are rare, so that a tree can be made of each and the
 * checks be plain.
 *
 * Readers are strict where a mistake would be believed (a stream's name, a status) and lenient where a
 * message helps a person: a level that isn't known is INFO, a text is cut at a NUL character, a failure
 * type that a connector may not use is a system error. What was read borrows its texts from the payload,
 * which the message keeps until it is done.
 *
 * Writers append a whole line, newline included, or nothing: each puts the line together in a buffer of
 * its own first, so that a failure in the middle leaves no half message in the stream of a connector. */

#include "basic/json-write.h"
#include "basic/string-table.h"
#include "protocol/message.h"

static const char *const failure_type_table[_FAILURE_TYPE_MAX] = {
        [FAILURE_SYSTEM_ERROR] = "system_error",
        [FAILURE_CONFIG_ERROR] = "config_error",
        [FAILURE_TRANSIENT_ERROR] = "transient_error",
        [FAILURE_MANUAL_CANCELLATION] = "manual_cancellation",
        [FAILURE_REFRESH_SCHEMA] = "refresh_schema",
        [FAILURE_HEARTBEAT_TIMEOUT] = "heartbeat_timeout",
        [FAILURE_DESTINATION_TIMEOUT] = "destination_timeout",
};

static const char *const stream_status_table[_STREAM_STATUS_MAX] = {
        [STREAM_STATUS_STARTED] = "STARTED",
        [STREAM_STATUS_RUNNING] = "RUNNING",
        [STREAM_STATUS_COMPLETE] = "COMPLETE",
        [STREAM_STATUS_INCOMPLETE] = "INCOMPLETE",
};

static const char *const trace_type_table[_TRACE_TYPE_MAX] = {
        [TRACE_ERROR] = "ERROR",
        [TRACE_ESTIMATE] = "ESTIMATE",
        [TRACE_STREAM_STATUS] = "STREAM_STATUS",
        [TRACE_ANALYTICS] = "ANALYTICS",
};

static const char *const log_level_table[] = { "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE" };

DEFINE_STRING_TABLE_LOOKUP(failure_type, FailureType)

DEFINE_STRING_TABLE_LOOKUP(stream_status, StreamStatus)

static int parse_payload(JsonSlice payload, const char *what, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = json_parse(payload.p, payload.n, &o, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "%s", what);
        if (!json_object_is_type(o, json_type_object))
                return error_set(reterr_error, -EINVAL, "%s: not an object", what);
        *ret = TAKE_PTR(o);
        return 0;
}

/* A member of the required kind; absence is an error too. */
static int require_object(JsonObject *o, const char *key, JsonObject **ret, const char *what,
                          Error **reterr_error) {
        int r = json_get_object(o, key, ret, what, reterr_error);

        return r == 0 ? error_set(reterr_error, -EINVAL, "%s: '%s' is missing", what, key) : r;
}

static int require_string(JsonObject *o, const char *key, const char **ret, const char *what,
                          Error **reterr_error) {
        int r = json_get_string(o, key, ret, what, reterr_error);

        return r == 0 ? error_set(reterr_error, -EINVAL, "%s: '%s' is missing", what, key) : r;
}

/* Text for people: cut at a NUL character, where a name with one is refused, for half a message is better
 * than none. */
static int get_text(JsonObject *o, const char *key, bool required, const char **ret, const char *what,
                    Error **reterr_error) {
        JsonObject *v = json_member(o, key);

        if (!v)
                return required ? error_set(reterr_error, -EINVAL, "%s: '%s' is missing", what, key) : 0;
        if (!json_object_is_type(v, json_type_string))
                return error_set(reterr_error, -EINVAL, "%s: '%s' is not a string", what, key);
        *ret = json_object_get_string(v);
        return 1;
}

static int get_descriptor(JsonObject *o, bool required, TraceMessage *m, const char *what,
                          Error **reterr_error) {
        JsonObject *descriptor = NULL;
        int r;

        r = json_get_object(o, "stream_descriptor", &descriptor, what, reterr_error);
        if (r < 0 || (r == 0 && !required))
                return r;
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "%s: 'stream_descriptor' is missing", what);
        r = require_string(descriptor, "name", &m->stream_name, what, reterr_error);
        if (r < 0)
                return r;
        return json_get_string(descriptor, "namespace", &m->stream_namespace, what, reterr_error);
}

static int parse_trace_error(JsonObject *o, TraceMessage *m, Error **reterr_error) {
        static const char what[] = "TRACE of type ERROR";
        const char *type = NULL;
        int r;

        if ((r = get_text(o, "message", /* required= */ true, &m->message, what, reterr_error)) < 0 ||
            (r = get_text(o, "internal_message", /* required= */ false, &m->internal_message, what,
                          reterr_error)) < 0 ||
            (r = get_text(o, "stack_trace", /* required= */ false, &m->stack_trace, what, reterr_error)) < 0 ||
            (r = json_get_string(o, "failure_type", &type, what, reterr_error)) < 0 ||
            (r = get_descriptor(o, /* required= */ false, m, what, reterr_error)) < 0)
                return r;
        /* Only the three that a connector may say; the others are the platform's. */
        m->failure_type = failure_type_from_string(type);
        if (m->failure_type < 0 || m->failure_type > FAILURE_TRANSIENT_ERROR)
                m->failure_type = FAILURE_SYSTEM_ERROR;
        return 0;
}

static int parse_estimate(JsonObject *o, TraceMessage *m, Error **reterr_error) {
        static const char what[] = "TRACE of type ESTIMATE";
        const char *type = NULL;
        int r;

        if ((r = require_string(o, "type", &type, what, reterr_error)) < 0 ||
            (r = json_get_i64(o, "row_estimate", &m->row_estimate, what, reterr_error)) < 0 ||
            (r = json_get_i64(o, "byte_estimate", &m->byte_estimate, what, reterr_error)) < 0)
                return r;
        if (streq(type, "SYNC")) {
                m->estimate_is_sync = true;
                return 0;
        }
        if (!streq(type, "STREAM"))
                return error_set(reterr_error, -EINVAL, "%s: 'type' is neither STREAM nor SYNC", what);
        r = require_string(o, "name", &m->stream_name, what, reterr_error);
        if (r < 0)
                return r;
        return json_get_string(o, "namespace", &m->stream_namespace, what, reterr_error);
}

static int parse_reasons(JsonObject *o, TraceMessage *m, const char *what, Error **reterr_error) {
        JsonObject *reasons = NULL;
        int r;

        r = json_get_array(o, "reasons", &reasons, what, reterr_error);
        if (r <= 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(reasons); i++) {
                JsonObject *reason = json_object_array_get_idx(reasons, i), *limit = NULL;
                const char *type = NULL;

                r = json_get_string(reason, "type", &type, what, reterr_error);
                if (r < 0)
                        return r;
                if (r == 0 || !streq(type, "RATE_LIMITED"))
                        continue;
                m->rate_limited = true;
                r = json_get_object(reason, "rate_limited", &limit, what, reterr_error);
                if (r > 0)
                        r = json_get_double(limit, "quota_reset", &m->quota_reset, what, reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_stream_status(JsonObject *o, TraceMessage *m, Error **reterr_error) {
        static const char what[] = "TRACE of type STREAM_STATUS";
        const char *status = NULL;
        int r;

        if ((r = get_descriptor(o, /* required= */ true, m, what, reterr_error)) < 0 ||
            (r = require_string(o, "status", &status, what, reterr_error)) < 0 ||
            (r = parse_reasons(o, m, what, reterr_error)) < 0)
                return r;
        m->status = stream_status_from_string(status);
        if (m->status < 0)
                return error_set(reterr_error, -EINVAL, "%s: unknown status '%s'", what, status);
        return 0;
}

int trace_message_parse(JsonSlice payload, TraceMessage *ret, Error **reterr_error) {
        static const char *const member[] = { "error", "estimate", "stream_status", "analytics" };
        static int (*const parse[])(JsonObject *o, TraceMessage *m, Error **reterr_error) = {
                [TRACE_ERROR] = parse_trace_error,
                [TRACE_ESTIMATE] = parse_estimate,
                [TRACE_STREAM_STATUS] = parse_stream_status,
        };
        _cleanup_json_ JsonObject *o = NULL;
        TraceMessage m = {
                .failure_type = _FAILURE_TYPE_INVALID,
                .row_estimate = -1,
                .byte_estimate = -1,
                .status = _STREAM_STATUS_INVALID,
        };
        JsonObject *body = NULL;
        const char *type = NULL;
        int r;

        if ((r = parse_payload(payload, "TRACE", &o, reterr_error)) < 0 ||
            (r = require_string(o, "type", &type, "TRACE", reterr_error)) < 0 ||
            /* Required by the protocol; an error message is worth more than its time. */
            (r = json_get_double(o, "emitted_at", &m.emitted_at, "TRACE", reterr_error)) < 0)
                return r;
        m.type = (TraceType) string_table_find(trace_type_table, _TRACE_TYPE_MAX, type);
        if (m.type < 0)
                return error_set(reterr_error, -EINVAL, "TRACE: unknown type '%s'", type);
        r = require_object(o, member[m.type], &body, "TRACE", reterr_error);
        if (r < 0)
                return r;
        if (m.type != TRACE_ANALYTICS) {
                r = parse[m.type](body, &m, reterr_error);
                if (r < 0)
                        return r;
        }
        m.payload = TAKE_PTR(o);
        *ret = m;
        return 0;
}

void trace_message_done(TraceMessage *m) {
        json_putp(&m->payload);
        *m = (TraceMessage) {};
}

int log_message_parse(JsonSlice payload, LogMessage *ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        LogMessage m = {};
        const char *level = NULL;
        int r;

        if ((r = parse_payload(payload, "LOG", &o, reterr_error)) < 0 ||
            (r = json_get_string(o, "level", &level, "LOG", reterr_error)) < 0 ||
            (r = get_text(o, "message", /* required= */ true, &m.message, "LOG", reterr_error)) < 0 ||
            (r = get_text(o, "stack_trace", /* required= */ false, &m.stack_trace, "LOG", reterr_error)) < 0)
                return r;
        r = string_table_find(log_level_table, ELEMENTSOF(log_level_table), level);
        m.level = r < 0 ? "INFO" : log_level_table[r];
        m.payload = TAKE_PTR(o);
        *ret = m;
        return 0;
}

void log_message_done(LogMessage *m) {
        json_putp(&m->payload);
        *m = (LogMessage) {};
}

int control_message_parse(JsonSlice payload, JsonObject **ret_config, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        JsonObject *wrapper = NULL, *config = NULL;
        const char *type = NULL;
        int r;

        if ((r = parse_payload(payload, "CONTROL", &o, reterr_error)) < 0 ||
            (r = require_string(o, "type", &type, "CONTROL", reterr_error)) < 0)
                return r;
        if (!streq(type, "CONNECTOR_CONFIG"))
                return error_set(reterr_error, -EOPNOTSUPP, "CONTROL: unknown type '%s'", type);
        if ((r = require_object(o, "connectorConfig", &wrapper, "CONTROL", reterr_error)) < 0 ||
            (r = require_object(wrapper, "config", &config, "CONTROL", reterr_error)) < 0)
                return r;
        *ret_config = json_object_get(config);
        return 0;
}

int connection_status_parse(JsonSlice payload, ConnectionStatus *ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *copy = NULL;
        const char *status = NULL, *message = NULL;
        bool succeeded;
        int r;

        if ((r = parse_payload(payload, "CONNECTION_STATUS", &o, reterr_error)) < 0 ||
            (r = require_string(o, "status", &status, "CONNECTION_STATUS", reterr_error)) < 0 ||
            (r = get_text(o, "message", /* required= */ false, &message, "CONNECTION_STATUS", reterr_error)) < 0)
                return r;
        succeeded = streq(status, "SUCCEEDED");
        if (!succeeded && !streq(status, "FAILED"))
                return error_set(reterr_error, -EINVAL, "CONNECTION_STATUS: unknown status '%s'", status);
        if (message) {
                copy = strdup(message);
                if (!copy)
                        return -ENOMEM;
        }
        *ret = (ConnectionStatus) { .succeeded = succeeded, .message = TAKE_PTR(copy) };
        return 0;
}

void connection_status_done(ConnectionStatus *m) {
        free(m->message);
        *m = (ConnectionStatus) {};
}

/* The writers put one line together in a buffer of its own: what is appended is a whole message or
 * nothing. */
static int append_line(Buffer *b, Buffer *line, const char *closing) {
        int r;

        r = buffer_append_string(line, closing);
        if (r >= 0)
                r = buffer_append_char(line, '\n');
        return r < 0 ? r : buffer_append(b, buffer_bytes(line), line->len);
}

static int write_optional(Buffer *b, const char *key, const char *value) {
        return value ? json_write_member_string(b, key, value) : 0;
}

static int write_descriptor(Buffer *b, const char *name, const char *namespace) {
        int r;

        if ((r = json_write_key(b, "stream_descriptor")) < 0 || (r = buffer_append_char(b, '{')) < 0 ||
            (r = json_write_member_string(b, "name", name)) < 0 ||
            (r = write_optional(b, "namespace", namespace)) < 0)
                return r;
        return buffer_append_char(b, '}');
}

static int open_trace(Buffer *b, int64_t emitted_at, TraceType type, const char *member) {
        return buffer_appendf(b,
                              "{\"type\":\"TRACE\",\"trace\":{\"type\":\"%s\",\"emitted_at\":%lld,\"%s\":{",
                              trace_type_table[type], (long long) emitted_at, member);
}

int message_write_log(Buffer *b, const char *level, const char *message) {
        _cleanup_buffer_ Buffer line = {};
        int r;

        if ((r = buffer_append_string(&line, "{\"type\":\"LOG\",\"log\":{")) < 0 ||
            (r = json_write_member_string(&line, "level", level)) < 0 ||
            (r = json_write_member_string(&line, "message", strempty(message))) < 0)
                return r;
        return append_line(b, &line, "}}");
}

int message_write_trace_error(Buffer *b, int64_t emitted_at, FailureType type, const char *message,
                              const char *internal_message, const char *stack_trace, const char *stream_name,
                              const char *stream_namespace) {
        _cleanup_buffer_ Buffer line = {};
        int r;

        if ((r = open_trace(&line, emitted_at, TRACE_ERROR, "error")) < 0 ||
            (r = json_write_member_string(&line, "message", strempty(message))) < 0 ||
            (r = write_optional(&line, "internal_message", internal_message)) < 0 ||
            (r = write_optional(&line, "stack_trace", stack_trace)) < 0 ||
            (r = write_optional(&line, "failure_type", failure_type_to_string(type))) < 0)
                return r;
        if (stream_name) {
                r = write_descriptor(&line, stream_name, stream_namespace);
                if (r < 0)
                        return r;
        }
        return append_line(b, &line, "}}}");
}

int message_write_estimate(Buffer *b, int64_t emitted_at, const char *stream_name,
                           const char *stream_namespace,
                           int64_t rows, int64_t bytes) {
        _cleanup_buffer_ Buffer line = {};
        int r;

        /* "name" is required even where the estimate is for the whole sync. */
        if ((r = open_trace(&line, emitted_at, TRACE_ESTIMATE, "estimate")) < 0 ||
            (r = json_write_member_string(&line, "name", strempty(stream_name))) < 0 ||
            (r = json_write_member_string(&line, "type", stream_name ? "STREAM" : "SYNC")) < 0 ||
            (r = write_optional(&line, "namespace", stream_namespace)) < 0 ||
            (rows >= 0 && (r = json_write_member_i64(&line, "row_estimate", rows)) < 0) ||
            (bytes >= 0 && (r = json_write_member_i64(&line, "byte_estimate", bytes)) < 0))
                return r;
        return append_line(b, &line, "}}}");
}

int message_write_stream_status(Buffer *b, int64_t emitted_at, const char *stream_name,
                                const char *stream_namespace,
                                StreamStatus status) {
        _cleanup_buffer_ Buffer line = {};
        int r;

        if ((r = open_trace(&line, emitted_at, TRACE_STREAM_STATUS, "stream_status")) < 0 ||
            (r = write_descriptor(&line, stream_name, stream_namespace)) < 0 ||
            (r = json_write_member_string(&line, "status", stream_status_to_string(status))) < 0)
                return r;
        return append_line(b, &line, "}}}");
}

int message_write_connection_status(Buffer *b, bool succeeded, const char *message) {
        _cleanup_buffer_ Buffer line = {};
        int r;

        if ((r = buffer_append_string(&line,
                                      "{\"type\":\"CONNECTION_STATUS\",\"connectionStatus\":{")) < 0 ||
            (r = json_write_member_string(&line, "status", succeeded ? "SUCCEEDED" : "FAILED")) < 0 ||
            (r = write_optional(&line, "message", message)) < 0)
                return r;
        return append_line(b, &line, "}}");
}

static int write_wrapped(Buffer *b, const char *opening, JsonObject *o) {
        _cleanup_buffer_ Buffer line = {};
        int r;

        if ((r = buffer_append_string(&line, opening)) < 0 || (r = json_append(&line, o)) < 0)
                return r;
        return append_line(b, &line, "}");
}

int message_write_catalog(Buffer *b, const Catalog *c) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = catalog_to_json(c, &o);
        return r < 0 ? r : write_wrapped(b, "{\"type\":\"CATALOG\",\"catalog\":", o);
}

int message_write_spec(Buffer *b, const char *spec_json) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        /* Through the parser: a specification is written over many lines, a message is one. */
        r = json_parse(spec_json, strlen(spec_json), &o, NULL);
        return r < 0 ? r : write_wrapped(b, "{\"type\":\"SPEC\",\"spec\":", o);
}
