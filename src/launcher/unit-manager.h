/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* systemd's manager, as the launcher needs it: transient units started, watched, stopped, listed. Nothing
 * here waits; answers come from the loop. */

#include <systemd/sd-bus.h>

#include "basic/time-util.h"
#include "shared/json-util.h"

typedef struct UnitManager UnitManager;

typedef struct UnitInfo {
        const char *name;
        const char *active_state, *sub_state;
} UnitInfo;

/* How a unit's main process ended. `result` is systemd's word (success, exit-code, signal, oom-kill, …). */
typedef struct UnitResult {
        const char *result;
        int32_t code;   /* CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0: it never ran */
        int32_t status; /* exit code or signal */
        uint32_t pid;   /* 0: none runs */
} UnitResult;

typedef struct UnitManagerEvents {
        /* A unit whose name begins with the prefix has changed its state. */
        void (*changed)(const UnitInfo *u, void *userdata);
        void *userdata;
} UnitManagerEvents;

/* Subscribes first: no end of a unit is missed. */
int unit_manager_new(sd_bus *bus, const char *prefix, const UnitManagerEvents *events, UnitManager **ret);
UnitManager *unit_manager_free(UnitManager *m);
DEFINE_CLEANUP(UnitManager, unit_manager_free);
/* Whether an answer of systemd's is awaited: not the time to leave. */
bool unit_manager_is_busy(const UnitManager *m);

/* `r`: 0 when the job is done, -ENOEXEC when it failed, or the call's errno; then `error` says more. */
typedef void (*UnitDone)(const char *name, int r, const Error *error, void *userdata);

/* Starts a transient service with `stdin_fd` (copied) as its fd 0. `done` comes when its job is over:
 * with Type=exec that is after the program was executed. */
int unit_manager_start(UnitManager *m, const char *name, JsonObject *properties, int stdin_fd, UnitDone done,
                       void *userdata);
/* Stops a unit or slice; `done` comes when it is down. One that isn't there is down. */
int unit_manager_stop(UnitManager *m, const char *name, UnitDone done, void *userdata);
/* Lets systemd forget a failed unit. */
void unit_manager_reset_failed(UnitManager *m, const char *name);

typedef void (*UnitListed)(const UnitInfo units[], size_t n, int r, void *userdata);
int unit_manager_list(UnitManager *m, const char *pattern, UnitListed listed, void *userdata);

typedef void (*UnitResultHandler)(const char *name, const UnitResult *result, int r, void *userdata);
int unit_manager_get_result(UnitManager *m, const char *name, UnitResultHandler handler, void *userdata);

/* A one-shot timer `gantry-timer-<name>.timer` that starts `unit` at a time of the wall clock; replaces
 * one of that name. */
int unit_manager_set_timer(UnitManager *m, const char *name, usec_t at, const char *unit, UnitDone done,
                           void *userdata);
