/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When a connection is to run next. Pure. */

#include "basic/error.h"
#include "basic/time-util.h"
#include "model/connection.h"

/* `last_job`: when its newest job was created, 0 = it never had one. 0: never by itself. A time in the
 * past means now: however many runs were missed, one is made up for. A cron schedule skips what lies less
 * than a minute behind the newest job, as Airbyte's does. A newest job that lies in the future is one of a
 * clock that was set back since, and doesn't count: the next run is never further off than the schedule says
 * from now.
 * -EINVAL: the schedule can't be read. */
int schedule_next_run(const Connection *c, usec_t last_job, usec_t now, usec_t *ret, Error **reterr_error);
