/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What may go once it is old, and its deletion, for gantry-cron: jobs, discovers and catalogs, of which some
 * stay whatever their age. (What has no such exceptions has a prune function in its own store.)
 *
 * The lists read without a lock, from a cursor on, so that what stays is passed once and not in each batch.
 * A deletion judges again in its own transaction: what has come into use since then stays. */

#include "db/db.h"
#include "model/catalog-fetch.h"
#include "model/job.h"
#include "model/workload.h"

/* Where a list goes on: time and id of the last row; zeroed at the beginning. The id is borrowed. */
typedef struct PruneCursor {
        usec_t at;
        const char *id;
        int64_t number; /* instead of the id, for jobs */
} PruneCursor;

/* Jobs last changed before `before` that may go: ended, and neither the connection's newest, nor its last that
 * succeeded, nor the one that a stream's newest statistics are of. Their id and updated_at only. */
int prune_list_jobs(Db *db, usec_t before, const PruneCursor *after, size_t limit, JobArray *ret,
                    Error **reterr_error);
/* The same of one connection, whatever their age, but for its newest `keep`. */
int prune_list_surplus_jobs(Db *db, const char *connection_id, size_t keep, const PruneCursor *after,
                            size_t limit, JobArray *ret, Error **reterr_error);
/* The next connection that has jobs, in the order of ids; "" for the first. -ENOENT: there is none. */
int prune_next_connection(Db *db, const char *after, char **ret, Error **reterr_error);

/* Deletes a job with its attempts and statistics. 1: it is gone; 0: it isn't there or has to stay; 2: `max_rows`
 * rows of its statistics are gone, and it is to be called again. */
int prune_job(Db *db, int64_t id, size_t max_rows, Error **reterr_error);

/* Discovers (id, created_at) that aren't their actor's newest and that no connection was made of. */
int prune_list_fetches(Db *db, usec_t before, const PruneCursor *after, size_t limit, CatalogFetchArray *ret,
                       Error **reterr_error);
/* Catalogs (the hash as id, created_at) that nothing refers to. */
int prune_list_catalogs(Db *db, usec_t before, const PruneCursor *after, size_t limit, CatalogFetchArray *ret,
                        Error **reterr_error);
/* 1: it is gone; 0: it isn't there or has to stay. */
int prune_fetch(Db *db, const char *id, Error **reterr_error);
int prune_catalog(Db *db, const char *hash, Error **reterr_error);

/* For the logs, which are files: whether and when their owner has ended. id, status, ended_at and (job)
 * updated_at only. -ENOENT, without a sentence. */
int prune_get_job(Db *db, int64_t id, Job **ret, Error **reterr_error);
int prune_get_workload(Db *db, const char *auto_id, Workload **ret, Error **reterr_error);
