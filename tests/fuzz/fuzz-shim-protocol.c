/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets between the shim and its starter: the plan decides what a connector may touch, so what is read must be what
 * was written. */

#include "fuzz/fuzz.h"
#include "sandbox/shim-protocol.h"

static void read_request(const char *p, size_t size) {
        _cleanup_buffer_ Buffer once = {}, twice = {};
        _cleanup_error_ Error *error = NULL;
        ShimRequest q = {}, second = {};
        SandboxPlan *plan;

        if (shim_request_parse(p, size, &q, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return;
        }
        if (shim_request_append(&once, &q) >= 0) {
                FUZZ_CHECK(shim_request_parse(buffer_bytes(&once), once.len, &second, NULL) == 0);
                FUZZ_CHECK(second.type == q.type);
                FUZZ_CHECK(shim_request_append(&twice, &second) == 0);
                FUZZ_CHECK(once.len == twice.len && memcmp(buffer_bytes(&once), buffer_bytes(&twice), once.len) == 0);
                shim_request_done(&second);
        }
        plan = q.plan;
        if (plan)
                FUZZ_CHECK(plan->argv && plan->argv[0]);
        shim_request_done(&q);
}

static void read_event(const char *p, size_t size) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_buffer_ Buffer b = {};
        ShimEvent e = {}, second = {};

        if (shim_event_parse(p, size, &e, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return;
        }
        FUZZ_CHECK(shim_event_append(&b, &e) == 0);
        FUZZ_CHECK(shim_event_parse(buffer_bytes(&b), b.len, &second, NULL) == 0);
        FUZZ_CHECK(second.type == e.type && second.pid == e.pid && second.code == e.code && second.signal == e.signal);
        shim_event_done(&second);
        shim_event_done(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        read_request(size > 0 ? (const char *) data : "", size);
        read_event(size > 0 ? (const char *) data : "", size);
        return 0;
}
