/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Runs several connector verbs side by side in a loop of their own and waits for all. */

#include "cli/endpoint.h"

typedef struct OneshotJob {
        const Endpoint *endpoint;
        const char *verb;
        char *config;               /* owned */
        ConnectorOneshot *oneshot;  /* owned; connector_oneshot_result() tells */
} OneshotJob;

void oneshot_jobs_done(OneshotJob *jobs, size_t n);

/* 0 when all have ended, however; -ECANCELED after SIGINT or SIGTERM (`ret_signal`, may be NULL, says
 * which). */
int oneshots_run(OneshotJob *jobs, size_t n, bool verbose, int *ret_signal, Error **reterr_error);
