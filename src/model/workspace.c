/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/workspace.h"
#include "model/model-table.h"

DEFINE_MODEL(Workspace, workspace,
        FIELD_TEXT_OF(Workspace, id),
        FIELD_TEXT_OF(Workspace, name),
        FIELD_TEXT_OF(Workspace, email),
        FIELD_TEXT_OF(Workspace, data_residency),
        FIELD_TEXT_OF(Workspace, notifications),
        FIELD_TEXT_OF(Workspace, webhook_configs),
        FIELD_BOOL_OF(Workspace, tombstone),
        FIELD_TIME_OF(Workspace, created_at),
        FIELD_TIME_OF(Workspace, updated_at));

DEFINE_MODEL(Tag, tag,
        FIELD_TEXT_OF(Tag, id),
        FIELD_TEXT_OF(Tag, workspace_id),
        FIELD_TEXT_OF(Tag, name),
        FIELD_TEXT_OF(Tag, color),
        FIELD_TIME_OF(Tag, created_at));
