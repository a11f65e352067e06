/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/model.h"

typedef struct Workspace {
        char *id;
        char *name;
        char *email;
        char *data_residency;  /* Airbyte's region, "auto" */
        char *notifications;   /* JSON object, the public API's form; NULL = defaults */
        char *webhook_configs; /* JSON array, secrets as {"_secret": id} */
        bool tombstone;
        usec_t created_at, updated_at;
} Workspace;
DECLARE_MODEL(Workspace, workspace);

/* A coloured word that connections of a workspace may carry. */
typedef struct Tag {
        char *id;
        char *workspace_id;
        char *name;
        char *color; /* six hex digits */
        usec_t created_at;
} Tag;
DECLARE_MODEL(Tag, tag);
