/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The plan of an attempt, made outside of the transaction (workflow/preparation.h). */

#include "workflow/job-plan.h"
#include "workflow/preparation.h"

typedef struct PlanQuestion {
        const char *discovered, *offered; /* the catalogs by their hashes; offered NULL: the same */
        const char *selection;            /* the connection's, a text; NULL: everything */
        JobPlanRequest request;           /* all but these three */
} PlanQuestion;

/* As preparations_get(). The plan's catalogs are shared and written as they are: they are not to be
 * changed. */
int plan_question_ask(Preparations *p, const PlanQuestion *q, JobPlan *ret, Error **reterr_error);
