/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connectors that are packages: installing them, which makes or changes a definition, and removing them. */

#include "db/definition-store.h"
#include "server/call.h"

/* Whether a definition's `dockerRepository` means a package: "pypi:…" or "npm:…". */
bool connector_service_is_package(const char *repository);
/* The reference without its version, as definitions have it, and the version or NULL. -EINVAL for what isn't
 * the name of a package. */
int connector_service_parse(Call *c, const char *text, char **ret_reference, char **ret_version);

/* It is installed afterwards: CALL_LATER, and the call runs anew. Then 0 with what was installed: {"reference",
 * "version","spec"}, borrowed. `version` NULL: whichever the index has to offer. */
int connector_service_require(Call *c, const char *reference, const char *version, JsonObject **ret);
/* Puts what was installed into a definition. */
int connector_service_apply(Call *c, JsonObject *installed, Definition *d);

/* "pypi:NAME[==V]", for use in the workspace (NULL: the first one): the definition that has it afterwards, and
 * whether code of a package had to run for it. */
int connector_service_install(Call *c, const char *text, const char *workspace_id, Definition **ret,
                              bool *ret_built);
/* -EEXIST with the names of those who use it. */
int connector_service_remove(Call *c, const char *text);
/* Whether the definition's version is there. */
bool connector_service_is_installed(const Definition *d);
