/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of each kind of unit: tables with a reason a line, and what depends on the workload. */

#include "launcher/launch-actor.h"

/* What all units of an attempt have. */
int launch_unit_common(UnitPlan *u, const LaunchRequest *q, const char *slice);
/* The worker's. */
int launch_unit_worker(UnitPlan *u, const LaunchRequest *q);
/* A connector's that systemd fences in: launch-service.c. The plan is made. */
int launch_unit_service(UnitPlan *u, const LaunchRequest *q, const ConnectorStart *start);
/* A connector's: its properties and what its shim is told. `start` says what is run. */
int launch_unit_connector(UnitPlan *u, const LaunchRequest *q, const LaunchActor *a, ConnectorStart *start,
                          Error **reterr_error);
