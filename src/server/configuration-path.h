/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a configuration may point at: directories of this machine, and whether it points elsewhere than
 * before. Pure. */

#include "shared/conf-file.h"
#include "shared/json-util.h"

/* Without [Files] in gantry.conf. */
#define FILES_ROOT_DEFAULT "/srv/gantry"

/* Whether `path` lies below one of [Files] ReadRoots= or WriteRoots=. URLs are no paths. -EPERM with a
 * sentence (behind the field's name) when not. Goes by the text: links are the sandbox's matter, which
 * binds the directory itself. */
int configuration_path_check(const ConfFile *conf, const char *path, bool write, char **ret_why);

/* Whether a host, URL or the like is another one in `b` than in `a`, or there is one that wasn't: then
 * secrets of `a` would be sent to a place that they were not given for. */
bool configuration_place_differs(JsonObject *a, JsonObject *b);
