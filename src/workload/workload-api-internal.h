/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the files of the workload API: the handlers of the table and what they share. */

#include "workload/workload-api.h"

/* Who may call a route: the flags of HttpRoute. */
enum {
        CALLER_ROOT = 1 << 0, /* a process of uid 0, without a token */
        CALLER_LAUNCHER = 1 << 1,
        CALLER_RUNNER = 1 << 2,
        CALLER_ENDED = 1 << 3, /* the runner of an ended workload, too: its word may have been lost on the way back */
};

typedef struct Lease {
        const char *id; /* borrowed from the body */
        int64_t epoch;
} Lease;

/* 204 for success, 410 and 429 by themselves; other errors go back to the server, which answers them. */
int workload_api_reply(HttpRequest *q, int r);

const WorkloadCaller *workload_api_caller(HttpRequest *q);
int workload_api_check_caller(HttpRequest *q, const char *id, int64_t epoch);

int workload_api_body(HttpRequest *q, JsonObject **ret);
int workload_api_string(HttpRequest *q, JsonObject *o, const char *key, const char **ret);
int workload_api_lease(HttpRequest *q, JsonObject **ret_body, Lease *ret);

/* workload-api.c: under a lease */
int workload_api_launched(HttpRequest *q, void *userdata);
int workload_api_running(HttpRequest *q, void *userdata);
int workload_api_heartbeat(HttpRequest *q, void *userdata);
int workload_api_success(HttpRequest *q, void *userdata);
int workload_api_failure(HttpRequest *q, void *userdata);
int workload_api_state(HttpRequest *q, void *userdata);
int workload_api_stats(HttpRequest *q, void *userdata);
int workload_api_progress(HttpRequest *q, void *userdata);
int workload_api_control(HttpRequest *q, void *userdata);
int workload_api_logs(HttpRequest *q, void *userdata);

/* workload-api-queue.c: launchers, and who looks */
int workload_api_initialize(HttpRequest *q, void *userdata);
int workload_api_dataplane_heartbeat(HttpRequest *q, void *userdata);
int workload_api_create(HttpRequest *q, void *userdata);
int workload_api_poll(HttpRequest *q, void *userdata);
int workload_api_claim(HttpRequest *q, void *userdata);
int workload_api_cancel(HttpRequest *q, void *userdata);
int workload_api_get(HttpRequest *q, void *userdata);
int workload_api_list(HttpRequest *q, void *userdata);
int workload_api_expired(HttpRequest *q, void *userdata);
int workload_api_active(HttpRequest *q, void *userdata);
int workload_api_long_running_sync(HttpRequest *q, void *userdata);
int workload_api_long_running_other(HttpRequest *q, void *userdata);
int workload_api_depth(HttpRequest *q, void *userdata);
int workload_api_queue_stats(HttpRequest *q, void *userdata);
int workload_api_clean(HttpRequest *q, void *userdata);
