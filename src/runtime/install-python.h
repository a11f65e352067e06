/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connectors that are Python packages: a virtual environment of their own, made by uv where that is found,
 * else by venv and pip. */

#include "runtime/connector-install.h"

/* Which version the index has to offer, for a reference that names none. */
int python_resolve_version(InstallJob *job, Error **reterr_error);

/* Fills `job->directory`, and `c->command`, `c->read_paths`, `c->allow_write_exec`. */
int python_install(InstallJob *job, InstalledConnector *c, Error **reterr_error);
