/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a Python program needs to see of the disk beside its own directory. */

#include "basic/strv.h"

/* Appends, for a program (a script or an interpreter) that lies in a virtual environment, that
 * environment and its interpreter's prefix; for a script that names an interpreter outside /usr in its
 * first line, that one's. Prefixes below /usr are left out: every connector sees those. Programs that are
 * no such thing add nothing. */
int python_read_paths(const char *program, char ***paths);
