/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How far a replication is, for shared/progress.h. */

#include "shared/progress.h"
#include "worker/replication.h"

/* Numbers have moved. */
void sync_progress_update(Progress *p, const Replication *r, usec_t now);
