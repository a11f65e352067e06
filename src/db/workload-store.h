/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Workloads: the queue, leases, and how they end. Written by gantry-workload. docs/INTERFACES.md has the
 * calls behind these.
 *
 * A claim raises the lease epoch. Whatever a runner brings later names the epoch; with an old one, or
 * when the workload has ended, it is -ESTALE (HTTP 410) and nothing is stored. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/catalog-fetch.h"
#include "model/workload.h"

#define WORKLOAD_CLAIM_USEC (30 * 60 * USEC_PER_SEC)   /* to the claim, unless it names a deadline */
#define WORKLOAD_LAUNCH_USEC (30 * 60 * USEC_PER_SEC)    /* from the claim to launched */
#define WORKLOAD_LEASE_USEC (120 * USEC_PER_SEC)         /* from one sign of life to the next */
/* From being told to end to the end: longer than a worker may take to stop (launch-units.c, 135 s). */
#define WORKLOAD_CANCEL_USEC (180 * USEC_PER_SEC)
#define WORKLOAD_REDELIVERY_USEC (5 * 60 * USEC_PER_SEC) /* a polled one is hidden for so long */

/* Stores a pending workload and removes the states of `drop`, in one transaction. Live ones of the same
 * mutex key are failed as superseded, and put into `ret_superseded` (may be NULL). 1: made; 0: it was
 * there already, nothing changes. */
int workload_store_create(Db *db, const Workload *w, const StreamRef *drop, size_t n_drop, usec_t now,
                          WorkloadArray *ret_superseded, Error **reterr_error);
int workload_store_get(Db *db, const char *id, Workload **ret, Error **reterr_error);
/* Without input, output and stats, which may be large. */
int workload_store_get_head(Db *db, const char *id, Workload **ret, Error **reterr_error);

/* The statistics that a runner told last. -ENOENT: none. */
int workload_store_get_stats(Db *db, const char *id, char **ret, Error **reterr_error);

typedef struct WorkloadFilter {
        bool live_only;            /* not ended */
        bool unnotified_only;      /* ended, and the workflow doesn't know */
        const char *dataplane_id;  /* NULL: all */
        const char *connection_id; /* NULL: all */
} WorkloadFilter;
/* Without input, output and stats. */
int workload_store_list(Db *db, const WorkloadFilter *filter, const ListOptions *options, WorkloadArray *ret,
                        Error **reterr_error);

/* Up to `limit` pending ones of that priority, the oldest first, which are hidden from further polls for
 * WORKLOAD_REDELIVERY_USEC. Without input. */
int workload_store_poll(Db *db, WorkloadPriority priority, size_t limit, usec_t now, WorkloadArray *ret,
                        Error **reterr_error);
/* 1: `dataplane_id` has it, under the epoch returned; also when it had it before and hasn't launched it
 * (a reply that got lost): the epoch is raised again. 0: somebody else has it, or it has ended; one that
 * was told to end before it was launched ends by this. */
int workload_store_claim(Db *db, const char *id, const char *dataplane_id, usec_t now, int64_t *ret_epoch,
                         Error **reterr_error);
/* `to` is launched or running; repeating one is no error. Renews the lease. -ESTALE. */
int workload_store_advance(Db *db, const char *id, int64_t epoch, WorkloadStatus to, usec_t now,
                           Error **reterr_error);
/* Renews the lease. 1: it was told to end, by a time that stays. -ESTALE; -EINVAL: not running yet.
 * Leaves no row in `change`. */
int workload_store_heartbeat(Db *db, const char *id, int64_t epoch, usec_t now, Error **reterr_error);
/* Is the lease good? 0 or -ESTALE. Inside a transaction it stays so until its end. */
int workload_store_check_lease(Db *db, const char *id, int64_t epoch, Error **reterr_error);

/* Ends it: success or failure. Repeating what was said is no error: 0 instead of 1; another end is
 * -ESTALE; -EEXIST: a success of what has not run. A failure of what was told to end makes it cancelled,
 * for the reason that was given then. */
int workload_store_finish(Db *db, const char *id, int64_t epoch, WorkloadStatus status, const char *output,
                          const char *source, const char *reason, usec_t now, Error **reterr_error);
/* A sync that somebody has claimed is told to end: its runner has what is committed to hand over, and
 * WORKLOAD_CANCEL_USEC for it. Whatever else ends at once. -ESTALE: it has ended otherwise. */
enum {
        WORKLOAD_CANCEL_REPEATED, /* it was told before, or is cancelled */
        WORKLOAD_CANCEL_ASKED,
        WORKLOAD_CANCEL_ENDED,
};
int workload_store_cancel(Db *db, const char *id, const char *source, const char *reason, usec_t now,
                          Error **reterr_error);
/* All that were told to end and have not. Without input, output and stats. */
int workload_store_list_cancelling(Db *db, WorkloadArray *ret, Error **reterr_error);
/* One that was told to end has no longer than WORKLOAD_CANCEL_USEC from now, even if the clock was set back. */
int workload_store_bound_cancel(Db *db, const char *id, usec_t now, Error **reterr_error);
/* Fails up to `limit` whose deadline has passed (those that were told to end: cancels) and returns them. */
int workload_store_expire(Db *db, usec_t now, size_t limit, WorkloadArray *ret, Error **reterr_error);
/* When the next deadline of a live one passes; 0: there is none. */
int workload_store_next_deadline(Db *db, usec_t *ret, Error **reterr_error);
int workload_store_set_notified(Db *db, const char *id, Error **reterr_error);
/* How many are pending, by priority. */
int workload_store_depth(Db *db, int64_t ret[static _WORKLOAD_PRIORITY_MAX], Error **reterr_error);
/* Deletes up to `limit` that ended before `before` and are notified; returns how many. */
int workload_store_prune(Db *db, usec_t before, size_t limit, Error **reterr_error);

/* What a runner reports, all bound to its lease. */
int workload_store_merge_state(Db *db, const char *id, int64_t epoch, const char *states, size_t n,
                               usec_t now, Error **reterr_error);
int workload_store_set_stats(Db *db, const char *id, int64_t epoch, const char *stats, usec_t now,
                             Error **reterr_error);
