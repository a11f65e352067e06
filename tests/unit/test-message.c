/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocol/message.h"
#include "unit/test.h"

TEST_MAIN()

static JsonSlice slice(const char *text) {
        return (JsonSlice) { text, strlen(text) };
}

TEST(an_error_trace_is_read) {
        _cleanup_(trace_message_done) TraceMessage m = {};

        ASSERT_OK(trace_message_parse(
                slice("{\"type\":\"ERROR\",\"emitted_at\":1.5e12,\"error\":{\"message\":\"m\",\"internal_message\":\"i\","
                      "\"stack_trace\":\"s\",\"failure_type\":\"config_error\","
                      "\"stream_descriptor\":{\"name\":\"n\",\"namespace\":\"ns\"}}}"),
                &m, NULL));
        assert_int_equal(m.type, TRACE_ERROR);
        assert_true(m.emitted_at == 1.5e12);
        assert_string_equal(m.message, "m");
        assert_string_equal(m.internal_message, "i");
        assert_string_equal(m.stack_trace, "s");
        assert_int_equal(m.failure_type, FAILURE_CONFIG_ERROR);
        assert_string_equal(m.stream_name, "n");
        assert_string_equal(m.stream_namespace, "ns");
}

TEST(a_failure_type_that_a_connector_may_not_say_is_a_system_error) {
        static const char *const types[] = { "", "\"failure_type\":null,", "\"failure_type\":\"odd\",",
                                             "\"failure_type\":\"manual_cancellation\"," };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                _cleanup_(trace_message_done) TraceMessage m = {};
                _cleanup_buffer_ Buffer b = {};

                ASSERT_OK(buffer_appendf(&b, "{\"type\":\"ERROR\",\"error\":{%s\"message\":\"m\"}}", types[i]));
                ASSERT_OK(trace_message_parse(slice(buffer_string(&b)), &m, NULL));
                assert_int_equal(m.failure_type, FAILURE_SYSTEM_ERROR);
        }
}

TEST(estimates_are_read) {
        _cleanup_(trace_message_done) TraceMessage m = {}, sync = {};

        ASSERT_OK(trace_message_parse(slice("{\"type\":\"ESTIMATE\",\"emitted_at\":1,\"estimate\":{\"name\":\"n\","
                                            "\"type\":\"STREAM\",\"row_estimate\":5}}"),
                                      &m, NULL));
        assert_false(m.estimate_is_sync);
        assert_int_equal(m.row_estimate, 5);
        assert_int_equal(m.byte_estimate, -1);
        assert_null(m.stream_namespace);
        ASSERT_OK(trace_message_parse(slice("{\"type\":\"ESTIMATE\",\"emitted_at\":1,\"estimate\":{\"name\":\"\","
                                            "\"type\":\"SYNC\",\"byte_estimate\":7.0}}"),
                                      &sync, NULL));
        assert_true(sync.estimate_is_sync);
        assert_null(sync.stream_name);
        assert_int_equal(sync.byte_estimate, 7);
}

TEST(a_stream_status_with_reasons_is_read) {
        _cleanup_(trace_message_done) TraceMessage m = {};

        ASSERT_OK(trace_message_parse(
                slice("{\"type\":\"STREAM_STATUS\",\"emitted_at\":1,\"stream_status\":{\"stream_descriptor\":"
                      "{\"name\":\"n\"},\"status\":\"RUNNING\",\"reasons\":[{\"type\":\"OTHER\"},"
                      "{\"type\":\"RATE_LIMITED\",\"rate_limited\":{\"quota_reset\":99}}]}}"),
                &m, NULL));
        assert_int_equal(m.status, STREAM_STATUS_RUNNING);
        assert_true(m.rate_limited);
        assert_true(m.quota_reset == 99);
}

