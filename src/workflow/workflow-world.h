/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the steps of the suite's workflows work on: workflow_userdata(). And what several of them do. */

#include "db/db.h"
#include "secrets/sealing.h"
#include "workflow/job-journal.h"
#include "workflow/preparation.h"
#include "workflow/workflow-engine.h"

typedef struct WorkflowWorld {
        Env *env;
        Db *db;
        const SealingKeys *keys;
        JobJournal journal;
        Preparations prepared; /* for the run that goes on */
} WorkflowWorld;

#define CHECK_LIMIT_USEC (10 * 60 * USEC_PER_SEC)
#define DISCOVER_LIMIT_USEC (15 * 60 * USEC_PER_SEC)
#define SPEC_LIMIT_USEC (5 * 60 * USEC_PER_SEC)
/* With pip, ten times what a quiet machine needs. */
#define INSTALL_LIMIT_USEC (30 * 60 * USEC_PER_SEC)
/* A discover is good for this long (Airbyte's figure). */
#define DISCOVER_WINDOW_USEC (24 * 3600 * USEC_PER_SEC)

extern const WorkflowCode workflow_codes[];

/* An activity that is cancelled when it takes longer than `limit` (0: none) or, if `cancellable`, at the
 * signal "cancel". `limit` may not change between the runs of one workflow. */
int workflow_await(WorkflowContext *c, const char *name, const char *id, usec_t limit, bool cancellable,
                   WorkflowStep make_input, void *userdata, JsonObject **ret_result);

/* Sets the connection's next_run from its schedule and its newest job, in the caller's transaction. No
 * error where it is gone or its schedule can't be followed: that is logged, and nothing is due. */
int connection_schedule(Db *db, const char *connection_id, usec_t now, Error **reterr_error);
