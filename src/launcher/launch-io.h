/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an attempt's processes hold in their hands when they start: control sockets, pipes and files, made
 * by the launcher and sent ahead over each unit's fd 0. When the units run, the launcher has none of it
 * any more. */

#include "launcher/launch-plan.h"

/* What the worker needs beside the workload's input. */
typedef struct WorkerTicket {
        const char *workload_id;
        const char *type;
        int64_t epoch;
        const char *token;
        const char *api; /* path of the socket */
} WorkerTicket;

/* One connector without a worker: what becomes the unit's fd 0, and our ends of its control socket and pipes
 * (`ret_fds`: stdin is -EBADF). */
int launch_io_open_one(const UnitPlan *u, int *ret_unit_fd, int *ret_control, int ret_fds[static 3]);

/* Fills `ret_fds` with what becomes fd 0 of each of the plan's units, packets already in it. The caller
 * closes them once the units have been asked for; until then, closing them is all that is needed to take
 * everything back. */
int launch_io_open(const LaunchPlan *p, const WorkerTicket *t, int ret_fds[static LAUNCH_UNITS_MAX],
                   Error **reterr_error);
