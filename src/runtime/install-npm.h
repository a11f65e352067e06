/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connectors that are npm packages: a project of their own with that one dependency. */

#include "runtime/connector-install.h"

/* Which version the index has to offer, for a reference that names none. */
int npm_resolve_version(InstallJob *job, Error **reterr_error);

/* Fills `job->directory`, and `c->command`, `c->read_paths`, `c->allow_write_exec`. */
int npm_install(InstallJob *job, InstalledConnector *c, Error **reterr_error);
