/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/buffer.h"
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

bool definition_is_package(const Definition *d) {
        return strncmp(d->reference, "pypi:", STRLEN("pypi:")) == 0 ||
                strncmp(d->reference, "npm:", STRLEN("npm:")) == 0;
}

bool definition_has_versions(const Definition *d) {
        return definition_is_package(d) || strncmp(d->reference, "image:", STRLEN("image:")) == 0;
}

/* What stands between name and version: an image's digest is told from its tag. */
static const char *separator_of(const char *reference, const char *version) {
        if (strncmp(reference, "pypi:", STRLEN("pypi:")) == 0)
                return "==";
        if (strncmp(reference, "npm:", STRLEN("npm:")) == 0)
                return "@";
        if (strncmp(reference, "image:", STRLEN("image:")) != 0)
                return NULL;
        return strncmp(version, "sha256:", STRLEN("sha256:")) == 0 ? "@" : ":";
}

/* Where the version begins, with what stands before it; NULL: there is none. */
static const char *find_version(const char *reference) {
        bool image = strncmp(reference, "image:", STRLEN("image:")) == 0;
        /* An image's registry may have a port: its tag stands behind the last part of the path. */
        const char *part = image ? strrchr(reference, '/') : NULL, *name = part ?: strchr(reference, ':');

        /* The first character of a name is never a separator: npm's scopes begin with '@'. */
        if (!name || !name[1])
                return NULL;
        return image ? strpbrk(name + 2, ":@") : strstr(name + 2, separator_of(reference, ""));
}

int definition_exact_reference(const Definition *d, const char *pin, char **ret) {
        const char *version = pin ?: (definition_is_package(d) ? d->docker_image_tag : NULL), *end;
        _cleanup_buffer_ Buffer b = {};
        bool other = version && separator_of(d->reference, version);
        int r;

        end = other ? find_version(d->reference) : NULL;
        r = buffer_append(&b, d->reference, end ? (size_t) (end - d->reference) : strlen(d->reference));
        if (r >= 0 && other)
                r = buffer_appendf(&b, "%s%s", separator_of(d->reference, version), version);
        if (r < 0)
                return r;
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}
