/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Streams that an edit takes out of a connection leave their states behind: should one come back, it is read
 * from its beginning (docs/WORKFLOWS.md, "A stream that leaves"). */

#include "model/connection.h"
#include "server/call.h"

/* In the transaction that stores `connection`: owes that for each stream which has ever been part of a job,
 * `before` (its stored selection, NULL: everything) moves, and its new selection doesn't. */
int connection_owe_left(Call *c, const Connection *connection, const char *before);
