/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connector that sources or destinations can be made of. */

#include "model/model.h"

typedef enum ActorRole {
        ACTOR_SOURCE,
        ACTOR_DESTINATION,
        _ACTOR_ROLE_MAX,
        _ACTOR_ROLE_INVALID = -EINVAL,
} ActorRole;
DECLARE_NAMES(ActorRole, actor_role);

/* What a connector may reach. */
typedef enum NetworkClass {
        NETWORK_NONE,
        NETWORK_HOSTS, /* the definition's allowed hosts, filled in from the configuration */
        NETWORK_ANY,
        _NETWORK_CLASS_MAX,
        _NETWORK_CLASS_INVALID = -EINVAL,
} NetworkClass;
DECLARE_NAMES(NetworkClass, network_class);

typedef enum Executor {
        EXECUTOR_LITE,    /* a transient unit whose shim sandboxes itself */
        EXECUTOR_SERVICE, /* a transient unit with systemd's sandbox properties */
        EXECUTOR_PODMAN,
        _EXECUTOR_MAX,
        _EXECUTOR_INVALID = -EINVAL,
} Executor;
DECLARE_NAMES(Executor, executor);

typedef struct Definition {
        char *id;
        ActorRole role;
        char *name;
        char *reference;         /* what runs it: "native:source-faker", "pypi:airbyte-source-faker" */
        char *connector_type;    /* the public API's sourceType or destinationType: "faker" */
        char *docker_repository; /* what clients know it by; NULL where it has no image */
        char *docker_image_tag;  /* its version */
        char *documentation_url;
        char *spec;              /* ConnectorSpecification, JSON; NULL = not asked for yet */
        Executor executor;
        NetworkClass network;
        char *allowed_hosts;     /* JSON array of templates; NULL = none given */
        char *limits;            /* JSON: {"memoryMax","cpuQuota","tasksMax"}; NULL = defaults */
        char *manifest;          /* declarative manifest, JSON or YAML; NULL = none */
        int64_t manifest_version;
        bool supports_refreshes; /* destination: knows generations */
        bool custom;             /* made by a user, in one workspace */
        char *workspace_id;      /* of a custom one */
        bool tombstone;
        usec_t created_at, updated_at;
} Definition;
DECLARE_MODEL(Definition, definition);

/* Whether it is installed from an index of packages: pypi: or npm:. */
bool definition_is_package(const Definition *d);
/* Whether its sources and destinations keep the version that they were made with: packages and images. */
bool definition_has_versions(const Definition *d);
/* The reference with the version that is meant: `pin`, or else what `docker_image_tag` says of a package.
 * Without either: as it is. */
int definition_exact_reference(const Definition *d, const char *pin, char **ret);