TEST(broken_traces_say_what_is_wrong) {
        static const char *const bad[][2] = {
                { "[]", "not an object" },
                { "{\"type\":", "Not valid JSON" },
                { "{}", "'type' is missing" },
                { "{\"type\":\"ODD\"}", "unknown type 'ODD'" },
                { "{\"type\":\"ERROR\"}", "'error' is missing" },
                { "{\"type\":\"ERROR\",\"error\":{}}", "'message' is missing" },
                { "{\"type\":\"ERROR\",\"error\":{\"message\":{}}}", "'message' is not a string" },
                { "{\"type\":\"ESTIMATE\",\"estimate\":{\"type\":\"WEEK\"}}", "neither STREAM nor SYNC" },
                { "{\"type\":\"STREAM_STATUS\",\"stream_status\":{\"status\":\"RUNNING\"}}", "stream_descriptor" },
                { "{\"type\":\"STREAM_STATUS\",\"stream_status\":{\"status\":\"LOST\",\"stream_descriptor\":"
                  "{\"name\":\"n\"}}}",
                  "LOST" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_error_ Error *error = NULL;
                TraceMessage m;

                assert_true(trace_message_parse(slice(bad[i][0]), &m, &error) < 0);
                if (!error || !strstr(error->message, bad[i][1]))
                        fail_msg("%s: '%s' does not say '%s'", bad[i][0], error_message(error, 0), bad[i][1]);
        }
}

TEST(log_levels_are_the_protocols_words) {
        _cleanup_(log_message_done) LogMessage m = {}, odd = {};
        LogMessage none;

        ASSERT_OK(log_message_parse(slice("{\"level\":\"WARN\",\"message\":\"x\",\"stack_trace\":\"t\"}"), &m, NULL));
        assert_string_equal(m.level, "WARN");
        assert_string_equal(m.stack_trace, "t");
        ASSERT_OK(log_message_parse(slice("{\"level\":\"LOUD\",\"message\":\"x\"}"), &odd, NULL));
        assert_string_equal(odd.level, "INFO");
        ASSERT_ERROR(log_message_parse(slice("{\"level\":\"INFO\"}"), &none, NULL), EINVAL);
}

TEST(control_gives_the_new_configuration) {
        _cleanup_json_ JsonObject *config = NULL;
        _cleanup_free_ char *text = NULL;

        ASSERT_OK(control_message_parse(slice("{\"type\":\"CONNECTOR_CONFIG\",\"emitted_at\":1,\"connectorConfig\":"
                                              "{\"config\":{\"token\":\"new\",\"n\":1.50}}}"),
                                        &config, NULL));
        text = json_to_string(config);
        assert_string_equal(text, "{\"token\":\"new\",\"n\":1.50}");
        ASSERT_ERROR(control_message_parse(slice("{\"type\":\"REBOOT\"}"), &config, NULL), EOPNOTSUPP);
        ASSERT_ERROR(control_message_parse(slice("{\"type\":\"CONNECTOR_CONFIG\",\"connectorConfig\":{}}"), &config,
                                           NULL),
                     EINVAL);
}

TEST(connection_status_is_read) {
        _cleanup_(connection_status_done) ConnectionStatus good = {}, bad = {};
        ConnectionStatus none;

        ASSERT_OK(connection_status_parse(slice("{\"status\":\"SUCCEEDED\"}"), &good, NULL));
        assert_true(good.succeeded);
        assert_null(good.message);
        ASSERT_OK(connection_status_parse(slice("{\"status\":\"FAILED\",\"message\":\"no\"}"), &bad, NULL));
        assert_false(bad.succeeded);
        assert_string_equal(bad.message, "no");
        ASSERT_ERROR(connection_status_parse(slice("{\"status\":\"MAYBE\"}"), &none, NULL), EINVAL);
}

/* Each writer's output goes back through the scanner and the reader. */
static Envelope scan(RecordScanner *scanner, Buffer *b) {
        Envelope e;

        assert_int_equal(buffer_bytes(b)[b->len - 1], '\n');
        assert_null(memchr(buffer_bytes(b), '\n', b->len - 1));
        ASSERT_OK(record_scanner_scan(scanner, (JsonSlice) { buffer_bytes(b), b->len - 1 }, &e));
        return e;
}

TEST(what_is_written_can_be_read) {
        _cleanup_(record_scanner_freep) RecordScanner *scanner = record_scanner_new();
        _cleanup_(trace_message_done) TraceMessage error = {}, estimate = {}, status = {};
        _cleanup_(connection_status_done) ConnectionStatus connection = {};
        _cleanup_(log_message_done) LogMessage log = {};
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(message_write_log(&b, "WARN", "line\nbreak \"q\" \xff"));
        ASSERT_OK(log_message_parse(scan(scanner, &b).payload, &log, NULL));
        assert_string_equal(log.message, "line\nbreak \"q\" \xef\xbf\xbd");
        buffer_reset(&b);
        ASSERT_OK(message_write_trace_error(&b, 1700000000123, FAILURE_TRANSIENT_ERROR, "m", NULL, "st", "n", "ns"));
        ASSERT_OK(trace_message_parse(scan(scanner, &b).payload, &error, NULL));
        assert_true(error.emitted_at == 1700000000123);
        assert_int_equal(error.failure_type, FAILURE_TRANSIENT_ERROR);
        assert_null(error.internal_message);
        assert_string_equal(error.stream_namespace, "ns");
        buffer_reset(&b);
        ASSERT_OK(message_write_estimate(&b, 1, NULL, NULL, 10, -1));
        ASSERT_OK(trace_message_parse(scan(scanner, &b).payload, &estimate, NULL));
        assert_true(estimate.estimate_is_sync);
        assert_int_equal(estimate.row_estimate, 10);
        buffer_reset(&b);
        ASSERT_OK(message_write_stream_status(&b, 1, "n", NULL, STREAM_STATUS_COMPLETE));
        ASSERT_OK(trace_message_parse(scan(scanner, &b).payload, &status, NULL));
        assert_int_equal(status.status, STREAM_STATUS_COMPLETE);
        assert_null(status.stream_namespace);
        buffer_reset(&b);
        ASSERT_OK(message_write_connection_status(&b, false, "why"));
        ASSERT_OK(connection_status_parse(scan(scanner, &b).payload, &connection, NULL));
        assert_string_equal(connection.message, "why");
}

TEST(a_specification_of_many_lines_is_one_message) {
        _cleanup_(record_scanner_freep) RecordScanner *scanner = record_scanner_new();
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(message_write_spec(&b, "{\n  \"connectionSpecification\": {\n \"n\": 1.10 }\n}\n"));
        assert_int_equal(scan(scanner, &b).type, MESSAGE_SPEC);
        assert_string_equal(buffer_string(&b),
                            "{\"type\":\"SPEC\",\"spec\":{\"connectionSpecification\":{\"n\":1.10}}}\n");
        ASSERT_ERROR(message_write_spec(&b, "{"), EBADMSG);
}
