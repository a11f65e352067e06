/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/actor.h"
#include "model/model-table.h"

DEFINE_NAMES(CheckStatus, check_status, "check status", _CHECK_STATUS_MAX,
        [CHECK_NONE] = "none",
        [CHECK_SUCCEEDED] = "succeeded",
        [CHECK_FAILED] = "failed");

DEFINE_MODEL(Actor, actor,
        FIELD_TEXT_OF(Actor, id),
        FIELD_TEXT_OF(Actor, workspace_id),
        FIELD_TEXT_OF(Actor, definition_id),
        FIELD_NAMED(Actor, role, actor_role_names),
        FIELD_TEXT_OF(Actor, name),
        FIELD_TEXT_OF(Actor, configuration),
        FIELD_TEXT_OF(Actor, version_pin),
        FIELD_TEXT_OF(Actor, resource_allocation),
        FIELD_NAMED(Actor, check_status, check_status_names),
        FIELD_TEXT_OF(Actor, check_message),
        FIELD_TEXT_OF(Actor, check_hash),
        FIELD_TIME_OF(Actor, check_at),
        FIELD_I64_OF(Actor, revision),
        FIELD_BOOL_OF(Actor, tombstone),
        FIELD_TIME_OF(Actor, created_at),
        FIELD_TIME_OF(Actor, updated_at));
