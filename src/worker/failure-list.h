/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why an attempt failed: at most REPLICATION_FAILURES_MAX reasons, those that a connector told by itself
 * (TRACE ERROR) first, each group in the order it happened, texts cut to Airbyte's lengths. */

#include "worker/replication.h"

#define FAILURE_MESSAGE_MAX 50000U
#define FAILURE_STACK_TRACE_MAX 100000U

typedef struct FailureList {
        FailureReason reasons[REPLICATION_FAILURES_MAX];
        size_t n;
        size_t n_dropped; /* those beyond the limit */
} FailureList;

void failure_list_done(FailureList *l);

/* Copies the texts (cut, at a character's border) and files the reason in its place. Beyond the limit the
 * first ones stay: what happened first is nearest to the cause. */
int failure_list_add(FailureList *l, const FailureReason *reason);
