/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connectors on this machine: where they are installed, and what starting one takes. Layout:
 * <data>/connectors/<kind>/<name>/<version>/ with a marker file `gantry-installed.json` written last;
 * <data> is $GANTRY_DATA_DIR, else $XDG_DATA_HOME/gantry. Specs are cached beside the marker, for exec:
 * connectors in $XDG_CACHE_HOME/gantry by path, size and modification time. */

#include "basic/env.h"
#include "runtime/connector-ref.h"
#include "runtime/runtime-paths.h"

typedef struct InstalledConnector {
        char *reference; /* as connector_ref_to_string() gives it */
        ConnectorKind kind;
        char *name;
        char *version;   /* "" for exec */
        char *directory; /* of the installation; for exec the directory that the program lies in; image: none */
        char **command;  /* argv prefix: the verb and flags follow; image: none, podman knows */
        char **read_paths; /* what it must see beside the base: the venv and its interpreter, … */
        bool needs_network; /* false for native connectors that don't */
        bool allow_write_exec;
        bool built_from_source; /* a package, or something that it needs, was: its setup ran */
} InstalledConnector;

InstalledConnector *installed_connector_free(InstalledConnector *c);
DEFINE_CLEANUP(InstalledConnector, installed_connector_free);

/* Finds what `ref` names. -ENOENT with a sentence that says how to install it; -EACCES when it isn't
 * executable. */
int connector_store_find(const ConnectorRef *ref, InstalledConnector **ret, Error **reterr_error);
/* All installed and native ones, sorted by reference; *ret ends with NULL. Free each and the array. */
int connector_store_list(InstalledConnector ***ret, Error **reterr_error);
enum {
        CONNECTOR_INSTALL_VERBOSE = 1 << 0, /* what the package manager says goes to standard error */
        CONNECTOR_INSTALL_NO_SPEC = 1 << 1, /* who installs asks for it otherwise */
};
/* Downloads, installs, compiles and asks for the spec. Prints progress to standard error. A version that
 * is there already is no error. -ENETUNREACH, -ENOSPC: trying again may help. */
int connector_store_install(Env *env, const ConnectorRef *ref, unsigned flags, InstalledConnector **ret,
                            Error **reterr_error);
int connector_store_remove(const ConnectorRef *ref, Error **reterr_error);
