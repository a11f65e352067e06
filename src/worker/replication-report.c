/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What people read of an attempt: log lines and failure reasons. All of it passes the masker here and
 * nowhere else. */

#include "worker/replication-internal.h"

void replication_log(Replication *r, FailureOrigin from, const char *level, const char *format, ...) {
        _cleanup_buffer_ Buffer b = {};
        _cleanup_free_ char *masked = NULL;
        const char *text;
        va_list ap;
        int k;

        if (!r->sink.log)
                return;
        va_start(ap, format);
        k = buffer_appendv(&b, format, ap);
        va_end(ap);
        text = k < 0 ? NULL : buffer_string(&b);
        masked = masker_apply(r->masker, text);
        /* Out of memory: a line less is better than a secret shown. */
        if (masked)
                r->sink.log(from, level, masked, r->sink.userdata);
}

int replication_add_failure(Replication *r, const FailureReason *reason) {
        _cleanup_free_ char *external = masker_apply(r->masker, reason->external_message);
        _cleanup_free_ char *internal = masker_apply(r->masker, reason->internal_message);
        _cleanup_free_ char *stack = masker_apply(r->masker, reason->stack_trace);
        FailureReason f = *reason;

        f.external_message = external;
        f.internal_message = internal;
        f.stack_trace = stack;
        f.retryable = f.type != FAILURE_CONFIG_ERROR && f.type != FAILURE_MANUAL_CANCELLATION;
        if (f.timestamp == 0)
                f.timestamp = env_now(r->env, ENV_CLOCK_REALTIME);
        return failure_list_add(&r->failures, &f);
}

int replication_fault(Replication *r, FailureOrigin origin, FailureType type,
                      const ReplicationStream *stream,
                      const char *format, ...) {
        _cleanup_buffer_ Buffer b = {};
        FailureReason f = { .origin = origin, .type = type };
        va_list ap;
        int k;

        if (!replication_is_live(r))
                return 0;
        va_start(ap, format);
        k = buffer_appendv(&b, format, ap);
        va_end(ap);
        f.external_message = k < 0 ? NULL : (char *) buffer_string(&b);
        if (!f.external_message)
                return -ENOMEM;
        if (stream) {
                f.stream_name = stream->configured->stream.name;
                f.stream_namespace = stream->configured->stream.namespace;
        }
        k = replication_add_failure(r, &f);
        if (k < 0)
                return k;
        replication_log(r, ORIGIN_REPLICATION, "ERROR", "%s", f.external_message);
        return replication_wind_down(r);
}
