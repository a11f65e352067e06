/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the attempts of a job have logged, read from gantry-workload, and the whole of a job with its
 * attempts. */

#include "server/job-service.h"

/* CALL_LATER; the answer is {"lines": [{t, level, origin, message}], "cursor": n, "more": bool}. */
int job_log_read(Call *c, int64_t job_id, uint32_t attempt, uint64_t cursor, uint32_t max);
/* The same answer as a D-Bus reply: memfd of JSON lines, cursor, more. */
int job_log_write(Call *c, JsonObject *result, sd_bus_message *reply);

/* The public form with {"attempts": [{number, status, failure, statistics, streams}], "failure"}. */
int job_view_whole(Call *c, const Job *j, JsonObject **ret);
