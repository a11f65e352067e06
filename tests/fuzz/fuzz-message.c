/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages beside records and states, from whole lines; and text put into messages of our own. */

#include "fuzz/fuzz.h"
#include "protocol/message.h"

static void read_payload(const Envelope *e) {
        _cleanup_json_ JsonObject *config = NULL;
        ConnectionStatus status;
        TraceMessage trace;
        LogMessage message;

        switch (e->type) {
        case MESSAGE_TRACE:
                if (trace_message_parse(e->payload, &trace, NULL) >= 0) {
                        FUZZ_CHECK(trace.type >= 0 && trace.type < _TRACE_TYPE_MAX);
                        trace_message_done(&trace);
                }
                break;
        case MESSAGE_LOG:
                if (log_message_parse(e->payload, &message, NULL) >= 0) {
                        FUZZ_CHECK(message.level && message.message);
                        log_message_done(&message);
                }
                break;
        case MESSAGE_CONTROL:
                if (control_message_parse(e->payload, &config, NULL) >= 0)
                        FUZZ_CHECK(json_object_is_type(config, json_type_object));
                break;
        case MESSAGE_CONNECTION_STATUS:
                if (connection_status_parse(e->payload, &status, NULL) >= 0)
                        connection_status_done(&status);
                break;
        default:
                break;
        }
}

/* Whatever the text, what we say with it is one valid line. */
static void write_line(const char *text) {
        _cleanup_buffer_ Buffer b = {};
        LogMessage message;
        Envelope e;

        FUZZ_CHECK(message_write_log(&b, "INFO", text) == 0);
        FUZZ_CHECK(json_validate(buffer_bytes(&b), b.len, NULL) == 0);
        FUZZ_CHECK(memchr(buffer_bytes(&b), '\n', b.len) == buffer_bytes(&b) + b.len - 1);
        FUZZ_CHECK(envelope_parse((JsonSlice) { buffer_bytes(&b), b.len - 1 }, &e) == 0 && e.type == MESSAGE_LOG);
        FUZZ_CHECK(log_message_parse(e.payload, &message, NULL) == 0);
        log_message_done(&message);
        buffer_reset(&b);
        FUZZ_CHECK(message_write_trace_error(&b, 1, FAILURE_CONFIG_ERROR, text, text, text, text, NULL) == 0);
        FUZZ_CHECK(json_validate(buffer_bytes(&b), b.len, NULL) == 0);
        FUZZ_CHECK(envelope_parse((JsonSlice) { buffer_bytes(&b), b.len - 1 }, &e) == 0 && e.type == MESSAGE_TRACE);
        read_payload(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup(size > 0 ? (const char *) data : "", size);
        Envelope e;

        FUZZ_CHECK(text);
        if (size > 0 && envelope_parse((JsonSlice) { (const char *) data, size }, &e) >= 0)
                read_payload(&e);
        write_line(text);
        return 0;
}
