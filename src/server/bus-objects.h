/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects below /org/gantry/Server1: sources, destinations, connections and jobs. */

#include "server/bus.h"

/* Ends with a row without a member. */
extern const BusMethod bus_object_methods[];
int bus_objects_add(Server *s);
