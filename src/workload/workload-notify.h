/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What gantry-workload says to the other daemons: ends to the workflow until it has answered, wakes and stops to
 * the launcher, rotated configurations to the server. All without waiting. */

#include <systemd/sd-bus.h>

#include "http/http-request.h"
#include "workload/workload-manager.h"

/* Between two tries: doubled each time. */
#define NOTIFY_PAUSE_MIN_USEC (1 * USEC_PER_SEC)
#define NOTIFY_PAUSE_MAX_USEC (60 * USEC_PER_SEC)
#define NOTIFY_CALL_USEC (60 * USEC_PER_SEC)

typedef struct WorkloadNotify WorkloadNotify;

/* All borrowed. Nothing is sent before the first workload_notify_ended(). */
int workload_notify_new(Env *env, sd_bus *bus, WorkloadManager *m, WorkloadNotify **ret);
WorkloadNotify *workload_notify_free(WorkloadNotify *n);
DEFINE_CLEANUP(WorkloadNotify, workload_notify_free);

/* After a start: wakes the launcher if something waits. */
void workload_notify_resume(WorkloadNotify *n);

/* The manager's hooks. */
/* There is something for the launcher: a workload to claim, or what an ended one has left. */
void workload_notify_wake(WorkloadNotify *n);
void workload_notify_stopped(WorkloadNotify *n, const char *id);
/* Tells the workflow of all that has ended without its knowing, now and again until it knows. */
void workload_notify_ended(WorkloadNotify *n);
void workload_notify_changed(WorkloadNotify *n, int64_t seq);

/* Tells the server, if it is there. */
void workload_notify_progress(WorkloadNotify *n, const char *json);
/* Passes a configuration on and answers `q` (a reference is kept) with what comes back. */
int workload_notify_rotate(WorkloadNotify *n, HttpRequest *q, const char *actor_id, const char *configuration);
