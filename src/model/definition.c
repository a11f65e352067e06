/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/definition.h"
#include "model/model-table.h"

DEFINE_NAMES(ActorRole, actor_role, "actor role", _ACTOR_ROLE_MAX,
        [ACTOR_SOURCE] = "source",
        [ACTOR_DESTINATION] = "destination");

DEFINE_NAMES(NetworkClass, network_class, "network class", _NETWORK_CLASS_MAX,
        [NETWORK_NONE] = "none",
        [NETWORK_HOSTS] = "hosts",
        [NETWORK_ANY] = "any");

DEFINE_NAMES(Executor, executor, "executor", _EXECUTOR_MAX,
        [EXECUTOR_LITE] = "lite",
        [EXECUTOR_SERVICE] = "service",
        [EXECUTOR_PODMAN] = "podman");

DEFINE_MODEL(Definition, definition,
        FIELD_TEXT_OF(Definition, id),
        FIELD_NAMED(Definition, role, actor_role_names),
        FIELD_TEXT_OF(Definition, name),
        FIELD_TEXT_OF(Definition, reference),
        FIELD_TEXT_OF(Definition, connector_type),
        FIELD_TEXT_OF(Definition, docker_repository),
        FIELD_TEXT_OF(Definition, docker_image_tag),
        FIELD_TEXT_OF(Definition, documentation_url),
        FIELD_TEXT_OF(Definition, spec),
        FIELD_NAMED(Definition, executor, executor_names),
        FIELD_NAMED(Definition, network, network_class_names),
        FIELD_TEXT_OF(Definition, allowed_hosts),
        FIELD_TEXT_OF(Definition, limits),
        FIELD_TEXT_OF(Definition, manifest),
        FIELD_I64_OF(Definition, manifest_version),
        FIELD_BOOL_OF(Definition, supports_refreshes),
        FIELD_BOOL_OF(Definition, custom),
        FIELD_TEXT_OF(Definition, workspace_id),
        FIELD_BOOL_OF(Definition, tombstone),
        FIELD_TIME_OF(Definition, created_at),
        FIELD_TIME_OF(Definition, updated_at));
