/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What becomes of a connection when its source's catalog has changed: Airbyte's rules. Pure. */

#include "model/connection.h"
#include "protocol/catalog-diff.h"
#include "protocol/connector-spec.h"

typedef enum SchemaVerdict {
        SCHEMA_UNCHANGED,  /* nothing that concerns the connection: it goes by the newer catalog from now on */
        SCHEMA_IGNORED,    /* it goes on by the catalog that it was configured from */
        SCHEMA_PROPAGATED, /* it goes by the newer catalog, with the selection that comes out */
        SCHEMA_DISABLED,   /* it wants to be turned off by any change */
        SCHEMA_BREAKING,   /* it can't go on as it is configured, whatever it wants */
        _SCHEMA_VERDICT_MAX,
        _SCHEMA_VERDICT_INVALID = -EINVAL,
} SchemaVerdict;
const char *schema_verdict_to_string(SchemaVerdict v);

typedef struct SchemaChangeRequest {
        const Catalog *before;           /* what the connection was configured from */
        const Catalog *after;            /* what the source offers now */
        JsonObject *configurations;      /* worker/stream-selection.h; may be NULL */
        const ConnectorSpec *destination;
        NonBreakingPreference policy;
} SchemaChangeRequest;

typedef struct SchemaChange {
        SchemaVerdict verdict;
        CatalogDiff diff;           /* what of it was propagated is `applied` */
        JsonObject *configurations; /* the selection to store; NULL: as it was */
        JsonObject *backfill;       /* [{"name","namespace"}]: incremental streams with fields that are new */
        JsonObject *gone;           /* the same: streams that it moves and that are gone, whatever the verdict */
} SchemaChange;

void schema_change_done(SchemaChange *c);
#define _cleanup_schema_change_ _cleanup_(schema_change_done)

/* With propagation: fields that are new at the top join a stream's field selection and those that are gone
 * leave it; a stream that is new is taken in its best mode (where there is one), one that is gone leaves the
 * selection unless that would be empty, which means "everything". A connection that moves everything has
 * nothing to decide: SCHEMA_UNCHANGED or SCHEMA_PROPAGATED. -EINVAL where the selection is of another
 * form. */
int schema_change_decide(const SchemaChangeRequest *q, SchemaChange *ret, Error **reterr_error);
