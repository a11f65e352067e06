/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Opening a path that others than root can change, for somebody who has more rights than they. */

#include "basic/macro.h"

/* Opens an absolute path (O_PATH), and follows only symbolic links that lead nobody astray: root's; and of
 * others those to a name beside them, in a directory without the sticky bit, since whoever can make such a
 * link there can as well rename what it leads to. -ENOLINK for another link; then `ret_link`, if given, is
 * where it lies and the caller's to free. Else errors of open(2). */
int path_open_trusted(const char *path, char **ret_link);
