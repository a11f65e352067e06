/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A source or a destination: a definition with a configuration. */

#include "model/definition.h"

typedef enum CheckStatus {
        CHECK_NONE, /* never checked */
        CHECK_SUCCEEDED,
        CHECK_FAILED,
        _CHECK_STATUS_MAX,
        _CHECK_STATUS_INVALID = -EINVAL,
} CheckStatus;
DECLARE_NAMES(CheckStatus, check_status);

typedef struct Actor {
        char *id;
        char *workspace_id;
        char *definition_id;
        ActorRole role;
        char *name;
        char *configuration;       /* JSON, {"_secret": "<secret id>"} in the place of each secret */
        char *version_pin;         /* a version of the connector that stays; NULL = the definition's */
        char *resource_allocation; /* JSON, the public API's form; NULL = defaults */
        CheckStatus check_status;
        char *check_message;
        char *check_hash;          /* of the configuration and version that were checked */
        usec_t check_at;
        int64_t revision;          /* 1, raised by every update; an update names the one that it saw */
        bool tombstone;
        usec_t created_at, updated_at;
} Actor;
DECLARE_MODEL(Actor, actor);
