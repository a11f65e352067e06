/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The first line of a script. */

#include "basic/macro.h"

/* The interpreter that `program` names in its first line: 1 and its path, 0 when it is no such script,
 * -ENOMEM. `ret_name` gets the name of what will run: behind "#!/usr/bin/env", the word that env looks for. */
int shebang_read(const char *program, char **ret_path, char **ret_name);

/* Whether that name is one of a runtime that compiles to memory and can't do without. */
bool shebang_is_jit(const char *name);
