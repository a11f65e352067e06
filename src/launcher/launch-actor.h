/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ACTOR of docs/INTERFACES.md: one side of a workload, as the launcher needs it. */

#include "launcher/launch-plan.h"
#include "runtime/connector-process.h"

typedef struct LaunchActor {
        const char *reference;
        ConnectorRole role;
        UnitKind kind;
        bool network, any; /* class `any`, else `hosts` */
        JsonObject *allowed_hosts; /* templates, borrowed; NULL: none */
        uint64_t memory_max, cpu_quota, tasks_max; /* 0: not said */
        JsonObject *configuration; /* borrowed; NULL: none, for spec */
        char **read_paths, **write_paths;
} LaunchActor;

void launch_actor_done(LaunchActor *a);
/* Strings but the paths are borrowed from `o`. */
int launch_actor_parse(JsonObject *o, LaunchActor *ret, Error **reterr_error);
