/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The workload API over HTTP: who may call what, bodies in, statuses out. The table is docs/INTERFACES.md's. */

#include "http/http-server.h"
#include "workload/workload-lease.h"

typedef struct WorkloadApi {
        WorkloadManager *manager;
        /* Passes a CONTROL message's configuration on and answers `q` when that is done (keeping a reference). */
        int (*rotate)(HttpRequest *q, const char *actor_id, const char *configuration, void *userdata);
        void (*touch)(void *userdata); /* somebody called */
        /* Whether this machine is being shut down: what then stops was not stopped by a person. */
        bool (*shuts_down)(void *userdata);
        void *userdata;
} WorkloadApi;

extern const HttpRoute workload_api_routes[];
extern const size_t workload_api_n_routes;

/* The server's `prepare`, with the WorkloadApi as userdata, as all its handlers. */
int workload_api_prepare(HttpRequest *q, void *userdata);
