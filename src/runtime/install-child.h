/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The package managers that an installation runs: an environment of their own, output kept for when they
 * fail. */

#include "basic/error.h"
#include "basic/strv.h"

/* What they get of our environment: PATH, TMPDIR, proxies, certificates, and their own settings (PIP_*,
 * UV_*, NPM_CONFIG_*) but those that would install elsewhere. HOME is `cache`/home, so that no settings
 * or credentials of the user reach them; downloads are kept below `cache` unless the environment says
 * where. */
int install_environment(const char *cache, char ***ret);

/* The program of that name on PATH; -ENOENT. */
int install_find_program(const char *name, char **ret);

/* Runs argv[0] (a path) to its end; everything it says goes to standard error when `verbose`.
 * `ret_stdout` (may be NULL) gets what it printed. -EIO, or what install-reason.h makes of its words, when it
 * doesn't exit with 0: the error's sentence ends with its own words, and what stood before them is
 * printed. */
int install_run(char *const *argv, char *const *environment, bool verbose, char **ret_stdout,
                Error **reterr_error);
