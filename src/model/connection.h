/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is moved from a source to a destination, how and when. */

#include "model/model.h"

typedef enum ConnectionStatus {
        CONNECTION_ACTIVE,
        CONNECTION_INACTIVE,
        CONNECTION_DEPRECATED, /* deleted; its jobs can still be read */
        CONNECTION_LOCKED,
        _CONNECTION_STATUS_MAX,
        _CONNECTION_STATUS_INVALID = -EINVAL,
} ConnectionStatus;
DECLARE_NAMES(ConnectionStatus, connection_status);

typedef enum ScheduleType {
        SCHEDULE_MANUAL,
        SCHEDULE_BASIC,
        SCHEDULE_CRON,
        _SCHEDULE_TYPE_MAX,
        _SCHEDULE_TYPE_INVALID = -EINVAL,
} ScheduleType;
DECLARE_NAMES(ScheduleType, schedule_type);

typedef enum NamespaceDefinition {
        NAMESPACE_SOURCE,
        NAMESPACE_DESTINATION,
        NAMESPACE_CUSTOM_FORMAT,
        _NAMESPACE_DEFINITION_MAX,
        _NAMESPACE_DEFINITION_INVALID = -EINVAL,
} NamespaceDefinition;
DECLARE_NAMES(NamespaceDefinition, namespace_definition);

/* What happens to a connection when the source's schema changes in a way that breaks nothing. */
typedef enum NonBreakingPreference {
        NON_BREAKING_IGNORE,
        NON_BREAKING_DISABLE,
        NON_BREAKING_PROPAGATE_COLUMNS, /* changes of the streams that are moved */
        NON_BREAKING_PROPAGATE_FULLY,   /* and streams that are new or gone */
        _NON_BREAKING_PREFERENCE_MAX,
        _NON_BREAKING_PREFERENCE_INVALID = -EINVAL,
} NonBreakingPreference;
DECLARE_NAMES(NonBreakingPreference, non_breaking_preference);

typedef struct Connection {
        char *id;
        char *workspace_id;
        char *source_id, *destination_id;
        char *name;
        ConnectionStatus status;
        char *status_reason;           /* why it is inactive, where the suite did that */
        ScheduleType schedule_type;
        char *schedule_data;           /* JSON: {"units","timeUnit"} or {"cronExpression","cronTimeZone"} */
        NamespaceDefinition namespace_definition;
        char *namespace_format;
        char *prefix;
        char *catalog;                 /* what was selected: JSON, the public API's `configurations` */
        char *catalog_hash;            /* of `catalog`, made by the store */
        char *source_catalog_id;       /* the CatalogFetch that it was configured from */
        NonBreakingPreference non_breaking_preference;
        bool backfill;                 /* new columns are read for old records too */
        char *resource_allocation;     /* JSON; NULL = defaults */
        char *data_residency;
        bool notify_schema_changes, notify_schema_changes_by_email;
        bool breaking_change;
        usec_t next_run;               /* 0 = nothing is due */
        int64_t revision;              /* 1, raised by every update; an update names the one that it saw */
        usec_t created_at, updated_at;
} Connection;
DECLARE_MODEL(Connection, connection);
