/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An installation on disk: where it lies, and the marker that says it is whole. */

#include "runtime/connector-store.h"

#define CONNECTOR_MARKER "gantry-installed.json"

/* <data>/connectors/<kind>/<name>, or below $GANTRY_CONNECTOR_DIR, which is the suite's; npm's
 * "@scope/name" is "@scope+name" on disk. */
int connector_store_name_dir(ConnectorKind kind, const char *name, char **ret);

/* A package's name as the name of a directory. */
int connector_store_flat_name(const char *name, char **ret);

/* What the marker in `directory` says. -ENOENT without one: the installation isn't there or was never
 * finished. */
int connector_marker_read(const char *directory, InstalledConnector **ret, Error **reterr_error);
/* Written last and durably. `installer`: the tool and its version, kept for people. */
int connector_marker_write(const InstalledConnector *c, const char *installer, usec_t now,
                           Error **reterr_error);
