/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The engine's store on the suite's database. */

#include "db/workflow-store.h"
#include "workflow/history-store.h"

typedef struct HistoryDb {
        Db *db;          /* borrowed */
        Db *transaction; /* the one that is open */
        Workflow *row;   /* the workflow that was loaded or made last */
} HistoryDb;

/* Fills `ret` with functions on `h`, which must outlive it. */
void history_db_init(HistoryDb *h, Db *db, HistoryStore *ret);
void history_db_done(HistoryDb *h);

/* The names in the world: "job-7" runs a job; the activities of a workflow end in "_<its number or
 * uuid>_<attempt>_<kind>", so that each leads back to its workflow. NULL when out of memory or not of that
 * form. */
char *workflow_id_of_job(int64_t job_id);
char *workflow_id_of_activity(const char *activity_id);
