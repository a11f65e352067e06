/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the program family lies and where a user's files go. */

#include "basic/macro.h"

/* Paths of the program family: the shim and native connectors lie beside `gantry` in a build tree, else
 * in LIBEXECDIR. $GANTRY_LIBEXEC_DIR overrides both. `name` is "gantry-shim", "connectors/source-file",
 * or "connectors". -ENOENT when it is in none of them; *ret then is where it was expected last. */
int runtime_libexec_path(const char *name, char **ret);

/* $GANTRY_DATA_DIR, $GANTRY_STATE_DIR, $GANTRY_CACHE_DIR, else the XDG ones, "/gantry" appended.
 * Absolute; not made here. -ENXIO when neither these nor $HOME are set. */
int runtime_data_dir(char **ret);
int runtime_state_dir(char **ret);
int runtime_cache_dir(char **ret);
