/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Root inside has no power over other users' files. Where root gives a connector a path of somebody
 * else's, that owner's files look like root's there, and what the connector writes belongs to that owner. */

#include <sys/stat.h>

#include "basic/macro.h"

/* Maps the owner of a detached tree to root, for all of it. Needs root outside; -EOPNOTSUPP or -EINVAL
 * from file systems that can't. */
int idmap_owner_to_root(int tree, const struct stat *st);
