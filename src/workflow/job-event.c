/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A step may be run again, with another time, and its event is told once all the same: the id is a UUIDv7
 * with the job's beginning for its time and, in the place of randomness, the job's number and the event's
 * place within it. It is as unique as the number. One run of a job may tell several events at the same
 * time, and a list then has them in the order of their ids. */

#include "basic/uuid.h"
#include "db/job-store.h"
#include "db/timeline-store.h"
#include "workflow/job-event.h"

/* Of the job's number: more than there will ever be. */
#define NUMBER_BYTES 5U

static void make_id(const Job *job, uint16_t place, char ret[static UUID_STRING_MAX]) {
        uint8_t unique[10] = {};

        /* The first three don't go into the id as they are, see uuid7_make(). */
        for (size_t i = 0; i < NUMBER_BYTES; i++)
                unique[3 + i] = (uint8_t) ((uint64_t) job->id >> (8 * (NUMBER_BYTES - 1 - i)));
        unique[8] = (uint8_t) (place >> 8);
        unique[9] = (uint8_t) place;
        uuid7_make(job->created_at, unique, ret);
}

int job_event_tell(Db *db, const TimelineEvent *e, uint16_t place, usec_t now, Error **reterr_error) {
        _cleanup_(job_freep) Job *job = NULL;
        char id[UUID_STRING_MAX];
        TimelineEvent told = *e;
        int r;

        r = job_store_get(db, e->job_id, &job, reterr_error);
        if (r < 0)
                return r;
        make_id(job, place, id);
        told.id = id;
        return MIN(timeline_store_append(db, &told, now, reterr_error), 0);
}
