/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Opening a path that others than root can change, for somebody who has more rights than they. */

#include "basic/macro.h"

/* Opens an absolute path (O_PATH), and follows only symbolic links that lead nobody astray: root's; and of
 * others those to a name beside them, in a directory without the sticky bit, since whoever can make such a
 * link there can as well rename what it leads to. -ENOLINK for another link, else errors of open(2).
 * `ret_where`, if given: where the path lies with links followed, or the name at which that ended; the
 * caller's to free, NULL if there was no memory for it. */
int path_open_trusted(const char *path, char **ret_where);
