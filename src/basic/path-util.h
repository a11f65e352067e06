/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* File names. Nothing here touches the disk but path_absolute(), which asks for the working directory, and
 * path_exists(). */

#include "basic/macro.h"

/* "a" + "b/c" → "a/b/c"; an absolute second part replaces the first. NULL when out of memory. */
char *path_join(const char *dir, const char *name);

/* Everything before the last component; "." where there is none. NULL when out of memory. */
char *path_dirname(const char *path);

/* The last component, within `path`. */
const char *path_basename(const char *path);

/* Absolute and without ".", ".." and double slashes (by text: links are not resolved). NULL when out of
 * memory. */
char *path_absolute(const char *path);

bool path_exists(const char *path);

/* Whether `path` is `prefix` or lies under it; both absolute and normal. */
bool path_is_under(const char *path, const char *prefix);
