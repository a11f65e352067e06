/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The comparison of two catalogs with all that is written of it, made outside of the transaction
 * (workflow/preparation.h). */

#include "workflow/preparation.h"
#include "workflow/schema-policy.h"

typedef struct SchemaQuestion {
        const char *before, *after;   /* the catalogs by their hashes */
        const char *selection;        /* the connection's, a text; NULL: everything */
        const char *destination_spec; /* a text; NULL: not known */
        NonBreakingPreference policy;
} SchemaQuestion;

typedef struct SchemaDecision {
        SchemaChange change;
        char *selection; /* the text to store; NULL: it stays */
        char *summary;   /* of the timeline's event; NULL: there is nothing to tell */
} SchemaDecision;

/* As preparations_get(). */
int schema_decision_get(Preparations *p, const SchemaQuestion *q, const SchemaDecision **ret,
                        Error **reterr_error);

/* Why the verdict turns a connection off, in Airbyte's words; NULL: it doesn't. */
const char *schema_reason(SchemaVerdict v);
