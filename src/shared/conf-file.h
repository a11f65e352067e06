/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gantry.conf and its kind: sections of KEY=VALUE lines, with drop-ins, as systemd's own files are.
 *
 *     [Files]
 *     ReadRoots=/srv/gantry /srv/in
 *
 * Lines that begin with '#' or ';' are comments. A later assignment replaces an earlier one, so a drop-in
 * changes what the main file says. Unknown sections and keys are kept: who reads the file knows what it
 * wants of it. */

#include "basic/error.h"

#define CONF_FILE_PATH "/etc/gantry/gantry.conf"
#define CONF_FILE_MAX (1024U * 1024U)

typedef struct ConfFile ConfFile;

/* `path`, then PATH.d/(name).conf in the order of their names. What doesn't exist is as good as empty.
 * Errors name file and line. */
int conf_file_load(const char *path, ConfFile **ret, Error **reterr_error);
ConfFile *conf_file_free(ConfFile *c);
DEFINE_CLEANUP(ConfFile, conf_file_free);

/* The value, borrowed, or NULL. */
const char *conf_file_get(const ConfFile *c, const char *section, const char *key);
/* The value split at spaces; an absent one gives NULL. */
int conf_file_get_strv(const ConfFile *c, const char *section, const char *key, char ***ret);
