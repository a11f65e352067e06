/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/connection.h"
#include "model/model-table.h"

DEFINE_NAMES(ConnectionStatus, connection_status, "connection status", _CONNECTION_STATUS_MAX,
        [CONNECTION_ACTIVE] = "active",
        [CONNECTION_INACTIVE] = "inactive",
        [CONNECTION_DEPRECATED] = "deprecated",
        [CONNECTION_LOCKED] = "locked");

DEFINE_NAMES(ScheduleType, schedule_type, "schedule type", _SCHEDULE_TYPE_MAX,
        [SCHEDULE_MANUAL] = "manual",
        [SCHEDULE_BASIC] = "basic",
        [SCHEDULE_CRON] = "cron");

DEFINE_NAMES(NamespaceDefinition, namespace_definition, "namespace definition", _NAMESPACE_DEFINITION_MAX,
        [NAMESPACE_SOURCE] = "source",
        [NAMESPACE_DESTINATION] = "destination",
        [NAMESPACE_CUSTOM_FORMAT] = "custom_format");

DEFINE_NAMES(NonBreakingPreference, non_breaking_preference, "non breaking preference",
        _NON_BREAKING_PREFERENCE_MAX,
        [NON_BREAKING_IGNORE] = "ignore",
        [NON_BREAKING_DISABLE] = "disable",
        [NON_BREAKING_PROPAGATE_COLUMNS] = "propagate_columns",
        [NON_BREAKING_PROPAGATE_FULLY] = "propagate_fully");

DEFINE_MODEL(Connection, connection,
        FIELD_TEXT_OF(Connection, id),
        FIELD_TEXT_OF(Connection, workspace_id),
        FIELD_TEXT_OF(Connection, source_id),
        FIELD_TEXT_OF(Connection, destination_id),
        FIELD_TEXT_OF(Connection, name),
        FIELD_NAMED(Connection, status, connection_status_names),
        FIELD_TEXT_OF(Connection, status_reason),
        FIELD_NAMED(Connection, schedule_type, schedule_type_names),
        FIELD_TEXT_OF(Connection, schedule_data),
        FIELD_NAMED(Connection, namespace_definition, namespace_definition_names),
        FIELD_TEXT_OF(Connection, namespace_format),
        FIELD_TEXT_OF(Connection, prefix),
        FIELD_TEXT_OF(Connection, catalog),
        FIELD_TEXT_OF(Connection, catalog_hash),
        FIELD_TEXT_OF(Connection, source_catalog_id),
        FIELD_NAMED(Connection, non_breaking_preference, non_breaking_preference_names),
        FIELD_BOOL_OF(Connection, backfill),
        FIELD_TEXT_OF(Connection, resource_allocation),
        FIELD_TEXT_OF(Connection, data_residency),
        FIELD_BOOL_OF(Connection, notify_schema_changes),
        FIELD_BOOL_OF(Connection, notify_schema_changes_by_email),
        FIELD_BOOL_OF(Connection, breaking_change),
        FIELD_TIME_OF(Connection, next_run),
        FIELD_I64_OF(Connection, revision),
        FIELD_TIME_OF(Connection, created_at),
        FIELD_TIME_OF(Connection, updated_at));
