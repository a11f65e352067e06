/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Attempts of jobs and what they did for each stream. Written by gantry-workflow. */

#include "db/db.h"
#include "model/job.h"

/* Begins the job's next attempt, running. -EBUSY: the one before is running (W06); -ESRCH: the job has
 * ended. */
int attempt_store_create(Db *db, int64_t job_id, usec_t now, int *ret_number, Error **reterr_error);
int attempt_store_get(Db *db, int64_t job_id, int number, Attempt **ret, Error **reterr_error);
/* In order of their numbers. */
int attempt_store_list(Db *db, int64_t job_id, AttemptArray *ret, Error **reterr_error);
int attempt_store_set_workload(Db *db, int64_t job_id, int number, const char *workload_id, usec_t now,
                               Error **reterr_error);
/* Ends it: status, output, failure and the four counts of `a`. The counts of committed records and bytes
 * are added to the job's. 1: done; 0: it had ended before, nothing changes. */
int attempt_store_finish(Db *db, const Attempt *a, usec_t now, Error **reterr_error);
/* "Ensure clean job state": fails every running attempt of the job with `failure`; returns how many
 * (W05). */
int attempt_store_fail_running(Db *db, int64_t job_id, const char *failure, usec_t now,
                               Error **reterr_error);

/* Replaces what is stored for these streams of the attempt. */
int stream_stats_store_set(Db *db, const StreamStats *stats, size_t n, usec_t now, Error **reterr_error);
/* By namespace and name. */
int stream_stats_store_list(Db *db, int64_t job_id, int attempt, StreamStatsArray *ret,
                            Error **reterr_error);
/* Of each stream of the connection the newest one. */
int stream_stats_store_list_latest(Db *db, const char *connection_id, StreamStatsArray *ret,
                                   Error **reterr_error);
