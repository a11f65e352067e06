/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a finished installation to a connector that may be run. Code of strangers (the setup of packages that
 * exist as source only) may have run where it was made, so what it left is judged: it must be the package
 * that was asked for, its marker may name nothing of the host's but what lies in it or below /usr, and it
 * becomes root's before it is where connectors are started from, by one rename. */

#include "shared/json-util.h"

typedef struct PublishPlace {
        const char *store;   /* SUITE_STORE; what the marker's paths begin with, too */
        const char *staging; /* SUITE_STAGING */
        unsigned uid, gid;   /* whose it becomes: root's */
} PublishPlace;

/* The installation `id` becomes <store>/<kind>/<name>/<version>, and what is left of it is removed. A version
 * that is there already stays. `ret`: {"reference","version","directory","installer","hash","already"}, and
 * "builtFromSource" where code of a package ran for that. */
int publish(const PublishPlace *p, const char *id, JsonObject **ret, Error **reterr_error);
