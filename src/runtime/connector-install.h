/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the installers of the package kinds share with connector_store_install(). An installation is built
 * in its final place, since a virtual environment cannot be moved; without its marker it doesn't exist
 * for anybody. */

#include "runtime/connector-store.h"

typedef struct InstallJob {
        ConnectorKind kind;
        const char *name;
        char *version;       /* NULL until it is known */
        char *name_dir;      /* <data>/connectors/<kind>/<name> */
        char *directory;     /* name_dir/version */
        char **environment;  /* of the children */
        bool verbose;
        char *installer;     /* "uv", "pip", "npm": filled in by the installer */
} InstallJob;

/* A line on standard error. */
void install_say(const char *format, ...) _printf_(1, 2);

/* Of the programs that a package brings, the one that is the connector: named source-… or destination-…,
 * else like the package, else the only one. -ENOENT with a sentence. `name` is the package's. */
int install_pick_program(const char *name, char *const *programs, const char **ret, Error **reterr_error);
