/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workloads as JSON: what Create takes, and what Get and the lists give. docs/INTERFACES.md has the form. */

#include "model/catalog-fetch.h"
#include "model/workload.h"
#include "shared/json-util.h"

/* A sync's input holds two catalogs; everything else is small. */
#define WORKLOAD_JSON_MAX (64U * 1024U * 1024U)
#define WORKLOAD_ID_MAX 255U
#define WORKLOAD_DROP_STATES_MAX 100000U

typedef struct WorkloadRequest {
        Workload *workload; /* pending; times are not set but for a deadline that was given */
        StreamRef *drop;    /* names borrowed from json */
        size_t n_drop;
        JsonObject *json;
} WorkloadRequest;
void workload_request_done(WorkloadRequest *q);

/* -EINVAL with a sentence for all that Create may not take. */
int workload_request_parse(const char *p, size_t n, WorkloadRequest *ret, Error **reterr_error);

/* Ids become parts of unit names and of paths: letters, digits and "._:-". */
bool workload_id_is_valid(const char *id);

/* Whether it is an array of STREAM_STATS; -EINVAL names the entry that is none. */
int workload_stats_check(JsonObject *streams, Error **reterr_error);

/* The stored workload, without secrets (its input holds none) and without the input. */
int workload_to_json(const Workload *w, JsonObject **ret);
