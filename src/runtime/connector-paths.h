/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a path in a configuration (a field that the specification marks `gantry_path`) makes visible inside
 * the sandbox. One rule for `gantry sync` and the launcher. */

#include "basic/macro.h"

/* A URL: it takes the network, and no path. */
bool connector_path_is_remote(const char *path);

/* The directory or file of the host that must be visible for an absolute `path`: for a glob, the directory
 * before the first wildcard; for a file that is to be written, or one with journals beside it, its
 * directory. Looks at the disk. NULL when out of memory. */
char *connector_path_visible(const char *path, bool write);
