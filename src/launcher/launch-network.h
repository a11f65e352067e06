/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connector's network: what its unit and its sandbox need for the fence (network/network-files.h), and
 * the files that the fence and the connector read. */

#include "launcher/launch-actor.h"

/* Adds the fence to a unit that has a network, by `u->sandbox`; sets `u->zone`. Containers have rules of
 * systemd's instead, which can't hold the class `hosts`: -EOPNOTSUPP. */
int launch_network_add(UnitPlan *u, const LaunchRequest *q, const LaunchActor *a, Error **reterr_error);

/* Before the unit starts, and after it is gone. */
int launch_network_write(const UnitPlan *u, Error **reterr_error);
void launch_network_remove(const char *unit);
