/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a job tells on its connection's timeline. */

#include "db/db.h"
#include "model/event.h"

/* Behind all others of the job. */
#define JOB_EVENT_END UINT16_MAX

/* Appends the event of e->job_id, which gets its id here, unless its job has told it: `place` is its own
 * within the job, and events of the same moment are in this order. */
int job_event_tell(Db *db, const TimelineEvent *e, uint16_t place, usec_t now, Error **reterr_error);
