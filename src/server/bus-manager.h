/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.gantry.Server1.Manager: lists, making things, and the short ways to start and cancel. */

#include "server/bus.h"

/* Ends with a row without a member. */
extern const BusMethod bus_manager_methods[];
int bus_manager_add(Server *s);
