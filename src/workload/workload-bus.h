/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.gantry.Workload1: what the workflow and the server ask of gantry-workload (docs/INTERFACES.md). */

#include <systemd/sd-bus.h>

#include "workload/workload-manager.h"

#define WORKLOAD_BUS_NAME "org.gantry.Workload1"
#define WORKLOAD_BUS_PATH "/org/gantry/Workload1"

typedef struct WorkloadBus {
        WorkloadManager *manager;
        const char *log_root;
        void (*touch)(void *userdata); /* somebody called */
        void *userdata;
} WorkloadBus;

/* Puts the object on the bus; `b` stays the caller's and outlives the bus. */
int workload_bus_add(sd_bus *bus, WorkloadBus *b);
