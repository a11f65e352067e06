/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the launcher has found of its host, and which connectors it refuses for it: for people who look at
 * the status (`gantryctl status`), so that nobody has to wait for a failed sync to hear of it. */

#include "launcher/launcher-manager.h"
#include "shared/json-util.h"

typedef struct HostReport HostReport;

/* Comes once. `report` is NULL where there is none: the launcher leaves, or is out of memory. */
typedef void (*HostReportDone)(JsonObject *report, void *userdata);

/* Asks podman and crun for their versions, beside the loop, and waits some seconds for a try of the
 * isolation that is on its way. The launcher keeps it until it is done. */
int host_report_begin(Launcher *l, HostReportDone done, void *userdata);
/* Ends all that are under way. */
void host_report_end_all(Launcher *l);
