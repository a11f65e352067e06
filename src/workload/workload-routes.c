/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of docs/INTERFACES.md, and Airbyte's calls beside it. */

#include "workload/workload-api-internal.h"

#define V1 "/api/v1/"

const HttpRoute workload_api_routes[] = {
        { "POST", V1 "dataplanes/initialize", workload_api_initialize, CALLER_ROOT },
        { "POST", V1 "dataplanes/heartbeat", workload_api_dataplane_heartbeat, CALLER_LAUNCHER },
        { "POST", V1 "workload/create", workload_api_create, CALLER_ROOT, HTTP_BODY_LARGE_MAX },
        { "POST", V1 "workload/queue/poll", workload_api_poll, CALLER_LAUNCHER },
        { "POST", V1 "workload/queue/depth", workload_api_depth, CALLER_LAUNCHER },
        { "GET", V1 "workload/queue/stats", workload_api_queue_stats, CALLER_LAUNCHER },
        { "POST", V1 "workload/queue/clean", workload_api_clean, CALLER_LAUNCHER },
        { "PUT", V1 "workload/claim", workload_api_claim, CALLER_LAUNCHER },
        { "PUT", V1 "workload/launched", workload_api_launched, CALLER_LAUNCHER },
        { "PUT", V1 "workload/running", workload_api_running, CALLER_RUNNER },
        { "PUT", V1 "workload/heartbeat", workload_api_heartbeat, CALLER_RUNNER },
        { "PUT", V1 "workload/success", workload_api_success, CALLER_LAUNCHER | CALLER_RUNNER | CALLER_ENDED,
          HTTP_BODY_LARGE_MAX },
        { "PUT", V1 "workload/failure", workload_api_failure, CALLER_LAUNCHER | CALLER_RUNNER | CALLER_ENDED },
        { "PUT", V1 "workload/cancel", workload_api_cancel, CALLER_LAUNCHER },
        { "GET", V1 "workload/{id}", workload_api_get, CALLER_LAUNCHER },
        { "POST", V1 "workload/list", workload_api_list, CALLER_LAUNCHER },
        { "POST", V1 "workload/list_active", workload_api_active, CALLER_LAUNCHER },
        { "POST", V1 "workload/expired_deadline_list", workload_api_expired, CALLER_LAUNCHER },
        { "POST", V1 "workload/list_long_running_sync", workload_api_long_running_sync, CALLER_LAUNCHER },
        { "POST", V1 "workload/list_long_running_non_sync", workload_api_long_running_other, CALLER_LAUNCHER },
        { "POST", V1 "workload/state", workload_api_state, CALLER_RUNNER, HTTP_BODY_LARGE_MAX },
        { "POST", V1 "workload/stats", workload_api_stats, CALLER_RUNNER },
        { "POST", V1 "workload/progress", workload_api_progress, CALLER_RUNNER },
        { "POST", V1 "workload/control", workload_api_control, CALLER_RUNNER },
        { "POST", V1 "workload/logs", workload_api_logs, CALLER_RUNNER },
};

const size_t workload_api_n_routes = ELEMENTSOF(workload_api_routes);
