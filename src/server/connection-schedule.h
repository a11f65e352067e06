/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The schedule of a connection, in and out. */

#include "model/connection.h"
#include "server/call.h"

/* `schedule` of the public API ({scheduleType, cronExpression}) or of the config API (scheduleType and
 * scheduleData), as far as `body` has them. -EINVAL with a problem type of cron-validation. */
int connection_schedule_apply(Call *c, JsonObject *body, Connection *connection);
/* The public API's form: {scheduleType, cronExpression "EXPR TZ", basicTiming "Every N UNIT"}. */
int connection_schedule_view(const Connection *connection, JsonObject **ret);
