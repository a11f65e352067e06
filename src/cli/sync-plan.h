/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a sync will do, decided before anything moves: which streams, in which modes, mapped how. */

#include "cli/endpoint.h"
#include "cli/sync-options.h"

typedef struct SyncPlan {
        ConfiguredCatalog *source;      /* as the source is told */
        ConfiguredCatalog *destination; /* as the destination is told */
        StreamOptions *streams;         /* source->n_streams of them */
        char ***selected_fields;        /* per stream, NULL = all */
        Mapper ***mappers;              /* per stream, NULL = none */
        char **reasons;                 /* per stream: why its mode was chosen; NULL = it was asked for */
} SyncPlan;

SyncPlan *sync_plan_free(SyncPlan *p);
DEFINE_CLEANUP(SyncPlan, sync_plan_free);

/* The source's side: streams, modes, keys, fields, mappers. Errors name the stream and the option. */
int sync_plan_new(const SyncOptions *options, const Catalog *catalog, const ConnectorSpec *destination,
                  SyncPlan **ret,
                  Error **reterr_error);
/* The destination's side, once generations are assigned in p->source. */
int sync_plan_map(SyncPlan *p, const SyncOptions *options, Error **reterr_error);

/* Prints the plan for people (standard error) or as JSON (standard output). */
int sync_plan_print(const SyncPlan *p, bool json);
