/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The zones that are answered for. A question comes in on a zone's own socket, so that nobody has to say
 * who asks; what is answered is allowed in the zone's filter first. A zone goes with its control group. */

#include "basic/env.h"
#include "network/network-zone.h"

/* Attempts that run at once, twice over. */
#define ZONES_MAX 256U

typedef struct Zones Zones;

int zones_new(Env *env, Zones **ret);
Zones *zones_free(Zones *z);
DEFINE_CLEANUP(Zones, zones_free);

/* Binds the zone's address, and answers from now on. Takes `rules` and the descriptors over, on failure
 * too. */
int zones_add(Zones *z, const char *unit, NetworkZone *rules, int map, int cgroup,
              Error **reterr_error);
bool zones_busy(const Zones *z);
