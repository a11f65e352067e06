/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/string-table.h"
#include "worker/failure-list.h"

static const char *const failure_origin_table[_FAILURE_ORIGIN_MAX] = {
        [ORIGIN_SOURCE] = "source",
        [ORIGIN_DESTINATION] = "destination",
        [ORIGIN_REPLICATION] = "replication",
        [ORIGIN_PERSISTENCE] = "persistence",
        [ORIGIN_AIRBYTE_PLATFORM] = "airbyte_platform",
        [ORIGIN_UNKNOWN] = "unknown",
};

DEFINE_STRING_TABLE_TO_STRING(failure_origin, FailureOrigin)

static void failure_reason_done(FailureReason *f) {
        free(f->external_message);
        free(f->internal_message);
        free(f->stack_trace);
        free(f->stream_name);
        free(f->stream_namespace);
        *f = (FailureReason) {};
}

void failure_list_done(FailureList *l) {
        for (size_t i = 0; i < l->n; i++)
                failure_reason_done(&l->reasons[i]);
        *l = (FailureList) {};
}

/* A copy of at most `max` bytes that does not end inside a character. */
static int copy_cut(const char *s, size_t max, char **ret) {
        size_t n;

        *ret = NULL;
        if (!s)
                return 0;
        n = strnlen(s, max + 1);
        if (n > max)
                for (n = max; n > 0 && ((unsigned char) s[n] & 0xC0U) == 0x80U;)
                        n--;
        *ret = strndup(s, n);
        return *ret ? 0 : -ENOMEM;
}

int failure_list_add(FailureList *l, const FailureReason *reason) {
        FailureReason copy = *reason;
        size_t at = 0;
        int r;

        copy.external_message = copy.internal_message = copy.stack_trace = NULL;
        copy.stream_name = copy.stream_namespace = NULL;

        /* Connectors' own words come first; a connector's word pushes out the last of ours when the list
         * is full. */
        while (at < l->n && (l->reasons[at].from_trace || !reason->from_trace))
                at++;
        if (at >= REPLICATION_FAILURES_MAX) {
                l->n_dropped++;
                return 0;
        }
        if ((r = copy_cut(reason->external_message, FAILURE_MESSAGE_MAX, &copy.external_message)) < 0 ||
            (r = copy_cut(reason->internal_message, FAILURE_MESSAGE_MAX, &copy.internal_message)) < 0 ||
            (r = copy_cut(reason->stack_trace, FAILURE_STACK_TRACE_MAX, &copy.stack_trace)) < 0 ||
            (r = copy_cut(reason->stream_name, FAILURE_MESSAGE_MAX, &copy.stream_name)) < 0 ||
            (r = copy_cut(reason->stream_namespace, FAILURE_MESSAGE_MAX, &copy.stream_namespace)) < 0) {
                failure_reason_done(&copy);
                return r;
        }
        if (l->n == REPLICATION_FAILURES_MAX) {
                failure_reason_done(&l->reasons[--l->n]);
                l->n_dropped++;
        }
        memmove(l->reasons + at + 1, l->reasons + at, (l->n - at) * sizeof(*l->reasons));
        l->reasons[at] = copy;
        l->n++;
        return 0;
}
