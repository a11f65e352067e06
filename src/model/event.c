/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/event.h"
#include "model/model-table.h"

DEFINE_NAMES(ChangeKind, change_kind, "change kind", _CHANGE_KIND_MAX,
        [CHANGE_WORKSPACE] = "workspace",
        [CHANGE_DEFINITION] = "definition",
        [CHANGE_ACTOR] = "actor",
        [CHANGE_CONNECTION] = "connection",
        [CHANGE_TAG] = "tag",
        [CHANGE_APPLICATION] = "application",
        [CHANGE_PERMISSION] = "permission",
        [CHANGE_JOB] = "job",
        [CHANGE_ATTEMPT] = "attempt",
        [CHANGE_WORKFLOW] = "workflow",
        [CHANGE_TIMELINE] = "timeline",
        [CHANGE_CATALOG] = "catalog",
        [CHANGE_WORKLOAD] = "workload",
        [CHANGE_STATE] = "state",
        [CHANGE_DATAPLANE] = "dataplane");

DEFINE_MODEL(TimelineEvent, timeline_event,
        FIELD_TEXT_OF(TimelineEvent, id),
        FIELD_TEXT_OF(TimelineEvent, connection_id),
        FIELD_TEXT_OF(TimelineEvent, principal),
        FIELD_TEXT_OF(TimelineEvent, event_type),
        FIELD_I64_OPTIONAL_OF(TimelineEvent, job_id),
        FIELD_TEXT_OF(TimelineEvent, summary),
        FIELD_TIME_OF(TimelineEvent, created_at));

DEFINE_MODEL(Change, change,
        FIELD_I64_OF(Change, seq),
        FIELD_NAMED(Change, kind, change_kind_names),
        FIELD_TEXT_OF(Change, id),
        FIELD_TIME_OF(Change, at));
