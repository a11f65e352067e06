/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The launcher's core: takes workloads from the queue as long as there is room, has them run, and sees to it
 * that each has an end that is known to the API. What it knows is made anew from the API and the executor
 * after a restart; it keeps nothing.
 *
 *   polled → claimed → launching → running → ending → gone
 *
 * A workload that can't be launched is a failed one, with the reason. One whose worker is gone without having
 * said how it ended is failed by us. */

#include <systemd/sd-bus.h>

#include "client/workload-client.h"
#include "launcher/executor.h"
#include "launcher/launcher-tool.h"

/* Airbyte's load shedding, by what a host can carry (docs/INTERFACES.md). */
#define LAUNCHER_SYNCS_MAX 10U
#define LAUNCHER_OTHERS_MAX 5U

typedef struct Launcher Launcher;

typedef struct LauncherOptions {
        Env *env;
        sd_bus *bus;
        const char *api;         /* the workload API's socket */
        const char *name;        /* of this dataplane */
        void (*touch)(void *userdata);
        void *userdata;
} LauncherOptions;

int launcher_new(const LauncherOptions *o, Launcher **ret);
Launcher *launcher_free(Launcher *l);
DEFINE_CLEANUP(Launcher, launcher_free);

/* There is something in the queue. */
void launcher_wake(Launcher *l);
/* Stops a workload's runner. -ESRCH when it doesn't run here. */
int launcher_cancel(Launcher *l, const char *workload_id);
/* True as long as something runs or an answer is awaited. */
bool launcher_busy(const Launcher *l);
Executor *launcher_executor(Launcher *l);

/* Removes an installed connector; nobody looks whether it is used. One at a time: -EBUSY. */
int launcher_remove_connector(Launcher *l, const char *reference, ToolDone done, void *userdata, Error **reterr_error);

typedef int (*LauncherVisit)(const char *id, int64_t epoch, const char *unit, const char *state,
                             void *userdata);
int launcher_visit(const Launcher *l, LauncherVisit visit, void *userdata);
