/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Attempts as transient units of this machine's systemd: three services in a slice of their own. */

#include "launcher/executor.h"
#include "launcher/unit-manager.h"

int executor_systemd_new(sd_bus *bus, const ExecutorEvents *events, Executor **ret);
/* For what is no attempt: timers. */
UnitManager *executor_systemd_units(Executor *e);
