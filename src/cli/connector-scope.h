/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A control group for each connector of a sync, where systemd runs the machine: what its sandbox limits a
 * process at a time, a scope limits for all of its processes together. */

#include "runtime/connector-process.h"

typedef struct ConnectorScopes ConnectorScopes;

/* `verbose`: why there is none is said, once. NULL when out of memory. */
ConnectorScopes *connector_scopes_new(bool verbose);
ConnectorScopes *connector_scopes_free(ConnectorScopes *s);
DEFINE_CLEANUP(ConnectorScopes, connector_scopes_free);

/* For ConnectorStart.place, with the scopes as its userdata. */
void connector_scopes_place(const ConnectorStart *start, pid_t shim, uint64_t memory_max, uint64_t tasks_max,
                            void *userdata);
